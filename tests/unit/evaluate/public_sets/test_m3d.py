"""M3D-Cap and M3D-VQA."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_set_files import make_m3d

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.m3d import load_m3d_cap, load_m3d_vqa


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_m3d(tmp_path)


def test_pairs_come_in_the_order_of_the_file(root: Path) -> None:
    reports = load_m3d_cap(root)
    assert [report.findings for report in reports] == ["A nodule.", "No finding."]
    assert reports[0].image.image_id == "M3D_Cap_npy/ct_case/000001/Axial_lung_window"
    assert reports[0].image.patient_id == "M3D_Cap_npy/ct_case/000001"


def test_no_image_of_the_set_has_a_geometry(root: Path) -> None:
    assert {report.image.geometry for report in load_m3d_cap(root)} == {"unknown"}


def test_a_missing_image_is_named(root: Path) -> None:
    (root / "M3D_Cap_npy/ct_case/000002/Coronal.npy").unlink()
    with pytest.raises(DataError, match="1 missing: M3D_Cap_npy/ct_case/000002/Coronal"):
        load_m3d_cap(root)


def test_a_missing_image_may_be_none(root: Path) -> None:
    (root / "M3D_Cap_npy/ct_case/000002/Coronal.npy").unlink()
    assert load_m3d_cap(root, images="optional")[1].image.path is None


def test_a_missing_text_is_an_error_with_its_entry(root: Path) -> None:
    (root / "M3D_Cap_npy/ct_case/000002/text.txt").unlink()
    with pytest.raises(DataError, match=r"M3D_Cap\.json \[test\], row 2: got no file at"):
        load_m3d_cap(root, images="optional")


def test_an_unknown_split_is_refused_with_those_there(root: Path) -> None:
    with pytest.raises(DataError, match="there: train, validation, test"):
        load_m3d_cap(root, split="hard_test")


def test_questions_have_their_options_and_answer(root: Path) -> None:
    plane, organ, nodule = load_m3d_vqa(root)
    assert (plane.task, organ.task, nodule.task) == ("plane", "organ", "abnormality")
    assert organ.choices == {"A": "Liver", "B": "Lung", "C": "Spleen", "D": "Bone"}
    assert (organ.answer, organ.answer_letter) == ("Lung", "B")
    assert nodule.choices == {"A": "Yes", "B": "No"}  # NA is no option
    assert nodule.qid == "m3d-vqa-test:000003"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",Lung,B", ",Lung,E", "row 2: got 'E'"),
        (",Yes,A", ",Yes,C", "row 3: got none; expected a text in column 'Choice C'"),
        (",t,1,", ",t,9,", "row 1: got '9'"),
        ("Which organ?", "", "row 2: got an empty cell"),
    ],
)
def test_a_wrong_row_is_named(root: Path, before: str, after: str, message: str) -> None:
    path = root / "M3D-VQA/M3D_VQA_test.csv"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(DataError, match=r"M3D_VQA_test\.csv, " + message):
        load_m3d_vqa(root)


def test_a_path_that_leaves_the_folder_is_refused(root: Path) -> None:
    path = root / "M3D-VQA/M3D_VQA_test.csv"
    path.write_text(path.read_text().replace("M3D_Cap_npy/ct_case", "../ct_case"))
    with pytest.raises(DataError, match=r"row 1: .*does not stay below"):
        load_m3d_vqa(root, images="optional")
