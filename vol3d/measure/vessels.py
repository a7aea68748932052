"""How much of a vessel's wall a tumour touches, in degrees of the circumference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vol3d.measure.facts import Profile
from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

NUM_RAYS = 120
SMOOTHING_VOXELS = 0.6
"""Gaussian that turns the voxels' steps into surfaces."""
RING_VOXELS = (1.0, 2.4)
"""Where the tumour's edge is looked for, outside of the wall; from both the edge at the wall
itself is extrapolated, so that the voxels of the wall do not matter."""
LEAST_ARC_DEG = 3.0
SAME_DIRECTION = 0.995
"""Least cosine between neighbouring sections' directions."""
SMALL_GAP_DEG = 100.0
"""A gap in the contact below it is extrapolated as that of a round tumour."""
AVERAGED_RADII = 0.05
"""The tumour is averaged this far to both sides along the vessel, in radii of it."""


class _Section(NamedTuple):
    """A cross-section of a vessel: centre, direction along it, and two unit vectors across."""

    centre_mm: FloatArray
    along: FloatArray
    across: FloatArray
    upright: FloatArray
    radius_mm: float


def vessel_angles(
    tumour_zyx: BoolArray, vessels: Mapping[str, BoolArray], grid: Grid, *, profile: Profile
) -> dict[str, float]:
    """The contact of a tumour with each of several vessels.

    Args:
        tumour_zyx: The tumour's voxels.
        vessels: Voxels of each vessel by name, on the same grid.
        grid: Grid of all masks.
        profile: As for :func:`vessel_contact_angle_deg`.
    """
    return {
        name: vessel_contact_angle_deg(tumour_zyx, vessel, grid, profile=profile)
        for name, vessel in vessels.items()
    }


def vessel_contact_angle_deg(
    tumour_zyx: BoolArray, vessel_zyx: BoolArray, grid: Grid, *, profile: Profile
) -> float:
    """The largest part of a vessel's circumference that a tumour touches, 0 to 360 degrees.

    Args:
        tumour_zyx: The tumour's voxels.
        vessel_zyx: The vessel's voxels; where both are set, the vessel counts.
        grid: Grid of both masks; may be anisotropic, oblique or sheared.
        profile: ``native`` takes the masks as they are; ``radgpt`` widens the tumour by 4 mm, as
            the reports of RadGPT do, and so says more.

    Source:
        ``native``: rays from the vessel's centre in planes across it; the contact begins and ends
        where the tumour's edge, extrapolated from outside, meets the wall. Ends of the vessel are
        left out. A vessel too thin on this grid for a cross-section is measured by the faces of
        its voxels near the tumour, to about a quarter of the circle.
    """
    if not tumour_zyx.any() or not vessel_zyx.any():
        return 0.0
    if profile == "radgpt":
        from vol3d.measure.radgpt_vessels import widened_contact_deg

        return widened_contact_deg(tumour_zyx, vessel_zyx, grid)
    fields = _Fields(tumour_zyx & ~vessel_zyx, vessel_zyx, grid)
    sections = _sections(fields)
    if not sections:
        return _face_share_deg(fields)
    angles = [_section_angle_deg(fields, section) for section in sections]
    return max(_running_median(sections, angles))


class _Fields:
    """Tumour and vessel as smooth fields that can be read at any point."""

    def __init__(self, tumour: BoolArray, vessel: BoolArray, grid: Grid) -> None:
        from scipy import ndimage

        self.grid, self.vessel_voxels, self.tumour_voxels = grid, vessel, tumour
        free = ndimage.gaussian_filter((~vessel).astype(np.float32), SMOOTHING_VOXELS)
        inside = ndimage.gaussian_filter(tumour.astype(np.float32), SMOOTHING_VOXELS)
        # the vessel hides what lies in it: the tumour's share is that of what is not hidden
        self.tumour = np.where(free > 0.02, inside / np.maximum(free, 0.02), 0.0)
        self.vessel = 1.0 - free
        self.to_index = np.linalg.inv(grid.affine[:3, :3])

    def read(self, field: npt.NDArray[np.floating], points_mm: FloatArray) -> FloatArray:
        """Values at world points (..., 3), linear; the border goes on outside."""
        from scipy import ndimage

        index = self.grid.world_to_index_zyx(points_mm)
        values: FloatArray = ndimage.map_coordinates(
            field, np.moveaxis(index, -1, 0), order=1, mode="nearest"
        )
        return values

    def voxel_mm(self, directions: FloatArray) -> FloatArray:
        """Length of one voxel along unit vectors (..., 3)."""
        length: FloatArray = 1.0 / np.linalg.norm(directions @ self.to_index.T, axis=-1)
        return length

    def is_near_border(self, section: _Section) -> bool:
        """Whether the masks' box cuts through what tells the section's direction."""
        index = self.grid.world_to_index_zyx(section.centre_mm)
        margin = 2.2 * section.radius_mm / np.array(self.grid.spacing_zyx_mm)
        last = np.array(self.grid.shape_zyx) - 1
        return bool((index < margin).any() or (index > last - margin).any())

    def is_outside(self, point_mm: FloatArray) -> bool:
        """Whether a point lies outside of the masks' box."""
        index = self.grid.world_to_index_zyx(point_mm)
        return bool((index < 0).any() or (index > np.array(self.grid.shape_zyx) - 1).any())


def _sections(fields: _Fields) -> list[_Section]:
    """Cross-sections of the vessel along its part near the tumour, without its ends."""
    import edt

    grid = fields.grid
    spacing = grid.spacing_zyx_mm
    depth = edt.edt(np.ascontiguousarray(fields.vessel_voxels), anisotropy=spacing, parallel=1)
    to_tumour = edt.edt(np.ascontiguousarray(~fields.tumour_voxels), anisotropy=spacing, parallel=1)
    zyx = np.argwhere(fields.vessel_voxels)
    world = grid.index_to_world_mm(zyx)
    depths = depth[tuple(zyx.T)].astype(np.float64)
    reach = to_tumour[tuple(zyx.T)] - depths
    margin = (RING_VOXELS[1] + 1) * max(spacing)
    found: list[_Section] = []
    is_open = reach <= margin
    order = np.argsort(-depths, kind="stable")
    for index in order:
        if not is_open[index]:
            continue
        radius = float(depths[index])
        away = world - world[index]
        off = np.linalg.norm(away, axis=1)
        section = _section_at(fields, world, off, radius)
        if section is not None and _is_off_axis(section, world[index]):
            section = None
        if section is None:
            is_open &= off > 1.2 * radius
            continue
        step = max(0.15 * radius, 0.7 * min(spacing))
        is_open &= (off > 2 * radius) | (np.abs(away @ section.along) > step)
        found.append(section)
    inner = [each for each in found if not fields.is_near_border(each)]
    return [each for each in found if _goes_with(each, inner)] if inner else found


def _goes_with(section: _Section, inner: list[_Section]) -> bool:
    """Whether a section runs as the nearest one does whose surroundings are not cut off."""
    nearest = min(
        inner, key=lambda other: float(np.linalg.norm(other.centre_mm - section.centre_mm))
    )
    return abs(float(nearest.along @ section.along)) >= SAME_DIRECTION


def _face_share_deg(fields: _Fields) -> float:
    """Degrees by areas of voxel faces: those at the tumour, of all around the touched part.

    Faces across the vessel, by the array axis along which it runs there, count neither way.
    """
    vessel, tumour = (np.pad(each, 1) for each in (fields.vessel_voxels, fields.tumour_voxels))
    sides = range(3)
    touched = vessel & np.any([_moved(tumour, axis) for axis in sides], axis=0)
    if not touched.any():
        return 0.0
    places, own = np.argwhere(touched), np.argwhere(vessel)
    near = ((own >= places.min(axis=0) - 3) & (own <= places.max(axis=0) + 3)).all(axis=1)
    length_mm = np.array(fields.grid.spacing_zyx_mm)
    along = int((own[near].std(axis=0) * length_mm).argmax())
    around = touched
    for axis in sides:
        if axis != along:
            around = around | (vessel & _moved(around, axis))
    free_mm2 = held_mm2 = 0.0
    for axis in (each for each in sides if each != along):
        area_mm2 = float(np.prod(np.delete(length_mm, axis)))
        for step in (-1, 1):
            free_mm2 += area_mm2 * np.count_nonzero(around & ~np.roll(vessel, step, axis=axis))
            held_mm2 += area_mm2 * np.count_nonzero(around & np.roll(tumour, step, axis=axis))
    return 360.0 * held_mm2 / free_mm2 if free_mm2 else 0.0


def _moved(inside: BoolArray, axis: int) -> BoolArray:
    """A mask with an empty border, moved by one voxel to both sides."""
    return np.roll(inside, -1, axis=axis) | np.roll(inside, 1, axis=axis)


def _is_off_axis(section: _Section, seed_mm: FloatArray) -> bool:
    """Whether a section was started at a voxel beside the vessel's axis, such as in a corner."""
    off = seed_mm - section.centre_mm
    return float(np.linalg.norm(off - (off @ section.along) * section.along)) > (
        0.5 * section.radius_mm
    )


def _section_at(
    fields: _Fields, world: FloatArray, off_mm: FloatArray, radius_mm: float
) -> _Section | None:
    """The section around a voxel, or None at an end of the vessel."""
    ball = world[off_mm <= 2.2 * radius_mm + 1e-6]
    if len(ball) < 8:
        return None
    middle = ball.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((ball - middle).T))
    along = axes[:, 2]
    for _ in range(2):  # the centre of the slab across the vessel
        slab = ball[np.abs((ball - middle) @ along) <= 0.5 * radius_mm]
        if len(slab) < 4:
            return None
        shift = slab.mean(axis=0) - middle
        middle = middle + shift - (shift @ along) * along
    for sign in (-1.0, 1.0):
        ahead = middle + sign * 1.3 * radius_mm * along
        if not fields.is_outside(ahead) and fields.read(fields.vessel, ahead[None])[0] < 0.5:
            return None
    return _Section(middle, along, axes[:, 0], axes[:, 1], radius_mm)


def _section_angle_deg(fields: _Fields, section: _Section) -> float:
    """Degrees of one cross-section's wall that the tumour touches."""
    turn = np.arange(NUM_RAYS) * (2 * np.pi / NUM_RAYS)
    rays = np.cos(turn)[:, None] * section.across + np.sin(turn)[:, None] * section.upright
    voxel_mm = fields.voxel_mm(rays)
    wall_mm = _wall_mm(fields, section, rays, voxel_mm)
    near = AVERAGED_RADII * section.radius_mm * np.linspace(-1, 1, 5)[:, None, None]
    rings = []
    for voxels in RING_VOXELS:
        points = section.centre_mm + (wall_mm + voxels * voxel_mm)[:, None] * rays
        values = fields.read(fields.tumour, points + near * section.along)
        rings.append(values.mean(axis=0) - 0.5)
    inner, outer = rings
    if (inner > 0).all():
        return 360.0
    arcs = _arcs(inner)
    outer_arcs = [(0.0, float(NUM_RAYS))] if (outer > 0).all() else _arcs(outer)
    radii = [wall_mm + voxels * voxel_mm for voxels in RING_VOXELS]
    if len(arcs) == len(outer_arcs) == 1:
        open_rays = [NUM_RAYS - (arc[1] - arc[0]) for arc in (arcs[0], outer_arcs[0])]
        if open_rays[0] < SMALL_GAP_DEG / 360 * NUM_RAYS:
            return 360.0 * (1 - _gap_at_wall(*open_rays) / NUM_RAYS)
    total = 0.0
    for arc in arcs:
        beyond = max(outer_arcs, key=lambda other: _shared(arc, other), default=None)
        if beyond is None or _shared(arc, beyond) <= 0 or (outer > 0).all():
            total += arc[1] - arc[0]
            continue
        beyond = _unrolled(beyond, arc)
        start = _at_wall(wall_mm, radii, (arc[0], beyond[0]))
        stop = _at_wall(wall_mm, radii, (arc[1], beyond[1]))
        total += min(max(stop - start, 0.0), float(NUM_RAYS))
    degrees = min(total * 360.0 / NUM_RAYS, 360.0)
    return degrees if degrees >= LEAST_ARC_DEG else 0.0


def _gap_at_wall(inner: float, outer: float) -> float:
    """Width at the wall of a small gap in a tumour around a vessel, from its widths on two rings.

    The gap between a vessel and a round tumour that is a little off its axis opens like the square
    root of the distance.
    """
    first, second = RING_VOXELS
    square = inner**2 - (outer**2 - inner**2) * first / (second - first)
    return float(np.sqrt(max(square, 0.0)))


def _wall_mm(
    fields: _Fields, section: _Section, rays: FloatArray, voxel_mm: FloatArray
) -> FloatArray:
    """Distance of the wall from the centre along every ray."""
    steps = np.arange(0.0, 3.0 * section.radius_mm, 0.25 * float(voxel_mm.min()))
    points = section.centre_mm + steps[None, :, None] * rays[:, None, :]
    inside = fields.read(fields.vessel, points)
    is_out = inside < 0.5
    is_out[:, -1] = True
    first = np.maximum(is_out.argmax(axis=1), 1)
    row = np.arange(len(rays))
    before, after = inside[row, first - 1], inside[row, first]
    share = np.clip((before - 0.5) / np.maximum(before - after, 1e-6), 0.0, 1.0)
    wall: FloatArray = steps[first - 1] + share * (steps[first] - steps[first - 1])
    return wall


def _arcs(values: FloatArray) -> list[tuple[float, float]]:
    """Stretches of a closed ring with positive values, as (start, stop) in rays; stop > start."""
    count = len(values)
    is_in = values > 0
    if not is_in.any():
        return []
    if is_in.all():
        return [(0.0, float(count))]
    starts = np.flatnonzero(is_in & ~np.roll(is_in, 1))
    arcs = []
    for start in starts:
        stop = start
        while is_in[(stop + 1) % count]:
            stop += 1
        before, at = values[(start - 1) % count], values[start]
        last, after = values[stop % count], values[(stop + 1) % count]
        arcs.append((start - at / (at - before), stop + last / (last - after)))
    return arcs


def _unrolled(arc: tuple[float, float], near: tuple[float, float]) -> tuple[float, float]:
    """The arc turned by whole circles so that it lies beside another one."""
    off = ((near[0] + near[1]) - (arc[0] + arc[1])) / 2
    turns = round(off / NUM_RAYS) * NUM_RAYS
    return arc[0] + turns, arc[1] + turns


def _shared(first: tuple[float, float], second: tuple[float, float]) -> float:
    second = _unrolled(second, first)
    return min(first[1], second[1]) - max(first[0], second[0])


def _at_wall(wall_mm: FloatArray, radii: list[FloatArray], places: tuple[float, float]) -> float:
    """Where the tumour's edge, seen on two rings, meets the wall: the ray, as a fraction.

    The edge is taken for straight. Where it misses the wall, its nearest point to it counts.
    """
    rays = np.arange(NUM_RAYS + 1, dtype=np.float64)

    def radius(table: FloatArray, place: float | FloatArray) -> FloatArray:
        value: FloatArray = np.interp(np.mod(place, NUM_RAYS), rays, np.append(table, table[0]))
        return value

    step = 2 * np.pi / NUM_RAYS
    inner, outer = (
        float(radius(r, place)) * np.array([np.cos(place * step), np.sin(place * step)])
        for r, place in zip(radii, places, strict=True)
    )
    direction = inner - outer
    length = float(np.linalg.norm(direction))
    if length == 0:
        return places[0]
    along = np.linspace(0.0, 2.5 * float(wall_mm.max()), 200)
    line = inner + along[:, None] * direction / length
    turned = np.arctan2(line[:, 1], line[:, 0]) / step
    turned += np.round((places[0] - turned) / NUM_RAYS) * NUM_RAYS
    gap = np.linalg.norm(line, axis=1) - radius(wall_mm, turned)
    hits = np.flatnonzero(gap <= 0)
    if not hits.size:
        return float(turned[gap.argmin()])
    first = int(hits[0])
    if first == 0:
        return float(turned[0])
    share = gap[first - 1] / (gap[first - 1] - gap[first])
    return float(turned[first - 1] + share * (turned[first] - turned[first - 1]))


def _running_median(sections: list[_Section], angles: list[float]) -> list[float]:
    """Medians over the sections within 0.6 radii of each, so that one noisy one does not count."""
    centres = np.array([section.centre_mm for section in sections])
    values = np.array(angles)
    smooth = []
    for section in sections:
        near = np.linalg.norm(centres - section.centre_mm, axis=1) <= 0.6 * section.radius_mm
        smooth.append(float(np.median(values[near])))
    return smooth
