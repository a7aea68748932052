"""3D-RAD."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_set_files import make_3d_rad, write_table

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.three_d_rad import load_3d_rad


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_3d_rad(tmp_path)


def replace(root: Path, before: str, after: str) -> None:
    path = root / "test/Task4_Existence_Detection/Lung nodule.csv"
    path.write_text(path.read_text().replace(before, after))


def test_open_and_closed_questions_are_told_apart(root: Path) -> None:
    size, there, _ = load_3d_rad(root)
    assert (size.is_closed, dict(size.choices), size.answer) == (False, {}, "5x3 mm")
    assert (there.is_closed, there.answer_letter) == (True, "B")
    assert there.choices == {"A": "Yes", "B": "No"}


def test_the_task_is_the_folder_with_its_file(root: Path) -> None:
    tasks = [each.task for each in load_3d_rad(root)]
    assert tasks == ["medical_computation/Size", *["existence_detection/Lung nodule"] * 2]


def test_ids_of_questions_differ(root: Path) -> None:
    assert [each.qid for each in load_3d_rad(root)] == [
        "3d-rad-3-Size:000001",
        "3d-rad-4-Lung_nodule:000001",
        "3d-rad-4-Lung_nodule:000002",
    ]


def test_the_repository_with_its_inner_folder_reads_the_same(root: Path, tmp_path: Path) -> None:
    plain = [each.qid for each in load_3d_rad(root)]
    inner = tmp_path / "outer/3DRAD"
    inner.mkdir(parents=True)
    (root / "test").rename(inner / "test")
    assert [each.qid for each in load_3d_rad(inner.parent, images="optional")] == plain


def test_published_images_have_no_geometry(root: Path) -> None:
    assert {each.image.geometry for each in load_3d_rad(root)} == {"unknown"}


def test_a_table_of_paths_says_where_images_lie(root: Path) -> None:
    (root / "Images").rename(root / "arrays")
    rows = [[f"test_{n}_a_1.nii.gz", f"arrays/test_{n}_a_1.npy"] for n in (1, 2)]
    table = write_table(root / "valid_path.csv", ["VolumeName", "Path"], rows)
    assert load_3d_rad(root, path_table=table)[0].image.path == root / "arrays/test_1_a_1.npy"


def test_a_missing_image_is_named(root: Path) -> None:
    (root / "Images/test_2_a_1.npy").unlink()
    with pytest.raises(DataError, match="1 missing: test_2_a_1"):
        load_3d_rad(root)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("4,2,test_2", "5,2,test_2", "row 2: got '5'"),
        ("Close,B", "Close,C", "row 1: got 'C'"),
        ("Close,B", "Open,B", "row 1: got 'B'"),
        ("Close,A", "closed,A", "row 2: got 'closed'"),
        ("test_2_a_1", "Smith", "row 2: got 'Smith'"),
    ],
)
def test_a_wrong_row_is_named(root: Path, before: str, after: str, message: str) -> None:
    replace(root, before, after)
    with pytest.raises(DataError, match=r"Lung nodule\.csv, " + message):
        load_3d_rad(root)


def test_a_split_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="no table of questions"):
        load_3d_rad(root, split="train")
