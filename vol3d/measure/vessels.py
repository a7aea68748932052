"""How much of a vessel's wall a tumour touches, in degrees of the circumference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vol3d.measure.facts import Profile
from vol3d.measure.instances import cut_grid
from vol3d.measure.vessel_sections import BALL_RADII, Section, vessel_sections
from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

NUM_RAYS = 72
SMOOTHING_VOXELS = 0.6
"""Gaussian that turns the voxels' steps into surfaces; its kernel ends after 2 voxels."""
LEAST_FREE = 0.02
"""Where less than this is no vessel, nothing can be a tumour beside it."""
RING_VOXELS = (0.75, 2.4)
"""Where the tumour's edge is looked for, outside of the wall."""
STEP_VOXELS = 0.25
REACH_RADII = 2.2
"""How far from the centre the wall is looked for; beyond lies a branch, not a wall."""
LEAST_CLOSED = 0.75
"""Least share of the rays that find a wall."""
LEAST_OUTER = 0.75
"""A tumour of less than this share of its width on the outer ring ends between the rings."""
LEAST_ARC_DEG = 3.0
MEDIAN_RADII = 0.41


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

    The native measure, in full:

    1. Where both are set, the vessel counts. Both masks are smoothed with a Gaussian of 0.6 voxels
       along each index axis (kernel from -2 to 2 voxels; beyond the border the voxels repeat in
       reverse, the outermost first). The vessel's surface is where its smooth mask is 0.5. The
       tumour is where its smooth mask, divided at each voxel by one minus the vessel's (nowhere,
       where that is 0.02 or less), is above 0.5. Between voxels all are linear; beyond the volume
       they are those of its border.
    2. Sections across the vessel come from :func:`vol3d.measure.vessel_sections.vessel_sections`,
       wanted at voxels whose distance to the nearest voxel of the tumour is at most the depth (the
       distance to the nearest voxel outside of the vessel) plus 3.4 times the largest spacing.
    3. In each section 72 rays leave the centre, the first along the world axis that runs least
       along the vessel, as far as it lies in the section. The wall is where a ray first leaves the
       vessel, linear between steps of a quarter of a voxel (the shortest along any of the rays);
       the last step is the first at or beyond 2.2 radii. A voxel's length along a direction is one
       over the length of that direction in index space. A section has walls on three quarters of
       its rays; its centre is in the vessel.
    4. On a ring 0.75 voxels outside of the wall (of a voxel's length along each ray), and on one
       2.4 voxels outside, the touched angle is the share of the ring where the tumour is, linear
       between neighbouring rays; gaps beside a ray without a wall do not count.
    5. From both the angle at the wall follows as if the tumour were round in this plane: the
       distance of its edge from the plane through the axis is a + b * radius^2 (radius * cosine of
       half the angle; radii are means over the rays with a wall). Nothing on the inner ring is 0,
       all of it 360; where the outer ring has less than three quarters of the inner one's angle,
       the tumour ends between them, and the inner one's angle stays. Less than 3 degrees is 0.
    6. Each section takes the median over the sections whose centres lie within 0.41 of its radius;
       the largest of these is the result.
    7. Where no section is left, as in vessels of one or two voxels, faces of voxels are counted,
       to about a quarter of the circle. Touched voxels of the vessel share a face with the tumour.
       The vessel runs there along the array axis of the largest standard deviation, in mm, of its
       voxels in the touched ones' bounding box, grown by 3 voxels. Counted are the touched voxels
       and those of the vessel beside them along the first other axis, then beside all of these
       along the second; the areas of their faces across both axes at the tumour, over those at
       anything but the vessel (the outside of the volume too), are the share of 360 degrees.

    Distances to masks and areas of faces are those of an orthogonal grid of the same spacings: on
    sheared grids (a tilted gantry) the angle is a few degrees less certain.

    Args:
        tumour_zyx: The tumour's voxels.
        vessel_zyx: The vessel's voxels.
        grid: Grid of both masks; may be anisotropic, oblique or sheared. Should hold the vessel as
            far as three of its radii around the tumour.
        profile: ``native`` takes the masks as they are; ``radgpt`` widens the tumour by 4 mm, as
            the reports of RadGPT do, and so says more.

    Source:
        Own measure; the clinical quantity is the NCCN's and MD Anderson's degree of contact.
    """
    if not tumour_zyx.any() or not vessel_zyx.any():
        return 0.0
    if profile == "radgpt":
        from vol3d.measure.radgpt_vessels import widened_contact_deg

        return widened_contact_deg(tumour_zyx, vessel_zyx, grid)
    tumour_zyx = tumour_zyx & ~vessel_zyx
    sections = _sections(tumour_zyx, vessel_zyx, grid)
    fields = _Fields(tumour_zyx, vessel_zyx, grid)
    measured = [(each, _section_angle_deg(fields, each)) for each in sections]
    told = [(each, angle) for each, angle in measured if angle is not None]
    if not told:
        return _face_share_deg(tumour_zyx, vessel_zyx, grid)
    centres = np.array([section.centre_mm for section, _ in told])
    angles = np.array([angle for _, angle in told])
    return max(
        float(np.median(angles[np.linalg.norm(centres - s.centre_mm, axis=1) <= near_mm]))
        for s, near_mm in ((s, MEDIAN_RADII * s.radius_mm) for s, _ in told)
    )


def _sections(tumour: BoolArray, vessel: BoolArray, grid: Grid) -> list[Section]:
    """Cross-sections of the vessel beside the tumour."""
    import edt

    spacing = grid.spacing_zyx_mm
    depth = edt.edt(np.ascontiguousarray(vessel), anisotropy=spacing, parallel=1)
    away = edt.edt(np.ascontiguousarray(~tumour), anisotropy=spacing, parallel=1)
    near = vessel & (away <= depth + (RING_VOXELS[1] + 1) * max(spacing))
    if not near.any():
        return []
    # what lies further off than the largest ball tells nothing
    reach = np.ceil((1 + BALL_RADII) * float(depth[near].max()) / np.array(spacing)).astype(int)
    places = np.argwhere(near)
    low = np.maximum(places.min(axis=0) - reach, 0)
    high = np.minimum(places.max(axis=0) + reach + 1, vessel.shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    box = (z, y, x)
    return vessel_sections(vessel[box], near[box], cut_grid(grid, box), depth[box])


class _Fields:
    """Tumour and vessel as smooth fields that can be read at any point."""

    def __init__(self, tumour: BoolArray, vessel: BoolArray, grid: Grid) -> None:
        from scipy import ndimage

        self.grid = grid
        free = ndimage.gaussian_filter((~vessel).astype(np.float32), SMOOTHING_VOXELS)
        inside = ndimage.gaussian_filter(tumour.astype(np.float32), SMOOTHING_VOXELS)
        # the vessel hides what lies in it: the tumour's share is that of what is not hidden
        is_free = free > LEAST_FREE
        self.tumour = np.where(is_free, inside / np.maximum(free, LEAST_FREE), np.float32(0))
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


def _section_angle_deg(fields: _Fields, section: Section) -> float | None:
    """Degrees of one cross-section's wall that the tumour touches; None without a wall around."""
    turn = np.arange(NUM_RAYS) * (2 * np.pi / NUM_RAYS)
    rays = np.cos(turn)[:, None] * section.across + np.sin(turn)[:, None] * section.upright
    voxel_mm = fields.voxel_mm(rays)
    wall_mm = _wall_mm(fields, section, rays, STEP_VOXELS * float(voxel_mm.min()))
    is_closed = np.isfinite(wall_mm)
    if is_closed.mean() < LEAST_CLOSED:
        return None
    wall_mm[~is_closed] = 0.0
    shares, radii = [], []
    for voxels in RING_VOXELS:
        radius_mm = wall_mm + voxels * voxel_mm
        points = section.centre_mm + radius_mm[:, None] * rays
        shares.append(_share(fields.read(fields.tumour, points) - 0.5, is_closed))
        radii.append(float(radius_mm[is_closed].mean()))
    degrees = _at_wall_deg(shares, radii, float(wall_mm[is_closed].mean()))
    return degrees if degrees >= LEAST_ARC_DEG else 0.0


def _wall_mm(fields: _Fields, section: Section, rays: FloatArray, step_mm: float) -> FloatArray:
    """Distance of the wall from the centre along every ray; infinite where it finds none."""
    steps = np.arange(0.0, REACH_RADII * section.radius_mm + step_mm, step_mm)
    points = section.centre_mm + steps[None, :, None] * rays[:, None, :]
    inside = fields.read(fields.vessel, points)
    is_out = inside < 0.5
    first = is_out.argmax(axis=1)
    has_wall = is_out.any(axis=1) & (first > 0)
    first = np.maximum(first, 1)
    row = np.arange(len(rays))
    before, after = inside[row, first - 1], inside[row, first]
    share = (before - 0.5) / np.maximum(before - after, 1e-6)
    wall: FloatArray = np.where(has_wall, steps[first - 1] + share * step_mm, np.inf)
    return wall


def _share(values: FloatArray, is_closed: BoolArray) -> float:
    """Share of a ring where a field is above zero, linear between neighbours that have a wall."""
    after = np.roll(values, -1)
    above = np.maximum(values, 0.0) + np.maximum(after, 0.0)
    below = np.maximum(-values, 0.0) + np.maximum(-after, 0.0)
    share = above / np.maximum(above + below, 1e-12)
    return float(share[is_closed & np.roll(is_closed, -1)].mean())


def _at_wall_deg(shares: list[float], radii_mm: list[float], wall_mm: float) -> float:
    """The touched angle at the wall from its shares on two rings around it."""
    inner, outer = shares
    if inner <= 0 or inner >= 1 or outer < LEAST_OUTER * inner:
        return 360.0 * inner
    edges = [r * np.cos(np.pi * share) for r, share in zip(radii_mm, shares, strict=True)]
    bend = (edges[1] - edges[0]) / (radii_mm[1] ** 2 - radii_mm[0] ** 2)
    edge = edges[0] + bend * (wall_mm**2 - radii_mm[0] ** 2)
    return float(np.degrees(2 * np.arccos(np.clip(edge / wall_mm, -1.0, 1.0))))


def _face_share_deg(tumour_zyx: BoolArray, vessel_zyx: BoolArray, grid: Grid) -> float:
    """Degrees by areas of voxel faces: those at the tumour, of all around the touched part.

    Faces across the vessel, by the array axis along which it runs there, count neither way.
    """
    vessel, tumour = (np.pad(each, 1) for each in (vessel_zyx, tumour_zyx))
    sides = range(3)
    touched = vessel & np.any([_moved(tumour, axis) for axis in sides], axis=0)
    if not touched.any():
        return 0.0
    places, own = np.argwhere(touched), np.argwhere(vessel)
    near = ((own >= places.min(axis=0) - 3) & (own <= places.max(axis=0) + 3)).all(axis=1)
    length_mm = np.array(grid.spacing_zyx_mm)
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
