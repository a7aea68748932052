"""Diameters of lesions in true millimetres, on anisotropic, oblique and sheared grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vol3d.volume import Grid

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]

_PIXEL_EDGES_YX = np.array([(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)])
_SAME_MM = 1e-6
_VOXEL_FACES_ZYX = np.concatenate([0.5 * np.eye(3), -0.5 * np.eye(3)])


@dataclass(frozen=True, kw_only=True, slots=True)
class AxialDiameters:
    """The longest diameter within one axial slice and what belongs to it.

    Args:
        longest_mm: Largest distance between two outline points of one slice.
        perpendicular_mm: Extent of that slice's outline across the longest diameter.
        slice_index: Array index z of that slice.
    """

    longest_mm: float
    perpendicular_mm: float
    slice_index: int


def axial_diameters(voxels_zyx: IntArray, grid: Grid) -> AxialDiameters:
    """The longest axial diameter over all slices, and the perpendicular one in its slice.

    Args:
        voxels_zyx: (N, 3) indices of the lesion's voxels, N at least 1.
        grid: Grid of the mask.

    Source:
        Maximum Feret diameter of each slice's outline, which runs through the middles of the
        pixels' outer edges, so that a row of n pixels is n pixels long. Of slices with equally
        long ones the middle one counts.
    """
    from scipy.spatial.distance import pdist, squareform

    step_y, step_x = grid.affine[:3, 1], grid.affine[:3, 0]
    order = np.argsort(voxels_zyx[:, 0], kind="stable")
    ordered = voxels_zyx[order]
    slices, starts = np.unique(ordered[:, 0], return_index=True)
    longest, ties = 0.0, list[tuple[int, FloatArray]]()
    for z, yx in zip(slices, np.split(ordered[:, 1:], starts[1:]), strict=True):
        extent = yx.max(axis=0) - yx.min(axis=0) + 1
        reach = np.linalg.norm(extent[0] * step_y) + np.linalg.norm(extent[1] * step_x)
        if reach < longest - _SAME_MM:
            continue
        corners = outline_corners_yx(yx)
        world = corners[:, :1] * step_y + corners[:, 1:] * step_x
        here = float(pdist(world).max())
        if here > longest + _SAME_MM:
            longest, ties = here, []
        if here >= longest - _SAME_MM:
            ties.append((int(z), world))
    index, world = ties[(len(ties) - 1) // 2]
    first, second = np.unravel_index(squareform(pdist(world)).argmax(), (len(world),) * 2)
    along = world @ _across(world[second] - world[first], np.cross(step_y, step_x))
    return AxialDiameters(
        longest_mm=longest,
        perpendicular_mm=float(along.max() - along.min()),
        slice_index=index,
    )


def feret_3d_mm(voxels_zyx: IntArray, grid: Grid) -> float:
    """Largest distance between two points of the lesion's surface, in any direction.

    Args:
        voxels_zyx: (N, 3) indices of the lesion's voxels, N at least 1.
        grid: Grid of the mask.

    Source:
        Maximum Feret diameter of the hull through the middles of the voxels' outer faces.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    ends = np.concatenate([_line_ends(voxels_zyx, axis) for axis in range(3)])
    points = (ends[:, None, :] + _VOXEL_FACES_ZYX[None]).reshape(-1, 3)
    corners = points[ConvexHull(points).vertices]
    return float(pdist(corners[:, ::-1] @ grid.affine[:3, :3].T).max())


def outline_corners_yx(yx: IntArray) -> FloatArray:
    """Corners of the convex hull of one slice's outline, (M, 2), in pixels.

    Args:
        yx: (N, 2) indices of the slice's pixels, N at least 1.
    """
    from scipy.spatial import ConvexHull

    ends = np.concatenate([_row_ends(yx), _row_ends(yx[:, ::-1])[:, ::-1]])
    points = (ends[:, None, :] + _PIXEL_EDGES_YX[None]).reshape(-1, 2)
    corners: FloatArray = points[ConvexHull(points).vertices]
    return corners


def _across(along: FloatArray, normal: FloatArray) -> FloatArray:
    """Unit vector in the slice's plane, perpendicular to a vector of it."""
    across = np.cross(normal, along)
    unit: FloatArray = across / np.linalg.norm(across)
    return unit


def _row_ends(yx: IntArray) -> IntArray:
    """First and last pixel of every row: enough for the convex outline."""
    order = np.lexsort((yx[:, 1], yx[:, 0]))
    ordered = yx[order]
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:, 0] != ordered[:-1, 0]
    is_last = np.roll(is_first, -1)
    ends: IntArray = ordered[is_first | is_last]
    return ends


def _line_ends(zyx: IntArray, axis: int) -> IntArray:
    """First and last voxel of every line along one axis."""
    others = [a for a in range(3) if a != axis]
    order = np.lexsort((zyx[:, axis], zyx[:, others[1]], zyx[:, others[0]]))
    ordered = zyx[order]
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = np.any(ordered[1:, others] != ordered[:-1, others], axis=1)
    ends: IntArray = ordered[is_first | np.roll(is_first, -1)]
    return ends
