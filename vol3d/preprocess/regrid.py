"""Antialiased resampling from one grid to another by true patient positions.

The numbers behind :class:`vol3d.preprocess.resample.ResampleAntialiasedd`. Intensities are
weighted by a triangle as wide as the coarser of the two grids: going coarser low-passes first and
going finer is linear interpolation; labels take the nearest voxel. Grids with parallel axes are
resampled axis by axis with small weight matrices; rotated or sheared pairs by position.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from vol3d.volume import GateNote, Grid

FloatArray = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

MAX_SHEAR = 1e-3
"""Cosine between two index axes above which a grid is made orthogonal (see Grid.shear)."""
MAX_OBLIQUITY_DEG = 5.0
"""Angle to the patient axes above which a grid is turned to them."""

_SLICES_AT_ONCE = 16
_ROUNDING = 1e-6


def resampled_grid(grid: Grid, spacing_zyx_mm: Triple) -> Grid:
    """The grid of ``spacing_zyx_mm`` that covers the extent of ``grid`` around the same centre.

    Index directions are kept unless the grid is sheared or turned by more than 5 degrees; then the
    new grid is aligned with the patient and covers the bounding box of the old one.

    Args:
        grid: A grid whose x, y, z axes run closest to R, A, S.
        spacing_zyx_mm: New voxel size along (z, y, x).
    """
    spacing_xyz = np.array(spacing_zyx_mm[::-1], dtype=np.float64)
    counts_xyz = np.array(grid.shape_zyx[::-1], dtype=np.float64)
    matrix = grid.affine[:3, :3]
    if has_usable_axes(grid):
        lengths = np.linalg.norm(matrix, axis=0)
        directions = matrix / lengths
        extent = counts_xyz * lengths
    else:
        directions = np.eye(3)
        extent = np.abs(matrix) @ counts_xyz
    counts = np.maximum(1, np.ceil(extent / spacing_xyz - _ROUNDING)).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing_xyz
    centre = matrix @ ((counts_xyz - 1) / 2) + grid.affine[:3, 3]
    affine[:3, 3] = centre - affine[:3, :3] @ ((counts - 1) / 2)
    nx, ny, nz = (int(n) for n in counts)
    return Grid(shape_zyx=(nz, ny, nx), affine=affine)


def has_usable_axes(grid: Grid) -> bool:
    """Whether resampling keeps the grid's directions: orthogonal and within 5 degrees."""
    return grid.shear < MAX_SHEAR and grid.obliquity_deg <= MAX_OBLIQUITY_DEG


def regrid_note(grid: Grid) -> GateNote | None:
    """What to tell the user when ``grid`` cannot keep its directions, else None."""
    if grid.shear >= MAX_SHEAR:
        angle = float(np.degrees(np.arcsin(min(1.0, grid.shear))))
        return GateNote(
            code="shear_removed",
            message=f"The slices are stacked at a slant of {angle:.1f} degrees; the scan was "
            "resampled by true positions to a grid aligned with the patient.",
        )
    if grid.obliquity_deg > MAX_OBLIQUITY_DEG:
        return GateNote(
            code="resampled_oblique",
            message=f"The scan is turned {grid.obliquity_deg:.1f} degrees from the patient axes; "
            "it was resampled to a grid aligned with the patient.",
        )
    return None


def resample_to(
    voxels_zyx: torch.Tensor, source: Grid, target: Grid, *, is_label: bool, fill: float
) -> torch.Tensor:
    """The voxels of ``source`` at the voxel centres of ``target``.

    Args:
        voxels_zyx: Any real dtype, shape of ``source``.
        source: Grid of the voxels.
        target: Grid of the result.
        is_label: Nearest voxel, dtype kept; otherwise antialiased, float32.
        fill: Value of target voxels whose centre lies outside the source's extent.

    Returns:
        A new tensor of the shape of ``target``, on the device of ``voxels_zyx``. Turned or sheared
        pairs of grids are computed on the CPU on any device.
    """
    matrix, offset = index_map(target, source)
    if np.allclose(matrix, np.diag(np.diag(matrix)), atol=1e-6):
        if is_label:
            return _nearest_by_axis(voxels_zyx, np.diag(matrix), offset, target.shape_zyx, fill)
        return _weighted_by_axis(voxels_zyx, np.diag(matrix), offset, target.shape_zyx, fill)
    turned = _by_position(
        voxels_zyx.cpu(), matrix, offset, target.shape_zyx, is_label=is_label, fill=fill
    )
    return turned.to(voxels_zyx.device)


def index_map(grid_from: Grid, grid_to: Grid) -> tuple[FloatArray, FloatArray]:
    """Matrix (3, 3) and offset (3,) from (z, y, x) indices of one grid to those of another."""
    joint = np.linalg.inv(grid_to.affine) @ grid_from.affine
    return joint[:3, :3][::-1, ::-1].copy(), joint[:3, 3][::-1].copy()


def axis_weights(
    num_source: int, num_target: int, *, step: float, start: float, half_width: float
) -> torch.Tensor:
    """Triangle weights (num_target, num_source), float32; each row sums to 1.

    Row k is centred on source index ``start + k * step``; a row outside the source takes the
    nearest voxel.

    Args:
        half_width: Half the base of the triangle, in source voxels, at least 1.
    """
    centres = np.clip(start + step * np.arange(num_target), -0.5, num_source - 0.5)
    distance = np.abs(centres[:, None] - np.arange(num_source)[None, :])
    weights = np.maximum(0.0, 1.0 - distance / half_width)
    weights /= weights.sum(axis=1, keepdims=True)
    return torch.from_numpy(weights.astype(np.float32))


def _is_outside(
    num_source: int, num_target: int, step: float, start: float
) -> npt.NDArray[np.bool_]:
    centres = start + step * np.arange(num_target)
    outside: npt.NDArray[np.bool_] = (centres < -0.5 - _ROUNDING) | (
        centres > num_source - 0.5 + _ROUNDING
    )
    return outside


def _write_fill(
    out: torch.Tensor, shape: torch.Size, steps: FloatArray, starts: FloatArray, fill: float
) -> torch.Tensor:
    for axis in range(3):
        outside = _is_outside(shape[axis], out.shape[axis], steps[axis], starts[axis])
        if outside.any():
            index = torch.from_numpy(np.flatnonzero(outside)).to(out.device)
            out.index_fill_(axis, index, fill)
    return out


def _nearest_by_axis(
    voxels: torch.Tensor,
    steps: FloatArray,
    starts: FloatArray,
    shape_zyx: tuple[int, int, int],
    fill: float,
) -> torch.Tensor:
    indices = []
    for axis in range(3):
        centres = starts[axis] + steps[axis] * np.arange(shape_zyx[axis])
        # a centre half-way between two voxels takes the lower one, whatever the rounding errors
        index = np.ceil(centres - 0.5 - _ROUNDING).clip(0, voxels.shape[axis] - 1)
        indices.append(torch.from_numpy(index.astype(np.int64)).to(voxels.device))
    z, y, x = indices
    if np.prod(shape_zyx) <= voxels.numel():
        out = voxels[z[:, None, None], y[None, :, None], x[None, None, :]]
    else:
        out = voxels.index_select(2, x).index_select(1, y).index_select(0, z)
    return _write_fill(out, voxels.shape, steps, starts, fill)


def _weighted_by_axis(
    voxels: torch.Tensor,
    steps: FloatArray,
    starts: FloatArray,
    shape_zyx: tuple[int, int, int],
    fill: float,
) -> torch.Tensor:
    weights = [
        None
        if _is_identity(voxels.shape[axis], shape_zyx[axis], steps[axis], starts[axis])
        else axis_weights(
            voxels.shape[axis],
            shape_zyx[axis],
            step=steps[axis],
            start=starts[axis],
            half_width=max(1.0, abs(steps[axis])),
        )
        for axis in range(3)
    ]
    return _write_fill(apply_weights(voxels, weights), voxels.shape, steps, starts, fill)


def _is_identity(num_source: int, num_target: int, step: float, start: float) -> bool:
    return num_source == num_target and abs(step - 1) * num_source + abs(start) < _ROUNDING


def apply_weights(voxels: torch.Tensor, weights_zyx: list[torch.Tensor | None]) -> torch.Tensor:
    """The voxels multiplied by one weight matrix per axis (None leaves the axis), float32.

    Slices become float a few at a time, so that a large int16 scan is never held as float. The
    axis z goes first where it shrinks (fewer slices are left to shrink in-plane), else last.
    """
    weights_z, weights_y, weights_x = weights_zyx
    rows = voxels.shape[1] if weights_y is None else weights_y.shape[0]
    columns = voxels.shape[2] if weights_x is None else weights_x.shape[0]
    device = voxels.device
    weights_y, weights_x = (None if w is None else w.to(device) for w in (weights_y, weights_x))
    if weights_z is not None and weights_z.shape[0] < voxels.shape[0]:
        out = torch.empty((weights_z.shape[0], rows, columns), dtype=torch.float32, device=device)
        for k, row in enumerate(weights_z):
            used = torch.nonzero(row)[:, 0]
            first, last = int(used[0]), int(used[-1]) + 1
            band = voxels[first:last].to(torch.float32)
            share = row[first:last].to(device)
            plane = (share @ band.reshape(last - first, -1)).reshape(band.shape[1:])
            out[k] = _in_plane(plane, weights_y, weights_x)
        return out
    shrunk = torch.empty((voxels.shape[0], rows, columns), dtype=torch.float32, device=device)
    for first in range(0, voxels.shape[0], _SLICES_AT_ONCE):
        block = voxels[first : first + _SLICES_AT_ONCE].to(torch.float32)
        shrunk[first : first + _SLICES_AT_ONCE] = _in_plane(block, weights_y, weights_x)
    if weights_z is None:
        return shrunk
    flat = shrunk.reshape(len(shrunk), -1)
    return (weights_z.to(device) @ flat).reshape(-1, rows, columns)


def _in_plane(
    planes: torch.Tensor, weights_y: torch.Tensor | None, weights_x: torch.Tensor | None
) -> torch.Tensor:
    if weights_x is not None:
        planes = planes @ weights_x.T
    return planes if weights_y is None else weights_y @ planes


def _by_position(
    voxels: torch.Tensor,
    matrix: FloatArray,
    offset: FloatArray,
    shape_zyx: tuple[int, int, int],
    *,
    is_label: bool,
    fill: float,
) -> torch.Tensor:
    """Rotated or sheared pairs: low-pass along the source's axes, then interpolate by position."""
    source_shape = np.array(voxels.shape)
    values, to_values, shift = voxels, matrix, offset
    if not is_label:
        values, step, start = _low_passed(voxels, np.maximum(1.0, np.abs(matrix).max(axis=1)))
        to_values, shift = matrix / step[:, None], (offset - start) / step
    order = 0 if is_label else 1
    array = values.to(torch.uint8).numpy() if values.dtype == torch.bool else values.numpy()
    out = np.empty(shape_zyx, dtype=array.dtype)
    _, ny, nx = shape_zyx
    for z in range(shape_zyx[0]):
        ndimage.affine_transform(
            array,
            to_values,
            offset=shift + to_values[:, 0] * z,
            output_shape=(1, ny, nx),
            output=out[z : z + 1],
            order=order,
            mode="nearest",
            prefilter=False,
        )
        plane = offset + matrix[:, 0] * z
        position = (
            plane
            + matrix[:, 1] * np.arange(ny)[:, None, None]
            + matrix[:, 2] * np.arange(nx)[None, :, None]
        )
        is_inside = (position >= -0.5 - _ROUNDING) & (position <= source_shape - 0.5 + _ROUNDING)
        out[z][~is_inside.all(axis=-1)] = fill
    return torch.from_numpy(out).to(voxels.dtype if is_label else torch.float32)


def _low_passed(
    voxels: torch.Tensor, half_widths: FloatArray
) -> tuple[torch.Tensor, FloatArray, FloatArray]:
    """Voxels low-passed along each axis, and the step and start of their grid in source indices."""
    steps, starts = np.ones(3), np.zeros(3)
    weights: list[torch.Tensor | None] = []
    for axis, half_width in enumerate(half_widths):
        count = voxels.shape[axis]
        if half_width <= 1.0 + _ROUNDING:
            weights.append(None)
            continue
        steps[axis] = max(1.0, half_width / 2)
        num_target = int(np.ceil((count - 1) / steps[axis] - _ROUNDING)) + 1
        starts[axis] = (count - 1 - (num_target - 1) * steps[axis]) / 2
        weights.append(
            axis_weights(
                count,
                num_target,
                step=steps[axis],
                start=starts[axis],
                half_width=float(half_width),
            )
        )
    return apply_weights(voxels, weights), steps, starts
