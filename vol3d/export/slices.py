"""Pictures of a scan's stored planes in the radiological convention, in millimetres.

The patient's right is on the picture's left (axial, coronal), the front is up in axial pictures and
on the left in sagittal ones, and the head is up in coronal and sagittal pictures.

Planes are neither turned nor rectified. Those of an oblique scan lie at an angle to the patient's
axes, and those of a sheared one are not rectangles; ``geometry_note`` says so under each picture.
All others are true to scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vol3d.volume import Grid, Modality, Volume

PlaneName = Literal["axial", "coronal", "sagittal"]
BoolArray = npt.NDArray[np.bool_]

PLANES: tuple[PlaneName, ...] = ("axial", "coronal", "sagittal")
MARGIN_PX = 30
BAR_THICKNESS_PX = 4
OBLIQUE_DEG = 3.0
SHEARED_COSINE = 0.02
_BAR_LENGTHS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
_BACKGROUND = 10
_INK = 235
_AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
_WORLD = {"axial": "SI", "coronal": "AP", "sagittal": "RL"}
_LETTERS = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The range of values that is drawn from black to white.

    Args:
        lower: Drawn black; in the volume's unit.
        upper: Drawn white; above ``lower``.
        label: Text under the picture; names the unit.
    """

    lower: float
    upper: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Slice:
    """One plane of a volume, turned for display but not yet windowed or scaled.

    Args:
        values: (rows, columns) in the volume's unit, first row at the top of the picture.
        row_mm: Height of one row.
        column_mm: Width of one column.
        letters: Patient directions at the picture's left, right, top and bottom.
        caption: Plane, number of the slice counted from feet, back or left, and its position.
        geometry: ``geometry_note`` of the scan; empty for a plane that is true to scale.
    """

    values: npt.NDArray[np.generic]
    row_mm: float
    column_mm: float
    letters: tuple[str, str, str, str]
    caption: str
    geometry: str = ""

    @property
    def height_mm(self) -> float:
        """Height of the picture in mm."""
        rows: int = self.values.shape[0]
        return rows * self.row_mm

    @property
    def width_mm(self) -> float:
        """Width of the picture in mm."""
        columns: int = self.values.shape[1]
        return columns * self.column_mm


SOFT_TISSUE = Window(lower=-160.0, upper=240.0, label="soft tissue, W 400 L 40 HU")
LUNG = Window(lower=-1350.0, upper=150.0, label="lung, W 1500 L -600 HU")


def choose_window(volume: Volume, body: BoolArray) -> Window:
    """The window for a scan's pictures: soft tissue for HU, else percentiles of the body.

    Args:
        volume: The scan.
        body: bool (z, y, x); without a body, all voxels give the percentiles.
    """
    if volume.unit == "HU":
        return SOFT_TISSUE
    values = volume.voxels_zyx[body] if body.any() else volume.voxels_zyx
    lower, upper = (float(value) for value in np.percentile(values, [1.0, 99.0]))
    if not upper > lower:
        upper = lower + 1.0
    return Window(
        lower=lower,
        upper=upper,
        label=f"1st to 99th percentile, {lower:.0f} to {upper:.0f} a.u.",
    )


def cut(volume: Volume, plane: PlaneName, index: int) -> Slice:
    """One plane of a volume, turned for display.

    Args:
        volume: The scan, axes to S, A, R.
        plane: Which plane.
        index: Index along z (axial), y (coronal) or x (sagittal).
    """
    axis = _AXIS[plane]
    array = np.take(volume.voxels_zyx, index, axis=axis)[::-1, ::-1]
    row_mm, column_mm = (s for a, s in enumerate(volume.grid.spacing_zyx_mm) if a != axis)
    count = volume.grid.shape_zyx[axis]
    return Slice(
        values=array,
        row_mm=row_mm,
        column_mm=column_mm,
        letters=_LETTERS[plane],
        caption=f"{plane} {index + 1}/{count}, {_position(volume, plane, index)}",
        geometry=geometry_note(volume.grid, modality=volume.modality),
    )


def geometry_note(grid: Grid, *, modality: Modality) -> str:
    """How the stored planes differ from planes along the patient's axes; empty if hardly at all.

    Args:
        grid: Of the scan; oblique beyond ``OBLIQUE_DEG``, sheared beyond ``SHEARED_COSINE``.
        modality: A sheared CT comes from a tilted gantry.
    """
    parts, lean_deg = [], 0.0
    if grid.shear > SHEARED_COSINE:
        lean_deg = math.degrees(math.asin(min(1.0, grid.shear)))
        cause = "tilted gantry" if modality == "CT" else "sheared stack"
        parts.append(f"{cause}, not rectified ({lean_deg:.1f} deg)")
    if grid.obliquity_deg > lean_deg + OBLIQUE_DEG:
        parts.append(f"planes turned {grid.obliquity_deg:.1f} deg from the patient axes")
    return "; ".join(parts)


def body_centre_zyx(body: BoolArray) -> tuple[int, int, int]:
    """Centre of the body's box as (z, y, x) indices; of the volume where there is no body."""
    centre = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hits = np.flatnonzero(body.any(axis=others))
        first, last = (hits[0], hits[-1]) if hits.size else (0, body.shape[axis] - 1)
        centre.append(int(first + last) // 2)
    return centre[0], centre[1], centre[2]


def scale_bar_mm(width_mm: float) -> int:
    """Length of the scale bar for a picture: round, and at most about a third of its width."""
    fitting = [mm for mm in _BAR_LENGTHS_MM if mm <= 0.36 * width_mm]
    return fitting[-1] if fitting else _BAR_LENGTHS_MM[0]


def apply_window(values: npt.NDArray[np.generic], window: Window) -> npt.NDArray[np.uint8]:
    """The values as grey levels, black at ``window.lower`` and white at ``window.upper``."""
    share = (values.astype(np.float32) - window.lower) / (window.upper - window.lower)
    grey: npt.NDArray[np.uint8] = np.rint(np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)
    return grey


def draw_picture(view: Slice, window: Window, *, px_per_mm: float) -> Image.Image:
    """One grey picture of a slice, in true proportion, without any marks.

    Going coarser is antialiased; going finer is bilinear.
    """
    width = max(1, round(view.width_mm * px_per_mm))
    height = max(1, round(view.height_mm * px_per_mm))
    picture = Image.fromarray(np.ascontiguousarray(apply_window(view.values, window)))
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def draw_tile(
    view: Slice,
    window: Window,
    *,
    px_per_mm: float,
    size_px: tuple[int, int] | None = None,
) -> Image.Image:
    """A slice on a dark tile with direction letters around it and a scale bar below it.

    Args:
        view: What to draw.
        window: Range of values.
        px_per_mm: Scale of the picture and of its bar.
        size_px: Width and height of the picture's area; the picture is centred in it. ``None``
            takes the picture's own size. ``MARGIN_PX`` is added on each side.
    """
    picture = draw_picture(view, window, px_per_mm=px_per_mm)
    width, height = size_px or picture.size
    tile = Image.new("L", (width + 2 * MARGIN_PX, height + 2 * MARGIN_PX), _BACKGROUND)
    left = (tile.width - picture.width) // 2
    top = (tile.height - picture.height) // 2
    tile.paste(picture, (left, top))
    draw = ImageDraw.Draw(tile)
    font = ImageFont.load_default(17)
    middle_x, middle_y = left + picture.width // 2, top + picture.height // 2
    places = (
        (left - MARGIN_PX // 2, middle_y),
        (left + picture.width + MARGIN_PX // 2, middle_y),
        (middle_x, top - MARGIN_PX // 2),
        (middle_x, top + picture.height + MARGIN_PX // 2),
    )
    for letter, place in zip(view.letters, places, strict=True):
        draw.text(place, letter, fill=_INK, font=font, anchor="mm")
    _draw_scale_bar(draw, view, (left, top + picture.height), px_per_mm=px_per_mm)
    return tile


def _draw_scale_bar(
    draw: ImageDraw.ImageDraw, view: Slice, corner: tuple[int, int], *, px_per_mm: float
) -> None:
    """A white bar below the picture's left corner, exactly its length long, and its label."""
    length_mm = scale_bar_mm(view.width_mm)
    length_px = max(1, round(length_mm * px_per_mm))
    left, top = corner[0], corner[1] + 6
    draw.rectangle((left, top, left + length_px - 1, top + BAR_THICKNESS_PX - 1), fill=_INK)
    font = ImageFont.load_default(12)
    draw.text((left, top + BAR_THICKNESS_PX + 2), f"{length_mm} mm", fill=_INK, font=font)


def _position(volume: Volume, plane: PlaneName, index: int) -> str:
    """Patient position of the slice's centre, such as ``S 245.3 mm``."""
    axis = _AXIS[plane]
    centre = [(count - 1) / 2 for count in volume.grid.shape_zyx]
    centre[axis] = index
    world = volume.grid.index_to_world_mm(centre)
    value = float(world[2 - axis])
    direction = _WORLD[plane][0 if value >= 0 else 1]
    return f"{direction} {abs(value):.1f} mm"
