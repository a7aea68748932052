"""Brain: midline shift from masks, and the mass effect that it shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vol3d.anatomy import threshold
from vol3d.measure.case_masks import CaseMasks, structure_voxels
from vol3d.measure.facts import BrainFacts, CaseFacts
from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_OUTLINES = (("brain",), ("cerebral_hemisphere_left", "cerebral_hemisphere_right"))
_TRIM_MM = 6.0
"""Rows whose middle lies farther from the plane are left out of its second and third fit."""
_LEAST_ROWS = 20
_CORE_SHARE = (0.3, 0.7)
"""Part of the brain from back to front within which its midline is measured."""


def brain_facts(masks: CaseMasks, facts: CaseFacts, grid: Grid) -> BrainFacts | None:
    """What the masks of a head allow, or ``None`` where they allow nothing.

    Args:
        masks: Masks of the case.
        facts: Its organs; the brain has to be whole in the scan from right to left.
        grid: The scan's canonical grid.
    """
    shift_mm = midline_shift_mm(masks, grid)
    if shift_mm is None:
        return None
    is_large = abs(shift_mm) >= threshold("midline_shift.mass_effect_mm")
    has_lesion = bool(facts.lesions_of("brain"))
    # less shift does not rule a mass effect out: it is left open
    return BrainFacts(
        midline_shift_mm=shift_mm, has_mass_effect=True if is_large and has_lesion else None
    )


def midline_shift_mm(masks: CaseMasks, grid: Grid) -> float | None:
    """How far the middle of the brain lies from the plane of its outline's symmetry.

    The plane goes through the middles between the right and left outline of the brain, in all rows
    of all slices (so a turned or tilted head does not matter). What should lie in it is, in this
    order, the third ventricle, the inner walls of the lateral ventricles, or the border between
    the hemispheres; the mean distance is of the first that is masked.

    Args:
        masks: Masks of the case.
        grid: The scan's canonical grid.

    Returns:
        mm, positive towards the patient's right; ``None`` where the brain has no mask, is cut off
        at the right or left, or nothing is masked that should lie in its middle.

    Source: the measurement at the septum pellucidum of the Brain Trauma Foundation guideline,
    with the plane of the outline in place of the line between the falx's ends.
    """
    outline = next(
        (b for keys in _OUTLINES if (b := structure_voxels(masks, keys)) is not None), None
    )
    if outline is None or outline[:, :, 0].any() or outline[:, :, -1].any():
        return None
    if np.count_nonzero(outline.any(axis=2)) < _LEAST_ROWS:
        return None
    plane = _symmetry_plane(outline, grid)
    middle = _middle_points(masks, outline)
    if middle is None:
        return None
    # index to world; distance along x of the plane, turned into the distance from the plane
    world = grid.index_to_world_mm(middle)
    off = world[:, 0] - (plane[0] + world[:, 1:] @ plane[1:])
    return float(off.mean() / np.sqrt(1.0 + plane[1] ** 2 + plane[2] ** 2))


def _ends(inside: BoolArray) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Rows (z, y) with voxels, and the first and last x of each."""
    rows = np.argwhere(inside.any(axis=2))
    lines = inside[rows[:, 0], rows[:, 1]]
    first = lines.argmax(axis=1).astype(np.float64)
    last = (lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)).astype(np.float64)
    return rows, first, last


def _symmetry_plane(outline: BoolArray, grid: Grid) -> FloatArray:
    """(a, b, c) of the plane x = a + b y + c z in world mm."""
    at, first, last = _ends(outline)
    # short rows at the poles say little about the middle
    is_long = (last - first) >= 0.4 * (last - first).max()
    points = np.column_stack([at, (first + last) / 2])[is_long]
    world = grid.index_to_world_mm(points)
    design = np.column_stack([np.ones(len(world)), world[:, 1:]])
    kept = np.ones(len(world), dtype=bool)
    plane = np.zeros(3)
    for _ in range(3):
        plane = np.linalg.lstsq(design[kept], world[kept, 0], rcond=None)[0]
        near = np.abs(world[:, 0] - design @ plane) <= _TRIM_MM
        if np.count_nonzero(near) < _LEAST_ROWS:
            break
        kept = near
    return plane


def _middle_points(masks: CaseMasks, outline: BoolArray) -> FloatArray | None:
    """Indices (z, y, x) of what should lie in the plane."""
    third = structure_voxels(masks, ("third_ventricle",))
    if third is not None:
        return np.argwhere(third).astype(np.float64)
    for name in ("lateral_ventricle", "cerebral_hemisphere"):
        left = structure_voxels(masks, (f"{name}_left",))
        right = structure_voxels(masks, (f"{name}_right",))
        if left is not None and right is not None:
            points = _between(left, right)
            if name == "cerebral_hemisphere":
                points = _core(points, outline)
            if len(points):
                return points
    return None


def _between(left: BoolArray, right: BoolArray) -> FloatArray:
    """Middles between the inner borders of two structures, in rows that cross both."""
    both = left.any(axis=2) & right.any(axis=2)
    if not both.any():
        return np.zeros((0, 3))
    rows = np.argwhere(both)
    # x runs to the right: the left one's last voxel and the right one's first face each other
    lefts, rights = left[both], right[both]
    inner_left = lefts.shape[1] - 1 - lefts[:, ::-1].argmax(axis=1)
    inner_right = rights.argmax(axis=1)
    return np.column_stack([rows, (inner_left + inner_right) / 2]).astype(np.float64)


def _core(points: FloatArray, outline: BoolArray) -> FloatArray:
    """Points in the middle of the brain from back to front, where a mass moves the border most."""
    y = np.flatnonzero(outline.any(axis=(0, 2)))
    low, high = (y[0] + share * (y[-1] - y[0]) for share in _CORE_SHARE)
    chosen: FloatArray = points[(points[:, 1] >= low) & (points[:, 1] <= high)]
    return chosen
