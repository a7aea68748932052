"""Axial slices as pictures for models that take them; the patient's right is on the left."""

from __future__ import annotations

import base64
import io

import numpy as np

from vol3d.export.slices import Window, choose_window, cut, draw_picture
from vol3d.volume import Volume

_ABDOMEN = Window(lower=-150.0, upper=250.0, label="W 400 L 50 HU")
"""The window of DeepTumorVQA's own pictures."""
_LONGEST_PX = 512


def axial_pictures(volume: Volume, count: int) -> tuple[bytes, ...]:
    """PNG files of evenly spaced axial slices, from inferior to superior, in true proportions.

    Args:
        volume: The scan.
        count: How many; fewer where the scan has fewer slices.
    """
    num_slices, rows, columns = volume.grid.shape_zyx
    _, dy, dx = volume.grid.spacing_zyx_mm
    longest_mm = max(rows * dy, columns * dx)
    no_body = np.zeros(volume.grid.shape_zyx, dtype=bool)
    window = _ABDOMEN if volume.unit == "HU" else choose_window(volume, no_body)
    places = np.unique(np.linspace(0, num_slices - 1, count + 2).round().astype(int)[1:-1])
    found = []
    for place in places.tolist():
        view = cut(volume, "axial", place)
        picture = draw_picture(view, window, px_per_mm=_LONGEST_PX / longest_mm)
        file = io.BytesIO()
        picture.save(file, format="PNG")
        found.append(file.getvalue())
    return tuple(found)


def data_url(png: bytes) -> str:
    """A picture as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
