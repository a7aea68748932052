"""Many volumes at a glance: rows of axial, coronal and sagittal slices, in true proportions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vol3d.volume import Volume

TILE_PX = 176
AXIAL_SHARES = (0.3, 0.48, 0.62, 0.74, 0.86)
"""Places of the axial slices between the first (feet) and the last one."""
_SOFT_HU, _LUNG_HU = (-160.0, 240.0), (-1250.0, 250.0)


def contact_sheet(rows: Sequence[tuple[str, Volume]], path: Path, *, is_lung: bool = False) -> Path:
    """Writes a PNG with one row per volume; the patient's right is on the picture's left.

    Args:
        rows: A caption and a volume each; axes to S, A, R.
        path: Of the PNG.
        is_lung: Show CT in a lung window instead of a soft tissue window.
    """
    sheet = Image.new("L", (TILE_PX * (len(AXIAL_SHARES) + 2), (TILE_PX + 14) * len(rows)), 0)
    for number, (caption, volume) in enumerate(rows):
        top = number * (TILE_PX + 14)
        for column, tile in enumerate(_tiles(volume, is_lung=is_lung)):
            sheet.paste(tile, (column * TILE_PX + (TILE_PX - tile.width) // 2, top + 14))
        ImageDraw.Draw(sheet).text((4, top + 1), f"{caption}  research use only", fill=200)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def _tiles(volume: Volume, *, is_lung: bool) -> list[Image.Image]:
    voxels, (dz, dy, dx) = volume.voxels_zyx, volume.grid.spacing_zyx_mm
    low, high = _window(volume, is_lung=is_lung)
    nz, ny, nx = voxels.shape
    planes = [(voxels[int(share * (nz - 1))], dy, dx) for share in AXIAL_SHARES]
    planes += [(voxels[:, ny // 2], dz, dx), (voxels[:, :, nx // 2], dz, dy)]
    return [_tile(plane, (rows_mm, columns_mm), low, high) for plane, rows_mm, columns_mm in planes]


def _window(volume: Volume, *, is_lung: bool) -> tuple[float, float]:
    if volume.unit == "HU":
        return _LUNG_HU if is_lung else _SOFT_HU
    return 0.0, float(np.percentile(volume.voxels_zyx, 99.5)) or 1.0


def _tile(
    plane: npt.NDArray[np.generic], step_mm: tuple[float, float], low: float, high: float
) -> Image.Image:
    """Columns run to the left of the patient, to the back in a sagittal slice; rows downwards."""
    shown = np.clip((plane.astype(np.float64) - low) / (high - low), 0, 1) * 255
    image = Image.fromarray(shown[::-1, ::-1].astype(np.uint8))
    size_mm = (plane.shape[1] * step_mm[1], plane.shape[0] * step_mm[0])
    scale = TILE_PX / max(size_mm)
    width, height = (max(1, round(mm * scale)) for mm in size_mm)
    return image.resize((width, height), Image.Resampling.BILINEAR)
