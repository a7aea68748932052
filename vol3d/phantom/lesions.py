"""Lesions: irregular, soft-edged ellipsoids placed where they lie mostly inside their organ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from vol3d.phantom.canvas import Canvas
from vol3d.phantom.labels import Organ
from vol3d.phantom.plan import Attenuation, CasePlan, Draw, LesionPlan
from vol3d.phantom.space import XYZ, Box

_GAP_MM = 9.0  # between two lesions, so that they stay two at 6 mm
_TRIES = 24
# small organs whose large lesions may grow out of them, and what gives way
_BULGING = (Organ.PANCREAS, Organ.KIDNEY_LEFT, Organ.KIDNEY_RIGHT)
_YIELDING = (Organ.STOMACH, Organ.BOWEL)


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionTruth:
    """What was painted: id in ``Phantom.lesions_zyx``, organ, attenuation, nominal size, place."""

    id: int
    organ: Organ
    attenuation: Attenuation
    diameter_mm: float
    centre_ras_mm: XYZ


def paint_lesions(
    canvas: Canvas, plan: CasePlan, draw: Draw, hu: dict[Organ, float]
) -> tuple[torch.Tensor, tuple[LesionTruth, ...]]:
    """Paints the planned lesions into ``canvas``.

    Returns:
        uint8 (z, y, x) over the body box with lesion ids, and what was painted. A lesion for which
        no place is found is made smaller a few times and then left out.
    """
    ids = torch.zeros_like(canvas.labels)
    truths: list[LesionTruth] = []
    room = canvas.labels == int(Organ.BODY)
    room &= canvas.free
    for organ in _YIELDING:
        room |= canvas.labels == int(organ)
    for wanted in plan.lesions:
        placed = _place(canvas, room, wanted, draw, truths)
        if placed is None:
            continue
        centre, diameter = placed
        truth = LesionTruth(
            id=len(truths) + 1,
            organ=wanted.organ,
            attenuation=wanted.attenuation,
            diameter_mm=diameter,
            centre_ras_mm=centre,
        )
        if _paint(canvas, room, ids, (truth, hu[wanted.organ] + wanted.shift_hu), draw):
            truths.append(truth)
    return ids, tuple(truths)


def _place(
    canvas: Canvas, room: torch.Tensor, wanted: LesionPlan, draw: Draw, others: list[LesionTruth]
) -> tuple[XYZ, float] | None:
    """Centre (RAS mm) and diameter: the candidate that lies deepest, away from other lesions."""
    organ = canvas.labels == int(wanted.organ)
    places = torch.nonzero(organ).cpu()
    if not len(places):
        return None
    allowed = (organ | room) if wanted.organ in _BULGING else organ
    world = canvas.frame.world_xyz
    diameter = wanted.diameter_mm
    for _ in range(6):
        picks = torch.randint(len(places), (_TRIES,), generator=draw.generator)
        best_share, best = 0.0, None
        for zyx in places[picks].tolist():
            centre = (float(world[0][zyx[2]]), float(world[1][zyx[1]]), float(world[2][zyx[0]]))
            if any(
                math.dist(centre, o.centre_ras_mm) < (diameter + o.diameter_mm) * 0.56 + _GAP_MM
                for o in others
            ):
                continue
            share = _inside_share(canvas, allowed, centre, diameter)
            if share > best_share:
                best_share, best = share, centre
            if share > 0.96:
                break
        if best is not None and best_share > 0.75:
            return best, diameter
        diameter = diameter * 0.93 if diameter > 14.0 else diameter
    return None


_SPHERE = torch.tensor(
    [
        (x, y, z)
        for x in (-1.0, 0.0, 1.0)
        for y in (-1.0, 0.0, 1.0)
        for z in (-1.0, 0.0, 1.0)
        if (x, y, z) != (0.0, 0.0, 0.0)
    ]
)
_SPHERE = _SPHERE / _SPHERE.norm(dim=1, keepdim=True)


def _inside_share(canvas: Canvas, allowed: torch.Tensor, centre: XYZ, diameter: float) -> float:
    """Share of points on two spheres inside the lesion that lie in ``allowed``."""
    frame = canvas.frame
    points = torch.cat([_SPHERE * (0.42 * diameter), _SPHERE * (0.25 * diameter)])
    index = []
    for axis in (2, 1, 0):
        start = float(frame.world_xyz[axis][0])
        at = (points[:, axis] + centre[axis] - start) / frame.spacing_xyz_mm[axis]
        index.append(at.round().long().clamp(0, len(frame.world_xyz[axis]) - 1))
    hits = allowed[
        index[0].to(allowed.device), index[1].to(allowed.device), index[2].to(allowed.device)
    ]
    return int(hits.sum()) / len(points)


def _paint(
    canvas: Canvas,
    room: torch.Tensor,
    ids: torch.Tensor,
    lesion: tuple[LesionTruth, float],
    draw: Draw,
) -> bool:
    truth, hu = lesion
    box, level = _lesion_level(canvas, truth, draw)
    labels = canvas.labels[box]
    organ = labels == int(truth.organ)
    allowed = (organ | room[box]) if truth.organ in _BULGING else organ
    allowed &= ids[box] == 0
    mask = allowed & (level < 1.0)
    if int(mask.sum()) < 4:
        return False
    texture = torch.randn(level.shape, generator=draw.generator).to(level.device)
    target = hu + 9.0 * texture
    weight = ((1.12 - level) / 0.24).clamp(0.0, 1.0) * allowed
    # outside the organ there is no soft edge: the lesion bulges into fat with its own surface
    weight = torch.where(organ, weight, mask.float())
    current = canvas.hu[box]
    current += weight * (target - current)
    labels.masked_fill_(mask, int(truth.organ))
    ids[box].masked_fill_(mask, truth.id)
    return True


def _lesion_level(canvas: Canvas, truth: LesionTruth, draw: Draw) -> tuple[Box, torch.Tensor]:
    """The box around a lesion and its squared relative radius, with a bumpy surface."""
    frame = canvas.frame
    radius = truth.diameter_mm / 2
    radii = (radius, radius * draw.uniform(0.75, 1.0), radius * draw.uniform(0.75, 1.1))
    angle = draw.uniform(0.0, math.pi)
    cosine, sine = math.cos(angle), math.sin(angle)
    pieces, offsets = [], []
    for axis in (2, 1, 0):
        world = frame.world_xyz[axis]
        start, step = float(world[0]), frame.spacing_xyz_mm[axis]
        first = math.floor((truth.centre_ras_mm[axis] - 1.25 * radius - start) / step)
        last = math.ceil((truth.centre_ras_mm[axis] + 1.25 * radius - start) / step)
        piece = slice(min(max(first, 0), len(world)), max(min(last + 1, len(world)), 0))
        pieces.append(piece)
        offsets.append(world[piece] - truth.centre_ras_mm[axis])
    z, y, x = offsets[0][:, None, None], offsets[1][None, :, None], offsets[2][None, None, :]
    u = (cosine * x + sine * y) / radii[0]
    v = (cosine * y - sine * x) / radii[1]
    w = z / radii[2]
    bumps = [draw.uniform(-0.35, 0.35) for _ in range(3)]
    bump = 1.0 + bumps[0] * u * v + bumps[1] * v * w + bumps[2] * u * w
    box = (pieces[0], pieces[1], pieces[2])
    return box, (u * u + v * v + w * w) * bump.clamp_min(0.5)
