"""One seed, one subject: anatomy, lesions, scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.abdomen import Trunk
from vol3d.phantom.subjects.canvas import Canvas
from vol3d.phantom.subjects.chest import paint_chest_pathologies, paint_lobes, paint_upper_chest
from vol3d.phantom.subjects.head import paint_head
from vol3d.phantom.subjects.organs import paint_organs
from vol3d.phantom.subjects.plan import SubjectConfig, SubjectPlan, plan_subject
from vol3d.phantom.subjects.scanner import draw_grid, scan_ct, scan_mr
from vol3d.phantom.subjects.tumours import PaintedLesion, paint_distractors, paint_lesions
from vol3d.volume import Acquisition, Volume

_DEFAULT = SubjectConfig()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Subject:
    """A synthetic patient's scan with its exact masks.

    Args:
        volume: int16 HU, or arbitrary units of an MR; axes to S, A, R.
        labels_zyx: uint8, values of ``LABELS``; a lesion's voxels carry its organ's label.
        parts_zyx: uint8, values of ``LABELS``: segments, pancreas parts, lobes.
        lesions_zyx: uint8, ids of lesions, 0 elsewhere.
        lesions: What was painted, by id; a planned lesion that found no room is not among them.
        plan: What was drawn.
        seed: Makes the same subject again.
        source: Key of the real patient whose labels or voxels it was made from.
        looked_in: Organ groups whose lesions are all known; everywhere if ``None``.
    """

    volume: Volume
    labels_zyx: npt.NDArray[np.uint8]
    parts_zyx: npt.NDArray[np.uint8]
    lesions_zyx: npt.NDArray[np.uint8]
    lesions: tuple[PaintedLesion, ...]
    plan: SubjectPlan
    seed: int
    source: str | None = None
    looked_in: tuple[str, ...] | None = None


def make_subject(
    seed: int, config: SubjectConfig = _DEFAULT, *, device: str | torch.device = "cpu"
) -> Subject:
    """A synthetic patient; the same seed gives the same voxels for any number of threads.

    Args:
        seed: Any integer.
        config: What may be drawn.
        device: Where voxels are computed; the result lies in host memory.
    """
    draw = Draw(seed)
    plan = plan_subject(draw, config, seed)
    grid, pose = draw_grid(draw, plan, config)
    canvas = Canvas(grid, pose, draw, torch.device(device))
    if plan.region == "head":
        depth, vessels, radii = paint_head(canvas, plan, draw), {}, {}
    else:
        trunk = paint_trunk(canvas, plan, draw)
        depth, vessels, radii = trunk.depth, trunk.vessels, trunk.vessel_radii
    lesion_ids, lesions = paint_lesions(
        canvas, plan, draw, depth=depth, vessels=vessels, radii_mm=radii
    )
    if config.is_distracted and plan.region == "abdomen":
        paint_distractors(canvas, draw)
    voxels = (scan_ct if plan.modality == "CT" else scan_mr)(canvas, plan, draw)
    volume = Volume.from_array(
        voxels.cpu().numpy(),
        grid,
        modality=plan.modality,
        unit="HU" if plan.modality == "CT" else "arbitrary",
        acquisition=Acquisition(
            body_part_examined=plan.region.upper(),
            is_contrast_given=plan.phase != "unenhanced",
            kvp=plan.scan.kvp,
            patient_position=plan.scan.patient_position,
        ),
    )
    return Subject(
        volume=volume,
        labels_zyx=canvas.labels.cpu().numpy(),
        parts_zyx=canvas.parts.cpu().numpy(),
        lesions_zyx=lesion_ids,
        lesions=lesions,
        plan=plan,
        seed=seed,
    )


def paint_trunk(canvas: Canvas, plan: SubjectPlan, draw: Draw) -> Trunk:
    """The trunk with its organs, of an abdomen or a chest."""
    trunk = Trunk(canvas, plan, draw)
    trunk.paint_walls()
    trunk.paint_muscles()
    trunk.paint_chest()
    trunk.paint_bones()
    trunk.paint_vessels()
    if plan.scan.are_arms_down:
        trunk.paint_arms()
    paint_organs(trunk)
    if plan.region == "chest":
        paint_upper_chest(trunk)
        paint_chest_pathologies(trunk)
        paint_lobes(trunk)
    return trunk
