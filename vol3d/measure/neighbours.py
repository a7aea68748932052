"""What lies around a lesion: parts of its organ, organs near it, and how far they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vol3d.anatomy import group_members, parts_of, structure, threshold
from vol3d.measure.case_masks import CaseMasks
from vol3d.measure.facts import Contact
from vol3d.measure.instances import Instance, in_box, padded_box
from vol3d.volume import Grid

SEARCHED_MM = 30.0
"""Structures farther away from a lesion are not listed."""


def part_names(organ: str) -> dict[str, str]:
    """Short name of every part of an organ group by structure key: ``4``, ``head``."""
    if organ == "kidney":
        return {"kidney_left": "left", "kidney_right": "right"}
    owners = group_members("lung") if organ == "lung" else (organ,)
    keys = [key for owner in owners for key in parts_of(owner)]
    return {key: _short(key, organ) for key in keys}


def _short(key: str, organ: str) -> str:
    for side in ("left", "right"):
        key = key.removesuffix(f"_{side}")
    return key.removeprefix(f"{organ}_").removeprefix("segment_")


def lesion_segments(instance: Instance, organ: str, masks: CaseMasks) -> tuple[str, ...]:
    """Parts of the organ that hold more than a tenth of the lesion's voxels in any part.

    Args:
        instance: The lesion.
        organ: Its organ group.
        masks: All masks of the case.

    Returns:
        Short names in the order of the anatomy's table; empty where no part is masked.
    """
    counts: dict[str, int] = {}
    for key, name in part_names(organ).items():
        at = masks.structures.get(key)
        if at is None:
            continue
        labels = masks.layers[at.layer][instance.box]
        counts[name] = counts.get(name, 0) + int(
            np.count_nonzero((labels == at.label) & instance.inside_zyx)
        )
    total = sum(counts.values())
    least = threshold("location.least_share") * total
    return tuple(name for name, count in counts.items() if count > least)


def lesion_contacts(
    instance: Instance, organ: str, masks: CaseMasks, grid: Grid
) -> tuple[Contact, ...]:
    """Organs and vessels within 30 mm of a lesion, nearest first.

    The gap is the distance between the centres of the nearest voxels less one voxel (the geometric
    mean of the spacing), and 0 for neighbouring voxels: right to about one voxel. The organ that
    holds the lesion, and its parts, are left out.

    Args:
        instance: The lesion.
        organ: Its organ group.
        masks: All masks of the case.
        grid: The scan's grid.
    """
    import edt

    spacing = grid.spacing_zyx_mm
    voxel_mm = float(np.prod(spacing)) ** (1 / 3)
    box = padded_box(instance.box, grid, SEARCHED_MM + voxel_mm)
    inside = in_box(instance, box)
    away_mm = edt.edt(
        np.ascontiguousarray(~inside), anisotropy=spacing, black_border=False, parallel=1
    )
    touching_mm = float(np.linalg.norm(spacing))
    reach_mm = threshold("contact.reach_mm")
    found = []
    for key, at in masks.structures.items():
        known = structure(key)
        if known.kind not in ("organ", "vessel") or known.group == organ:
            continue
        here = away_mm[masks.layers[at.layer][box] == at.label]
        if not here.size:
            continue
        nearest = float(here.min())
        gap = 0.0 if nearest <= touching_mm * 1.001 else max(nearest - voxel_mm, 0.0)
        if gap > SEARCHED_MM:
            continue
        near = int(np.count_nonzero(here <= reach_mm))
        found.append(Contact(structure=key, gap_mm=gap, near_voxels=near))
    return tuple(sorted(found, key=lambda c: (c.gap_mm, -c.near_voxels, c.structure)))


def structure_in_box(
    key: str, masks: CaseMasks, box: tuple[slice, slice, slice]
) -> npt.NDArray[np.bool_]:
    """The voxels of a structure within a box."""
    at = masks.structures[key]
    inside: npt.NDArray[np.bool_] = masks.layers[at.layer][box] == at.label
    return inside
