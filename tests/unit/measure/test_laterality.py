"""The liver tells left from right: noted only where it clearly lies on the patient's left."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vol3d.measure.laterality import _block_means, laterality_note
from vol3d.phantom import PhantomConfig, make_phantom
from vol3d.volume import Grid, Volume, read_volume

LIVER = {"centre_yx_mm": (15, 70), "radius_mm": (60, 70, 55)}
SPLEEN = {"centre_yx_mm": (-25, -95), "radius_mm": (40, 30, 30)}


def torso(*organs: tuple[int, dict[str, tuple[int, ...]]]) -> Volume:
    """Fat with a spine, a wall of muscle and ellipsoids: HU, centre from the middle, radii."""
    z = (np.arange(30) - 14.5)[:, None, None] * 5
    y = (np.arange(60) - 29.5)[None, :, None] * 4
    x = (np.arange(90) - 44.5)[None, None, :] * 4
    r = np.hypot(y / 110, x / 160)
    hu = np.where(r > 1, -1000, np.where(r > 0.93, 55, -100)) + 0 * z
    hu[np.hypot(y + 70, x) + 0 * z < 18] = 400
    for value, place in organs:
        (cy, cx), (rz, ry, rx) = place["centre_yx_mm"], place["radius_mm"]
        hu[(z / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = value
    grid = Grid(shape_zyx=hu.shape, affine=np.diag([4.0, 4.0, 5.0, 1.0]))
    return Volume.from_array(hu.astype(np.int16), grid, modality="CT", unit="HU")


def mirrored(volume: Volume) -> Volume:
    """The mirror image: the voxels reversed from left to right on the same grid."""
    voxels = np.ascontiguousarray(volume.voxels_zyx[:, :, ::-1])
    return dataclasses.replace(volume, voxels_zyx=voxels)


NORMAL = torso((55, LIVER), (50, SPLEEN))


def test_blocks_are_averaged_and_the_rest_at_an_end_is_left_out() -> None:
    array = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
    means = _block_means(array, (2, 3, 2))
    assert means.tolist() == [[[13.0, 15.0]]]


def test_liver_on_the_right_is_no_news() -> None:
    assert laterality_note(NORMAL) is None


def test_liver_on_the_left_is_noted() -> None:
    note = laterality_note(mirrored(NORMAL))
    assert note is not None
    assert note.code == "organs_mirrored"
    assert "situs inversus, or the header's left and right are swapped" in note.message


def test_voxels_are_not_changed() -> None:
    volume = mirrored(NORMAL)
    before = volume.voxels_zyx.copy()
    laterality_note(volume)
    assert np.array_equal(volume.voxels_zyx, before)


def test_other_units_are_not_judged() -> None:
    volume = dataclasses.replace(mirrored(NORMAL), unit="arbitrary")
    assert laterality_note(volume) is None


def test_too_short_a_view_is_not_judged() -> None:
    volume = mirrored(NORMAL)
    grid = Grid(shape_zyx=(5, 60, 90), affine=volume.grid.affine)
    short = dataclasses.replace(volume, voxels_zyx=volume.voxels_zyx[12:17], grid=grid)
    assert laterality_note(short) is None


@pytest.mark.parametrize("liver_hu", [55, 5, -10])
def test_huge_spleen_is_no_liver_beside_any_liver(liver_hu: int) -> None:
    huge = {"centre_yx_mm": (5, -80), "radius_mm": (70, 65, 50)}  # 950 cm3
    assert laterality_note(torso((liver_hu, LIVER), (50, huge))) is None


def test_huge_spleen_alone_is_no_liver() -> None:
    behind = {"centre_yx_mm": (-15, -85), "radius_mm": (70, 62, 52)}  # 945 cm3
    assert laterality_note(torso((50, behind))) is None


def test_tissue_in_the_middle_is_not_judged() -> None:
    middle = {"centre_yx_mm": (30, -10), "radius_mm": (60, 50, 90)}
    assert laterality_note(torso((55, middle))) is None


@cache
def phantom_volume(seed: int) -> Volume:
    return make_phantom(seed).volume


@pytest.mark.parametrize("seed", [0, 2])
def test_phantoms_are_not_noted(seed: int) -> None:
    assert laterality_note(phantom_volume(seed)) is None


def test_mirrored_phantom_is_noted() -> None:
    assert laterality_note(mirrored(phantom_volume(2))) is not None


def test_phantom_with_a_spleen_of_950_cm3_is_not_noted() -> None:
    config = PhantomConfig(enlarged_spleen_probability=1.0, enlarged_spleen_cm3=(950.0, 950.0))
    assert laterality_note(make_phantom(1, config).volume) is None


@pytest.mark.parametrize(
    "scan",
    [
        "ct_abdomen/ct.nii.gz",
        "ct_abdomen_small/ct.nii.gz",
        "ct_dicom_j2k/series",
        "ct_dicom",
        "ct_dicom_tilt",
        "ct_dicom_mixed_study",
    ],
)
def test_real_scans_are_not_noted(test_data: Path, scan: str) -> None:
    assert laterality_note(read_volume(test_data / scan)) is None


@pytest.mark.parametrize(
    "scan", ["ct_abdomen/ct.nii.gz", "ct_abdomen_small/ct.nii.gz", "ct_dicom_j2k/series"]
)
def test_mirrored_real_scans_are_noted(test_data: Path, scan: str) -> None:
    assert laterality_note(mirrored(read_volume(test_data / scan))) is not None
