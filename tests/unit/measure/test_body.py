"""The body mask: what is inside, what is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from vol3d.measure.body import body_mask, midline_x_mm
from vol3d.volume import Grid, Volume


def ct(voxels: npt.NDArray[np.int16], spacing_mm: float = 4.0) -> Volume:
    grid = Grid(shape_zyx=voxels.shape, affine=np.diag([spacing_mm] * 3 + [1.0]))
    return Volume.from_array(voxels, grid, modality="CT", unit="HU")


def disc(
    shape_yx: tuple[int, int], centre: tuple[float, float], radius: float
) -> npt.NDArray[np.bool_]:
    y, x = np.ogrid[: shape_yx[0], : shape_yx[1]]
    inside: npt.NDArray[np.bool_] = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    return inside


@pytest.fixture
def torso() -> npt.NDArray[np.int16]:
    """A round body (y 20 to 70) with a lung open at both ends; y 0 is the back."""
    voxels = np.full((6, 80, 80), -1000, dtype=np.int16)
    voxels[:, disc((80, 80), (45, 40), 25)] = 40
    voxels[:, disc((80, 80), (45, 50), 8)] = -850
    return voxels


def test_body_is_inside_and_air_is_outside(torso: npt.NDArray[np.int16]) -> None:
    mask = body_mask(ct(torso))
    assert mask[3, 45, 30]
    assert not mask[3, 2, 2]


def test_lungs_stay_inside_in_the_first_and_last_slice(torso: npt.NDArray[np.int16]) -> None:
    mask = body_mask(ct(torso))
    assert mask[0, 45, 50]
    assert mask[-1, 45, 50]


def test_table_below_the_back_is_outside(torso: npt.NDArray[np.int16]) -> None:
    torso[:, 8:10, 5:75] = 200  # a shell, two voxels thick, away from the body
    mask = body_mask(ct(torso))
    assert not mask[:, 8:10].any()
    assert mask[3, 45, 40]


def test_table_that_touches_the_back_is_cut_off(torso: npt.NDArray[np.int16]) -> None:
    torso[:, 19:21, 5:75] = 200
    mask = body_mask(ct(torso))
    assert not mask[:, 19:21, 5:30].any()
    assert mask[3, 22, 40]


def test_an_arm_beside_the_body_is_kept(torso: npt.NDArray[np.int16]) -> None:
    torso[:, disc((80, 80), (45, 7), 5)] = 40
    assert body_mask(ct(torso))[3, 45, 7]


def test_padding_outside_the_scanner_circle_changes_nothing(torso: npt.NDArray[np.int16]) -> None:
    plain = body_mask(ct(torso))
    for padding in (-1500, -2000, -3024):
        padded = torso.copy()
        padded[:, ~disc((80, 80), (40, 40), 39)] = padding
        np.testing.assert_array_equal(body_mask(ct(padded)), plain)


def test_fine_voxels_give_the_same_body(torso: npt.NDArray[np.int16]) -> None:
    fine = np.repeat(np.repeat(torso, 4, axis=1), 4, axis=2)
    grid = Grid(shape_zyx=fine.shape, affine=np.diag([1.0, 1.0, 4.0, 1.0]))
    mask = body_mask(Volume.from_array(fine, grid, modality="CT", unit="HU"))
    coarse = np.repeat(np.repeat(body_mask(ct(torso)), 4, axis=1), 4, axis=2)
    assert mask.shape == fine.shape
    assert np.mean(mask != coarse) < 0.02


@pytest.mark.parametrize("value", [-1024, 0])
def test_blank_scan_has_no_body(value: int) -> None:
    assert not body_mask(ct(np.full((3, 20, 20), value, dtype=np.int16))).any()


def test_mr_foreground_is_found_without_hu() -> None:
    values = np.zeros((4, 40, 40), dtype=np.float32)
    values[:, disc((40, 40), (20, 20), 12)] = 300.0
    values[:, disc((40, 40), (20, 20), 4)] = 5.0  # dark fluid inside
    grid = Grid(shape_zyx=values.shape, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    mask = body_mask(Volume.from_array(values, grid, modality="MR", unit="arbitrary"))
    assert mask[2, 20, 20]
    assert mask[2, 20, 30]
    assert not mask[2, 2, 2]


def test_single_voxel_axes_do_not_fail() -> None:
    voxels = np.full((1, 1, 5), -1000, dtype=np.int16)
    voxels[0, 0, 2] = 40
    assert body_mask(ct(voxels)).shape == (1, 1, 5)


def test_a_label_map_given_as_a_scan_has_no_midline() -> None:
    voxels = np.zeros((10, 60, 60), dtype=np.int16)
    voxels[4:6, 20:26, 40:46] = 1
    volume = Volume.from_array(
        voxels, Grid(shape_zyx=voxels.shape, affine=np.eye(4)), modality="MR", unit="arbitrary"
    )
    assert midline_x_mm(volume) is None
