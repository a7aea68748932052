"""stack_geometry on bare positions: order, affine, tilt, gaps."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import GeometryError
from vol3d.volume.dicom_stack import SlicePlane, stack_geometry

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _planes(
    heights: list[float], *, orientation: tuple[float, ...] = AXIAL, shift: float = 0.0
) -> list[SlicePlane]:
    return [
        SlicePlane(
            position_lps_mm=(0.0, shift * h, h),
            orientation_lps=orientation,
            spacing_row_col_mm=(0.5, 0.25),
        )
        for h in heights
    ]


def test_order_runs_along_the_normal() -> None:
    assert stack_geometry(_planes([10, 5, 15, 0]), where="x").order == (3, 1, 0, 2)


def test_columns_of_the_affine() -> None:
    """x steps by the distance of columns to the left, y by that of rows to the back."""
    affine = stack_geometry(_planes([3, 5, 7]), where="x").affine_ras
    assert affine.tolist() == [[-0.25, 0, 0, 0], [0, -0.5, 0, 0], [0, 0, 2, 3], [0, 0, 0, 1]]


def test_a_flipped_normal_flips_the_order() -> None:
    flipped = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    geometry = stack_geometry(_planes([0, 5, 10], orientation=flipped), where="x")
    assert geometry.order == (2, 1, 0)
    assert geometry.affine_ras[2, 2] == -5.0


@settings(max_examples=50, deadline=None)
@given(
    tilt=st.floats(-40, 40),
    step=st.floats(0.3, 10),
    seed=st.permutations(range(6)),
)
def test_any_uniform_tilted_stack_is_exact(tilt: float, step: float, seed: list[int]) -> None:
    slope = math.tan(math.radians(tilt))
    geometry = stack_geometry(_planes([step * k for k in seed], shift=slope), where="x")
    assert geometry.tilt_deg == pytest.approx(abs(tilt), abs=1e-3)
    assert geometry.perpendicular_mm == pytest.approx(step)
    assert np.allclose(geometry.affine_ras[:3, 2], [0, -slope * step, step])
    assert [seed[i] for i in geometry.order] == list(range(6))


@settings(max_examples=50, deadline=None)
@given(count=st.integers(4, 12), step=st.floats(0.3, 10), data=st.data())
def test_any_missing_inner_slice_is_refused(count: int, step: float, data: st.DataObject) -> None:
    missing = data.draw(st.integers(1, count - 2))
    heights = [step * k for k in range(count) if k != missing]
    with pytest.raises(GeometryError, match="1 missing between"):
        stack_geometry(_planes(heights), where="x")


def test_gaps_that_are_no_multiple_are_listed() -> None:
    with pytest.raises(GeometryError, match=r"4.00 mm x 3, 7.00 mm x 2"):
        stack_geometry(_planes([0, 4, 8, 12, 19, 26]), where="x")


def test_drifting_gaps_are_refused() -> None:
    with pytest.raises(GeometryError, match="uniform"):
        stack_geometry(_planes([0, 1, 2.03, 3.09, 4.18, 5.3, 6.45]), where="x")


def test_positions_rounded_to_a_tenth_are_accepted() -> None:
    heights = [round(0.625 * k, 1) for k in range(40)]
    geometry = stack_geometry(_planes(heights), where="x")
    assert geometry.perpendicular_mm == pytest.approx(0.625, abs=0.002)
    assert 0 < geometry.deviation_mm < 0.1


def test_nan_positions_are_refused() -> None:
    with pytest.raises(GeometryError, match="finite"):
        stack_geometry(_planes([0, float("nan"), 2]), where="x")


@pytest.mark.parametrize(
    "orientation",
    [(1.0, 0, 0, 1.0, 0, 0), (2.0, 0, 0, 0, 1.0, 0), (0.0, 0, 0, 0, 1.0, 0)],
)
def test_impossible_directions_are_refused(orientation: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="perpendicular unit"):
        stack_geometry(_planes([0, 1, 2], orientation=orientation), where="x")


def test_slices_stacked_sideways_are_refused() -> None:
    with pytest.raises(GeometryError, match="degrees"):
        stack_geometry(_planes([0, 1, 2], shift=3.0), where="x")


def _moved(by_mm: float) -> list[SlicePlane]:
    """Slices 1 mm apart with pixels of 0.25 mm; the second one moved to the side."""
    planes = _planes([0, 1, 2, 3])
    x, y, z = planes[1].position_lps_mm
    planes[1] = dataclasses.replace(planes[1], position_lps_mm=(x + by_mm, y, z))
    return planes


def test_a_slice_half_a_pixel_beside_the_others_is_refused() -> None:
    """Found by the fuzz of DICOM headers."""
    with pytest.raises(GeometryError, match="quarter of a pixel"):
        stack_geometry(_moved(0.1), where="x")


def test_rounding_beside_the_others_is_accepted() -> None:
    assert stack_geometry(_moved(0.05), where="x").deviation_mm == pytest.approx(0.05)
