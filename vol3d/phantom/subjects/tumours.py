"""Lesions and what only looks like one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
import torch

from vol3d.measure.instances import cut_grid
from vol3d.measure.vessels import vessel_contact_angle_deg
from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.canvas import (
    REAL,
    XYZ,
    Box,
    Canvas,
    Shape,
    ellipsoid_distance,
    rotation,
    rough,
    smooth_path,
)
from vol3d.phantom.subjects.plan import LesionPlan, SubjectPlan
from vol3d.phantom.subjects.tissues import LABELS, Phase, base_hu

_ROUGHNESS = {"cyst": 0.04, "pdac": 0.16, "nodule": 0.1, "metastasis": 0.07}
_GROWS_OUT = ("kidney_left", "kidney_right", "pancreas", "colon")
_DISPLACED = ("stomach", "duodenum", "small_bowel", "colon")
_DISPLACED_BY_PANCREAS = ("liver", "pancreatic_duct", "common_bile_duct")
_APART_MM = 5.0
_HEMISPHERES = ("cerebral_hemisphere_left", "cerebral_hemisphere_right")
FloatArray = npt.NDArray[np.float64]
_TRIES = 40
_LEAST_VOXELS = 4
_LEAST_TISSUE_HU = -30.0
_BISECTIONS = 9
_VESSEL_MARGIN_MM = 36.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PaintedLesion:
    """A lesion that found its place.

    Args:
        id: Its value in the lesion array.
        plan: What was asked for.
        num_voxels: How many voxels it has.
    """

    id: int
    plan: LesionPlan
    num_voxels: int


def paint_lesions(
    canvas: Canvas,
    plan: SubjectPlan,
    draw: Draw,
    *,
    depth: dict[str, Shape],
    vessels: dict[str, list[XYZ]],
    radii_mm: dict[str, float],
) -> tuple[npt.NDArray[np.uint8], tuple[PaintedLesion, ...]]:
    """Paints the planned lesions, largest first; one that finds no room is left out.

    Args:
        canvas: Organs painted.
        plan: The subject.
        draw: Random numbers.
        depth: Signed distances of organs, by key.
        vessels: Middle lines of vessels that lesions may touch.
        radii_mm: Radii of these vessels.

    Returns:
        Ids of lesions (z, y, x), and what was painted.
    """
    ids = torch.zeros(canvas.labels.shape, dtype=torch.uint8, device=canvas.device)
    found: list[PaintedLesion] = []
    taken: list[tuple[XYZ, float]] = []
    for lesion in sorted(plan.lesions, key=lambda each: -each.diameter_mm):
        place = _place(canvas, lesion, draw, depth, taken)
        if lesion.vessel is not None and lesion.vessel in vessels:
            place = _beside_vessel(
                canvas, lesion, vessels[lesion.vessel], radii_mm[lesion.vessel], draw
            )
        if place is None:
            continue
        count = _paint(canvas, ids, lesion, plan.phase, place, draw, len(found) + 1)
        if count:
            found.append(PaintedLesion(id=len(found) + 1, plan=lesion, num_voxels=count))
            taken.append((place, lesion.diameter_mm / 2))
    return ids.cpu().numpy(), tuple(found)


def _place(
    canvas: Canvas,
    lesion: LesionPlan,
    draw: Draw,
    depth: dict[str, Shape],
    taken: list[tuple[XYZ, float]],
) -> XYZ | None:
    """A voxel of the organ, deep enough for the size, away from other lesions."""
    if lesion.organ not in depth:
        return None
    box, distance = depth[lesion.organ]
    inside = _in_organ(canvas, box, lesion.organ) & (distance <= 0)
    if lesion.part is not None:
        inside &= canvas.parts[box] == LABELS[lesion.part]
    if not bool(inside.any()):
        return None
    deepest = float(-distance[inside].min())
    share = 0.25 if lesion.organ in _GROWS_OUT else 0.75
    wanted = min(share * lesion.diameter_mm / 2, 0.85 * deepest)
    candidates = torch.nonzero((inside & (distance <= -wanted)).flatten()).flatten()
    if not candidates.numel():
        return None
    for _ in range(_TRIES):
        chosen = int(candidates[draw.integer(candidates.numel())])
        x, y, z = (float(c.reshape(-1)[chosen]) for c in canvas.at(box))
        if all(
            math.dist((x, y, z), other) > radius + lesion.diameter_mm / 2 + _APART_MM
            for other, radius in taken
        ):
            return x, y, z
    return None


def _in_organ(canvas: Canvas, box: Box, organ: str) -> torch.Tensor:
    """Voxels of an organ in a box; the brain is its hemispheres."""
    keys = (organ,) if organ != "brain" else _HEMISPHERES
    labels = canvas.labels[box]
    inside = labels == LABELS[keys[0]]
    for key in keys[1:]:
        inside = inside | (labels == LABELS[key])
    return inside


def _may_take(canvas: Canvas, box: Box, organ: str) -> torch.Tensor:
    """Voxels that a lesion of an organ may take: fat around it and soft neighbours as well."""
    inside = _in_organ(canvas, box, organ)
    if organ in _GROWS_OUT:
        inside = inside | canvas.free(box)
        more = _DISPLACED_BY_PANCREAS if organ == "pancreas" else ()
        for key in (*_DISPLACED, *more):
            if key != organ:
                inside = inside | (canvas.labels[box] == LABELS[key])
    return inside


def _beside_vessel(
    canvas: Canvas, lesion: LesionPlan, path: list[XYZ], radius_mm: float, draw: Draw
) -> XYZ | None:
    """The centre of a ball that touches a given part of a vessel's wall, at most.

    The ball is moved along a line from the vessel to the middle of the organ's part, until the
    contact that is measured on the voxels it could take is the wanted one.
    """
    assert lesion.vessel is not None
    curve, _ = smooth_path(path, [radius_mm] * len(path), 12)
    place = round(draw.uniform(0.35, 0.6) * (len(curve) - 1))
    point, axis = curve[place], _unit(curve[min(place + 1, len(curve) - 1)] - curve[place - 1])
    inside = canvas.parts == LABELS[lesion.part or "pancreas_head"]
    if not bool(inside.any()):
        return None
    where = torch.nonzero(inside.flatten()).flatten()[:: max(1, int(inside.sum()) // 400)]
    middle = np.array([float(c.reshape(-1)[where].mean()) for c in canvas.xyz])
    toward = middle - point
    toward -= axis * float(toward @ axis)
    if float(np.linalg.norm(toward)) < 1e-3:
        return None
    toward, wanted = _unit(toward), min(max(lesion.vessel_angle_deg, 1.0), 350.0)
    near, far = 0.0, lesion.diameter_mm / 2 + 3 * radius_mm
    best, miss = point, math.inf
    for _ in range(_BISECTIONS):
        half = (near + far) / 2
        angle = _contact_deg(canvas, lesion, point + half * toward)
        if abs(angle - wanted) < miss:
            best, miss = point + half * toward, abs(angle - wanted)
        near, far = (half, far) if angle > wanted else (near, half)
    x, y, z = best.tolist()
    return x, y, z


def _contact_deg(canvas: Canvas, lesion: LesionPlan, centre: FloatArray) -> float:
    """The contact with its vessel of a ball that takes what a lesion may take."""
    reach = lesion.diameter_mm / 2 + _VESSEL_MARGIN_MM
    low, high = (centre - reach).tolist(), (centre + reach).tolist()
    box = canvas.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    x, y, z = (c - float(m) for c, m in zip(canvas.at(box), centre, strict=True))
    ball = (x * x + y * y + z * z) <= (lesion.diameter_mm / 2) ** 2
    taken = ball & _may_take(canvas, box, lesion.organ)
    vessel = canvas.labels[box] == LABELS[lesion.vessel or ""]
    return vessel_contact_angle_deg(
        taken.cpu().numpy(), vessel.cpu().numpy(), cut_grid(canvas.grid, box), profile="native"
    )


def _unit(vector: FloatArray) -> FloatArray:
    made: FloatArray = vector / np.linalg.norm(vector)
    return made


def _shape(
    canvas: Canvas, lesion: LesionPlan, place: XYZ, draw: Draw
) -> tuple[Shape, torch.Tensor]:
    """Signed distance with an irregular border, and the smooth one for what lies inside."""
    radius = lesion.diameter_mm / 2
    is_bound = lesion.vessel is not None
    flat = (1.0, 1.0, 1.0) if is_bound else (1.0, draw.uniform(0.72, 1.0), draw.uniform(0.72, 1.0))
    turn = (draw.uniform(0, 180), draw.uniform(0, 180), draw.uniform(0, 180))
    reach = radius + 6.0
    low = tuple(c - reach for c in place)
    high = tuple(c + reach for c in place)
    box = canvas.box(low, high)  # type: ignore[arg-type]
    x, y, z = (c - p for c, p in zip(canvas.at(box), place, strict=True))
    m = rotation(turn).T.tolist()
    x, y, z = (row[0] * x + row[1] * y + row[2] * z for row in m)
    smooth = ellipsoid_distance(x, y, z, (radius * flat[0], radius * flat[1], radius * flat[2]))
    share = _ROUGHNESS.get(lesion.kind, 0.09) * (0.15 if is_bound else 1.0)
    return rough(
        canvas, (box, smooth), draw, sd_mm=share * radius, scale_mm=max(radius * 0.8, 4.0)
    ), smooth


def _paint(
    canvas: Canvas,
    ids: torch.Tensor,
    lesion: LesionPlan,
    phase: Phase,
    place: XYZ,
    draw: Draw,
    number: int,
) -> int:
    (box, distance), smooth = _shape(canvas, lesion, place, draw)
    organ = LABELS[lesion.organ]
    allowed = _may_take(canvas, box, lesion.organ) & (ids[box] == 0)
    inside = _largest_part(allowed & (distance <= 0))
    count = int(inside.sum())
    if count < _LEAST_VOXELS:
        return 0
    hu = _lesion_hu(lesion, phase, _around_hu(canvas, box, inside, lesion.organ), draw)
    radius = lesion.diameter_mm / 2
    values = torch.full_like(distance, hu.body)
    if hu.rim is not None:
        values = torch.where(
            smooth > -max(0.22 * radius, 2.0), torch.full_like(values, hu.rim), values
        )
    if hu.core is not None:
        values = torch.where(smooth < -0.45 * radius, torch.full_like(values, hu.core), values)
    grain = torch.randn(distance.shape, generator=draw.generator, dtype=REAL).to(canvas.device)
    values = values + (0.0 if lesion.kind == "cyst" else 7.0) * grain
    canvas.hu[box] = torch.where(inside, values, canvas.hu[box])
    grown = inside & ~_in_organ(canvas, box, lesion.organ)
    canvas.labels[box][grown] = organ
    if lesion.part is not None:
        canvas.parts[box][grown] = LABELS[lesion.part]
    ids[box][inside] = number
    return count


def _around_hu(canvas: Canvas, box: Box, inside: torch.Tensor, organ: str) -> float:
    """Mean HU of the organ's tissue that a lesion takes, else of that around it, else of all of it.

    Fat does not count, neither that of the cavity nor that within a kidney or a pancreas: a lesion
    is as bright as its organ's own tissue lets it be.
    """
    own, values = _in_organ(canvas, box, organ), canvas.hu[box]
    for where in (own & inside, own):
        near = values[where & (values > _LEAST_TISSUE_HU)]
        if near.numel() >= _LEAST_VOXELS:
            return float(near.mean())
    every = (slice(None), slice(None), slice(None))
    values = canvas.hu[_in_organ(canvas, every, organ) & (canvas.hu > _LEAST_TISSUE_HU)]
    return float(values.mean()) if values.numel() else 30.0


def _largest_part(inside: torch.Tensor) -> torch.Tensor:
    """What hangs together: an island beside a lesion would be measured as another one."""
    parts = cc3d.connected_components(inside.cpu().numpy(), connectivity=26)
    if parts.max() < 2:
        return inside
    sizes = np.bincount(parts.ravel())
    return torch.from_numpy(parts == 1 + int(sizes[1:].argmax())).to(inside.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    body: float
    rim: float | None = None
    core: float | None = None


_CONTRAST = {
    # lesion less organ, by phase: unenhanced, arterial, venous, delayed
    "plain": (-14.0, -22.0, -38.0, -24.0),
    "hypervascular": (-8.0, 62.0, -12.0, -18.0),
    "pdac": (-4.0, -42.0, -30.0, -8.0),
    "pnet": (2.0, 52.0, 18.0, 8.0),
    "kidney": (4.0, -55.0, -75.0, -60.0),
    "colon": (6.0, 14.0, 16.0, 14.0),
}


def _lesion_hu(lesion: LesionPlan, phase: Phase, around: float, draw: Draw) -> _Look:
    """HU of a lesion's body, rim and core.

    Source: typical enhancement of simple cysts (0-20 HU), liver metastases (hypovascular in the
    portal venous phase), hypervascular tumours, ductal adenocarcinoma and neuroendocrine tumours of
    the pancreas, renal cell carcinoma and angiomyolipoma in the radiological literature.
    """
    order = ("unenhanced", "arterial", "venous", "delayed").index(phase)
    spread = draw.uniform(-6.0, 6.0)
    if lesion.kind == "cyst":
        if lesion.organ.startswith("kidney") and lesion.character == "dense":
            return _Look(body=78.0 + spread)
        return _Look(body=(24.0 if lesion.character == "dense" else 8.0) + 0.7 * spread)
    if lesion.kind == "nodule":
        return _Look(body=32.0 + 2 * spread)
    if lesion.kind == "metastasis":
        body = around + 90.0 + 3 * spread
        return (
            _Look(body=body, core=body - 110.0) if lesion.character == "rim" else _Look(body=body)
        )
    if lesion.character == "fatty":
        return _Look(body=-38.0 + 2 * spread)
    key = (
        lesion.kind
        if lesion.kind in _CONTRAST
        else lesion.organ.removesuffix("_left").removesuffix("_right")
    )
    if key not in _CONTRAST:
        key = "hypervascular" if lesion.character == "hypervascular" else "plain"
    scale = draw.uniform(0.75, 1.3)
    if key == "colon":  # content of the bowel does not count, its wall does
        around = base_hu("bowel_wall", phase)
    body = around + _CONTRAST[key][order] * scale + 0.4 * spread
    if lesion.character == "rim":
        return _Look(body=body - 8.0, rim=around + (4.0, 24.0, 12.0, 6.0)[order])
    if lesion.character == "necrotic" and lesion.diameter_mm > 18.0:
        return _Look(body=body, core=min(18.0 + spread, body - 6.0))
    return _Look(body=body)


def paint_distractors(canvas: Canvas, draw: Draw) -> None:
    """What is no lesion: fat beside the falciform ligament, a calcified granuloma, a hilar dent."""
    kinds = draw.integer(4)
    if kinds in (0, 2):
        spot = canvas.ellipsoid((14.0, 124.0, 22.0), (9.0, 7.0, 11.0), turn_deg=(20.0, 10.0, 0.0))
        _tint(canvas, spot, "liver", -38.0, is_shift=True)
    if kinds in (1, 2):
        for _ in range(1 + draw.integer(2)):
            organ = ("liver", "spleen")[draw.integer(2)]
            at = (
                (draw.uniform(40.0, 110.0), draw.uniform(10.0, 80.0), draw.uniform(-30.0, 50.0))
                if organ == "liver"
                else (
                    -106.0 + draw.uniform(-8, 8),
                    draw.uniform(-20.0, 20.0),
                    draw.uniform(0.0, 40.0),
                )
            )
            _tint(canvas, canvas.ellipsoid(at, (2.4, 2.4, 2.4)), organ, 420.0, is_shift=False)


def _tint(canvas: Canvas, shape: Shape, organ: str, hu: float, *, is_shift: bool) -> None:
    box, distance = shape
    inside = (distance <= 0) & (canvas.labels[box] == LABELS[organ])
    values = canvas.hu[box] + hu if is_shift else torch.full_like(canvas.hu[box], hu)
    canvas.hu[box] = torch.where(inside, values, canvas.hu[box])
