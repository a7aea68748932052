"""orient: transposes and flips move no voxel in patient space."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import GeometryError
from vol3d.volume import Grid, canonicalise, orient

LETTERS = {"R": "RL", "A": "AP", "S": "SI"}
ALL_48 = [
    "".join(LETTERS[axis][flip] for axis, flip in zip(order, flips, strict=True))
    for order in permutations("RAS")
    for flips in product((0, 1), repeat=3)
]


def _grid(angles: tuple[float, float, float]) -> Grid:
    affine = np.diag([1.5, 2.5, 4.0, 1.0])
    for axis, angle in enumerate(angles):
        turn = np.eye(4)
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        turn[[i, i, j, j], [i, j, i, j]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        affine = turn @ affine
    affine[:3, 3] = 11.0, -22.0, 333.0
    return Grid(shape_zyx=(2, 3, 4), affine=affine)


def test_there_are_48_orders_and_directions() -> None:
    assert len(set(ALL_48)) == 48


def test_flipping_right_to_left_reverses_only_the_last_axis() -> None:
    voxels = np.arange(24).reshape(2, 3, 4)
    flipped, _ = orient(voxels, _grid((0, 0, 0)), "LAS")
    assert flipped[0, 0].tolist() == [3, 2, 1, 0]


def test_si_order_swaps_first_and_last_axis() -> None:
    voxels = np.arange(24).reshape(2, 3, 4)
    turned, grid = orient(voxels, _grid((0, 0, 0)), "SAR")
    assert turned.shape == (4, 3, 2)
    assert grid.spacing_zyx_mm == (1.5, 2.5, 4.0)


@pytest.mark.parametrize("axcodes", ALL_48)
def test_the_grid_has_the_asked_directions(axcodes: str) -> None:
    _, grid = orient(np.zeros((2, 3, 4)), _grid((0.1, -0.2, 0.15)), axcodes)
    assert grid.axcodes_xyz == axcodes


@settings(max_examples=60, deadline=None)
@given(
    axcodes=st.sampled_from(ALL_48),
    angles=st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    index=st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)),
)
def test_every_voxel_stays_where_it_is(
    axcodes: str, angles: tuple[float, float, float], index: tuple[int, int, int]
) -> None:
    grid = _grid(angles)
    voxels = np.arange(24).reshape(2, 3, 4)
    turned, new_grid = orient(voxels, grid, axcodes)
    place = new_grid.world_to_index_zyx(grid.index_to_world_mm(index))
    assert np.allclose(place, np.rint(place), atol=1e-6)
    assert turned[tuple(np.rint(place).astype(int))] == voxels[index]


@settings(max_examples=30, deadline=None)
@given(axcodes=st.sampled_from(ALL_48), angles=st.tuples(*[st.floats(-0.6, 0.6)] * 3))
def test_canonicalise_undoes_orient(axcodes: str, angles: tuple[float, float, float]) -> None:
    voxels, grid = canonicalise(np.arange(24).reshape(2, 3, 4), _grid(angles))
    back, back_grid = canonicalise(*orient(voxels, grid, axcodes))
    assert np.array_equal(back, voxels)
    assert back_grid.is_close(grid, tolerance_mm=1e-9)


@pytest.mark.parametrize("axcodes", ["RAR", "RA", "RASS", "ras", "XYZ", "RxAS"])
def test_other_letters_are_refused(axcodes: str) -> None:
    with pytest.raises(GeometryError, match="three letters"):
        orient(np.zeros((2, 3, 4)), _grid((0, 0, 0)), axcodes)


@pytest.mark.parametrize("seed", range(40))
def test_a_grid_half_way_between_the_axes_stays_as_it_was_put(seed: int) -> None:
    """Half turns are symmetric, so two orders of axes are equally close up to rounding."""
    axis = np.random.default_rng(seed).uniform(0.45, 0.7, 3)
    axis /= np.linalg.norm(axis)
    affine = np.eye(4)
    affine[:3, :3] = 2 * np.outer(axis, axis) - np.eye(3)
    grid = Grid(shape_zyx=(2, 2, 2), affine=affine)
    voxels = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    turned, turned_grid = canonicalise(voxels, grid)
    assert turned_grid.axcodes_xyz == "RAS"
    for z, y, x in product((0, 1), repeat=3):
        at = np.rint(turned_grid.world_to_index_zyx(grid.index_to_world_mm((z, y, x)))).astype(int)
        assert turned[tuple(at)] == voxels[z, y, x]
