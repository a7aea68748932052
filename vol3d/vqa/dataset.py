"""Data sets of questions in the layout of DeepTumorVQA 2.0: records, JSON, CSV, and back."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vol3d.config import csv_rows, json_lines, parse_json, read_utf8
from vol3d.errors import DataError, explain
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.generate import VqaQuestion
from vol3d.vqa.table import ALL_SUBTYPES

VERSION = "vol3d-1"
NOT_ASSESSABLE = "not assessable"
"""The true answer where a scan does not settle the question."""
UNASSESSABLE = "unassessable"
"""The same as an answer: the official scorer reads "not ..." as no, and this word as nothing."""
QUESTION_TYPES = ("recognition", "measurement", "visual reasoning", "medical reasoning")


class QaRecord(BaseModel):
    """One question as ``benchmark/test_qa.json`` holds it; ``split`` is of the CSV files only.

    ``spacing`` is x, y, z in mm as numpy prints it, ``shape`` x, y, z as Python prints a tuple.
    ``is_assessable`` is ours: false for a question that this scan does not settle, whose answer is
    "not assessable" and whose key letter is empty. Other columns are left out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    qid: str = Field(pattern=r"^[A-Za-z0-9]+_\d{5,}$")
    image_id: str = Field(pattern=r"^[A-Za-z0-9]+_\d{8}$|^[A-Za-z0-9][A-Za-z0-9._-]*$")
    spacing: str
    shape: str
    sex: str | None = None
    age: str | None = None
    scanner: str | None = None
    contrast: str | None = None
    question: str
    answer: str
    mc_question: str
    correct_option: Literal["A", "B", "C", "D", ""]
    organ: str
    lesion: bool | str
    question_type: str
    question_subtype: str
    requires_tools: tuple[str, ...] = ()
    split: str | None = None
    is_assessable: bool = True

    @model_validator(mode="after")
    def _has_key(self) -> QaRecord:
        if self.is_assessable and not self.correct_option:
            raise ValueError("no correct option")
        return self


_LINE_END = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_CSV_NAMES = {
    "qid": "Question ID",
    "image_id": "Image ID",
    "mc_question": "multiple-choice question",
    "correct_option": "correct option",
    "question_type": "question type",
    "question_subtype": "question subtype",
}
"""Columns of the CSV files that have another name than the record's field."""
_CSV_FIELDS = tuple(
    name for name in QaRecord.model_fields if name not in ("requires_tools", "is_assessable")
)
_FIRST_VERSION = {"question_id": "qid", "multiple_choice_question": "mc_question"}
"""Names of version 1 that differ."""
_CONTRAST = {
    "unenhanced": "Non-contrast",
    "arterial": "Arterial",
    "venous": "Venous",
    "delayed": "Delay",
}


def qa_record(
    question: VqaQuestion, facts: CaseFacts, *, qid: str, split: str | None = None
) -> QaRecord:
    """The record of one question.

    Args:
        question: The question.
        facts: Its case; ``case_id`` becomes the image id.
        qid: Unique in the data set.
        split: ``train`` or ``validation``, for CSV files.
    """
    z, y, x = facts.scan.spacing_zyx_mm
    nz, ny, nx = facts.scan.shape_zyx
    age = facts.scan.age_years
    phase = facts.scan.phase.value
    return QaRecord(
        qid=qid,
        image_id=facts.case_id,
        spacing=f"[{x:g} {y:g} {z:g}]",
        shape=f"({nx}, {ny}, {nz})",
        sex=facts.scan.sex,
        age=None if age is None else f"{age:g}",
        contrast=None if phase is None else _CONTRAST[phase],
        question=question.question,
        answer=question.answer,
        mc_question=question.mc_question,
        correct_option=question.correct_option,  # type: ignore[arg-type]  # a letter
        organ=question.organ,
        lesion=question.row.is_about_lesions,
        question_type=question.row.super_type,
        question_subtype=question.subtype,
        requires_tools=question.row.requires_tools,
        split=split,
    )


def write_json(path: Path, records: Iterable[QaRecord]) -> None:
    """Writes ``test_qa.json`` and, beside it, the same as ``.jsonl``."""
    rows = [_json_row(record) for record in records]
    whole = {
        "version": VERSION,
        "num_questions": len(rows),
        "question_types": list(QUESTION_TYPES),
        "questions": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.with_suffix(".jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _json_row(record: QaRecord) -> dict[str, Any]:
    row = record.model_dump(mode="json")
    del row["split"]
    if record.is_assessable:
        del row["is_assessable"]
    return {
        key: value
        for key, value in row.items()
        if value is not None or key not in ("scanner", "contrast")
    }


def write_csv(path: Path, records: Iterable[QaRecord]) -> None:
    """Writes a ``train_qa.csv``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([_CSV_NAMES.get(name, name) for name in _CSV_FIELDS])
        for record in records:
            row = record.model_dump(mode="json")
            writer.writerow(["" if row[name] is None else row[name] for name in _CSV_FIELDS])


def load_questions(path: Path) -> tuple[QaRecord, ...]:
    """The questions of a JSON, JSONL or CSV file, of version 1 or 2.

    Args:
        path: ``test_qa.json``, ``test_qa.jsonl``, ``train_qa.csv`` or such.

    Raises:
        DataError: The file is none of these, a field is missing or wrong, or an id comes twice.
    """
    records = []
    seen: set[str] = set()
    for number, row in enumerate(_rows(path), start=1):
        try:
            record = QaRecord.model_validate(_canonical(row, number))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _wrong(path, number, f"{place}: {first['msg']}") from None
        if record.qid in seen:
            raise _wrong(path, number, f"qid {record.qid} twice")
        if record.question_subtype not in ALL_SUBTYPES:
            raise _wrong(path, number, f"question_subtype {record.question_subtype!r}")
        seen.add(record.qid)
        records.append(record)
    return tuple(records)


def _wrong(path: Path, number: int, got: str) -> DataError:
    return DataError(
        explain(
            expected="questions in the layout of DeepTumorVQA",
            got=got,
            where=f"{path.name}, question {number}",
            remedy="Correct the record, or leave it out.",
        )
    )


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".csv":
        yield from (row for _, row in csv_rows(path))
    elif path.suffix == ".jsonl":
        yield from (row for _, row in json_lines(path))
    else:
        whole = parse_json(read_utf8(path), where=path.name)
        found = whole.get("questions") if isinstance(whole, dict) else None
        if not isinstance(found, list):
            raise _wrong(path, 0, 'no list "questions"')
        yield from found


def _canonical(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A row with the record's field names, whatever its spelling."""
    if not isinstance(row, Mapping):
        return {}
    by_column = {column: name for name, column in _CSV_NAMES.items()}
    named = {}
    for key, value in row.items():
        name = by_column.get(key) or _FIRST_VERSION.get(key) or key.replace(" ", "_")
        named[name] = None if value == "" and name != "correct_option" else value
    qid = str(named.get("qid") or number)
    named["qid"] = f"row_{int(qid):05d}" if qid.isascii() and qid.isdecimal() else qid
    for name in ("question", "mc_question"):  # one line each, as the layout has it
        text = named.get(name)
        if isinstance(text, str):
            named[name] = _LINE_END.sub(" ", text)
    for name in ("age", "answer", "spacing", "shape"):
        if name in named and named[name] is not None:
            named[name] = str(named[name])
    lesion = named.get("lesion")
    if lesion in ("True", "False", "true", "false"):
        named["lesion"] = str(lesion).lower() == "true"
    elif lesion is None:
        named["lesion"] = False
    subtype = str(named.get("question_subtype", ""))
    named["question_subtype"] = subtype if subtype in ALL_SUBTYPES else subtype.replace("_", " ")
    return named
