"""A picture of synthetic lesions in a real CT: each slice before and after, and enlarged.

Run: python scripts/phantom_implants.py --data DIR -o docs/phantoms/implants.jpg. DIR holds
ct_abdomen/ (ct.nii.gz, seg_total.nii.gz, labels.json), an unenhanced CT.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from vol3d.measure.case_masks import read_case_masks
from vol3d.phantom.subjects import LesionPlan, SubjectConfig
from vol3d.phantom.subjects.real import implant_lesions
from vol3d.report.schema import DISCLAIMER
from vol3d.volume import read_volume

LESIONS = (
    LesionPlan(organ="liver", kind="tumor", diameter_mm=48.0, character="rim"),
    LesionPlan(organ="liver", kind="cyst", diameter_mm=32.0),
    LesionPlan(organ="kidney_right", kind="tumor", diameter_mm=46.0, character="necrotic"),
    LesionPlan(organ="kidney_left", kind="cyst", diameter_mm=30.0),
    LesionPlan(organ="pancreas", kind="pdac", diameter_mm=34.0),
    LesionPlan(organ="colon", kind="tumor", diameter_mm=40.0),
)
SEEDS = (11, 12, 30, 26, 31, 34)
WINDOW_HU = (-110.0, 170.0)
TILE_PX, ZOOM_MM, CAPTION_PX = 230, 105.0, 16


def tile(plane: np.ndarray, step_mm: tuple[float, float]) -> Image.Image:
    """A plane as a picture: the patient's right is on its left, the front or the head on top."""
    low, high = WINDOW_HU
    shown = np.clip((plane[::-1, ::-1].astype(np.float64) - low) / (high - low), 0, 1) * 255
    size = np.array([plane.shape[1] * step_mm[1], plane.shape[0] * step_mm[0]])
    width, height = np.maximum(np.rint(size * TILE_PX / size.max()), 1).astype(int).tolist()
    picture = Image.fromarray(shown.astype(np.uint8))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def outlined(plane: np.ndarray, mask: np.ndarray, step_mm: tuple[float, float]) -> Image.Image:
    """A plane with the border of a mask on it."""
    picture = tile(plane, step_mm)
    low, high = WINDOW_HU
    inside = np.array(tile(np.where(mask > 0, high, low), step_mm)) > 127
    border = inside & ~ndimage.binary_erosion(inside, iterations=1)
    return Image.fromarray(np.where(border, 255, np.array(picture)).astype(np.uint8))


def around(at: int, count: int, step_mm: float) -> slice:
    """The indices within half of the enlarged width."""
    reach = round(ZOOM_MM / 2 / step_mm)
    first = min(max(at - reach, 0), max(count - 2 * reach, 0))
    return slice(first, first + 2 * reach)


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    volume = read_volume(given.data / "ct_abdomen" / "ct.nii.gz")
    masks = read_case_masks([given.data / "ct_abdomen" / "seg_total.nii.gz"], volume.grid)
    (dz, dy, dx), (nz, ny, nx) = volume.grid.spacing_zyx_mm, volume.grid.shape_zyx
    row_px = TILE_PX + CAPTION_PX
    sheet = Image.new("L", (5 * TILE_PX, row_px * len(LESIONS)), 0)
    for row, lesion in enumerate(LESIONS):
        config = SubjectConfig(modality="CT", phase="unenhanced", lesions=(lesion,))
        clear = (lesion.organ.removesuffix("_left").removesuffix("_right"),)
        made = implant_lesions(
            SEEDS[row], volume, masks, source="gallery", clear_organs=clear, config=config
        )
        z, y, x = np.rint(np.argwhere(made.lesions_zyx > 0).mean(axis=0)).astype(int).tolist()
        rows, columns, slices = around(y, ny, dy), around(x, nx, dx), around(z, nz, dz)
        before, after = volume.voxels_zyx, made.volume.voxels_zyx
        tiles = (
            tile(after[z], (dy, dx)),
            *(tile(each[z, rows, columns], (dy, dx)) for each in (before, after)),
            outlined(after[z, rows, columns], made.lesions_zyx[z, rows, columns], (dy, dx)),
            tile(after[slices, y, columns], (dz, dx)),
        )
        for column, each in enumerate(tiles):
            sheet.paste(each, (column * TILE_PX, row * row_px + CAPTION_PX))
        text = f"{lesion.organ} {lesion.kind}: slice; before, after, mask; coronal"
        ImageDraw.Draw(sheet).text((4, row * row_px + 2), f"{text}. {DISCLAIMER}", fill=200)
    sheet.save(given.output, quality=82)


if __name__ == "__main__":
    main()
