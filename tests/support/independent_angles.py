"""Contact of a tumour with a vessel in sections across it, with numpy alone.

Written from the definition of the contact angle before its author saw the engine's code, so that
both can be compared; afterwards the definition's loose wordings were settled, and one of them (the
last step of a ray), the voxels that leave others out and the slack of depths follow the engine.
Places are (x, y, z) in mm from the first voxel's centre; every distance between voxels is taken one
by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
RAYS = 72
RINGS = (0.75, 2.4)
"""Voxels outside of the wall."""
SLACK_MM = 1e-4
"""Equal depths differ by rounding."""
_CHUNK = 256


class Section(NamedTuple):
    """A plane across a vessel: a place on its axis, the axis' direction, and the depth there."""

    centre: Floats
    along: Floats
    radius: float


class Field(NamedTuple):
    """Values at voxels, and the 3x3 matrix from (x, y, z) indices to mm."""

    values: Floats
    steps: Floats

    def at(self, places: Floats) -> Floats:
        """Linear between voxels; beyond the volume as at its border."""
        last = np.array(self.values.shape) - 1
        zyx = np.clip((places @ np.linalg.inv(self.steps).T)[..., ::-1], 0, last)
        low = np.minimum(np.floor(zyx).astype(int), np.maximum(last - 1, 0))
        share, total = zyx - low, np.zeros(zyx.shape[:-1])
        for corner in np.ndindex(2, 2, 2):
            weight = np.where(np.array(corner) == 1, share, 1 - share).prod(axis=-1)
            total += weight * self.values[tuple(np.moveaxis(np.minimum(low + corner, last), -1, 0))]
        return total


def contact_deg(tumour: Bools, vessel: Bools, affine: Floats) -> float:
    """The largest part of a vessel's circumference that a tumour touches, 0 to 360 degrees.

    Args:
        tumour: Its voxels (z, y, x).
        vessel: Its voxels.
        affine: From (x, y, z) indices to mm; its first three rows and columns count.
    """
    steps, tumour = np.asarray(affine)[:3, :3], tumour & ~vessel
    if not tumour.any() or not vessel.any():
        return 0.0
    share = _smooth(vessel)
    free = 1 - share
    beside = np.where(free > 0.02, _smooth(tumour) / np.maximum(free, 0.02), 0.0)
    fields = Field(share, steps), Field(beside, steps)
    found = []
    for section in _sections(tumour, vessel, steps):
        deg = _section_deg(section, *fields)
        if deg is not None:
            found.append((section, deg))
    if not found:
        return _by_faces(tumour, vessel, steps)
    centres, degrees = np.array([s.centre for s, _ in found]), np.array([d for _, d in found])
    return max(
        float(np.median(degrees[_norm(centres - section.centre) <= 0.41 * section.radius]))
        for section, _ in found
    )


def _smooth(mask: Bools) -> Floats:
    """Gaussian of 0.6 voxels along each axis, five voxels wide."""
    weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.6**2))
    out = mask.astype(np.float64)
    for axis in range(3):
        pad = [(2, 2) if each == axis else (0, 0) for each in range(3)]
        wide = np.moveaxis(np.pad(out, pad, mode="symmetric"), axis, 0)
        count = out.shape[axis]
        total = sum(w * wide[n : n + count] for n, w in enumerate(weights / weights.sum()))
        out = np.moveaxis(np.asarray(total), 0, axis)
    return out


def _norm(vectors: Floats) -> Floats:
    length: Floats = np.sqrt((vectors**2).sum(axis=-1))
    return length


def _places(mask: Bools, steps: Floats) -> Floats:
    return np.argwhere(mask)[:, ::-1] @ steps.T


def _nearest_mm(places: Floats, others: Floats) -> Floats:
    """Distance of each place to the nearest of the others."""
    parts = [places[n : n + _CHUNK] for n in range(0, len(places), _CHUNK)]
    return np.concatenate([_norm(part[:, None] - others[None]).min(axis=1) for part in parts])


def _beside(mask: Bools, axis: int, step: int) -> Bools:
    """Whether the next voxel along an axis is set; nothing is beyond the volume."""
    pad = [(1, 1) if each == axis else (0, 0) for each in range(3)]
    wide = np.moveaxis(np.pad(mask, pad), axis, 0)
    found: Bools = np.moveaxis(wide[1 + step : 1 + step + mask.shape[axis]], 0, axis)
    return found


def _rim(mask: Bools, of: Bools) -> Bools:
    """Voxels of a mask that share a face with another."""
    near = [_beside(of, axis, step) for axis in range(3) for step in (-1, 1)]
    return np.logical_and(mask, np.any(near, axis=0))


def _sections(tumour: Bools, vessel: Bools, steps: Floats) -> list[Section]:
    places = _places(vessel, steps)
    depths = _nearest_mm(places, _places(_rim(~vessel, vessel), steps))
    rows = _axis_voxels(vessel, places, depths)
    away = _nearest_mm(places[rows], _places(_rim(tumour, ~tumour), steps))
    rows = rows[away <= depths[rows] + 3.4 * _norm(steps.T).max()]
    is_inner = np.zeros(vessel.shape, dtype=bool)
    is_inner[1:-1, 1:-1, 1:-1] = True
    found = []
    is_left_out = np.zeros(len(places), dtype=bool)
    for row in rows[np.argsort(-np.round(depths[rows], 3), kind="stable")]:
        if not is_left_out[row]:
            is_left_out |= _norm(places - places[row]) <= 0.15 * depths[row]
            found.append(_section(places, float(depths[row]), places[row], ~is_inner[vessel]))
    return [each for each in found if each is not None]


def _axis_voxels(vessel: Bools, places: Floats, depths: Floats) -> npt.NDArray[np.intp]:
    """Rows of the voxels that are about as deep as all around them."""
    wide = np.zeros(np.add(vessel.shape, 2))
    wide[1:-1, 1:-1, 1:-1][vessel] = depths
    z, y, x = np.argwhere(vessel).T + 1
    six = [wide[z - 1, y, x], wide[z + 1, y, x], wide[z, y - 1, x], wide[z, y + 1, x]]
    six += [wide[z, y, x - 1], wide[z, y, x + 1]]
    rows = np.flatnonzero(depths >= 0.9 * np.max(six, axis=0) - SLACK_MM)
    around = [depths[_norm(places - places[n]) <= 0.55 * depths[n]] for n in rows]
    is_on = [depths[n] >= 0.9 * near.max() - SLACK_MM for n, near in zip(rows, around, strict=True)]
    on_axis: npt.NDArray[np.intp] = rows[np.array(is_on, dtype=bool)]
    return on_axis


def _section(places: Floats, radius: float, voxel: Floats, is_outer: Bools) -> Section | None:
    """The section at a voxel of the axis, ``None`` where the vessel has none."""
    in_ball = _norm(places - voxel) <= 2.17 * radius
    ball = places[in_ball]
    if len(ball) < 8 or is_outer[in_ball].any():
        return None
    off = ball - ball.mean(axis=0)
    along = np.linalg.eigh(off.T @ off)[1][:, -1]
    centre = voxel
    for _ in range(2):
        slab = ball[np.abs((ball - centre) @ along) <= 0.52 * radius]
        if len(slab) < 4:
            return None
        move = slab.mean(axis=0) - centre
        centre = centre + move - (move @ along) * along
    if _norm(centre - voxel) > 0.5 * radius:
        return None
    away = _norm(ball - centre)
    ahead = ((ball - centre) @ along)[away > 1.03 * radius]
    far = 0.71 * away[away > 1.03 * radius]
    if not (ahead >= far).any() or not (-ahead >= far).any():
        return None
    return Section(centre, along, radius)


def _section_deg(section: Section, share: Field, beside: Field) -> float | None:
    """Touched degrees at the wall; ``None`` where too little of the wall is found."""
    first = np.eye(3)[np.abs(section.along).argmin()]
    first = first - (first @ section.along) * section.along
    first /= _norm(first)
    turns = np.arange(RAYS) * (2 * np.pi / RAYS)
    second = np.cross(section.along, first)
    rays = np.cos(turns)[:, None] * first + np.sin(turns)[:, None] * second
    voxel_mm = 1 / _norm(rays @ np.linalg.inv(share.steps).T)
    step = voxel_mm.min() / 4
    reach = np.arange(int(np.ceil(2.2 * section.radius / step)) + 1) * step
    values = share.at(section.centre + reach[None, :, None] * rays[:, None])
    if values[0, 0] < 0.5:
        return None
    leaves = (values[:, :-1] >= 0.5) & (values[:, 1:] < 0.5)
    has_wall: Bools = np.any(leaves, axis=1)
    if has_wall.mean() < 0.75:
        return None
    row, last = np.arange(RAYS), leaves.argmax(axis=1)
    inner, outer = values[row, last], values[row, last + 1]
    wall = reach[last] + step * (inner - 0.5) / np.where(has_wall, inner - outer, 1)
    radii, degrees = [float(wall[has_wall].mean())], []
    for voxels in RINGS:
        ring = wall + voxels * voxel_mm
        radii.append(float(ring[has_wall].mean()))
        degrees.append(_touched(beside.at(section.centre + ring[:, None] * rays), has_wall))
    return _at_wall(radii, *degrees)


def _touched(values: Floats, has_wall: Bools) -> float:
    """Degrees of a ring where the values are above 0.5, linear between rays."""
    now, after = values - 0.5, np.roll(values, -1) - 0.5
    is_gap = has_wall & np.roll(has_wall, -1)
    above = np.maximum(now, 0) + np.maximum(after, 0)
    total = np.abs(now) + np.abs(after)
    part = above / np.where(total > 0, total, 1)
    return 360 * float(part[is_gap].mean())


def _at_wall(radii: list[float], near: float, far: float) -> float:
    """The angle at the wall from those on both rings, if the tumour's edge is a circle."""
    if near <= 0 or near >= 360 or far < 0.75 * near:
        deg = near
    else:
        at, one, two = radii
        off, off_two = (r * np.cos(np.radians(d) / 2) for r, d in ((one, near), (two, far)))
        bend = (off_two - off) / (two**2 - one**2)
        edge = off + bend * (at**2 - one**2)
        deg = 2 * float(np.degrees(np.arccos(np.clip(edge / at, -1, 1))))
    return deg if deg >= 3 else 0.0


def _by_faces(tumour: Bools, vessel: Bools, steps: Floats) -> float:
    """Share of the faces around thin vessels that lie at the tumour."""
    counted = _rim(vessel, tumour)
    if not counted.any():
        return 0.0
    touched, spacing = np.argwhere(counted), _norm(steps.T)[::-1]
    low, high = np.maximum(touched.min(axis=0) - 3, 0), touched.max(axis=0) + 4
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    spread = np.argwhere(vessel[box]).std(axis=0) * spacing
    across = [axis for axis in range(3) if axis != spread.argmax()]
    for axis in across:
        counted = vessel & (counted | _beside(counted, axis, -1) | _beside(counted, axis, 1))
    at_tumour = at_all = 0.0
    for axis in across:
        area = float(np.prod(np.delete(spacing, axis)))
        for step in (-1, 1):
            at_tumour += area * int((counted & _beside(tumour, axis, step)).sum())
            at_all += area * int((counted & ~_beside(vessel, axis, step)).sum())
    return 360 * at_tumour / at_all if at_all else 0.0
