"""The way back to the scan's grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vol3d.errors import DataError
from vol3d.preprocess.pipeline import prepare, prepare_labels
from vol3d.preprocess.restore import box_to_scan_zyx, restore_labels
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid, Volume

SPEC = PreprocessSpec()


def volume_with_ball(affine: np.ndarray, shape: tuple[int, int, int]) -> tuple[Volume, np.ndarray]:
    """A tissue box in air and a ball label of 30 mm radius inside it."""
    voxels = np.full(shape, -1000, dtype=np.int16)
    voxels[2:-2, 8:-8, 8:-8] = 40
    grid = Grid(shape_zyx=shape, affine=affine)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    middle = grid.index_to_world_mm((np.array(shape) - 1) / 2 + np.array([1.0, -2.0, 3.0]))
    ball = ((grid.index_to_world_mm(index) - middle) ** 2).sum(axis=-1) <= 30.0**2
    volume = Volume.from_array(voxels, grid, modality="CT", unit="HU")
    return volume, ball.astype(np.uint8)


def dice(one: np.ndarray, two: np.ndarray) -> float:
    return 2 * float(np.sum((one > 0) & (two > 0))) / float(np.sum(one > 0) + np.sum(two > 0))


@pytest.mark.parametrize("kind", ["straight", "sheared"])
def test_labels_go_there_and_back(kind: str) -> None:
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    affine[:3, 3] = (30, -200, 55)
    affine[1, 2] = 1.5 if kind == "sheared" else 0.0
    volume, ball = volume_with_ball(affine, (30, 70, 80))
    fine = PreprocessSpec(spacings_zyx_mm=((2.0, 2.0, 2.0),), max_patches=10**6)
    prepared, maps = prepare_labels(volume, {"ball": ball}, fine)
    back = restore_labels(prepared, maps["ball"])
    assert back.shape == volume.grid.shape_zyx
    assert back.dtype == np.uint8
    assert dice(back, ball) > 0.97


def test_coarse_labels_come_back_nearly_whole() -> None:
    volume, ball = volume_with_ball(np.diag([2.0, 2.0, 4.0, 1.0]), (30, 70, 80))
    prepared, maps = prepare_labels(volume, {"ball": ball}, SPEC)
    assert dice(restore_labels(prepared, maps["ball"]), ball) > 0.9


def test_outside_the_crop_is_background() -> None:
    voxels = np.full((12, 60, 60), -1000, dtype=np.int16)
    voxels[:, 20:40, 20:40] = 40
    grid = Grid(shape_zyx=voxels.shape, affine=np.diag([5.0, 5.0, 5.0, 1.0]))
    prepared = prepare(Volume.from_array(voxels, grid, modality="CT", unit="HU"), SPEC)
    back = restore_labels(prepared, torch.ones(prepared.grid.shape_zyx, dtype=torch.uint8))
    assert back[5, 30, 30] == 1
    assert back[5, 2, 2] == 0
    assert back[5, 57, 57] == 0


def test_labels_of_another_shape_are_refused() -> None:
    volume, _ = volume_with_ball(np.diag([2.0, 2.0, 4.0, 1.0]), (30, 70, 80))
    with pytest.raises(DataError, match="prepared shape"):
        restore_labels(prepare(volume, SPEC), np.zeros((3, 3, 3), dtype=np.uint8))


def test_box_keeps_its_place_and_size_in_mm() -> None:
    affine = np.diag([2.0, 2.5, 4.0, 1.0])
    affine[:3, 3] = (-11, 22, 33)
    volume, _ = volume_with_ball(affine, (40, 80, 90))
    prepared = prepare(volume, SPEC)
    box = np.array([[3.0, 4.0, 5.0], [9.0, 11.0, 10.0]])
    on_scan = box_to_scan_zyx(prepared, box)
    np.testing.assert_allclose(
        volume.grid.index_to_world_mm(on_scan - 0.5),
        prepared.grid.index_to_world_mm(box - 0.5),
        atol=1e-9,
    )
    size_mm = (on_scan[1] - on_scan[0]) * np.array(volume.grid.spacing_zyx_mm)
    np.testing.assert_allclose(size_mm, [36.0, 42.0, 30.0])


def test_box_is_clipped_to_the_scan() -> None:
    volume, _ = volume_with_ball(np.diag([2.0, 2.0, 4.0, 1.0]), (30, 70, 80))
    prepared = prepare(volume, SPEC)
    whole = np.array([[0, 0, 0], prepared.grid.shape_zyx])
    on_scan = box_to_scan_zyx(prepared, whole)
    assert (on_scan[0] >= 0).all()
    assert (on_scan[1] <= volume.grid.shape_zyx).all()
