"""``vol3d phantom`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vol3d.cli.main import run
from vol3d.volume import read_volume
from vol3d.vqa.dataset import load_questions

SHAPE = ["--shape", "24,40,40"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "out"
    assert run(["phantom", "make", "--n", "2", "--seed", "4", *SHAPE, "-o", str(folder), "-q"]) == 0
    return folder


@pytest.fixture(scope="module")
def label_map(made: Path) -> Path:
    """The organs of the first case in one file with a ``labels.json``, as segmenters write them."""
    case = made / "PHANTOM_00000004"
    labels, names = None, {}
    for number, key in enumerate(("liver", "kidney_left", "kidney_right", "colon"), start=1):
        image = nib.load(case / "segmentations" / f"{key}.nii.gz")
        mask = np.asarray(image.dataobj) > 0
        labels = np.zeros(mask.shape, np.uint8) if labels is None else labels
        labels[mask] = number
        names[str(number)] = key
    folder = made / "labels"
    folder.mkdir()
    nib.save(nib.Nifti1Image(labels, image.affine), folder / "seg.nii.gz")
    (folder / "labels.json").write_text(json.dumps({"labels": names}))
    return folder / "seg.nii.gz"


def test_make_writes_what_it_says(made: Path) -> None:
    case = made / "PHANTOM_00000004"
    names = {path.name for path in case.iterdir()}
    assert names == {"ct.nii.gz", "segmentations", "facts.json", "report_en.txt", "report_zh.txt"}
    assert (made / "contact_sheet.png").stat().st_size > 1000
    assert len(load_questions(made / "questions.json")) > 20


def test_reports_and_facts_are_for_research(made: Path) -> None:
    case = made / "PHANTOM_00000004"
    assert "Research use only" in (case / "report_en.txt").read_text()
    assert json.loads((case / "facts.json").read_text())["disclaimer"].startswith("Research use")


def test_manifest_makes_questions(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "vqa"
    assert run(["data", "make-vqa", str(made / "cases.jsonl"), "-o", str(out), "-q"]) == 0
    rows = [json.loads(line) for line in (made / "cases.jsonl").read_text().splitlines()]
    assert len({row["patient"] for row in rows}) == 2


def test_dicom_reads_back_to_the_same_voxels(made: Path, tmp_path: Path) -> None:
    told = ["phantom", "make", "--seed", "4", *SHAPE, "--format", "dicom", "-o", str(tmp_path)]
    assert run([*told, "-q"]) == 0
    series = read_volume(tmp_path / "PHANTOM_00000004" / "series")
    nifti = read_volume(made / "PHANTOM_00000004" / "ct.nii.gz")
    assert np.array_equal(series.voxels_zyx, nifti.voxels_zyx)
    assert series.grid.affine == pytest.approx(nifti.grid.affine, abs=1e-3)


def test_from_labels_renders_cases_of_one_patient(label_map: Path, tmp_path: Path) -> None:
    told = ["phantom", "from-labels", str(label_map), "--n", "2", "--patient", "P1"]
    assert run([*told, "-o", str(tmp_path), "-q"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text().splitlines()]
    assert len({row["case_id"] for row in rows}) == 2
    assert len({row["patient"] for row in rows}) == 1
    assert "P1" not in (tmp_path / "cases.jsonl").read_text()


def test_implant_puts_lesions_into_the_scan(made: Path, label_map: Path, tmp_path: Path) -> None:
    scan = made / "PHANTOM_00000004" / "ct.nii.gz"
    told = ["phantom", "implant", str(scan), "--masks", str(label_map), "--clear", "liver,kidney"]
    assert run([*told, "--phase", "venous", "-o", str(tmp_path), "-q"]) == 0
    (row,) = [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text().splitlines()]
    facts = json.loads((tmp_path / row["case_id"] / "facts.json").read_text())
    assert facts["lesions"]
    assert set(facts["annotated"]) == {"liver", "kidney"}


def test_implant_without_a_clear_organ_is_refused(
    made: Path, label_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = made / "PHANTOM_00000004" / "ct.nii.gz"
    told = ["phantom", "implant", str(scan), "--masks", str(label_map), "--phase", "venous"]
    assert run([*told, "-o", str(tmp_path), "-q"]) != 0
    assert "Masked are: colon, kidney, liver" in capsys.readouterr().err


def test_a_folder_with_cases_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["phantom", "make", *SHAPE, "-o", str(made), "-q"]) == 2
    assert "folder without cases" in capsys.readouterr().err


def test_a_scan_is_no_label_map(made: Path, tmp_path: Path) -> None:
    scan = made / "PHANTOM_00000004" / "ct.nii.gz"
    assert run(["phantom", "from-labels", str(scan), "-o", str(tmp_path / "o"), "-q"]) != 0
    assert not (tmp_path / "o" / "cases.jsonl").exists()


def test_digits_of_other_scripts_are_no_shape(tmp_path: Path) -> None:
    assert run(["phantom", "make", "--shape", "16,\u00b216,16", "-o", str(tmp_path)]) == 2
