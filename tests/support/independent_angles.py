"""Contact of a tumour with a vessel by counting wall cubes around the vessel's axis.

Another way than the engine's, which follows the tumour's edge: here both masks are interpolated to
fine cubes, the wall is the layer of cubes around the vessel, and every direction around the axis
counts by the share of its wall at which the tumour lies. Where masks are coarse the true border is
known to half a voxel only, so the contact is also measured with the tumour half a voxel further
off and nearer: what an exact method finds must lie between.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import SimpleITK

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
FINER = 3.0
"""Cubes per voxel, along its shortest side."""
BINS = 36
MARGIN_MM = 14.0
LEAST_WALL = 30


class ContactAngle(TypedDict):
    """Degrees, and between what they may lie; all ``None`` where the vessel has no section."""

    deg: float | None
    least: float | None
    most: float | None


_NONE: ContactAngle = {"deg": None, "least": None, "most": None}


def contact_deg(tumour: Bools, vessel: Bools, spacing_zyx: Floats) -> ContactAngle:
    """The largest part of a vessel's wall that a tumour touches, 0 to 360 degrees."""
    margin = np.ceil(MARGIN_MM / spacing_zyx).astype(int)
    places = np.argwhere(tumour)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = places.max(axis=0) + margin + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    step = float(spacing_zyx.min()) / FINER
    vessel_share = _cubes(vessel[box], spacing_zyx, step)
    tumour_share = _cubes((tumour & ~vessel)[box], spacing_zyx, step)
    inside = vessel_share >= 0.5
    beside = tumour_share >= 0.5 * (1 - vessel_share)  # most of what is no vessel
    free = ~inside & ~beside
    if not inside.any() or not beside.any():
        return _NONE
    half = float(np.prod(spacing_zyx)) ** (1 / 3) / 2
    wall = _grown(inside, 1) & ~inside
    least = ~(_away_mm(free, step) <= half) if free.any() else np.ones_like(wall)
    most = _away_mm(beside & ~inside, step) <= half
    touched = np.stack([each[wall] for each in (beside, least & beside, most | beside)], axis=1)
    return _largest(inside, wall, touched, step)


def _cubes(mask: Bools, spacing_zyx: Floats, step_mm: float) -> Floats:
    """Share of a mask in cubes, linearly interpolated."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.float32))
    image.SetSpacing(spacing_zyx[::-1].tolist())
    count = np.floor((np.array(mask.shape) - 1) * spacing_zyx / step_mm).astype(int) + 1
    made = SimpleITK.Resample(
        image,
        count[::-1].tolist(),
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        image.GetOrigin(),
        [step_mm] * 3,
        image.GetDirection(),
        0.0,
    )
    share: Floats = SimpleITK.GetArrayFromImage(made)
    return share


def _grown(mask: Bools, cubes: int) -> Bools:
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    grown = SimpleITK.BinaryDilate(image, [cubes] * 3, SimpleITK.sitkCross)
    out: Bools = SimpleITK.GetArrayFromImage(grown) > 0
    return out


def _away_mm(mask: Bools, step_mm: float) -> Floats:
    """Distance from a mask; negative within it."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    far = SimpleITK.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    away: Floats = SimpleITK.GetArrayFromImage(far).astype(np.float64) * step_mm
    return away


def _largest(vessel: Bools, wall: Bools, touched: Bools, step: float) -> ContactAngle:
    """The largest angles of the sections along the vessel, each the median of those near it."""
    inside, walls = np.argwhere(vessel) * step, np.argwhere(wall) * step
    depths = -_away_mm(vessel, step)[vessel]
    hit = walls[touched[:, 2]]
    if not len(hit):
        return {"deg": 0.0, "least": 0.0, "most": 0.0}
    places: list[Floats] = []
    radii: list[float] = []
    degrees: list[Floats] = []
    is_open = depths >= 1.2 * step
    for index in np.argsort(-depths, kind="stable"):
        if not is_open[index]:
            continue
        radius = float(depths[index]) + step / 2
        off = np.linalg.norm(inside - inside[index], axis=1)
        if np.linalg.norm(hit - inside[index], axis=1).min() > 1.6 * radius:
            is_open &= off > radius / 2
            continue
        axis = _axis(inside[off <= 2.5 * radius])
        apart = max(0.2 * radius, 0.9 * step)
        is_open &= (off > 2 * radius) | (np.abs((inside - inside[index]) @ axis) > apart)
        found = _section(inside, walls, touched, (inside[index], axis, radius))
        if found is not None and _goes_on(vessel, inside[index], axis, (radius, step)):
            places.append(inside[index])
            radii.append(radius)
            degrees.append(found)
    if not places:
        return _NONE
    smooth = [
        np.median(np.array(degrees)[np.linalg.norm(np.array(places) - at, axis=1) <= 0.6 * r], 0)
        for at, r in zip(places, radii, strict=True)
    ]
    deg, least, most = np.max(smooth, axis=0).tolist()
    return {"deg": deg, "least": least, "most": most}


def _axis(ball: Floats) -> Floats:
    _, _, rows = np.linalg.svd(ball - ball.mean(axis=0), full_matrices=False)
    axis: Floats = rows[0]
    return axis


def _goes_on(vessel: Bools, place: Floats, axis: Floats, size: tuple[float, float]) -> bool:
    """Whether the vessel goes on to both sides: its ends tell no angle."""
    radius, step = size
    for sign in (-1.0, 1.0):
        at = np.rint((place + sign * 1.3 * radius * axis) / step).astype(int)
        if (at < 0).any() or (at >= vessel.shape).any():
            continue
        near = tuple(slice(max(each - 1, 0), each + 2) for each in at)
        if not vessel[near].any():
            return False
    return True


def _section(
    inside: Floats, walls: Floats, touched: Bools, where: tuple[Floats, Floats, float]
) -> Floats | None:
    """Degrees of one slab across the vessel; ``None`` beside its axis, or without wall around."""
    place, axis, radius = where
    slab = np.abs((inside - place) @ axis) <= 0.5 * radius
    slab &= np.linalg.norm(inside - place, axis=1) <= 2.0 * radius
    middle = inside[slab].mean(axis=0)
    aside = middle - place
    if np.linalg.norm(aside - (aside @ axis) * axis) > 0.4 * radius:
        return None
    off = walls - middle
    along = off @ axis
    flat = off - along[:, None] * axis
    reach = np.linalg.norm(flat, axis=1)
    near = (np.abs(along) <= 0.5 * radius) & (reach <= 2.2 * radius)
    if near.sum() < LEAST_WALL:
        return None
    first = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    first /= np.linalg.norm(first)
    turn = np.arctan2(flat[near] @ np.cross(axis, first), flat[near] @ first)
    bins = np.floor((turn + np.pi) / (2 * np.pi) * BINS).astype(int) % BINS
    wall = np.bincount(bins, minlength=BINS)
    hits = np.stack([np.bincount(bins[t], minlength=BINS) for t in touched[near].T], axis=1)
    seen = wall > 0
    if seen.mean() < 0.75:
        return None
    degrees: Floats = 360.0 * (hits[seen] / wall[seen, None]).mean(axis=0)
    return degrees
