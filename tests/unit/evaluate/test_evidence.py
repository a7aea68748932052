from pathlib import Path

import numpy as np
import pytest
from toy_systems import HashSystem, toy_benchmark

from vol3d.errors import ConfigError
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.build import prior_from
from vol3d.evaluate.cases import Case
from vol3d.evaluate.evidence import Facts, FolderSegmenter, PatientHints, TrueMasks
from vol3d.evaluate.run import RunPlan, run
from vol3d.volume import Grid, Volume, write_nifti
from vol3d.vqa.dataset import write_json

GRID = Grid(affine=np.eye(4), shape_zyx=(24, 24, 24))
PLACE = ScanPlace(image_id="TOY_00000001", scan=None, masks=None)


def volume(array: np.ndarray, *, is_scan: bool = False) -> Volume:
    return Volume.from_array(
        array.astype(np.int16),
        GRID,
        modality="CT" if is_scan else "unknown",
        unit="HU" if is_scan else "arbitrary",
    )


def write_liver(folder: Path, size: int) -> Path:
    """A mask of a liver of ``size`` cubed voxels of 1 mm."""
    array = np.zeros((24, 24, 24))
    array[2 : 2 + size, 2 : 2 + size, 2 : 2 + size] = 1
    folder.mkdir(parents=True, exist_ok=True)
    write_nifti(volume(array), folder / "liver.nii.gz")
    return folder


def liver_cm3(segmenter: FolderSegmenter, cache: Path) -> float:
    facts = Facts(segmenter, cache_dir=cache)
    scan = volume(np.zeros((24, 24, 24)), is_scan=True)
    return facts.of(PLACE, lambda: scan, PatientHints()).organs["liver"].volume_cm3


def test_kept_facts_are_those_of_the_masks_that_are_read(tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 16)):
        write_liver(tmp_path / name / "masks" / PLACE.image_id, size)
    found = [
        liver_cm3(FolderSegmenter(tmp_path / name / "masks"), tmp_path / "cache")
        for name in ("a", "b", "a")
    ]
    assert found == [1.0, 4.096, 1.0]


def test_a_mask_that_changes_is_measured_again(tmp_path: Path) -> None:
    segmenter = FolderSegmenter(tmp_path / "masks")
    found = []
    for size in (10, 16):
        write_liver(tmp_path / "masks" / PLACE.image_id, size)
        found.append(liver_cm3(segmenter, tmp_path / "cache"))
    assert found == [1.0, 4.096]


def test_kept_facts_are_not_measured_again(tmp_path: Path) -> None:
    write_liver(tmp_path / "masks" / PLACE.image_id, 10)
    facts = Facts(FolderSegmenter(tmp_path / "masks"), cache_dir=tmp_path / "cache")
    scan = volume(np.zeros((24, 24, 24)), is_scan=True)
    facts.of(PLACE, lambda: scan, PatientHints())

    def unread() -> Volume:
        raise AssertionError("read again")

    assert facts.of(PLACE, unread, PatientHints()).organs["liver"].volume_cm3 == 1.0


def test_damaged_kept_facts_are_measured_again(tmp_path: Path) -> None:
    write_liver(tmp_path / "masks" / PLACE.image_id, 10)
    segmenter = FolderSegmenter(tmp_path / "masks")
    liver_cm3(segmenter, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text('{"x":')
    assert liver_cm3(segmenter, tmp_path / "cache") == 1.0
    assert '"liver"' in kept.read_text()


def test_a_run_is_not_continued_with_other_masks(tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 16)):
        write_liver(tmp_path / name / "masks" / PLACE.image_id, size)
    plans = [
        RunPlan(
            benchmark=toy_benchmark(),
            evidence="predicted",
            facts=Facts(FolderSegmenter(tmp_path / name / "masks"), mask_source="segmenter"),
        )
        for name in ("a", "b")
    ]
    run(plans[0], HashSystem(), tmp_path / "out")
    with pytest.raises(ConfigError, match="another facts"):
        run(plans[1], HashSystem(), tmp_path / "out")


def test_true_masks_and_predicted_ones_share_no_facts(tmp_path: Path) -> None:
    folder = write_liver(tmp_path / PLACE.image_id, 10)
    place = ScanPlace(image_id=PLACE.image_id, scan=None, masks=folder)
    scan = volume(np.zeros((24, 24, 24)), is_scan=True)
    sources = [
        Facts(TrueMasks(), mask_source=source, cache_dir=tmp_path / "cache")  # type: ignore[arg-type]
        .of(place, lambda: scan, PatientHints())
        .provenance.mask_source
        for source in ("annotator", "segmenter")
    ]
    assert sources == ["annotator", "segmenter"]


def test_a_blank_case_shows_air_and_tells_no_facts(tmp_path: Path) -> None:
    voxels = np.full((24, 24, 24), -1000.0)
    voxels[4:20, 4:20, 4:20] = 40.0
    write_nifti(volume(voxels, is_scan=True), tmp_path / "ct.nii.gz")
    masks = write_liver(tmp_path / "masks", 9)
    place = ScanPlace(image_id="A", scan=tmp_path / "ct.nii.gz", masks=masks)
    case = Case(place=place, evidence=Facts(TrueMasks()), ablation="blank")
    assert (case.shown.voxels_zyx == -1000).all()
    assert case.facts is None


def test_a_scan_named_ct_is_ct(tmp_path: Path) -> None:
    write_nifti(volume(np.full((24, 24, 24), 40.0), is_scan=True), tmp_path / "ct.nii.gz")
    place = ScanPlace(image_id="A", scan=tmp_path / "ct.nii.gz", masks=None)
    assert Case(place=place).scan.modality == "CT"


def test_priors_do_not_count_questions_about_evaluated_volumes(tmp_path: Path) -> None:
    records = toy_benchmark().questions
    write_json(tmp_path / "qa.json", records)
    images = sorted({record.image_id for record in records})
    table = prior_from(tmp_path / "qa.json", images[:1])
    assert table.origin == "qa.json, 3 questions about evaluated volumes out"
    with pytest.raises(ConfigError, match="all about them"):
        prior_from(tmp_path / "qa.json", images)
