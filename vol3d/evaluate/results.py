"""Files of an evaluation: append-only while it runs, the official layout when it is done.

``answers.jsonl`` begins with a line that says what was run; a row follows for every answered
question. A process that is killed leaves at most half a last line, which the next run cuts off.
``failures.jsonl`` names the questions that failed; they are tried again and never scored.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from vol3d.config import parse_json, read_utf8
from vol3d.errors import ConfigError, DataError, explain
from vol3d.evaluate.evidence import write_whole
from vol3d.evaluate.official import aggregate
from vol3d.evaluate.rows import Form, ResultRow
from vol3d.report.schema import DISCLAIMER
from vol3d.vqa.dataset import QaRecord

ANSWERS, FAILURES, RESULTS = "answers.jsonl", "failures.jsonl", "results.json"
PART_KEYS = ("part_id", "num_parts", "questions_sha256", "num_questions")
"""What differs between the parts of one evaluation."""
HEADER_KEYS = {"form", "benchmark_sha256", "part_id", "num_parts", "num_questions"}
OPTIONAL_FIELDS = {"confidence": None, "is_abstention": False, "source": "model"}


class AnswerLog:
    """The answers of one run, kept on disk row by row."""

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        """Opens or continues the log of a folder.

        Args:
            folder: Made if missing.
            run: What is run: a log of something else is refused.

        Raises:
            ConfigError: The folder holds answers of another run, or another process writes there.
            DataError: A row cannot be read.
        """
        self.folder, self.run = folder, dict(run)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / ANSWERS, "ab+")  # noqa: SIM115  (closed by close())
        try:
            _lock(self._file, folder)
            _cut_torn_line(self._file)
            self._rows = {row.qid: row for row in self._resume()}
        except BaseException:
            self._file.close()
            raise

    @property
    def rows(self) -> Mapping[str, ResultRow]:
        """Answers so far by question id."""
        return self._rows

    def add(self, row: ResultRow) -> None:
        """Keeps an answer; it is on disk when this returns.

        Args:
            row: Of a question without an answer so far.
        """
        assert row.qid not in self._rows, row.qid
        self._write(row.model_dump(mode="json"))
        self._rows[row.qid] = row

    def fail(self, qid: str, error: Exception) -> None:
        """Names a question that failed; it has no answer and is tried again.

        Args:
            qid: The question.
            error: Its type is kept, and the text only of vol3d's own errors, which hold no names.
        """
        from vol3d.errors import Vol3dError

        told = str(error) if isinstance(error, Vol3dError) else ""
        line = {"qid": qid, "error": type(error).__name__, "message": told}
        with (self.folder / FAILURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Lets another process continue."""
        self._file.close()

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _resume(self) -> list[ResultRow]:
        self._file.seek(0)
        lines = self._file.read().splitlines()
        if not lines:
            self._write({"run": self.run})
            return []
        header, rows = read_log_lines(lines, self.folder)
        same = json.loads(json.dumps(self.run))
        if header != same:
            raise _another_run(self.folder, header, same)
        return rows

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(record, ensure_ascii=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _lock(file: BinaryIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(
            explain(
                expected="a folder that no other run writes to",
                got="one that is being written",
                where=f"results {folder.name}",
                remedy="Wait for the other run, or use another --output.",
            )
        ) from None


def _cut_torn_line(file: BinaryIO) -> None:
    """Removes what a killed process left of a last line."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)


def _another_run(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> ConfigError:
    keys = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
    return ConfigError(
        explain(
            expected=f"answers of the same run in {ANSWERS}",
            got=f"another {', '.join(keys)}",
            where=f"results {folder.name}",
            remedy="Use another --output, or delete the folder to begin again.",
        )
    )


def read_log_lines(lines: Sequence[bytes], folder: Path) -> tuple[dict[str, Any], list[ResultRow]]:
    """What was run, and its rows.

    Args:
        lines: Of ``answers.jsonl``, whole ones.
        folder: Names the log in errors.

    Raises:
        DataError: A line is no such row, or a question comes twice.
    """
    rows: dict[str, ResultRow] = {}
    try:
        header: dict[str, Any] = json.loads(lines[0])["run"]
        for line in lines[1:]:
            row = ResultRow.model_validate_json(line)
            if row.qid in rows:
                raise _broken(folder, f"two answers to {row.qid}")
            rows[row.qid] = row
    except (ValidationError, LookupError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise _broken(folder, type(error).__name__) from None
    if not isinstance(header, dict) or not header.keys() >= HEADER_KEYS:
        raise _broken(folder, "a first line that does not say what was run")
    return header, list(rows.values())


def read_log(folder: Path) -> tuple[dict[str, Any], list[ResultRow]]:
    """What was run in a folder, and its rows.

    Args:
        folder: With ``answers.jsonl``.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = folder / ANSWERS
    if not path.is_file():
        raise _broken(folder, f"no {ANSWERS}")
    content = path.read_bytes()
    return read_log_lines(content[: content.rfind(b"\n") + 1].splitlines(), folder)


def _broken(folder: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected=f"{ANSWERS} as vol3d evaluate writes it",
            got=got,
            where=f"results {folder.name}",
            remedy="Run the evaluation again in a new folder.",
        )
    )


def write_results(
    folder: Path,
    records: Sequence[QaRecord],
    rows: Mapping[str, ResultRow],
    form: Form,
    *,
    as_given: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Writes ``results.json`` in the official layout and returns its metrics.

    Args:
        folder: Of the run.
        records: All questions, in their order.
        rows: Answers by question id.
        form: Multiple choice or free form.
        as_given: Rows of somebody's file, repeated ones included, in place of ``rows``.
    """
    own = [rows[record.qid].official() for record in records if record.qid in rows]
    kept = own if as_given is None else list(as_given)
    # questions that no scan settles are ours; the official scorer never hears of them
    index = {r.qid: r.model_dump(mode="json") for r in records if r.is_assessable}
    metrics = aggregate(kept, index, form)
    whole = {
        "metrics": metrics,
        "n_processed": len(kept),
        "results": kept,
        "disclaimer": DISCLAIMER,
    }
    write_whole(folder / RESULTS, json.dumps(whole, ensure_ascii=False, indent=2))
    return metrics


def read_results(path: Path) -> list[ResultRow]:
    """Rows of a result file in the official layout, by whoever wrote it.

    Args:
        path: JSON with ``results``.

    Raises:
        DataError: It is no such file.
    """
    whole = parse_json(read_utf8(path), where=path.name)
    rows = whole.get("results") if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        raise _no_result(path, 'no list "results"')
    found = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not row.get("qid"):
            raise _no_result(path, f"row {number} without qid")
        try:
            found.append(ResultRow.model_validate(_official_row(row)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise _no_result(path, f"row {number}: {field}: {first['msg']}") from None
    return found


def _no_result(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a result file of DeepTumorVQA: metrics, n_processed, results",
            got=got,
            where=path.name,
            remedy="Pass the file that deeptumorvqa-eval or vol3d evaluate wrote.",
        )
    )


def _official_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with text in every field; an empty prediction gives way to the raw output."""
    texts = {
        name: "" if value is None else str(value)
        for name, value in row.items()
        if name not in OPTIONAL_FIELDS
    }
    texts["pred_answer"] = texts.get("pred_answer") or texts.get("raw_output", "")
    own = {
        name: texts.get(name, "") for name in ResultRow.model_fields if name not in OPTIONAL_FIELDS
    }
    return {**own, **{name: row[name] for name in OPTIONAL_FIELDS if name in row}}


def merge_logs(folders: Iterable[Path]) -> tuple[dict[str, Any], dict[str, ResultRow]]:
    """The rows of all parts of one evaluation, and what was run.

    Args:
        folders: One of each part.

    Raises:
        ConfigError: Parts of different evaluations, or two of the same part.
        DataError: A part is damaged.
    """
    merged: dict[str, ResultRow] = {}
    runs: dict[int, dict[str, Any]] = {}
    first: dict[str, Any] = {}
    for folder in folders:
        header, rows = read_log(folder)
        shared = {key: value for key, value in header.items() if key not in PART_KEYS}
        first = first or shared
        if shared != first:
            raise _another_run(folder, shared, first)
        part = int(header["part_id"])
        if part in runs:
            raise _same_part(folder, part)
        runs[part] = header
        for row in rows:
            if row.qid in merged and merged[row.qid] != row:
                raise _broken(folder, f"another answer to {row.qid} than in an earlier part")
            merged[row.qid] = row
    numbers = {int(run["num_parts"]) for run in runs.values()}
    wanted = numbers.pop() if len(numbers) == 1 else 0
    if set(runs) != set(range(wanted)):
        raise ConfigError(
            explain(
                expected="every part of one evaluation",
                got=f"parts {sorted(runs)} of {wanted or 'different numbers'}",
                where="merge-parts",
                remedy="Run what is missing with --num-parts and --part-id.",
            )
        )
    return first, merged


def _same_part(folder: Path, part: int) -> ConfigError:
    return ConfigError(
        explain(
            expected="every part once",
            got=f"part {part} twice",
            where=f"merge-parts {folder.name}",
            remedy="Pass one folder of each part.",
        )
    )


def check_no_run(folder: Path) -> None:
    """Raises where a folder holds the answers of a run, which other figures must not stand beside.

    Args:
        folder: That results are to be written to.

    Raises:
        ConfigError: It does.
    """
    if (folder / ANSWERS).exists():
        raise ConfigError(
            explain(
                expected="a folder without a run's answers",
                got=f"one with {ANSWERS}",
                where=f"--output {folder.name}",
                remedy="Use another folder.",
            )
        )
