"""The transform: MetaTensors in and out, and the inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vol3d.preprocess.metatensor import grid_of, to_metatensor
from vol3d.preprocess.pipeline import padding_transforms, spatial_transforms
from vol3d.preprocess.regrid import resampled_grid
from vol3d.preprocess.resample import ResampleAntialiasedd
from vol3d.volume import Grid

GRID = Grid(
    shape_zyx=(12, 20, 18),
    affine=np.array([[2.0, 0, 0, -9], [0, 2.0, 0, 4], [0, 0, 3.0, 70], [0, 0, 0, 1.0]]),
)


def smooth_image() -> np.ndarray:
    z, y, x = np.meshgrid(*map(np.arange, GRID.shape_zyx), indexing="ij")
    return (100 * np.sin(z / 4) + 50 * np.cos(y / 5) + 3 * x).astype(np.float32)


def block_labels() -> np.ndarray:
    labels = np.zeros(GRID.shape_zyx, dtype=np.uint8)
    labels[2:8, 4:16, 3:15] = 1
    labels[4:8, 6:12, 5:11] = 7
    return labels


def test_affine_follows_the_new_grid() -> None:
    transform = ResampleAntialiasedd(("image",), (6.0, 4.0, 4.0))
    out = transform({"image": to_metatensor(smooth_image(), GRID)})["image"]
    expected = resampled_grid(GRID, (6.0, 4.0, 4.0))
    assert grid_of(out).is_close(expected, tolerance_mm=1e-9)
    assert out.dtype == torch.float32


def test_inverse_restores_grid_and_smooth_values() -> None:
    transform = ResampleAntialiasedd(("image",), (3.0, 1.0, 1.0))
    image = to_metatensor(smooth_image(), GRID)
    back = transform.inverse(transform({"image": image}))["image"]
    assert grid_of(back).is_close(GRID, tolerance_mm=1e-9)
    assert not back.applied_operations
    error = (back.as_tensor()[0] - torch.from_numpy(smooth_image())).abs()
    assert error[1:-1, 2:-2, 2:-2].max() < 3.0


def test_inverse_of_labels_is_exact_when_going_finer() -> None:
    transform = ResampleAntialiasedd(("label",), (1.5, 1.0, 1.0), label_keys=("label",))
    labels = to_metatensor(block_labels(), GRID)
    back = transform.inverse(transform({"label": labels}))["label"]
    assert back.dtype == torch.uint8
    torch.testing.assert_close(back.as_tensor()[0], torch.from_numpy(block_labels()))


def test_whole_chain_inverts_to_the_scan_grid() -> None:
    data = {
        "image": to_metatensor(smooth_image(), GRID),
        "label": to_metatensor(block_labels(), GRID),
    }
    chain = (
        *spatial_transforms(((1, 2, 1), (11, 19, 17)), (1.5, 1.0, 1.0), ("label",), -1024.0),
        *padding_transforms((4, 4, 4), ("label",), -1024.0),
    )
    for transform in chain:
        data = transform(data)
    assert all(n % 4 == 0 for n in data["image"].shape[1:])
    for transform in reversed(chain):
        data = transform.inverse(data)
    assert grid_of(data["image"]).is_close(GRID, tolerance_mm=1e-9)
    torch.testing.assert_close(data["label"].as_tensor()[0], torch.from_numpy(block_labels()))


def test_other_keys_are_left_alone_and_missing_ones_fail() -> None:
    transform = ResampleAntialiasedd(("image",), (3.0, 2.0, 2.0))
    out = transform({"image": to_metatensor(smooth_image(), GRID), "name": "case"})
    assert out["name"] == "case"
    with pytest.raises(KeyError, match="image"):
        transform({"name": "case"})
