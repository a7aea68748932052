"""Pairs of reports from JSON lines, CSV and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fact_builders import make_case, organ

from vol3d.errors import DataError
from vol3d.evaluate.report_metrics import ReportPair, load_pairs
from vol3d.measure.facts import CaseFacts

ROW = {"case_id": "a", "reference": "No lesion.", "prediction": "A lesion."}
PAIR = ReportPair(case_id="a", reference="No lesion.", prediction="A lesion.")


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_json_lines(tmp_path: Path) -> None:
    more = ROW | {"case_id": 2, "language": "en", "volume_id": "scan"}
    path = written(tmp_path / "p.jsonl", json.dumps(ROW), "", json.dumps(more))
    first, second = load_pairs(path)
    assert first == PAIR
    assert (second.case_id, second.language, second.cluster) == ("2", "en", "scan")


def test_csv_with_line_breaks_in_a_report(tmp_path: Path) -> None:
    path = written(
        tmp_path / "p.csv", "case_id,reference,prediction", 'a,"Liver:\nno lesion.",x', "b,,y"
    )
    first, second = load_pairs(path)
    assert first.reference == "Liver:\nno lesion."
    assert (second.reference, second.cluster) == ("", "b")


def test_folders(tmp_path: Path) -> None:
    for name, text in (("ref", "No lesion."), ("pred", "A lesion.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(text, encoding="utf-8")
    assert load_pairs(tmp_path / "ref", tmp_path / "pred") == (PAIR,)


def test_facts_as_reference(tmp_path: Path) -> None:
    facts = make_case([organ("liver", 1500.0)], annotated={"liver": ("lesion",)})
    row = ROW | {"reference": facts.model_dump(mode="json")}
    (pair,) = load_pairs(written(tmp_path / "p.jsonl", json.dumps(row)))
    assert isinstance(pair.reference, CaseFacts)
    for name, file, text in (("ref", "a.json", facts.model_dump_json()), ("pred", "a.txt", "x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text, encoding="utf-8")
    (pair,) = load_pairs(tmp_path / "ref", tmp_path / "pred")
    assert pair.reference == facts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1"),
        ("[]", "list"),
        ('{"case_id": "a", "reference": "x"}', "no prediction"),
        (json.dumps(ROW | {"language": "fr"}), "fr"),
        (json.dumps(ROW | {"prediction": 3}), "another type"),
        (json.dumps(ROW | {"reference": {"case_id": "a"}}), "facts"),
        ("", "none"),
        (json.dumps(ROW) + "\n" + json.dumps(ROW), "a twice"),
    ],
)
def test_a_bad_file_is_refused_by_name(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_pairs(written(tmp_path / "p.jsonl", line))


def test_a_prediction_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "ref").mkdir()
    (tmp_path / "pred").mkdir()
    written(tmp_path / "ref" / "a.txt", "x")
    with pytest.raises(DataError, match=r"a\.txt"):
        load_pairs(tmp_path / "ref", tmp_path / "pred")
    with pytest.raises(DataError, match="second folder"):
        load_pairs(tmp_path / "ref")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        load_pairs(written(tmp_path / "p.tsv", "x"))
