"""Procedural abdominal CT with exact masks: one seed, one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vol3d.phantom.canvas import Canvas
from vol3d.phantom.labels import Organ
from vol3d.phantom.lesions import LesionTruth, paint_lesions
from vol3d.phantom.organs import draw_organ_hu, paint_organs
from vol3d.phantom.plan import Draw, PhantomConfig, plan_case
from vol3d.phantom.space import Frame, draw_setup
from vol3d.phantom.trunk import paint_bones, paint_muscles, paint_thorax, paint_wall, table_mask
from vol3d.volume import Acquisition, Volume

_DEFAULT = PhantomConfig()
_BLUR_MM = 1.5  # standard deviation of the in-plane blur


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Phantom:
    """One synthetic case.

    Args:
        volume: int16 HU, axes to S, A, R.
        organs_zyx: uint8, values of :class:`Organ`; a lesion's voxels carry its organ's label.
        lesions_zyx: uint8, 0 or the id of a lesion (1..n).
        lesions: What was painted, largest first.
        seed: Seed that makes the same case again.
        is_contrast_given: Portal venous phase, or native.
    """

    volume: Volume
    organs_zyx: npt.NDArray[np.uint8]
    lesions_zyx: npt.NDArray[np.uint8]
    lesions: tuple[LesionTruth, ...]
    seed: int
    is_contrast_given: bool


def make_phantom(
    seed: int, config: PhantomConfig = _DEFAULT, *, device: str | torch.device = "cpu"
) -> Phantom:
    """A procedural abdominal CT of an adult, from lung bases to upper pelvis.

    The same seed gives the same voxels for any number of threads. The discrete content (lesions,
    missing kidney, spleen size) is drawn independently of grid, spacing and field of view.

    Args:
        seed: Any integer.
        config: Ranges and probabilities.
        device: Where the voxels are computed; the result always lies in host memory.
    """
    draw = Draw(seed)
    plan = plan_case(draw, config)
    setup = draw_setup(draw, config)
    frame = Frame(setup, draw, config, torch.device(device))
    canvas = Canvas(frame)
    hu = draw_organ_hu(draw, is_contrast_given=plan.is_contrast_given)
    wall = paint_wall(canvas, draw)
    paint_muscles(canvas)
    paint_bones(canvas, wall, draw)
    paint_thorax(canvas, wall, draw, blood_hu=hu[Organ.AORTA])
    paint_organs(canvas, plan, draw, hu)
    lesion_ids, lesions = paint_lesions(canvas, plan, draw, hu)
    voxels = _scan(canvas, draw, config)
    return Phantom(
        volume=Volume.from_array(
            voxels.cpu().numpy(),
            setup.grid,
            modality="CT",
            unit="HU",
            acquisition=Acquisition(
                body_part_examined="ABDOMEN", is_contrast_given=plan.is_contrast_given
            ),
        ),
        organs_zyx=_whole(canvas.labels, frame),
        lesions_zyx=_whole(lesion_ids, frame),
        lesions=lesions,
        seed=seed,
        is_contrast_given=plan.is_contrast_given,
    )


def _whole(part: torch.Tensor, frame: Frame) -> npt.NDArray[np.uint8]:
    """The labels of the body box in an array of the scan's shape."""
    labels = np.zeros(frame.setup.grid.shape_zyx, dtype=np.uint8)
    labels[frame.box] = part.cpu().numpy()
    return labels


def _scan(canvas: Canvas, draw: Draw, config: PhantomConfig) -> torch.Tensor:
    """What a scanner would make of the canvas: table, in-plane blur, correlated noise, int16."""
    frame = canvas.frame
    hu = canvas.hu
    side = min(0.5 * (_BLUR_MM / frame.spacing_xyz_mm[0]) ** 2, 0.25)
    for axis in (1, 2):
        before, after = (
            hu.narrow(axis, 0, hu.shape[axis] - 2),
            hu.narrow(axis, 2, hu.shape[axis] - 2),
        )
        blurred = hu.clone()
        blurred.narrow(axis, 1, hu.shape[axis] - 2).mul_(1.0 - 2.0 * side).add_(
            before + after, alpha=side
        )
        hu = blurred
    shape = frame.setup.grid.shape_zyx
    noise = torch.randn(shape, generator=draw.generator).to(hu.device)
    noise[:, 1:] += 0.6 * noise[:, :-1].clone()
    noise[:, :, 1:] += 0.6 * noise[:, :, :-1].clone()
    noise *= draw.uniform(*config.noise_hu) / 1.36
    scan = torch.full(shape, -1000.0, device=hu.device)
    scan.masked_fill_(table_mask(frame).to(hu.device), -250.0)
    box = scan[frame.box]
    box.copy_(torch.where(hu > -999.0, hu, box))
    scan += noise
    return scan.round_().clamp_(-1024.0, 3071.0).to(torch.int16)
