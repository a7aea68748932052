"""Diameters of a lesion by trying all pairs of outline points; numpy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_SAME_MM = 1e-6
_MANY = 3000


class AxialSizes(NamedTuple):
    """Longest axial diameter, those across all equally long ones in its slice, and the slice."""

    longest_mm: float
    perpendicular_mm: list[float]
    slice_index: int


def axial_sizes(inside: Bools, spacing_yx: Floats) -> AxialSizes:
    """The longest diameter of any slice; of equally long ones that of the middle slice."""
    found: list[tuple[float, int]] = []
    for z in np.flatnonzero(inside.any(axis=(1, 2))):
        apart = _apart(_outline(inside[z]) * spacing_yx)
        found.append((float(apart.max()), int(z)))
    longest = max(length for length, _ in found)
    same = [z for length, z in found if length >= longest - _SAME_MM]
    z = same[(len(same) - 1) // 2]
    points = _outline(inside[z]) * spacing_yx
    pairs = np.argwhere(np.triu(_apart(points)) >= longest - _SAME_MM)
    across = set()
    for first, second in pairs:
        dy, dx = (points[second] - points[first]) / longest
        along = points @ np.array([-dx, dy])
        across.add(float(np.ptp(along)))
    return AxialSizes(longest, sorted(across), z)


def feret_mm(inside: Bools, spacing_zyx: Floats) -> float:
    """Largest distance between the middles of outer voxel faces.

    Of very many points those are tried that lie outermost in one of 4000 directions, then those
    outermost in directions close to the best pair's.
    """
    points = _outline(inside) * spacing_zyx
    if len(points) <= _MANY:
        return float(_apart(points).max())
    chosen = _outermost(points, _directions(4000))
    for _ in range(3):
        apart = _apart(points[chosen])
        first, second = np.unravel_index(int(apart.argmax()), apart.shape)
        axis = (points[chosen[second]] - points[chosen[first]]) / apart.max()
        near = axis + 0.05 * _directions(600)
        near = near / np.linalg.norm(near, axis=1, keepdims=True)
        chosen = np.union1d(chosen, _outermost(points, np.concatenate([near, axis[None]])))
    return float(_apart(points[chosen]).max())


def _outline(inside: Bools) -> Floats:
    """Middles of the faces between inside and outside, in voxels."""
    found = []
    padded = np.pad(inside, 1)
    for axis in range(inside.ndim):
        for step in (-1, 1):
            beside = np.roll(padded, -step, axis=axis)
            points = np.argwhere(padded & ~beside).astype(np.float64) - 1
            points[:, axis] += 0.5 * step
            found.append(points)
    return _row_ends(np.concatenate(found))


def _row_ends(points: Floats) -> Floats:
    """First and last point of every row: a longest diameter ends at such points only."""
    ordered = points[np.lexsort(points.T[::-1])]
    is_new = np.any(ordered[1:, :-1] != ordered[:-1, :-1], axis=1)
    is_end = np.concatenate([[True], is_new]) | np.concatenate([is_new, [True]])
    ends: Floats = ordered[is_end]
    return ends


def _apart(points: Floats) -> Floats:
    total = np.zeros((len(points), len(points)))
    for column in points.T:
        total += np.subtract.outer(column, column) ** 2
    return np.sqrt(total)


def _directions(count: int) -> Floats:
    """Unit vectors spread evenly over a sphere (spiral of the golden angle)."""
    n = np.arange(count)
    z = 1 - 2 * (n + 0.5) / count
    turn = n * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    return np.stack([z, flat * np.cos(turn), flat * np.sin(turn)], axis=1)


def _outermost(points: Floats, directions: Floats) -> npt.NDArray[np.intp]:
    chosen = [
        np.stack([far.argmax(axis=0), far.argmin(axis=0)])
        for part in np.array_split(directions, max(1, len(directions) // 200))
        for far in [points @ part.T]
    ]
    return np.unique(np.concatenate(chosen, axis=1))
