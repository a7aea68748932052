"""Body wall, bones, muscles, lungs and heart: the parts no question asks about."""

from __future__ import annotations

import torch

from vol3d.phantom.canvas import Canvas
from vol3d.phantom.labels import Organ
from vol3d.phantom.plan import Draw
from vol3d.phantom.space import MUSCLE_HALF_DEPTH_MM, MUSCLE_HALF_WIDTH_MM, Frame

FAT_HU, MUSCLE_HU, LUNG_HU = -100.0, 52.0, -830.0
_CAVITY = 0.79  # level of the inner surface of the muscle wall


def spine_y_mm(z: torch.Tensor) -> torch.Tensor:
    """Front-to-back position of the middle of the spine at canonical height ``z``."""
    return -43.0 - 7.0 * ((z + 45.0) / 100.0) ** 2


def _level(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Squared radius of a rounded box: 1 on the outline, squarer than an ellipse."""
    u2, v2 = u * u, v * v
    return u2 + v2 - 0.36 * u2 * v2


def _profile(z: torch.Tensor) -> torch.Tensor:
    """Relative width of the trunk along z: a waist, hips below and a chest above."""
    waist = (1.0 - ((z + 35.0) / 90.0) ** 2).clamp_min(0.0)
    hips = ((-z - 95.0) / 90.0).clamp(0.0, 1.0)
    return 1.0 - 0.055 * waist + 0.03 * hips


def paint_wall(canvas: Canvas, draw: Draw) -> torch.Tensor:
    """Paints skin, fat and muscle, frees the inside, and returns the muscle wall's level."""
    frame = canvas.frame
    setup = frame.setup
    x, y, _ = frame.xyz
    line = (frame.world_xyz[2] - setup.body_centre_xyz_mm[2]) * setup.scale_xyz[2]
    profile = _profile(line)[:, None, None]
    inner = _level(x / (MUSCLE_HALF_WIDTH_MM * profile), y / (MUSCLE_HALF_DEPTH_MM * profile))
    side = MUSCLE_HALF_WIDTH_MM + setup.fat_side_mm * setup.scale_xyz[0]
    front = MUSCLE_HALF_DEPTH_MM + setup.fat_front_mm * setup.scale_xyz[1]
    outer = _level(x / (side * profile), y / (front * profile))
    skin_level = (1.0 - 4.0 / front) ** 2
    body = outer < 1.0
    hu = canvas.hu
    hu.masked_fill_(body, 10.0)
    hu.masked_fill_(outer < skin_level, FAT_HU)
    hu.masked_fill_((inner < 1.0) & (outer < skin_level), MUSCLE_HU)
    canvas.free.copy_((inner < _CAVITY) & (outer < skin_level))
    hu.masked_fill_(canvas.free, FAT_HU + draw.uniform(-6.0, 6.0))
    canvas.labels.masked_fill_(body, int(Organ.BODY))
    return inner


def paint_muscles(canvas: Canvas) -> None:
    """Paints the muscles beside the spine: back muscles and psoas."""
    frame = canvas.frame
    for side in (-1.0, 1.0):
        box, level = frame.ellipsoid((32.0 * side, -82.0, 0.0), (29.0, 21.0, 400.0))
        canvas.paint_free(box, level < 1.0, Organ.BODY, MUSCLE_HU + 3.0)
        box = frame.slices((34.0 * side, -45.0, -95.0), (36.0, 36.0, 110.0))
        x, y, z = (axis[box] for axis in frame.xyz)
        radius = (8.0 + (10.0 - z) * 0.13).clamp(0.0, 19.0)
        away = (x - side * (27.0 + radius * 0.55)) ** 2 + (y + 46.0 - 0.08 * (-z - 60.0)) ** 2
        canvas.paint_free(box, (away < radius * radius) & (z < 15.0), Organ.BODY, MUSCLE_HU)


def paint_bones(canvas: Canvas, wall: torch.Tensor, draw: Draw) -> None:
    """Paints vertebrae with discs and canal, ribs, iliac wings and sacrum."""
    _paint_spine(canvas, draw)
    _paint_ribs(canvas, wall, draw)
    _paint_pelvis(canvas, draw)


def _paint_spine(canvas: Canvas, draw: Draw) -> None:
    frame = canvas.frame
    box = frame.slices((0.0, -70.0, 0.0), (52.0, 62.0, 500.0))
    x, y, z = (axis[box] for axis in frame.xyz)
    middle = spine_y_mm(z)
    rise = ((z + draw.uniform(0.0, 35.0)) / 35.0) % 1.0
    lower_edge, upper_edge = (rise - 0.5).abs() < 0.39, (rise - 0.5).abs() < 0.33
    body = (x / 22.0) ** 2 + ((y - middle) / 17.0) ** 2
    dorsal = y - middle
    arch = (x / 15.0) ** 2 + ((dorsal + 27.0) / 15.0) ** 2
    canal = (x / 10.0) ** 2 + ((dorsal + 26.0) / 8.5) ** 2
    process = (x.abs() < 4.0) & (dorsal < -34.0) & (dorsal > -52.0) & ((rise - 0.35).abs() < 0.3)
    wings = (x.abs() < 42.0) & ((dorsal + 22.0).abs() < 4.0) & ((rise - 0.55).abs() < 0.13)
    spongy, hard = draw.uniform(150.0, 240.0), draw.uniform(380.0, 560.0)
    canvas.paint(box, (body < 1.0) | (arch < 1.0), Organ.BODY, MUSCLE_HU)
    canvas.paint(box, body < 0.95, Organ.BONE, 85.0)
    canvas.paint(box, wings | process | ((arch < 1.0) & upper_edge), Organ.BONE, hard - 60.0)
    canvas.paint(box, (body < 1.0) & lower_edge, Organ.BONE, hard)
    canvas.paint(box, (body < 0.74) & upper_edge, Organ.BONE, spongy)
    canvas.paint(box, canal < 1.0, Organ.BODY, 28.0)
    canvas.reserve(box, (body < 1.15) | (arch < 1.2) | wings | process)


def _paint_ribs(canvas: Canvas, wall: torch.Tensor, draw: Draw) -> None:
    frame = canvas.frame
    box = frame.slices((0.0, 0.0, 90.0), (200.0, 160.0, 150.0))
    x, y, z = (axis[box] for axis in frame.xyz)
    level = wall[box]
    phase = ((z + 0.55 * y + draw.uniform(0.0, 30.0)) / 29.0) % 1.0
    cage = (z - 0.55 * y > 12.0) & (x.abs() > 30.0) & ((y < 88.0) | (z > 95.0))
    canvas.paint(box, cage & (level > 0.83) & (level < 0.97) & (phase < 0.36), Organ.BONE, 400.0)
    canvas.paint(box, cage & (level > 0.865) & (level < 0.935) & (phase < 0.28), Organ.BONE, 190.0)
    sternum = (x.abs() < 19.0) & (y > 0.0) & (level > 0.84) & (level < 0.98) & (z > 98.0)
    canvas.paint(box, sternum, Organ.BONE, 220.0)


def _paint_pelvis(canvas: Canvas, draw: Draw) -> None:
    frame = canvas.frame
    hu = draw.uniform(330.0, 430.0)
    for side in (-1.0, 1.0):
        box = frame.slices((75.0 * side, -20.0, -185.0), (62.0, 72.0, 95.0))
        x, y, z = (axis[box] for axis in frame.xyz)
        along = 0.62 * (x * side - 40.0) + 0.78 * (y + 66.0)
        across = 0.78 * (x * side - 40.0) - 0.62 * (y + 66.0) - 0.0016 * (along - 55.0) ** 2
        extent = ((along - 50.0) / 66.0) ** 2 + ((z + 185.0) / 84.0) ** 2
        canvas.paint(box, (across.abs() < 10.0) & (extent < 1.25), Organ.BODY, MUSCLE_HU)
        canvas.paint(box, (across.abs() < 6.0) & (extent < 1.0), Organ.BONE, hu)
        canvas.paint(box, (across.abs() < 2.8) & (extent < 0.85), Organ.BONE, 170.0)
        canvas.reserve(box, (across > -14.0) & (extent < 1.4))
    box, level = frame.ellipsoid((0.0, -64.0, -190.0), (54.0, 22.0, 62.0))
    canvas.paint(box, level < 1.0, Organ.BONE, hu)
    canvas.paint(box, level < 0.7, Organ.BONE, 190.0)
    canvas.reserve(box, level < 1.2)


def paint_thorax(canvas: Canvas, wall: torch.Tensor, draw: Draw, *, blood_hu: float) -> None:
    """Paints lungs and heart above the diaphragm and frees only the space below it."""
    frame = canvas.frame
    box = frame.slices((0.0, 0.0, 120.0), (200.0, 160.0, 105.0))
    x, y, z = (axis[box] for axis in frame.xyz)
    free = canvas.free[box]
    share = wall[box] / _CAVITY
    top = 124.0 + draw.uniform(-4.0, 8.0)
    dome = top + 7.0 * (x / 45.0).clamp(-1.0, 1.0) - 68.0 * share * share + 0.26 * y
    above = free & (z > dome)
    muscle = free & (z > dome - 3.5) & (z <= dome)
    canvas.paint(box, above, Organ.LUNG, LUNG_HU + draw.uniform(-40.0, 40.0))
    canvas.paint(box, muscle, Organ.BODY, MUSCLE_HU)
    heart_box, heart = frame.ellipsoid((-16.0, 34.0, 152.0), (62.0, 50.0, 46.0))
    mediastinum = frame.slices((0.0, -30.0, 150.0), (30.0, 40.0, 70.0))
    xm, ym = frame.xyz[0][mediastinum], frame.xyz[1][mediastinum]
    middle = (xm / 22.0) ** 2 + ((ym + 24.0) / 26.0) ** 2
    for region, level, hu in ((mediastinum, middle, FAT_HU + 60.0), (heart_box, heart, 45.0)):
        mask = (level < 1.0) & (canvas.labels[region] == int(Organ.LUNG))
        canvas.paint(region, mask, Organ.BODY, hu)
    chamber = (heart < 0.62) & (canvas.labels[heart_box] == int(Organ.BODY)) & (heart < 1.0)
    chamber &= frame.xyz[2][heart_box] > 122.0
    canvas.paint(heart_box, chamber, Organ.BODY, blood_hu)
    canvas.reserve(box, above | muscle)


def table_mask(frame: Frame) -> torch.Tensor:
    """True on the scanner's table, (y, x) over the whole slice: a shallow trough under the back."""
    setup = frame.setup
    grid, centre = setup.grid, setup.body_centre_xyz_mm
    _, count_y, count_x = grid.shape_zyx
    _, step_y, step_x = grid.spacing_zyx_mm
    x = torch.arange(count_x) * step_x + float(grid.affine[0, 3]) - centre[0]
    y = torch.arange(count_y) * step_y + float(grid.affine[1, 3]) - centre[1]
    back = MUSCLE_HALF_DEPTH_MM / setup.scale_xyz[1] + setup.fat_front_mm
    surface = -back * 1.02 - 16.0 + (x / 205.0) ** 2 * 42.0
    depth = surface[None, :] - y[:, None]
    return (depth > 0.0) & (depth < 12.0) & (x.abs() < 215.0)[None, :]
