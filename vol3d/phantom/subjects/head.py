"""A head: scalp, skull, hemispheres with grey and white matter, ventricles, lobes, cerebellum.

Places are template mm around the middle of the brain.
"""

from __future__ import annotations

import math

import torch

from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.canvas import Canvas, Shape, ellipsoid_distance, rotation
from vol3d.phantom.subjects.plan import SubjectPlan
from vol3d.phantom.subjects.tissues import LABELS

_TISSUE_HU = {
    "scalp": 20.0,
    "skull": 900.0,
    "cerebrospinal_fluid": 8.0,
    "grey": 38.0,
    "white_matter": 28.0,
    "third_ventricle": 6.0,
    "lateral_ventricle": 6.0,
    "cerebellum": 36.0,
    "brainstem": 32.0,
}
"""Typical unenhanced CT numbers; an MR draws its own brightness of every tissue."""


def paint_head(canvas: Canvas, plan: SubjectPlan, draw: Draw) -> dict[str, Shape]:
    """Paints a head.

    Args:
        canvas: Empty.
        plan: The subject; a midline shift moves the middle of the brain to one side.
        draw: Random numbers.

    Returns:
        Signed distance of the brain by key, for placing lesions.
    """
    x, y, z = canvas.xyz
    turn = rotation((draw.uniform(-6, 6), draw.uniform(-6, 6), draw.uniform(-8, 8))).T.tolist()
    x, y, z = (row[0] * x + row[1] * y + row[2] * z for row in turn)
    neck = (z < -50.0) & ((x / 55.0) ** 2 + ((y - 5.0) / 62.0) ** 2 < 1.0)
    scalp = ellipsoid_distance(x, y, z - 2.0, (76.0, 93.0, 78.0))
    face = ellipsoid_distance(x, y - 40.0, z + 66.0, (66.0, 60.0, 66.0))
    _fill(canvas, (scalp <= 0) | neck | (face <= 0), "scalp")
    _neck_and_face(canvas, neck | (face <= 0), x, y, z)
    bone = ellipsoid_distance(x, y, z - 2.0, (70.5, 87.5, 70.0))
    _fill(canvas, (bone <= 0) & (z > -62.0), "skull")
    inner = ellipsoid_distance(x, y, z - 2.0, (65.0, 82.0, 63.0))
    _fill(canvas, (inner <= 0) & (z > -58.0), "cerebrospinal_fluid")
    shifted = x - _shift_mm(plan, draw) * torch.exp(-((y / 60.0) ** 2) - (z / 45.0) ** 2)
    folds = _folds(canvas, draw)
    brain = ellipsoid_distance(x, y, z - 2.0, (62.0, 79.0, 60.0)) + folds
    gap = shifted.abs() < 1.0
    is_brain = (brain <= 0) & (z > -40.0) & ~gap
    for side, chosen in (("left", shifted < 0), ("right", shifted >= 0)):
        _fill(canvas, is_brain & chosen, f"cerebral_hemisphere_{side}", hu=_TISSUE_HU["grey"])
    white = is_brain & (brain < -5.5 - 1.2 * folds)
    canvas.hu[white] = _TISSUE_HU["white_matter"]
    _lobes(canvas, is_brain, x, y, z)
    _ventricles(canvas, draw, shifted, y, z)
    small = ellipsoid_distance(x, y + 36.0, z + 42.0, (43.0, 27.0, 19.0))
    stem = ellipsoid_distance(x, y + 14.0, z + 52.0, (14.0, 14.0, 30.0))
    for key, shape in (("cerebellum", small), ("brainstem", stem)):
        inside = (shape <= 0) & ((inner < -1.5) | (key == "brainstem")) & (z > -70.0)
        _fill(canvas, inside, key)
        canvas.parts[inside] = 0
    whole = (slice(None), slice(None), slice(None))
    return {"brain": (whole, torch.where(is_brain, brain, torch.full_like(brain, 99.0)))}


def _neck_and_face(
    canvas: Canvas, soft: torch.Tensor, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
) -> None:
    """Neck muscles and spine, airway, sinuses, eyes; all of it carries the scalp's label."""

    def ball(at: tuple[float, float, float], radii: tuple[float, float, float]) -> torch.Tensor:
        return ellipsoid_distance(x - at[0], y - at[1], z - at[2], radii)

    hu = canvas.hu
    deep = soft & (z < -52.0) & (((x / 47.0) ** 2 + ((y - 5.0) / 54.0) ** 2) < 1.0)
    hu[deep] = _TISSUE_HU["scalp"] + 32.0
    spine = torch.maximum(ball((0.0, -12.0, -95.0), (19.0, 14.0, 90.0)), z + 64.0)
    hu[soft & (spine <= 0)] = 420.0
    hu[soft & (spine > 0) & (spine < 7.0) & (y < -10.0)] = _TISSUE_HU["scalp"] + 40.0
    for sign in (-1.0, 1.0):
        hu[soft & (ball((sign * 31.0, 76.0, -36.0), (13.0, 13.0, 12.5)) <= 0)] = 12.0
        hu[soft & (ball((sign * 26.0, 64.0, -62.0), (14.0, 16.0, 17.0)) <= 0)] = -980.0
    nose = ball((0.0, 66.0, -58.0), (6.0, 30.0, 24.0))
    septum = (x.abs() < 1.2) & (nose <= 0)
    throat = torch.maximum(ball((0.0, 22.0, -90.0), (8.0, 8.0, 60.0)), z + 60.0)
    hu[soft & ((nose <= 0) | (throat <= 0)) & ~septum] = -980.0


def _fill(canvas: Canvas, inside: torch.Tensor, key: str, *, hu: float | None = None) -> None:
    canvas.labels[inside] = LABELS[key]
    group = key.removesuffix("_left").removesuffix("_right")
    canvas.hu[inside] = _TISSUE_HU[group] if hu is None else hu


def _shift_mm(plan: SubjectPlan, draw: Draw) -> float:
    """Template mm of midline shift, positive to the right."""
    size = draw.uniform(3.0, 13.0)
    side = 1.0 if draw.chance(0.5) else -1.0
    return side * size if plan.has("midline_shift") else 0.0


def _folds(canvas: Canvas, draw: Draw) -> torch.Tensor:
    """Gyri as a sum of a few waves."""
    x, y, z = canvas.xyz
    total = torch.zeros_like(x)
    for _ in range(5):
        k = [draw.uniform(-1.0, 1.0) for _ in range(3)]
        length = math.sqrt(sum(each * each for each in k)) or 1.0
        phase, wave = draw.uniform(0.0, 6.3), draw.uniform(13.0, 21.0)
        total += torch.cos((k[0] * x + k[1] * y + k[2] * z) * (2 * math.pi / wave / length) + phase)
    return 1.1 * total


def _lobes(
    canvas: Canvas, inside: torch.Tensor, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
) -> None:
    """Frontal before the central sulcus, occipital at the back, temporal below at the sides."""
    central = y > 2.0 - 0.35 * (z - 20.0)
    occipital = y < -52.0
    temporal = (z < -4.0) & (x.abs() > 24.0) & (y < 38.0) & ~occipital
    rest = ~central & ~occipital & ~temporal
    for name, where in (
        ("frontal", central & ~temporal),
        ("parietal", rest),
        ("temporal", temporal),
        ("occipital", occipital & ~central),
    ):
        left = canvas.labels == LABELS["cerebral_hemisphere_left"]
        right = canvas.labels == LABELS["cerebral_hemisphere_right"]
        canvas.parts[inside & where & left] = LABELS[f"{name}_lobe_left"]
        canvas.parts[inside & where & right] = LABELS[f"{name}_lobe_right"]


def _ventricles(
    canvas: Canvas, draw: Draw, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
) -> None:
    wide = draw.uniform(0.8, 1.5)
    third = ellipsoid_distance(x, y + 6.0, z - 2.0, (2.6 * wide, 14.0, 10.0))
    _fill(canvas, third <= 0, "third_ventricle")
    for side, sign in (("left", -1.0), ("right", 1.0)):
        horn = ellipsoid_distance(
            x - sign * 9.0 * wide, y - 4.0 - 0.2 * z, z - 17.0, (5.5 * wide, 33.0, 8.5 * wide)
        )
        back = ellipsoid_distance(x - sign * 22.0, y + 36.0, z - 6.0, (5.5 * wide, 16.0, 12.0))
        _fill(canvas, torch.minimum(horn, back) <= 0, f"lateral_ventricle_{side}")
    canvas.parts[
        (canvas.labels == LABELS["third_ventricle"])
        | (canvas.labels == LABELS["lateral_ventricle_left"])
        | (canvas.labels == LABELS["lateral_ventricle_right"])
    ] = 0
