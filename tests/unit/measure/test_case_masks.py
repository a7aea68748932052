"""Missing, empty, overlapping and unknown masks: each has its own clear behaviour."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vol3d.anatomy import LesionMask
from vol3d.errors import DataError
from vol3d.measure.case_masks import CaseMasks, read_case_masks
from vol3d.measure.engine import measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import lesion_presence
from vol3d.volume import Grid, Volume

GRID = Grid(shape_zyx=(20, 20, 20), affine=np.diag([1.0, 1.0, 1.0, 1.0]))


def save(path: Path, *boxes: tuple[int, int, int]) -> Path:
    """A mask with label n in x from ``first`` to ``last`` (and y, z 5 to 15) for each box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.zeros((20, 20, 20), np.uint8)
    for first, last, label in boxes:
        voxels[first:last, 5:15, 5:15] = label
    nib.save(nib.Nifti1Image(voxels, GRID.affine), path)
    return path


def measure(masks: CaseMasks) -> CaseFacts:
    voxels = np.zeros((20, 20, 20), np.int16)
    return measure_case_masks(Volume.from_array(voxels, GRID, modality="CT", unit="HU"), masks)


def codes(masks: CaseMasks) -> set[str]:
    return {note.code for note in masks.notes}


def test_missing_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readable file"):
        read_case_masks([tmp_path / "none.nii.gz"], GRID)


def test_no_mask_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="got none"):
        read_case_masks([], GRID)


def test_empty_organ_is_not_seen_and_empty_lesions_are_none(tmp_path: Path) -> None:
    save(tmp_path / "liver.nii.gz", (3, 15, 1))
    save(tmp_path / "spleen.nii.gz")
    save(tmp_path / "liver_lesion.nii.gz")
    facts = measure(read_case_masks([tmp_path], GRID))
    assert facts.organs["spleen"].status == "not_seen"
    assert facts.organs["spleen"].volume_cm3 == 0
    assert lesion_presence(facts, "liver") is False
    assert lesion_presence(facts, "spleen") is None


def test_empty_file_is_noted(tmp_path: Path) -> None:
    masks = read_case_masks([save(tmp_path / "liver.nii.gz")], GRID)
    assert codes(masks) == {"mask_empty"}
    assert measure(masks).organs["liver"].status == "not_seen"


def test_overlapping_organs_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "liver.nii.gz", (3, 10, 1))
    save(tmp_path / "spleen.nii.gz", (9, 15, 1))
    with pytest.raises(DataError, match="100 voxels that liver holds too"):
        read_case_masks([tmp_path], GRID)


def test_organs_that_share_a_voxel_or_two_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "liver.nii.gz", (3, 10, 1))
    spleen = np.zeros((20, 20, 20), np.uint8)
    spleen[10:15, 5:15, 5:15] = spleen[9, 5, 5] = 1
    nib.save(nib.Nifti1Image(spleen, GRID.affine), tmp_path / "spleen.nii.gz")
    masks = read_case_masks([tmp_path], GRID)
    assert codes(masks) == {"organs_overlap"}
    assert measure(masks).organs["spleen"].num_voxels == 500


def test_lesions_and_segments_may_lie_in_their_organ(tmp_path: Path) -> None:
    save(tmp_path / "liver.nii.gz", (3, 15, 1))
    save(tmp_path / "liver_segment_4.nii.gz", (3, 9, 1))
    save(tmp_path / "liver_cyst.nii.gz", (5, 7, 1))
    facts = measure(read_case_masks([tmp_path], GRID))
    assert facts.organs["liver"].volume_cm3 == pytest.approx(1.2)
    assert facts.lesions[0].segments == ("4",)
    assert facts.lesions[0].type == "cyst"


def test_lesion_of_known_type_is_not_counted_twice(tmp_path: Path) -> None:
    save(tmp_path / "liver_lesion.nii.gz", (3, 6, 1), (10, 13, 1))
    save(tmp_path / "liver_cyst.nii.gz", (3, 6, 1))
    facts = measure(read_case_masks([tmp_path], GRID))
    assert sorted(lesion.type for lesion in facts.lesions) == ["cyst", "lesion"]
    assert facts.annotated == {"liver": ("cyst", "lesion")}


def test_unknown_labels_are_named_and_not_measured(tmp_path: Path) -> None:
    path = save(tmp_path / "m.nii.gz", (3, 6, 1), (8, 12, 7))
    declared = {"scheme": "mine", "labels": {"1": "liver", "7": "gizzard"}}
    (tmp_path / "labels.json").write_text(json.dumps(declared))
    masks = read_case_masks([path], GRID)
    assert masks.unnamed == ("gizzard",)
    assert "labels_not_measured" in codes(masks)
    assert list(measure(masks).organs) == ["liver"]


def test_labels_without_any_name_are_not_guessed(tmp_path: Path) -> None:
    masks = read_case_masks([save(tmp_path / "m.nii.gz", (3, 6, 5))], GRID)
    assert masks.unnamed == ("5",)
    assert {"label_scheme_unknown", "labels_not_measured"} <= codes(masks)
    assert measure(masks).organs == {}


def test_names_of_the_user_win(tmp_path: Path) -> None:
    path = save(tmp_path / "m.nii.gz", (3, 6, 5))
    masks = read_case_masks([path], GRID, scheme="totalsegmentator_v2", names={5: "spleen"})
    assert set(measure(masks).organs) >= {"spleen"}


def test_file_with_one_label_is_named_by_its_file(tmp_path: Path) -> None:
    masks = read_case_masks([save(tmp_path / "kidney_cyst_left.nii.gz", (3, 6, 1))], GRID)
    assert set(masks.lesions) == {LesionMask(organ="kidney", type="cyst", side="left")}
    assert masks.notes == ()


def test_one_structure_in_two_files_is_refused(tmp_path: Path) -> None:
    paths = [save(tmp_path / d / "liver.nii.gz", (3, 6, 1)) for d in ("a", "b")]
    with pytest.raises(DataError, match="two of liver"):
        read_case_masks(paths, GRID)


def test_organs_and_lesions_may_come_in_two_files(tmp_path: Path) -> None:
    organs = save(tmp_path / "liver.nii.gz", (3, 15, 1))
    lesions = save(tmp_path / "liver_tumor.nii.gz", (5, 7, 1))
    facts = measure(read_case_masks([organs, lesions], GRID))
    assert (len(facts.organs), len(facts.lesions)) == (1, 1)
