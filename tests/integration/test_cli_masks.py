"""The commands that measure masks, as a user calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vol3d.cli.main import run
from vol3d.vqa.dataset import load_questions

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def save(path: Path, voxels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with a CT and masks: a liver with a cyst, and an empty spleen."""
    voxels = np.full((50, 50, 40), -1000, np.int16)
    voxels[5:45, 5:45] = 40
    liver, cyst = np.zeros(voxels.shape, np.uint8), np.zeros(voxels.shape, np.uint8)
    liver[10:40, 10:40, 5:35] = 1
    cyst[20:30, 20:30, 15:25] = 1
    voxels[liver > 0] = 100
    voxels[cyst > 0] = 5
    save(tmp_path / "a" / "ct.nii.gz", voxels)
    save(tmp_path / "a" / "segmentations" / "liver.nii.gz", liver)
    save(tmp_path / "a" / "segmentations" / "liver_cyst.nii.gz", cyst)
    save(tmp_path / "a" / "segmentations" / "spleen.nii.gz", np.zeros_like(liver))
    return tmp_path / "a"


def masks_of(case: Path) -> list[str]:
    return ["--masks", str(case / "segmentations")]


def test_measure_writes_facts_and_table(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["measure", str(case / "ct.nii.gz"), *masks_of(case), "-o", str(out), "-q"]) == 0
    facts = json.loads((out / "facts.json").read_text())
    assert facts["organs"]["liver"]["volume_cm3"] == pytest.approx(216.0)
    assert facts["organs"]["liver"]["mean_intensity"] == pytest.approx(100.0)
    assert facts["lesions"][0]["id"] == "liver-1"
    assert facts["lesions"][0]["volume_cm3"] == pytest.approx(8.0)
    assert facts["annotated"] == {"liver": ["cyst"]}
    assert facts["disclaimer"].startswith("Research use only")
    rows = list(csv.reader((out / "measurements.csv").open()))
    assert ["liver", "volume", "216.0", "cm3", "organs.liver.volume_cm3"] in rows
    assert rows[-1][0].startswith("Research use only")


def test_report_on_masks_needs_no_model(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["report", str(case / "ct.nii.gz"), *masks_of(case), "-o", str(out), "-q"]
    assert run(arguments) == 0
    text = (out / "report.txt").read_text()
    assert "L1: cyst" in text
    assert "2.7 x 2.7 cm" in text
    assert text.startswith("Research use only")
    page = (out / "report.html").read_text()
    assert "lesions.liver-1.volume_cm3" in page
    assert "data:image/png;base64," in page
    assert json.loads((out / "run.json").read_text())["evidence"] == "masks"
    assert str(tmp_path) not in "".join(each.read_text() for each in out.glob("*.json"))


def test_report_in_chinese(case: Path, tmp_path: Path) -> None:
    arguments = ["report", str(case / "ct.nii.gz"), *masks_of(case), "--language", "zh"]
    assert run([*arguments, "-o", str(tmp_path / "o"), "-q"]) == 0
    assert "囊肿" in (tmp_path / "o" / "report.txt").read_text()


def test_labels_can_be_named_by_hand(case: Path, tmp_path: Path) -> None:
    mask = str(case / "segmentations" / "liver_cyst.nii.gz")
    arguments = ["measure", str(case / "ct.nii.gz"), "--masks", mask, "--label", "1=kidney_cyst"]
    assert run([*arguments, "-o", str(tmp_path / "o"), "-q"]) == 0
    facts = json.loads((tmp_path / "o" / "facts.json").read_text())
    assert [lesion["organ"] for lesion in facts["lesions"]] == ["kidney"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 2),
        (["--masks", "none.nii.gz"], 3),
        (["--masks", "none.nii.gz", "--label", "liver"], 2),
        (["--masks", "none.nii.gz", "--label-scheme", "nobody"], 2),
    ],
)
def test_wrong_use_and_missing_masks(
    case: Path, tmp_path: Path, options: list[str], code: int
) -> None:
    arguments = ["measure", str(case / "ct.nii.gz"), *options, "-o", str(tmp_path / "o"), "-q"]
    assert run(arguments) == code
    assert not (tmp_path / "o").exists()


def test_make_vqa_names_the_case_that_fails_and_goes_on(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "cases.csv"
    manifest.write_text(
        "case_id,scan,masks,phase\n"
        "good,a/ct.nii.gz,a/segmentations,unenhanced\n"
        "bad,a/none.nii.gz,a/segmentations,\n"
    )
    out = tmp_path / "set"
    arguments = ["data", "make-vqa", str(manifest), "-o", str(out), "--per-subtype", "2", "-q"]
    assert run(arguments) == 4
    assert "case bad: DataError" in capsys.readouterr().err
    records = [
        record
        for name in ("benchmark/test_qa.json", "train/train_qa.csv", "train/val_qa_pool.csv")
        for record in load_questions(out / name)
    ]
    assert {record.image_id for record in records} == {"good"}
    subtypes = {record.question_subtype for record in records}
    assert "organ volume measurement" in subtypes
    assert "liver lesion existence" not in subtypes or all(
        record.answer == "Yes" for record in records if "existence" in record.question_subtype
    )


def test_make_vqa_resumes_and_gives_the_same(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    arguments = ["data", "make-vqa", str(tmp_path), "-o", str(out), "-q"]
    assert run(arguments) == 0
    first = (out / "MANIFEST.sha256").read_text()
    stored = out / "facts" / "case_00000001.json"
    changed = stored.stat().st_mtime_ns
    assert run(arguments) == 0
    assert stored.stat().st_mtime_ns == changed
    assert (out / "MANIFEST.sha256").read_text() == first


def test_folder_names_are_in_no_output(case: Path, tmp_path: Path) -> None:
    named = tmp_path / "cases" / "DOE_JOHN_1950"
    named.parent.mkdir()
    case.rename(named)
    out = tmp_path / "set"
    assert run(["data", "make-vqa", str(named.parent), "-o", str(out), "-q"]) == 0
    assert all("DOE" not in each.read_text() for each in out.rglob("*") if each.is_file())


def test_compare_finds_growth(case: Path, tmp_path: Path) -> None:
    cyst = np.asarray(nib.load(case / "segmentations" / "liver_cyst.nii.gz").dataobj).copy()
    cyst[20:30, 20:30, 15:29] = 1
    later = save(tmp_path / "b" / "liver_cyst.nii.gz", cyst.astype(np.uint8))
    scan = str(case / "ct.nii.gz")
    prior = str(case / "segmentations" / "liver_cyst.nii.gz")
    arguments = ["compare", scan, scan, "--prior-masks", prior, "--masks", str(later)]
    assert run([*arguments, "-o", str(tmp_path / "o"), "-q"]) == 0
    text = (tmp_path / "o" / "comparison.txt").read_text()
    assert "11.2 cm3, previously 8.0 cm3 (+40 %); larger." in text
