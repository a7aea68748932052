"""Cross-sections of a vessel's mask: where its axis lies, where it runs, how thick it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

CORE_SHARE = 0.9
"""Least depth of a voxel of the axis, as a share of the largest depth around it."""
CORE_REACH = 0.55
"""How far around a voxel that largest depth is looked for, in depths of the voxel."""
BALL_RADII = 2.17
"""The part of the vessel that tells its direction, in radii around a voxel of the axis."""
SLAB_RADII = 0.52
"""Half the thickness of the slab whose middle is the section's centre, in radii."""
MOST_ASIDE = 0.5
"""How far a section's centre may lie beside the voxel from which it was found, in radii."""
AWAY_RADII = 1.03
CONE_COSINE = 0.71
"""A vessel goes on where a voxel lies within this cosine of the axis, that many radii away."""
LEAST_BALL, LEAST_SLAB = 8, 4
APART_DEPTHS = 0.15
"""A section's voxel leaves out those less far away than this share of its depth."""
_DEPTH_DECIMALS = 3
_CUBES = (1, 2, 4, 8)


class Section(NamedTuple):
    """A cross-section of a vessel: centre, direction along it, and two unit vectors across."""

    centre_mm: FloatArray
    along: FloatArray
    across: FloatArray
    upright: FloatArray
    radius_mm: float


def vessel_sections(
    vessel_zyx: BoolArray, is_near_zyx: BoolArray, grid: Grid, depth_mm_zyx: FloatArray
) -> list[Section]:
    """Cross-sections at voxels of a vessel's axis.

    A voxel is of the axis if its depth is at least 0.9 (less 0.0001 mm) of the depth of its six
    neighbours, and of every depth within 0.55 of its own around it. Those where sections are wanted
    are taken from the deepest to the least deep one (rounded to 0.001 mm; among equals by lowest z,
    then y, then x); each leaves out the later ones within 0.15 of its depth, which matters in
    vessels thicker than a dozen voxels only.

    The section's direction is the longest principal axis of the vessel's voxels within 2.17 radii,
    the radius being the depth; its centre is the voxel's, moved across the vessel to the mean of
    those of them that lie within 0.52 radii of its plane. There is no section where the ball holds
    fewer than 8 voxels or the slab fewer than 4, where the centre ends up more than half a radius
    beside the voxel, where the vessel ends to one side (no voxel of the ball more than 1.03 radii
    from the centre within acos 0.71 of the axis), or where the volume's outermost layer cuts the
    vessel within the ball. Shares of radii are such that whole voxels do not hit them.

    Args:
        vessel_zyx: The vessel's voxels.
        is_near_zyx: Where sections are wanted.
        grid: Grid of all arrays.
        depth_mm_zyx: Distance from each voxel of the vessel to the nearest one outside of it.
    """
    from scipy.spatial import KDTree

    places = np.argwhere(vessel_zyx)
    world_mm = grid.index_to_world_mm(places)
    depths_mm = depth_mm_zyx[tuple(places.T)].astype(np.float64)
    last = np.array(vessel_zyx.shape) - 1
    is_cut = ((places == 0) | (places == last)).any(axis=1)
    wanted = vessel_zyx & is_near_zyx & _may_be_axis(depth_mm_zyx, grid)
    tree = KDTree(world_mm)
    is_left_out = np.zeros(len(places), dtype=bool)
    candidates = np.flatnonzero(wanted[tuple(places.T)])
    order = np.argsort(-np.round(depths_mm[candidates], _DEPTH_DECIMALS), kind="stable")
    found = []
    for index in candidates[order]:
        at_mm, radius_mm = world_mm[index], float(depths_mm[index])
        if is_left_out[index]:
            continue
        around = tree.query_ball_point(at_mm, CORE_REACH * radius_mm)
        if radius_mm < CORE_SHARE * depths_mm[around].max() - 1e-4:
            continue
        is_left_out[tree.query_ball_point(at_mm, APART_DEPTHS * radius_mm)] = True
        ball = tree.query_ball_point(at_mm, BALL_RADII * radius_mm)
        if len(ball) < LEAST_BALL or is_cut[ball].any():
            continue
        section = _section(world_mm[ball], at_mm, radius_mm)
        if section is not None:
            found.append(section)
    return found


def _may_be_axis(depth_mm_zyx: FloatArray, grid: Grid) -> BoolArray:
    """Voxels that are deep among their six neighbours, and in cubes that lie in the ball.

    The cubes leave out most of a thick vessel without a search for its voxels' neighbours.
    """
    from scipy import ndimage

    diagonal_mm = float(np.linalg.norm(grid.spacing_zyx_mm))
    six = ndimage.generate_binary_structure(3, 1)
    most = ndimage.maximum_filter(depth_mm_zyx, footprint=six, mode="nearest")
    possible: BoolArray = depth_mm_zyx >= CORE_SHARE * most - 1e-4
    for reach in _CUBES:
        is_cube_in_ball = CORE_REACH * depth_mm_zyx > reach * diagonal_mm
        if not is_cube_in_ball.any():
            break
        most = ndimage.maximum_filter(depth_mm_zyx, size=2 * reach + 1, mode="nearest")
        possible &= ~is_cube_in_ball | (depth_mm_zyx >= CORE_SHARE * most - 1e-4)
    return possible


def _section(ball_mm: FloatArray, at_mm: FloatArray, radius_mm: float) -> Section | None:
    """The section at a voxel of the axis, or None at an end of the vessel."""
    _, axes = np.linalg.eigh(np.cov((ball_mm - ball_mm.mean(axis=0)).T))
    along = axes[:, 2]
    off = ball_mm - at_mm
    slab = off[np.abs(off @ along) <= SLAB_RADII * radius_mm]
    if len(slab) < LEAST_SLAB:
        return None
    shift = slab.mean(axis=0)
    centre = at_mm + shift - (shift @ along) * along
    if float(np.linalg.norm(centre - at_mm)) > MOST_ASIDE * radius_mm:
        return None
    off = ball_mm - centre
    away = np.linalg.norm(off, axis=1)
    is_away = away > AWAY_RADII * radius_mm
    cosine = (off @ along)[is_away] / away[is_away]
    if not cosine.size or cosine.max() < CONE_COSINE or cosine.min() > -CONE_COSINE:
        return None
    first = np.eye(3)[np.abs(along).argmin()]
    across = first - (first @ along) * along
    across /= np.linalg.norm(across)
    return Section(centre, along, across, np.cross(along, across), radius_mm)
