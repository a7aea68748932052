"""The Merlin abdominal CT dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_set_files import MERLIN_REPORTS, make_merlin

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.merlin import (
    MERLIN_FINDINGS,
    load_merlin_five_year,
    load_merlin_labels,
    load_merlin_reports,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_merlin(tmp_path)


def test_findings_and_impression_are_parted(root: Path) -> None:
    first, second = load_merlin_reports(root)
    assert (first.findings, first.impression) == ("Liver: normal.", "Normal.")
    assert (second.findings, second.impression) == ("Kidneys: a cyst.", None)


def test_a_split_holds_its_own_studies(root: Path) -> None:
    assert [each.image.image_id for each in load_merlin_reports(root, split="val")] == ["AC03"]
    assert len(load_merlin_reports(root, split=None)) == 3


def test_two_reports_of_one_study_are_two_records(root: Path) -> None:
    path = root / "merlinabdominalctdataset/reports_final.csv"
    path.write_text(path.read_text().replace("AC02,", "AC01,"))
    assert [each.image.image_id for each in load_merlin_reports(root)] == ["AC01", "AC01"]


def test_what_a_report_does_not_mention_is_not_known(root: Path) -> None:
    first, second = load_merlin_labels(root)
    assert first.labels["submucosal_edema"] is True
    assert second.labels["submucosal_edema"] is False
    assert first.labels["fracture"] is None


def test_labels_without_a_report_are_refused(root: Path) -> None:
    path = root / "merlinabdominalctdataset/zero_shot_findings_disease_cls.csv"
    path.write_text(path.read_text().replace("AC02", "AC99"))
    with pytest.raises(DataError, match="row 2: got 'AC99'"):
        load_merlin_labels(root)


def test_another_finding_than_the_published_ones_is_refused(root: Path) -> None:
    path = root / "merlinabdominalctdataset/zero_shot_findings_disease_cls.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},new", *(f"{line},1" for line in lines[1:])]))
    with pytest.raises(DataError, match="column 'new' there"):
        load_merlin_labels(root)


def test_an_unknown_split_is_refused(root: Path) -> None:
    path = root / "merlinabdominalctdataset/reports_final.csv"
    path.write_text(path.read_text().replace(",val,", ",dev,"))
    with pytest.raises(DataError, match=r"reports_final\.csv, row 3"):
        load_merlin_reports(root)


def test_a_missing_image_is_named(root: Path) -> None:
    (root / "merlinabdominalctdataset/merlin_data/AC02.nii.gz").unlink()
    with pytest.raises(DataError, match="1 missing: AC02"):
        load_merlin_reports(root)


def test_diseases_of_five_years_keep_their_names(root: Path) -> None:
    assert [dict(each.labels) for each in load_merlin_five_year(root)] == [
        {"disease": True},
        {"disease": False},
    ]


def test_there_are_30_different_findings() -> None:
    assert len(set(MERLIN_FINDINGS)) == 30


def test_the_excel_file_gives_the_same_reports(root: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    from_csv = load_merlin_reports(root, split=None)
    book = openpyxl.Workbook()
    for line in (("study id", "Findings", "Split", "Few Shot"), *MERLIN_REPORTS):
        book.active.append(line)
    book.save(root / "merlinabdominalctdataset/reports_final.xlsx")
    (root / "merlinabdominalctdataset/reports_final.csv").unlink()
    assert load_merlin_reports(root, split=None) == from_csv
