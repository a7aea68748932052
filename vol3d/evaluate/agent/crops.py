"""Pictures for agents: an axial slice through an organ or lesion, cut to its place."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from vol3d.evaluate.agent.chat import IMAGE_KEY
from vol3d.evaluate.agent.live_values import Target, chosen_lesions, find_target, slice_values
from vol3d.evaluate.agent.toolset import ToolArgumentError
from vol3d.export.gallery import to_png
from vol3d.export.slices import Window, choose_window, cut, draw_tile
from vol3d.measure.facts import CaseFacts
from vol3d.volume import Volume

WINDOW = Window(lower=-150.0, upper=250.0, label="W 400 L 50 HU")
"""Of CT in HU; the official pictures have it too."""
MARGIN_MM = 25.0
"""Around the organ or lesion."""
SIDE_PX = 448
"""Longest side of the picture's inside."""

Box = tuple[int, int, int, int, int, int]


def draw_crop(volume: Volume, facts: CaseFacts, name: str) -> dict[str, Any]:
    """The picture of a target with what it shows.

    The slice is the one of the largest lesion's longest diameter, or the middle one of an organ.

    Args:
        volume: The scan on which the facts were measured.
        facts: Where organs and lesions are.
        name: Of an organ, a group of organs, or lesions, as ``find_target`` takes it.

    Raises:
        ToolArgumentError: There is no such organ or lesion in the scan.
    """
    box, index, note = _place(volume, facts, find_target(name, facts), name)
    view = cut(volume, "axial", index)
    rows, columns = _span(box, volume)
    view = replace(view, values=view.values[rows, columns])
    window = WINDOW if volume.unit == "HU" else choose_window(volume, np.zeros((0,), dtype=bool))
    px_per_mm = SIDE_PX / max(view.height_mm, view.width_mm)
    picture = draw_tile(view, window, px_per_mm=px_per_mm)
    left, right, top, _ = view.letters
    shown = (
        f"{note}; {view.caption}; window {window.label}; {px_per_mm:.3f} pixels per mm, with a "
        f"scale bar. The picture's left is the patient's {_DIRECTIONS[left]}, its right the "
        f"patient's {_DIRECTIONS[right]}, its top is {_DIRECTIONS[top]}."
    )
    return {
        "organ_queried": name,
        "organ_localized": True,
        "note": f"{shown} {view.geometry}".strip(),
        **slice_values(facts, box[0], box[3], index),
        "px_per_mm": round(px_per_mm, 4),
        "width_mm": round(view.width_mm, 1),
        "height_mm": round(view.height_mm, 1),
        IMAGE_KEY: base64.b64encode(to_png(picture)).decode("ascii"),
    }


_DIRECTIONS = {"R": "right", "L": "left", "A": "anterior", "P": "posterior"}


def _place(volume: Volume, facts: CaseFacts, target: Target, name: str) -> tuple[Box, int, str]:
    """Box in (z, y, x) indices, slice, and what is shown."""
    if target.keys:
        boxes = [o.box_zyx for o in map(facts.organ, target.keys) if o is not None and o.box_zyx]
        if not boxes:
            raise ToolArgumentError(f"{name[:60]} is not in the scan or has no mask")
        box = _union(boxes)
        cut_off = [key for key in target.keys if facts.whole_organ(key) is None]
        more = f", {', '.join(cut_off)} cut off by the scan or missing" if cut_off else ""
        return box, (box[0] + box[3]) // 2, f"middle slice of {', '.join(target.keys)}{more}"
    lesions = chosen_lesions(facts, target)
    if not lesions:
        raise ToolArgumentError(f"no such lesion is in the masks: {name[:60]!r}")
    lesion = lesions[0]
    centre = volume.grid.world_to_index_zyx(lesion.centroid_ras_mm)
    half = lesion.feret_3d_mm / 2 / np.array(volume.grid.spacing_zyx_mm)
    low, high = np.floor(centre - half).astype(int), np.ceil(centre + half).astype(int)
    index = lesion.slice_index
    box = (index, int(low[1]), int(low[2]), index, int(high[1]), int(high[2]))
    side = f", {lesion.side} side" if lesion.side else ""
    return box, index, f"largest of {len(lesions)} {name}: {lesion.id}{side}"


def _union(boxes: list[Box]) -> Box:
    low = np.min([box[:3] for box in boxes], axis=0)
    high = np.max([box[3:] for box in boxes], axis=0)
    return (int(low[0]), int(low[1]), int(low[2]), int(high[0]), int(high[1]), int(high[2]))


def _span(box: Box, volume: Volume) -> tuple[slice, slice]:
    """Rows and columns of a displayed axial slice, which runs from anterior right."""
    spans = []
    for axis in (1, 2):
        count, spacing = volume.grid.shape_zyx[axis], volume.grid.spacing_zyx_mm[axis]
        margin = int(np.ceil(MARGIN_MM / spacing))
        first = max(box[axis] - margin, 0)
        last = min(box[axis + 3] + margin, count - 1)
        spans.append(slice(count - 1 - last, count - first))
    return spans[0], spans[1]
