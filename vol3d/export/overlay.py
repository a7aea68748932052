"""Slices with the outlines of masks on them: the picture behind a measured finding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from vol3d.anatomy import structure
from vol3d.export.gallery import PAGE_SIDE_PX, Figure, to_png
from vol3d.export.slices import (
    MARGIN_PX,
    BoolArray,
    Window,
    choose_window,
    cut,
    draw_tile,
)
from vol3d.measure.case_masks import CaseMasks
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.volume import Volume

LESION_RGB = (255, 176, 0)
ORGAN_RGB = (86, 180, 233)
MOST_FIGURES = 8
"""Largest lesions that get a picture of their own."""


def finding_figures(
    volume: Volume, body: BoolArray, masks: CaseMasks, facts: CaseFacts
) -> tuple[Figure, ...]:
    """The slice of every lesion's longest diameter; without lesions the slices with most organ.

    Lesions are outlined in orange, organs in blue.

    Args:
        volume: The scan.
        body: Its body mask, for the window.
        masks: Its masks.
        facts: What was measured on them.
    """
    window = choose_window(volume, body)
    largest = sorted(facts.lesions, key=lambda each: -each.volume_cm3)[:MOST_FIGURES]
    by_slice: dict[int, list[LesionFacts]] = {}
    for lesion in largest:
        by_slice.setdefault(lesion.slice_index, []).append(lesion)
    if by_slice:
        return tuple(
            draw_outlines(volume, window, masks, index, ", ".join(each.id for each in found))
            for index, found in by_slice.items()
        )
    fullest = _fullest_slices(masks)
    return tuple(draw_outlines(volume, window, masks, index, "organ masks") for index in fullest)


def draw_outlines(
    volume: Volume, window: Window, masks: CaseMasks, index: int, label: str
) -> Figure:
    """One axial slice with the outlines of all organs and lesions in it.

    Args:
        volume: The scan.
        window: Range of values.
        masks: Its masks.
        index: Array index z of the slice.
        label: What the picture is about.
    """
    view = cut(volume, "axial", index)
    scale = PAGE_SIDE_PX / max(view.height_mm, view.width_mm)
    tile = draw_tile(view, window, px_per_mm=scale).convert("RGB")
    size = (tile.width - 2 * MARGIN_PX, tile.height - 2 * MARGIN_PX)
    pixels = np.asarray(tile).copy()
    inner = pixels[MARGIN_PX : MARGIN_PX + size[1], MARGIN_PX : MARGIN_PX + size[0]]
    organs, lesions = _planes(masks, index)
    for planes, colour in ((organs, ORGAN_RGB), (lesions, LESION_RGB)):
        for plane in planes:
            inner[_outline(plane, size)] = colour
    left, _, top, _ = view.letters
    return Figure(
        png=to_png(Image.fromarray(pixels)),
        caption=f"{label}: {view.caption}",
        window=window.label,
        geometry=view.geometry,
        alternative=f"{label}; {view.caption}; {left} is on the picture's left, {top} at its top",
    )


def _planes(masks: CaseMasks, index: int) -> tuple[list[BoolArray], list[BoolArray]]:
    """Masks of one slice: of organs and vessels, and of lesions."""
    organs = [
        masks.layers[at.layer][index] == at.label
        for key, at in masks.structures.items()
        if structure(key).kind in ("organ", "vessel")
    ]
    lesions = [masks.layers[at.layer][index] == at.label for at in masks.lesions.values()]
    return organs, lesions


def _outline(plane: BoolArray, size: tuple[int, int]) -> BoolArray:
    """The border pixels of a mask, turned and scaled as its picture is."""
    from scipy import ndimage

    shape = (size[1], size[0])
    if not plane.any():
        return np.zeros(shape, dtype=bool)
    turned = Image.fromarray(np.ascontiguousarray(plane[::-1, ::-1]).astype(np.uint8) * 255)
    grown = np.asarray(turned.resize(size, Image.Resampling.NEAREST)) > 127
    border: npt.NDArray[np.bool_] = grown & ~ndimage.binary_erosion(grown, iterations=1)
    return border


def _fullest_slices(masks: CaseMasks) -> list[int]:
    """Up to three slices that show many structures, spread along the scan, head first."""
    if not masks.layers:
        return []
    counts = np.array([len(np.unique(plane)) for plane in masks.layers[0]])
    thirds = [part for part in np.array_split(np.arange(len(counts)), 3) if part.size]
    best = [int(part[counts[part].argmax()]) for part in thirds]
    return sorted({index for index in best if counts[index] > 1}, reverse=True)
