"""Resampling between grids: positions, weights, aliasing, labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.preprocess.regrid import (
    axis_weights,
    has_usable_axes,
    regrid_note,
    resample_to,
    resampled_grid,
)
from vol3d.volume import Grid

SIZES = st.integers(1, 40)
SPACINGS = st.floats(0.3, 9.0)


def diagonal(shape_zyx: tuple[int, int, int], *spacing_zyx_mm: float) -> Grid:
    z, y, x = spacing_zyx_mm
    return Grid(shape_zyx=shape_zyx, affine=np.diag([x, y, z, 1.0]))


def edges_mm(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """World positions of the low and the high corner (voxel edges)."""
    shape = np.array(grid.shape_zyx)
    return grid.index_to_world_mm(np.full(3, -0.5)), grid.index_to_world_mm(shape - 0.5)


@settings(max_examples=60, deadline=None)
@given(st.tuples(SIZES, SIZES, SIZES), st.tuples(SPACINGS, SPACINGS, SPACINGS))
def test_new_grid_covers_the_old_around_one_centre(
    shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    old = diagonal(shape, *spacing)
    new = resampled_grid(old, (6.0, 4.0, 2.0))
    np.testing.assert_allclose(new.spacing_zyx_mm, (6.0, 4.0, 2.0))
    (old_low, old_high), (new_low, new_high) = edges_mm(old), edges_mm(new)
    assert (new_low <= old_low + 1e-4).all()
    assert (new_high >= old_high - 1e-4).all()
    np.testing.assert_allclose(new_low + new_high, old_low + old_high, atol=1e-6)
    assert (new_high - new_low <= old_high - old_low + np.array([2.0, 4.0, 6.0])).all()


def test_two_to_one_gives_the_positions_by_hand() -> None:
    new = resampled_grid(diagonal((4, 4, 4), 3.0, 3.0, 3.0), (6.0, 6.0, 6.0))
    assert new.shape_zyx == (2, 2, 2)
    np.testing.assert_allclose(new.index_to_world_mm((0, 0, 0)), [1.5, 1.5, 1.5])


def test_slight_rotation_keeps_its_directions() -> None:
    grid = rotated(3.0)
    assert has_usable_axes(grid)
    assert regrid_note(grid) is None
    new = resampled_grid(grid, (4.0, 4.0, 4.0))
    np.testing.assert_allclose(new.affine[:3, :3] / 4.0, grid.affine[:3, :3] / 2.0, atol=1e-12)


def rotated(degrees: float) -> Grid:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = 2.0 * np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return Grid(shape_zyx=(6, 6, 6), affine=affine)


def test_oblique_grid_is_turned_to_the_patient_and_said() -> None:
    note = regrid_note(rotated(20.0))
    assert note is not None
    assert note.code == "resampled_oblique"
    assert "20.0 degrees" in note.message
    assert resampled_grid(rotated(20.0), (2.0, 2.0, 2.0)).obliquity_deg == pytest.approx(0.0)


def test_shear_is_said_with_its_angle() -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[1, 2] = np.tan(np.radians(18.5))
    note = regrid_note(Grid(shape_zyx=(3, 3, 3), affine=affine))
    assert note is not None
    assert note.code == "shear_removed"
    assert "18.5 degrees" in note.message


def test_same_grid_changes_no_value() -> None:
    grid = diagonal((3, 4, 5), 2.0, 3.0, 4.0)
    voxels = torch.arange(60, dtype=torch.int16).reshape(3, 4, 5)
    out = resample_to(voxels, grid, grid, is_label=False, fill=-1.0)
    torch.testing.assert_close(out, voxels.to(torch.float32), rtol=0, atol=0)


def test_halving_a_ramp_by_hand() -> None:
    source = diagonal((1, 1, 8), 1.0, 1.0, 1.0)
    ramp = torch.arange(8, dtype=torch.float32).reshape(1, 1, 8)
    out = resample_to(ramp, source, resampled_grid(source, (1.0, 1.0, 2.0)), is_label=False, fill=0)
    torch.testing.assert_close(out[0, 0, 1:3], torch.tensor([2.5, 4.5]))


def test_going_finer_is_linear() -> None:
    source = diagonal((1, 1, 2), 1.0, 1.0, 4.0)
    pair = torch.tensor([[[0.0, 4.0]]])
    out = resample_to(pair, source, resampled_grid(source, (1.0, 1.0, 2.0)), is_label=False, fill=0)
    torch.testing.assert_close(out[0, 0], torch.tensor([0.0, 1.0, 3.0, 4.0]))


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.floats(0.1, 9.0), st.floats(-3.0, 3.0))
def test_every_row_of_weights_sums_to_one(
    num_source: int, num_target: int, step: float, start: float
) -> None:
    weights = axis_weights(
        num_source, num_target, step=step, start=start, half_width=max(1.0, step)
    )
    assert weights.shape == (num_target, num_source)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(num_target))


@settings(max_examples=20, deadline=None)
@given(st.tuples(SPACINGS, SPACINGS, SPACINGS), st.integers(-1024, 3000))
def test_constant_volume_stays_constant(spacing: tuple[float, float, float], value: int) -> None:
    source = diagonal((7, 9, 11), *spacing)
    voxels = torch.full((7, 9, 11), value, dtype=torch.int16)
    target = resampled_grid(source, (4.0, 4.0, 4.0))
    out = resample_to(voxels, source, target, is_label=False, fill=-9999)
    torch.testing.assert_close(
        out, torch.full(target.shape_zyx, float(value)), rtol=1e-6, atol=1e-3
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sine_above_the_new_nyquist_is_removed(axis: int) -> None:
    """Wavelength 2.6 voxels, new voxels 4: plain linear sampling aliases, we must not."""
    shape, spacing, new = [1, 1, 1], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]
    shape[axis], new[axis] = 256, 4.0
    sine = torch.sin(torch.arange(256) * 2 * np.pi / 2.6).reshape(shape)
    source = diagonal((shape[0], shape[1], shape[2]), *spacing)
    out = resample_to(
        sine, source, resampled_grid(source, (new[0], new[1], new[2])), is_label=False, fill=0
    )
    plain = F.interpolate(sine.reshape(1, 1, 256), size=64, mode="linear", align_corners=False)
    assert plain.std() > 0.25
    assert out.flatten()[2:-2].std() < 0.05


def test_labels_take_the_nearest_voxel_and_keep_their_dtype() -> None:
    source = diagonal((1, 1, 3), 1.0, 1.0, 3.0)
    labels = torch.tensor([[[1, 5, 9]]], dtype=torch.uint8)
    target = resampled_grid(source, (1.0, 1.0, 1.0))
    out = resample_to(labels, source, target, is_label=True, fill=0)
    assert out.dtype == torch.uint8
    assert out.flatten().tolist() == [1, 1, 1, 5, 5, 5, 9, 9, 9]


def test_outside_is_filled() -> None:
    source = diagonal((1, 1, 2), 1.0, 1.0, 1.0)
    target = Grid(
        shape_zyx=(1, 1, 4), affine=np.array(np.eye(4) + np.outer([1, 0, 0, 0], [0, 0, 0, -1]))
    )
    image = resample_to(torch.tensor([[[3.0, 4.0]]]), source, target, is_label=False, fill=-7)
    label = resample_to(
        torch.tensor([[[3, 4]]], dtype=torch.uint8), source, target, is_label=True, fill=0
    )
    assert image.flatten().tolist() == [-7.0, 3.0, 4.0, -7.0]
    assert label.flatten().tolist() == [0, 3, 4, 0]


def gaussian_at(grid: Grid, centre_mm: tuple[float, float, float], sd_mm: float) -> torch.Tensor:
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape_zyx), indexing="ij"), axis=-1)
    square = ((grid.index_to_world_mm(index) - np.array(centre_mm)) ** 2).sum(axis=-1)
    return torch.from_numpy((1000 * np.exp(-square / (2 * sd_mm**2))).astype(np.float32))


def centroid_mm(voxels: torch.Tensor, grid: Grid) -> np.ndarray:
    weights = voxels.numpy().astype(np.float64)
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape_zyx), indexing="ij"), axis=-1)
    mean = (index * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()
    return grid.index_to_world_mm(mean)


@pytest.mark.parametrize("kind", ["straight", "rotated", "sheared"])
def test_world_position_of_a_blob_is_kept(kind: str) -> None:
    affine = np.diag([1.5, 1.5, 3.0, 1.0])
    affine[:3, 3] = (-40, -30, 100)
    if kind == "sheared":
        affine[1, 2] = 1.0
    if kind == "rotated":
        affine[:3, :3] = rotated(15.0).affine[:3, :3] / 2.0 @ affine[:3, :3]
    source = Grid(shape_zyx=(30, 50, 60), affine=affine)
    centre = source.index_to_world_mm((14.3, 25.6, 31.2))
    blob = gaussian_at(source, (centre[0], centre[1], centre[2]), 6.0)
    target = resampled_grid(source, (5.0, 5.0, 5.0))
    out = resample_to(blob, source, target, is_label=False, fill=0)
    np.testing.assert_allclose(centroid_mm(out, target), centre, atol=0.1 * 1.5)


def test_labels_of_a_sheared_grid_stay_in_place() -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.7
    source = Grid(shape_zyx=(20, 30, 30), affine=affine)
    centre = source.index_to_world_mm((9.5, 14.5, 14.5))
    ball = gaussian_at(source, (centre[0], centre[1], centre[2]), 6.0) > 500
    target = resampled_grid(source, (1.0, 1.0, 1.0))
    out = resample_to(ball.to(torch.uint8), source, target, is_label=True, fill=0)
    assert set(out.unique().tolist()) == {0, 1}
    np.testing.assert_allclose(centroid_mm(out, target), centre, atol=0.4)
    volumes = [float(ball.sum()) * source.voxel_volume_mm3, float(out.sum())]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.05)


@pytest.mark.gpu
@pytest.mark.parametrize("is_label", [True, False])
def test_resampling_on_the_gpu_equals_the_cpu(is_label: bool) -> None:
    voxels = torch.randint(-1000, 1000, (20, 30, 40), dtype=torch.int16)
    source = Grid(shape_zyx=(20, 30, 40), affine=np.diag([1.0, 1.5, 3.0, 1.0]))
    target = resampled_grid(source, (5.0, 4.0, 4.0))
    there = resample_to(voxels.cuda(), source, target, is_label=is_label, fill=0)
    here = resample_to(voxels, source, target, is_label=is_label, fill=0)
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-2)
