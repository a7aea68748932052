"""Both organs of a pair under one label, told apart by their place."""

from __future__ import annotations

from dataclasses import replace

import cc3d
import numpy as np
import numpy.typing as npt

from vol3d.anatomy import group_members, group_name
from vol3d.measure.body import midline_x_mm
from vol3d.measure.case_masks import CaseMasks, LayerLabel
from vol3d.measure.instances import bounding_box
from vol3d.volume import GateNote, LabelArray, Volume

LEAST_SHARE = 0.02
"""Parts below this share of the label belong to the side they lie on, but decide nothing."""


def split_pairs(masks: CaseMasks, volume: Volume) -> CaseMasks:
    """The masks with every label of both kidneys, lungs ... as a left and a right one.

    Each connected part belongs to the side of the body's midline on which its centre lies. A part
    that reaches far over the midline, such as a horseshoe kidney, is cut there.

    Args:
        masks: As read.
        volume: The scan, for the midline of the body.
    """
    open_pairs = {
        group: at
        for group, at in masks.pairs.items()
        if not any(member in masks.structures for member in group_members(group))
    }
    if not open_pairs:
        return masks
    layers = list(masks.layers)
    structures = dict(masks.structures)
    notes = list(masks.notes)
    midline = midline_x_mm(volume)
    for group, at in open_pairs.items():
        if midline is None:
            continue
        left, right = group_members(group)
        layers.append(_sides(layers[at.layer] == at.label, volume, midline))
        structures[left] = LayerLabel(len(layers) - 1, 1)
        structures[right] = LayerLabel(len(layers) - 1, 2)
        message = (
            f"One label holds both sides ({group_name(group, 'en')}); left and right were told "
            "apart by the midline of the body."
        )
        notes.append(GateNote(code="sides_by_place", message=message))
    return replace(masks, layers=tuple(layers), structures=structures, pairs={}, notes=tuple(notes))


def _sides(inside: npt.NDArray[np.bool_], volume: Volume, midline_mm: float) -> LabelArray:
    """1 for the left side, 2 for the right one."""
    out: LabelArray = np.zeros(inside.shape, dtype=np.uint8)
    box = bounding_box(inside)
    if box is None:
        return out
    parts = cc3d.connected_components(np.ascontiguousarray(inside[box], np.uint8), connectivity=26)
    for number in range(1, int(parts.max()) + 1):
        zyx = np.argwhere(parts == number) + [each.start for each in box]
        x_mm = volume.grid.index_to_world_mm(zyx)[:, 0] - midline_mm
        share_right = float((x_mm > 0).mean())
        is_cut = LEAST_SHARE * 5 < share_right < 1 - LEAST_SHARE * 5
        is_right = x_mm > 0 if is_cut else np.full(len(zyx), x_mm.mean() > 0)
        out[tuple(zyx.T)] = np.where(is_right, 2, 1)
    return out
