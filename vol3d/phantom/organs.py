"""The organs of the abdomen, painted in an order that settles who gives way to whom."""

from __future__ import annotations

from itertools import pairwise

import torch

from vol3d.phantom.canvas import Canvas
from vol3d.phantom.labels import Organ
from vol3d.phantom.plan import CasePlan, Draw
from vol3d.phantom.space import XYZ
from vol3d.phantom.trunk import FAT_HU, spine_y_mm

_NATIVE_HU = {
    Organ.LIVER: 55.0,
    Organ.SPLEEN: 50.0,
    Organ.KIDNEY_LEFT: 30.0,
    Organ.KIDNEY_RIGHT: 30.0,
    Organ.PANCREAS: 40.0,
    Organ.AORTA: 40.0,
    Organ.VENA_CAVA: 38.0,
}
_PORTAL_VENOUS_HU = {
    Organ.LIVER: 110.0,
    Organ.SPLEEN: 120.0,
    Organ.KIDNEY_LEFT: 170.0,
    Organ.KIDNEY_RIGHT: 170.0,
    Organ.PANCREAS: 100.0,
    Organ.AORTA: 150.0,
    Organ.VENA_CAVA: 140.0,
}


def draw_organ_hu(draw: Draw, *, is_contrast_given: bool) -> dict[Organ, float]:
    """HU of each parenchyma and vessel; both kidneys share one value, everything jitters."""
    base = _PORTAL_VENOUS_HU if is_contrast_given else _NATIVE_HU
    spread = 14.0 if is_contrast_given else 6.0
    hu = {organ: value + draw.uniform(-spread, spread) for organ, value in base.items()}
    hu[Organ.KIDNEY_RIGHT] = hu[Organ.KIDNEY_LEFT]
    return hu


def paint_organs(canvas: Canvas, plan: CasePlan, draw: Draw, hu: dict[Organ, float]) -> None:
    """Paints vessels and organs into the free space below the diaphragm."""
    _paint_vessels(canvas, draw, hu)
    for organ, side in ((Organ.KIDNEY_LEFT, -1.0), (Organ.KIDNEY_RIGHT, 1.0)):
        jitter = (draw.uniform(-4.0, 4.0), draw.uniform(-4.0, 4.0), draw.uniform(-7.0, 7.0))
        size = draw.uniform(0.9, 1.1)
        if organ != plan.missing_kidney:
            _paint_kidney(canvas, organ, side, (jitter, size), hu[organ])
    _paint_gallbladder(canvas, draw)
    _paint_liver(canvas, draw, hu[Organ.LIVER], hu[Organ.VENA_CAVA])
    _paint_pancreas(canvas, draw, hu[Organ.PANCREAS])
    _paint_spleen(canvas, draw, plan.spleen_cm3, hu[Organ.SPLEEN])
    _paint_stomach(canvas, draw)
    _paint_bladder(canvas, draw)
    _paint_bowel(canvas, draw)


def _paint_vessels(canvas: Canvas, draw: Draw, hu: dict[Organ, float]) -> None:
    frame = canvas.frame
    box = frame.slices((0.0, -20.0, 0.0), (70.0, 55.0, 500.0))
    x, y, z = (axis[box] for axis in frame.xyz)
    is_inside = canvas.free[box] | (canvas.labels[box] == int(Organ.BODY))
    spread = (-z - 90.0).clamp(0.0, 120.0) * 0.34
    front = y - spine_y_mm(z)
    aorta, cava = draw.uniform(9.0, 11.5), draw.uniform(9.0, 12.0)
    low = 0.68 + 0.32 * (spread <= 0)
    for organ, centre, radius, depth in (
        (Organ.AORTA, -11.0, aorta, 28.0),
        (Organ.VENA_CAVA, 19.0, cava, 25.0),
    ):
        wide = 1.25 if organ == Organ.VENA_CAVA else 1.0
        lumen = torch.zeros_like(is_inside)
        for side in (-1.0, 1.0):
            offset = (x - centre - side * spread) / wide
            lumen |= offset**2 + (front - depth + 0.1 * spread) ** 2 < (radius * low) ** 2
        lumen &= is_inside & ((z < 118.0) | (organ == Organ.AORTA))
        canvas.paint(box, lumen, organ, hu[organ])
        canvas.reserve(box, lumen)


def _paint_kidney(
    canvas: Canvas, organ: Organ, side: float, shape: tuple[XYZ, float], hu: float
) -> None:
    jitter, size = shape
    centre = (61.0 * side + jitter[0], -40.0 + jitter[1], (4.0 if side < 0 else -9.0) + jitter[2])
    radii = (28.0 * size, 26.0 * size, 53.0 * size)
    wider = (radii[0] * 1.15, radii[1] * 1.15, radii[2] * 1.1)
    box, level = canvas.frame.ellipsoid(centre, wider, lean_xy=(-0.18 * side, -0.16))
    level = level * 1.32
    capsule = (level < 1.32) & canvas.free[box]
    x, y, z = (axis[box] for axis in canvas.frame.xyz)
    x = (x - centre[0] + 0.18 * side * (z - centre[2])) * side  # grows away from the spine
    sinus = ((x + 17.0) / 17.0) ** 2 + ((y - centre[1]) / 9.0) ** 2 + ((z - centre[2]) / 25.0) ** 2
    kidney = (level < 1.0) & canvas.free[box]
    canvas.paint(box, kidney, organ, hu - 10.0)
    canvas.paint(box, kidney & (level > 0.62), organ, hu + 12.0)
    canvas.paint(box, kidney & (sinus < 1.0), Organ.BODY, FAT_HU + 40.0)
    canvas.reserve(box, capsule)


def _paint_gallbladder(canvas: Canvas, draw: Draw) -> None:
    if not draw.chance(0.75):
        return
    centre = (50.0 + draw.uniform(-6.0, 6.0), 46.0 + draw.uniform(-5.0, 5.0), -2.0)
    size = draw.uniform(0.75, 1.15)
    box, level = canvas.frame.ellipsoid(
        centre, (15.0 * size, 15.0 * size, 27.0 * size), lean_xy=(0.1, -0.35)
    )
    canvas.paint_free(box, level < 1.0, Organ.GALLBLADDER, draw.uniform(4.0, 16.0))


def _paint_liver(canvas: Canvas, draw: Draw, hu: float, vein_hu: float) -> None:
    frame = canvas.frame
    size = draw.uniform(0.93, 1.05)
    right, right_level = frame.ellipsoid(
        (82.0, 0.0, 48.0), (76.0 * size, 92.0 * size, 86.0 * size), lean_xy=(-0.12, -0.1)
    )
    x, y, z = (axis[right] for axis in frame.xyz)
    # the visceral surface runs obliquely from the right lower edge to the left
    right_level = right_level + ((26.0 - x * 0.62 - z) / 70.0).clamp_min(0.0) ** 2 * 3.0
    right_level = right_level + ((14.0 - x) / 40.0).clamp_min(0.0) ** 2 * (y < 6.0)
    canvas.paint_free(right, right_level < 1.0, Organ.LIVER, hu)
    left, left_level = frame.ellipsoid(
        (6.0, 46.0, 74.0), (78.0 * size, 38.0, 42.0), lean_xy=(0.1, 0.1)
    )
    canvas.paint_free(left, left_level < 1.0, Organ.LIVER, hu)
    for end in ((118.0, 26.0, 76.0), (112.0, -34.0, 62.0), (18.0, 48.0, 78.0)):
        vein = _tube(canvas, ((38.0, 4.0, 40.0), end), 5.0)
        box, level = vein
        inside = (level < 1.0) & (canvas.labels[box] == int(Organ.LIVER))
        canvas.paint(box, inside, Organ.LIVER, vein_hu)


def _tube(
    canvas: Canvas, line: tuple[XYZ, XYZ], radius: float
) -> tuple[tuple[slice, slice, slice], torch.Tensor]:
    """The box around a capsule and its squared relative radius there."""
    start, end = line
    middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
    half = tuple(abs(a - b) / 2 + radius for a, b in zip(start, end, strict=True))
    box = canvas.frame.slices((middle[0], middle[1], middle[2]), (half[0], half[1], half[2]))
    step = [b - a for a, b in zip(start, end, strict=True)]
    length2 = sum(s * s for s in step)
    offset = [axis[box] - start[i] for i, axis in enumerate(canvas.frame.xyz)]
    share = (offset[0] * step[0] + offset[1] * step[1] + offset[2] * step[2]) / length2
    share = share.clamp(0.0, 1.0)
    x, y, z = ((offset[i] - share * step[i]) ** 2 for i in range(3))
    return box, (x + y + z) / (radius * radius)


def _paint_pancreas(canvas: Canvas, draw: Draw, hu: float) -> None:
    lift, size = draw.uniform(-5.0, 5.0), draw.uniform(0.92, 1.12)
    points: list[XYZ] = [
        (34.0, 12.0, -24.0 + lift),
        (26.0, 16.0, -2.0 + lift),
        (-4.0, 23.0, 12.0 + lift),
        (-40.0, 12.0, 22.0 + lift),
        (-76.0, -8.0, 36.0 + lift),
    ]
    radii = (16.0, 14.0, 12.5, 12.0)
    for (start, end), radius in zip(pairwise(points), radii, strict=True):
        box, level = _tube(canvas, (start, end), radius * size)
        canvas.paint_free(box, level < 1.0, Organ.PANCREAS, hu)


def _paint_spleen(canvas: Canvas, draw: Draw, volume_cm3: float, hu: float) -> None:
    """Grows a fixed shape until the spleen has the wanted volume."""
    frame = canvas.frame
    is_large = volume_cm3 > 350.0
    centre = (-104.0, -34.0, 52.0) if is_large else (-110.0, -40.0, 62.0)
    radii = (62.0, 82.0, 118.0) if is_large else (42.0, 58.0, 72.0)
    lean = (draw.uniform(-0.15, 0.05), draw.uniform(-0.3, -0.1))
    box, level = frame.ellipsoid(centre, radii, lean_xy=lean)
    inside = level[canvas.free[box]]
    voxel_cm3 = frame.setup.grid.voxel_volume_mm3 / 1000.0
    wanted = min(round(volume_cm3 / voxel_cm3), inside.numel())
    if wanted < 1:
        return
    limit = float(torch.kthvalue(inside, wanted).values)
    canvas.paint_free(box, level <= limit, Organ.SPLEEN, hu)


def _paint_stomach(canvas: Canvas, draw: Draw) -> None:
    size = draw.uniform(0.75, 1.1)
    box, fundus = canvas.frame.ellipsoid(
        (-62.0, 34.0, 62.0), (42.0 * size, 40.0 * size, 52.0 * size), lean_xy=(-0.3, -0.25)
    )
    antrum_box, antrum = canvas.frame.ellipsoid(
        (-14.0, 58.0, 14.0), (48.0 * size, 22.0 * size, 20.0 * size)
    )
    content = draw.uniform(5.0, 40.0) if draw.chance(0.7) else draw.uniform(150.0, 300.0)
    surface = draw.uniform(30.0, 60.0)
    for region, level in ((box, fundus), (antrum_box, antrum)):
        taken = canvas.paint_free(region, level < 1.0, Organ.STOMACH, 45.0)
        lumen = taken & (level < 0.78)
        canvas.paint(region, lumen, Organ.STOMACH, content)
        gas = lumen & (canvas.frame.xyz[1][region] > surface)
        canvas.paint(region, gas, Organ.STOMACH, -900.0)


def _paint_bladder(canvas: Canvas, draw: Draw) -> None:
    if not draw.chance(0.6):
        return
    size = draw.uniform(0.7, 1.1)
    centre = (draw.uniform(-5.0, 5.0), 34.0, -212.0)
    box, level = canvas.frame.ellipsoid(centre, (44.0 * size, 36.0 * size, 38.0 * size))
    canvas.paint_free(box, level < 1.0, Organ.BLADDER, draw.uniform(2.0, 16.0))


def _paint_bowel(canvas: Canvas, draw: Draw) -> None:
    """Paints colon (a frame of blobs) and small bowel (blobs inside the frame)."""
    is_oral_contrast = draw.chance(0.3)
    for side in (-1.0, 1.0):
        for z in range(-150, 5 if side > 0 else 40, 26):
            centre = (104.0 * side + draw.uniform(-7.0, 7.0), draw.uniform(-16.0, 12.0), float(z))
            _paint_loop(canvas, draw, (centre, draw.uniform(19.0, 27.0)), 0.45, is_oral_contrast)
    for x in range(-88, 90, 25):
        sag = -8.0 - 30.0 * (1.0 - (x / 90.0) ** 2)
        centre = (float(x), 66.0 + draw.uniform(-6.0, 6.0), sag + draw.uniform(-8.0, 8.0))
        _paint_loop(canvas, draw, (centre, draw.uniform(17.0, 25.0)), 0.5, is_oral_contrast)
    for index in range(36 + draw.integer(14)):
        is_jejunum = index % 6 == 0  # lies higher, on the left
        centre = (
            draw.uniform(-88.0, -20.0) if is_jejunum else draw.uniform(-80.0, 80.0),
            draw.uniform(-2.0, 76.0),
            draw.uniform(-30.0, 20.0) if is_jejunum else draw.uniform(-180.0, -18.0),
        )
        _paint_loop(canvas, draw, (centre, draw.uniform(13.0, 21.0)), 0.15, is_oral_contrast)


def _paint_loop(
    canvas: Canvas, draw: Draw, shape: tuple[XYZ, float], gas: float, is_oral_contrast: bool
) -> None:
    centre, radius = shape
    radii = (
        radius * draw.uniform(0.8, 1.5),
        radius * draw.uniform(0.7, 1.0),
        radius * draw.uniform(0.8, 1.1),
    )
    lean = (draw.uniform(-0.5, 0.5), draw.uniform(-0.3, 0.3))
    has_gas, share = draw.chance(gas), draw.uniform(-0.6, 0.5)
    content = draw.uniform(180.0, 380.0) if is_oral_contrast else draw.uniform(-10.0, 40.0)
    box, level = canvas.frame.ellipsoid(centre, radii, lean_xy=lean)
    taken = canvas.paint_free(box, level < 1.0, Organ.BOWEL, 42.0)
    lumen = taken & (level < 0.7)
    canvas.paint(box, lumen, Organ.BOWEL, content)
    if has_gas:
        above = canvas.frame.xyz[1][box] > centre[1] + share * radii[1]
        canvas.paint(box, lumen & above, Organ.BOWEL, -850.0)
