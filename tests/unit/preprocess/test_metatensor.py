"""The one place where affine columns are permuted."""

from __future__ import annotations

import numpy as np
import pytest

from vol3d.errors import GeometryError
from vol3d.preprocess.metatensor import array_affine, grid_of, to_metatensor
from vol3d.volume import Grid

AFFINE = np.array(
    [[2.0, 0.0, 0.0, 10.0], [0.0, 3.0, 0.0, 20.0], [0.0, 0.5, 5.0, 30.0], [0.0, 0.0, 0.0, 1.0]]
)
GRID = Grid(shape_zyx=(4, 5, 6), affine=AFFINE)


def test_columns_follow_the_array_axes() -> None:
    image = to_metatensor(np.zeros(GRID.shape_zyx, dtype=np.int16), GRID)
    assert tuple(image.shape) == (1, 4, 5, 6)
    world = image.affine.numpy() @ np.array([1.0, 2.0, 3.0, 1.0])  # index z 1, y 2, x 3
    np.testing.assert_allclose(world[:3], GRID.index_to_world_mm((1, 2, 3)))
    assert image.affine[2, 0] == 5.0


def test_grid_comes_back() -> None:
    image = to_metatensor(np.zeros(GRID.shape_zyx, dtype=np.float32), GRID)
    assert grid_of(image).is_close(GRID, tolerance_mm=1e-12)


def test_permuting_twice_is_nothing() -> None:
    np.testing.assert_array_equal(array_affine(array_affine(AFFINE)), AFFINE)


def test_memory_is_shared() -> None:
    voxels = np.zeros(GRID.shape_zyx, dtype=np.int16)
    image = to_metatensor(voxels, GRID)
    voxels[1, 2, 3] = 7
    assert image[0, 1, 2, 3] == 7


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(GeometryError, match=r"\(4, 5, 6\)"):
        to_metatensor(np.zeros((6, 5, 4), dtype=np.int16), GRID)
