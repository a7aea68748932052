"""Measurements on tiny masks whose answers can be worked out by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.measure.case import measure_case
from vol3d.measure.diameters import axial_diameters
from vol3d.measure.embedded_facts import EmbeddedFacts
from vol3d.volume import Grid, Volume

NAMES = {2: "liver", 5: "left kidney", 6: "right kidney"}
U8 = npt.NDArray[np.uint8]


def longest_mm(voxels_zyx: np.ndarray, grid: Grid) -> float:
    return axial_diameters(voxels_zyx, grid).longest_mm


def grid(shape: tuple[int, int, int], step_xyz: tuple[float, float, float]) -> Grid:
    affine = np.diag([*step_xyz, 1.0])
    affine[:3, 3] = (-10.0, -20.0, -30.0)
    return Grid(shape_zyx=shape, affine=affine)


def block() -> tuple[U8, U8, npt.NDArray[np.int16]]:
    """A liver of 4x4x4 voxels at 100 with a lesion of 2x2x2 voxels at 40, in 8x8x8 voxels."""
    organs, lesions = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    voxels = np.zeros((8, 8, 8), np.int16)
    organs[2:6, 2:6, 2:6], voxels[2:6, 2:6, 2:6] = 2, 100
    lesions[2:4, 2:4, 4:6], voxels[2:4, 2:4, 4:6] = 1, 40
    return organs, lesions, voxels


def measured(
    organs: U8, lesions: U8, voxels: npt.NDArray[np.int16], *, modality: str = "CT"
) -> EmbeddedFacts:
    volume = Volume.from_array(
        voxels,
        grid((8, 8, 8), (2.0, 3.0, 5.0)),
        modality="CT" if modality == "CT" else "MR",
        unit="HU" if modality == "CT" else "arbitrary",
    )
    return measure_case(volume, organs, lesions, organ_names=NAMES)


def test_organ_volume_counts_voxels_times_their_size() -> None:
    assert measured(*block()).organs["liver"].volume_cm3 == pytest.approx(64 * 30 / 1000)


def test_organ_mean_leaves_the_lesion_out() -> None:
    assert measured(*block()).organs["liver"].mean_intensity == 100.0


def test_organ_centroid_is_in_world_mm_ordered_r_a_s() -> None:
    centroid = measured(*block()).organs["liver"].centroid_ras_mm
    assert centroid == pytest.approx((3.5 * 2 - 10, 3.5 * 3 - 20, 3.5 * 5 - 30))


def test_absent_organ_is_a_fact_with_no_mean() -> None:
    kidney = measured(*block()).organs["left kidney"]
    assert not kidney.is_present
    assert kidney.volume_cm3 == 0.0
    assert kidney.mean_intensity is None
    assert kidney.centroid_ras_mm is None


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_organ_at_any_border_of_the_scan_is_truncated(axis: int, end: int) -> None:
    organs, lesions, voxels = block()
    assert not measured(organs, lesions, voxels).organs["liver"].is_truncated
    index = [3, 3, 3]
    index[axis] = end
    organs[tuple(index)] = 2
    assert measured(organs, lesions, voxels).organs["liver"].is_truncated


def test_lesion_darker_than_its_organ_is_hypoattenuating() -> None:
    lesion = measured(*block()).lesions[0]
    assert (lesion.organ, lesion.attenuation, lesion.mean_intensity) == (
        "liver",
        "hypoattenuating",
        40.0,
    )


def test_lesion_brighter_than_its_organ_is_hyperattenuating() -> None:
    organs, lesions, voxels = block()
    voxels[lesions > 0] = 160
    assert measured(organs, lesions, voxels).lesions[0].attenuation == "hyperattenuating"


@pytest.mark.parametrize(
    ("lesion_hu", "expected"),
    [
        (89, "hypoattenuating"),
        (90, None),
        (100, None),
        (110, None),
        (111, "hyperattenuating"),
    ],
)
def test_lesion_within_10_hu_of_its_organ_is_neither_dark_nor_bright(
    lesion_hu: int, expected: str | None
) -> None:
    organs, lesions, voxels = block()
    voxels[lesions > 0] = lesion_hu
    assert measured(organs, lesions, voxels).lesions[0].attenuation == expected


def test_attenuation_is_never_said_of_mr() -> None:
    assert measured(*block(), modality="MR").lesions[0].attenuation is None


def test_lesion_side_is_that_of_its_kidney_and_swaps_with_it() -> None:
    organs, lesions, voxels = block()
    organs[organs == 2] = 5
    assert measured(organs, lesions, voxels).lesions[0].side == "left"
    organs[organs == 5] = 6
    assert measured(organs, lesions, voxels).lesions[0].side == "right"


@pytest.mark.parametrize(("x", "side"), [(1, "left"), (6, "right")])
def test_side_of_an_unnamed_kidney_is_where_it_lies_in_the_patient(x: int, side: str) -> None:
    assert side_of_kidney_lesion(x, body=slice(0, 8)) == side


@pytest.mark.parametrize(("x", "side"), [(17, "left"), (22, "right")])
def test_side_counts_from_the_body_not_from_the_field_of_view(x: int, side: str) -> None:
    assert side_of_kidney_lesion(x, body=slice(16, 24)) == side


def test_side_of_an_unnamed_kidney_is_not_guessed_without_a_body() -> None:
    assert side_of_kidney_lesion(1, body=slice(0, 0)) is None


def side_of_kidney_lesion(x: int, *, body: slice) -> str | None:
    """The side of a lesion at column x of a field of view of 24 columns, 3 mm each."""
    organs, lesions = np.zeros((8, 8, 24), np.uint8), np.zeros((8, 8, 24), np.uint8)
    voxels = np.full((8, 8, 24), -1000, np.int16)
    voxels[:, :, body] = 40
    organs[3:5, 3:5, x], lesions[3:5, 3:5, x] = 5, 1
    volume = Volume.from_array(voxels, grid((8, 8, 24), (3.0, 3.0, 5.0)), modality="CT", unit="HU")
    facts = measure_case(volume, organs, lesions, organ_names={5: "kidneys"})
    return facts.lesions[0].side


def test_lesion_outside_of_every_named_organ_is_refused() -> None:
    organs, lesions, voxels = block()
    organs[lesions > 0] = 9
    with pytest.raises(DataError, match="lesion 1: got organ label 9"):
        measured(organs, lesions, voxels)


def test_mask_of_another_shape_is_refused() -> None:
    organs, lesions, voxels = block()
    with pytest.raises(DataError, match="organs_zyx"):
        measured(organs[:-1], lesions, voxels)


def test_row_of_four_voxels_measures_its_length_across_the_outline() -> None:
    row = np.array([(0, 3, x) for x in range(4)])
    assert longest_mm(row, grid((8, 8, 8), (2.0, 3.0, 5.0))) == pytest.approx(8.0)


def test_diameter_is_axial_and_ignores_height() -> None:
    column = np.array([(z, 0, 0) for z in range(8)])
    assert longest_mm(column, grid((8, 8, 8), (2.0, 3.0, 5.0))) == pytest.approx(3.0)


def test_diameter_takes_the_slice_in_which_it_is_longest() -> None:
    voxels = np.array([(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 4), (2, 0, 0)])
    assert longest_mm(voxels, grid((8, 8, 8), (2.0, 3.0, 5.0))) == pytest.approx(10.0)


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.floats(0.0, 3.14), st.floats(0.5, 4.0))
def test_diameter_is_the_largest_distance_between_outline_points(
    a: int, b: int, turn: float, step: float
) -> None:
    y, x = np.mgrid[-10:11, -10:11]
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    mask = (u / a) ** 2 + (v / b) ** 2 <= 1
    edges = np.array([(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
    points = (np.argwhere(mask)[:, None] + edges).reshape(-1, 2) * (step, 2 * step)
    expected = np.linalg.norm(points[:, None] - points[None], axis=-1).max()
    zyx = np.insert(np.argwhere(mask), 0, 0, axis=1)
    got = longest_mm(zyx, grid((1, 21, 21), (2 * step, step, 5.0)))
    assert got == pytest.approx(expected)


@settings(deadline=None)
@given(st.floats(0.5, 4.0), st.floats(0.5, 4.0))
def test_diameter_of_a_disc_holds_on_pixels_of_any_size(step_x: float, step_y: float) -> None:
    y, x = np.mgrid[0:81, 0:81]
    mask = ((x - 40) * step_x) ** 2 + ((y - 40) * step_y) ** 2 <= 18.0**2
    zyx = np.insert(np.argwhere(mask), 0, 0, axis=1)
    got = longest_mm(zyx, grid((1, 81, 81), (step_x, step_y, 5.0)))
    assert abs(got - 36.0) <= max(step_x, step_y) + 1e-9
