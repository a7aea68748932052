"""Pairs of a reference report and a predicted one, read from a file or from two folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from vol3d.anatomy import Language
from vol3d.config import csv_rows, json_lines, read_utf8
from vol3d.errors import DataError, explain
from vol3d.measure.facts import CaseFacts

COLUMNS = ("case_id", "reference", "prediction")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportPair:
    """What is scored.

    Args:
        case_id: The user's own id, unlike all others; never a patient's.
        reference: The report to agree with, or the facts measured on the scan's masks.
        prediction: The report to score.
        language: Of the texts; detected in each where it is not given.
        volume_id: The scan, where several pairs belong to one; intervals are clustered by it.
    """

    case_id: str
    reference: str | CaseFacts
    prediction: str
    language: Language | None = None
    volume_id: str | None = None

    @property
    def cluster(self) -> str:
        """The scan, or the case where no scan is named."""
        return self.volume_id or self.case_id


def load_pairs(path: Path, predictions: Path | None = None) -> tuple[ReportPair, ...]:
    """The pairs of a JSONL or CSV file, or of two folders with ``<case_id>.txt`` files.

    A JSON line or CSV row has ``case_id``, ``reference`` and ``prediction``, and may have
    ``language`` and ``volume_id``; in JSON lines ``reference`` may also be measured facts. In a
    folder of references ``<case_id>.json`` holds facts in place of text.

    Args:
        path: The file, or the folder of references.
        predictions: The folder of predictions, where ``path`` is a folder.

    Raises:
        DataError: A file that cannot be read so, a missing field, an id that comes twice, or a
            reference without its prediction.
    """
    if path.is_dir():
        pairs = tuple(_from_folders(path, predictions))
    elif path.suffix.lower() in (".jsonl", ".csv") and path.is_file():
        rows = _json_rows(path) if path.suffix.lower() == ".jsonl" else _csv_rows(path)
        pairs = tuple(_pair(row, where) for row, where in rows)
    else:
        raise _refusal("a .jsonl or .csv file, or a folder", str(path), "report pairs")
    check_ids(pairs, where=path.name)
    return pairs


def check_ids(pairs: tuple[ReportPair, ...] | list[ReportPair], *, where: str) -> None:
    """Nothing, where there are pairs and each has its own id.

    Raises:
        DataError: No pairs, or an id that comes twice.
    """
    if not pairs:
        raise _refusal("at least one pair of reports", "none", where)
    seen: set[str] = set()
    for pair in pairs:
        if pair.case_id in seen:
            raise _refusal("each case_id once", f"{pair.case_id} twice", where)
        seen.add(pair.case_id)


def _json_rows(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, row in json_lines(path):
        where = f"{path.name}, line {number}"
        if not isinstance(row, dict):
            raise _refusal("one JSON object per line", type(row).__name__, where)
        yield row, where


def _csv_rows(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, row in csv_rows(path):
        yield row, f"{path.name}, row {number}"


def _pair(row: Mapping[str, Any], where: str) -> ReportPair:
    missing = [name for name in COLUMNS if row.get(name) is None]
    if missing:
        raise _refusal(f"the fields {', '.join(COLUMNS)}", f"no {', '.join(missing)}", where)
    reference = row["reference"]
    if isinstance(reference, dict):
        reference = _facts(json.dumps(reference), where)
    if not isinstance(reference, str | CaseFacts) or not isinstance(row["prediction"], str):
        raise _refusal("texts, or facts as reference", "another type", where)
    language = row.get("language") or None
    if language not in (None, "en", "zh"):
        raise _refusal("language en or zh", repr(language), where)
    return ReportPair(
        case_id=str(row["case_id"]),
        reference=reference,
        prediction=row["prediction"],
        language=cast("Language | None", language),
        volume_id=str(row["volume_id"]) if row.get("volume_id") else None,
    )


def _from_folders(references: Path, predictions: Path | None) -> Iterator[ReportPair]:
    if predictions is None or not predictions.is_dir():
        raise _refusal("a second folder with predictions", str(predictions), references.name)
    for path in sorted(references.iterdir()):
        if path.suffix.lower() not in (".txt", ".json"):
            continue
        own = predictions / f"{path.stem}.txt"
        if not own.is_file():
            raise _refusal(f"a prediction {own.name}", "no such file", predictions.name)
        text = read_utf8(path)
        reference = _facts(text, path.name) if path.suffix.lower() == ".json" else text
        prediction = read_utf8(own)
        yield ReportPair(case_id=path.stem, reference=reference, prediction=prediction)


def _facts(text: str, where: str) -> CaseFacts:
    try:
        return CaseFacts.model_validate_json(text)
    except ValidationError as error:
        raise _refusal("facts as vol3d measures them", str(error), where) from error


def _refusal(expected: str, got: str, where: str) -> DataError:
    remedy = "Give JSONL, CSV, or two folders of <case_id>.txt files."
    return DataError(explain(expected=expected, got=got, where=where, remedy=remedy))
