"""What is compared between training and test, and which names may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_set_files import make_3d_rad, make_ct_rate, write_scan, write_table

from vol3d.data.case_manifest import CaseEntry, write_manifest
from vol3d.errors import DataError
from vol3d.evaluate.public_sets.ct_rate import load_ct_rate_labels
from vol3d.evaluate.public_sets.three_d_rad import load_3d_rad
from vol3d.evaluate.set_items import (
    IdMapping,
    hashed_id,
    items_of_manifest,
    items_of_public,
    read_id_mapping,
    read_items,
    shown_id,
)
from vol3d.vqa.dataset import QaRecord, write_csv, write_json

RECORD = QaRecord(
    qid="bench_00001",
    image_id="BDMAP_00000001",
    spacing="[1 1 1]",
    shape="(9, 9, 9)",
    question="What is the volume of the liver?",
    answer="1500",
    mc_question="What is the volume of the liver? A: 1 B: 2 C: 3 D: 4",
    correct_option="A",
    organ="liver",
    lesion=False,
    question_type="measurement",
    question_subtype="organ volume measurement",
)


@pytest.mark.parametrize(
    "name",
    [
        *("valid_1_a_1", "BDMAP_00000001", "BDMAP_19991231", "AC4214d72", "case_00000001"),
        *("case-1", "M3D_Cap_npy/ct_case/007789/Axial_lung_window"),
    ],
)
def test_names_of_data_sets_are_shown(name: str) -> None:
    assert shown_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("1234567", "12", "P1234567", "MRN-1234567", "1.2.840.113619.2.55", "scan_1980-01-02"),
        *("x_20200131", "Müller, Karl", "a b", ""),
    ],
)
def test_names_that_may_be_a_patients_are_hashed(name: str) -> None:
    assert shown_id(name) == hashed_id(name)
    assert len(hashed_id(name)) == 23
    assert not name or name not in hashed_id(name)


def test_the_published_mapping_is_read(tmp_path: Path) -> None:
    rows = [["liver_1.nii.gz", "BDMAP_00000001"], ["", "BDMAP_00000002"]]
    path = write_table(tmp_path / "m.csv", ["original id", "AbdomenAtlas_id"], rows)
    assert read_id_mapping(path).pairs == (("liver_1", "BDMAP_00000001"),)


def test_a_mapping_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "m.csv", ["a", "b"], [["x", "y"]])
    with pytest.raises(DataError, match="'original id'"):
        read_id_mapping(path)


def test_names_joined_by_steps_stand_for_one_scan() -> None:
    groups = IdMapping(pairs=(("a", "b"), ("c", "d"), ("b", "c"), ("x", "y"))).groups()
    assert len({groups[name] for name in "abcd"}) == 1
    assert groups["x"] == groups["y"] != groups["a"]


def test_a_case_has_the_names_of_its_file_and_folder(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "AbdomenAtlas/BDMAP_00000007/ct.nii.gz")
    entry = CaseEntry(case_id="case_1", scan=scan, masks=(), patient="p")
    (item,) = items_of_manifest([entry])
    assert "BDMAP_00000007" in item.aliases
    assert "ct" not in item.aliases
    assert (item.patient, item.path) == ("p", scan)


def test_a_scan_that_is_not_here_has_no_path() -> None:
    (item,) = items_of_manifest([CaseEntry(case_id="a", scan=Path("none/x.nii"), masks=())])
    assert item.path is None


def test_questions_of_public_sets_keep_their_text(tmp_path: Path) -> None:
    items = items_of_public(load_3d_rad(make_3d_rad(tmp_path)))
    assert items[0].question == "What is its size?"
    assert items[0].patient == "test_1"


def test_labels_of_public_sets_are_scans_without_questions(tmp_path: Path) -> None:
    items = items_of_public(load_ct_rate_labels(make_ct_rate(tmp_path)))
    assert {item.question for item in items} == {None}


@pytest.mark.parametrize("name", ["train_qa.csv", "test_qa.json", "test_qa.jsonl"])
def test_a_file_of_questions_is_told_from_a_manifest(tmp_path: Path, name: str) -> None:
    if name.endswith(".csv"):
        write_csv(tmp_path / name, [RECORD])
    else:
        write_json(tmp_path / "test_qa.json", [RECORD])
    (item,) = read_items(tmp_path / name)
    assert (item.image_id, item.question) == ("BDMAP_00000001", RECORD.question)


def test_a_manifest_is_told_from_questions(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    entry = CaseEntry(case_id="case_1", scan=Path("a.nii.gz"), masks=())
    write_manifest([entry], tmp_path / "m.jsonl")
    (item,) = read_items(tmp_path / "m.jsonl")
    assert (item.image_id, item.path, item.question) == ("case_1", scan, None)


def test_a_folder_of_cases_is_a_manifest(tmp_path: Path) -> None:
    write_scan(tmp_path / "x/ct.nii.gz")
    write_scan(tmp_path / "x/seg.nii.gz")
    (item,) = read_items(tmp_path)
    assert item.aliases[0] == "x"
    assert item.image_id == hashed_id("x")


def test_two_folders_of_other_cases_share_nothing(tmp_path: Path) -> None:
    for name in ("a/x", "b/y"):
        write_scan(tmp_path / name / "ct.nii.gz")
        write_scan(tmp_path / name / "seg.nii.gz")
    first, second = (read_items(tmp_path / name)[0] for name in ("a", "b"))
    assert first.image_id != second.image_id
    assert not set(first.aliases) & set(second.aliases)
