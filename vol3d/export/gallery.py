"""The pictures of a report: key slices for the page, and the preview with the three planes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from vol3d.export.slices import (
    LUNG,
    PLANES,
    BoolArray,
    PlaneName,
    Slice,
    Window,
    body_centre_zyx,
    choose_window,
    cut,
    draw_tile,
)
from vol3d.report import DISCLAIMER
from vol3d.volume import Volume

PREVIEW_SIDE_PX = 420
PAGE_SIDE_PX = 460
LUNG_BELOW_HU = -500
SMALLEST_AIR_AREA_MM2 = 4000.0
_LEVELS = (0.8, 0.5, 0.2)
_GAP_PX = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One picture of the page: PNG bytes, what is under it, and what is said instead of it.

    ``geometry`` says how the plane differs from one along the patient's axes; empty if it does not.
    """

    png: bytes
    caption: str
    window: str
    geometry: str
    alternative: str

    @property
    def data_uri(self) -> str:
        """The picture as a ``data:`` address, so that the page needs no other file."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def draw_figures(volume: Volume, body: BoolArray) -> tuple[Figure, ...]:
    """Key slices: three axial levels of the body, coronal, sagittal, and air in a lung window.

    Args:
        volume: The scan.
        body: bool (z, y, x) on the scan's grid; may be empty.
    """
    window = choose_window(volume, body)
    centre = body_centre_zyx(body)
    views = [(cut(volume, "axial", index), window) for index in _axial_levels(body)]
    air = _airiest_slice(volume, body)
    if air is not None:
        views.append((cut(volume, "axial", air), LUNG))
    others: tuple[PlaneName, ...] = ("coronal", "sagittal")
    views += [(cut(volume, plane, centre[1 + i]), window) for i, plane in enumerate(others)]
    px_per_mm = PAGE_SIDE_PX / _longest_mm([view for view, _ in views])
    return tuple(_figure(view, chosen, px_per_mm=px_per_mm) for view, chosen in views)


def draw_preview(
    volume: Volume, body: BoolArray, *, text_chunks: Mapping[str, str] | None = None
) -> bytes:
    """PNG bytes of the three planes through the body's centre, side by side at one scale.

    Args:
        volume: The scan.
        body: bool (z, y, x) on the scan's grid; may be empty.
        text_chunks: Names and texts that the file carries beside the disclaimer.
    """
    window = choose_window(volume, body)
    centre = body_centre_zyx(body)
    views = [cut(volume, plane, index) for plane, index in zip(PLANES, centre, strict=True)]
    px_per_mm = PREVIEW_SIDE_PX / _longest_mm(views)
    height = max(round(view.height_mm * px_per_mm) for view in views)
    tiles = [
        draw_tile(
            view,
            window,
            px_per_mm=px_per_mm,
            size_px=(max(220, round(view.width_mm * px_per_mm)), max(height, 60)),
        )
        for view in views
    ]
    return to_png(_compose(tiles, views, window, volume), text_chunks)


def _compose(
    tiles: list[Image.Image], views: list[Slice], window: Window, volume: Volume
) -> Image.Image:
    """The tiles on a white sheet with a title, captions and the disclaimer."""
    head, foot = 44, 84
    width = sum(tile.width for tile in tiles) + _GAP_PX * (len(tiles) + 1)
    sheet = Image.new("RGB", (width, tiles[0].height + head + foot), "white")
    draw = ImageDraw.Draw(sheet)
    title = f"{volume.modality} preview" if volume.modality != "unknown" else "Preview"
    draw.text((_GAP_PX, head // 2), title, "#111827", ImageFont.load_default(20), anchor="lm")
    draw.text(
        (width - _GAP_PX, head // 2), DISCLAIMER, "#b45309", ImageFont.load_default(15), anchor="rm"
    )
    left = _GAP_PX
    for tile, view in zip(tiles, views, strict=True):
        sheet.paste(tile.convert("RGB"), (left, head))
        font = ImageFont.load_default(14)
        top = head + tile.height + 8
        draw.text((left, top), view.caption, "#1f2937", font)
        note, small = view.geometry.replace("; ", "\n"), ImageFont.load_default(12)
        draw.multiline_text((left, top + 18), note, "#b45309", small, spacing=1)
        left += tile.width + _GAP_PX
    line = f"Window: {window.label}.  R right, L left, A front, P back, S head, I feet."
    draw.text((_GAP_PX, sheet.height - 28), line, "#4b5563", ImageFont.load_default(14))
    return sheet


def _figure(view: Slice, window: Window, *, px_per_mm: float) -> Figure:
    left, _, top, _ = view.letters
    return Figure(
        png=to_png(draw_tile(view, window, px_per_mm=px_per_mm)),
        caption=view.caption,
        window=window.label,
        geometry=view.geometry,
        alternative=f"{view.caption}; {left} is on the picture's left, {top} at its top",
    )


def _axial_levels(body: BoolArray) -> list[int]:
    """Up to three slice indices, head first, at fixed shares of the body's extent."""
    hits = np.flatnonzero(body.any(axis=(1, 2)))
    first, last = (int(hits[0]), int(hits[-1])) if hits.size else (0, body.shape[0] - 1)
    levels = [first + round(share * (last - first)) for share in _LEVELS]
    return sorted(set(levels), reverse=True)


def _airiest_slice(volume: Volume, body: BoolArray) -> int | None:
    """The axial slice with most air inside the body, or None where there is little or no HU."""
    if volume.unit != "HU" or not body.any():
        return None
    area = np.array(
        [
            np.count_nonzero((plane < LUNG_BELOW_HU) & inside)
            for plane, inside in zip(volume.voxels_zyx, body, strict=True)
        ]
    )
    _, row_mm, column_mm = volume.grid.spacing_zyx_mm
    best = int(area.argmax())
    return best if area[best] * row_mm * column_mm >= SMALLEST_AIR_AREA_MM2 else None


def _longest_mm(views: list[Slice]) -> float:
    return max(max(view.height_mm, view.width_mm) for view in views)


def to_png(picture: Image.Image, text_chunks: Mapping[str, str] | None = None) -> bytes:
    """PNG bytes; the disclaimer and ``text_chunks`` are also in the file's text chunks."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", DISCLAIMER)
    for name, text in (text_chunks or {}).items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True, pnginfo=info)
    return buffer.getvalue()
