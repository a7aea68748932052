"""Data sets in the layout of DeepTumorVQA 2.0 are written, validated and read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from fact_builders import random_case

from vol3d.errors import DataError
from vol3d.vqa.dataset import QaRecord, load_questions, qa_record, write_csv, write_json
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.tool_cache import write_tool_cache

FIELDS = {
    *("qid", "image_id", "spacing", "shape", "sex", "age", "question", "answer", "mc_question"),
    *("correct_option", "organ", "lesion", "question_type", "question_subtype", "requires_tools"),
}
"""Of a record of version 2; scanner and contrast may be absent."""
COLUMNS = [
    *("Question ID", "Image ID", "spacing", "shape", "sex", "age", "scanner", "contrast"),
    *("question", "answer", "multiple-choice question", "correct option", "organ", "lesion"),
    *("question type", "question subtype", "split"),
]


@pytest.fixture(scope="module")
def records() -> list[QaRecord]:
    made: list[QaRecord] = []
    for seed in range(20):
        facts = random_case(seed)
        for question in generate_questions(facts, seed=seed):
            qid = f"v3d_{len(made) + 1:05d}"
            made.append(qa_record(question, facts, qid=qid, split="train"))
    return made


def test_json_comes_back_the_same(records: list[QaRecord], tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", records)
    plain = [record.model_copy(update={"split": None}) for record in records]
    assert list(load_questions(tmp_path / "test_qa.json")) == plain
    assert list(load_questions(tmp_path / "test_qa.jsonl")) == plain


def test_json_has_every_field_of_the_layout(records: list[QaRecord], tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", records)
    whole = json.loads((tmp_path / "test_qa.json").read_text())
    assert set(whole) == {"version", "num_questions", "question_types", "questions"}
    assert whole["num_questions"] == len(whole["questions"]) == len(records)
    for row in whole["questions"]:
        assert set(row) - {"scanner", "contrast"} == FIELDS
        assert isinstance(row["spacing"], str)
        assert isinstance(row["shape"], str)


def test_csv_comes_back_the_same(records: list[QaRecord], tmp_path: Path) -> None:
    write_csv(tmp_path / "train_qa.csv", records)
    with (tmp_path / "train_qa.csv").open(newline="") as file:
        assert next(csv.reader(file)) == COLUMNS
    plain = [record.model_copy(update={"requires_tools": ()}) for record in records]
    assert list(load_questions(tmp_path / "train_qa.csv")) == plain


def test_spelling_of_version_1_is_read(tmp_path: Path) -> None:
    row = {
        "question_id": 7,
        "image_id": "BDMAP_00000001",
        "spacing": "[0.78 0.78 2.5 ]",
        "shape": "(512, 512, 180)",
        "sex": "Female",
        "age": 63.0,
        "scanner": "siemens",
        "contrast": "Venous",
        "question": "Can any focal lesion be seen in the liver?",
        "answer": "No",
        "multiple_choice_question": "Can any focal lesion be seen in the liver? A: Yes B: No",
        "correct_option": "B",
        "organ": "liver",
        "lesion": "tumor",
        "question_type": "recognition",
        "question_subtype": "liver_lesion_existence",
        "split": "train",
    }
    (tmp_path / "v1.jsonl").write_text(json.dumps(row) + "\n")
    (record,) = load_questions(tmp_path / "v1.jsonl")
    assert record.qid == "row_00007"
    assert record.question_subtype == "liver lesion existence"
    assert record.mc_question.endswith("B: No")


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"correct_option": "E"}, "correct_option"),
        ({"question_subtype": "organ colour"}, "organ colour"),
        ({"question": None}, "question"),
    ],
)
def test_wrong_record_is_named(
    records: list[QaRecord], tmp_path: Path, change: dict[str, object], got: str
) -> None:
    row = {**records[0].model_dump(mode="json"), **change}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=got):
        load_questions(tmp_path / "x.jsonl")


def test_one_id_twice_is_refused(records: list[QaRecord], tmp_path: Path) -> None:
    line = json.dumps(records[0].model_dump(mode="json")) + "\n"
    (tmp_path / "x.jsonl").write_text(line * 2)
    with pytest.raises(DataError, match="twice"):
        load_questions(tmp_path / "x.jsonl")


def test_tool_cache_has_the_layout(tmp_path: Path) -> None:
    facts = random_case(1)
    write_tool_cache(tmp_path / "cache.json", [facts])
    cache = json.loads((tmp_path / "cache.json").read_text())["cache"][facts.case_id]
    assert set(cache) == {"segment", "measure"}
    liver = cache["measure"]["liver"]["volume_cm3"]
    assert liver["value"] == pytest.approx(facts.organs["liver"].volume_cm3, abs=0.001)
    assert liver["unit"] == "cm3"
    assert cache["segment"]["liver"]["mask_found"] is True


def test_other_columns_are_left_out(records: list[QaRecord], tmp_path: Path) -> None:
    row = {**records[0].model_dump(mode="json"), "colour": "red"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    assert load_questions(tmp_path / "x.jsonl") == (records[0],)
