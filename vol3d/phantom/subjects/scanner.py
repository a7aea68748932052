"""From a body to a scan: the grid, slice profile, noise, streaks, table; MR contrasts."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import interpolate

from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.canvas import REAL, Canvas, Pose, rotation
from vol3d.phantom.subjects.plan import SubjectConfig, SubjectPlan
from vol3d.phantom.subjects.tissues import FREE, LABELS
from vol3d.volume import Grid

_Z_RANGE = {"abdomen": (-304.0, 118.0), "chest": (-20.0, 262.0), "head": (-85.0, 92.0)}
"""Template mm, feet to head, that a whole scan of a region covers."""
_HALF_WIDTH = {"abdomen": 150.0, "chest": 152.0, "head": 82.0}
_HALF_DEPTH = {"abdomen": 114.0, "chest": 112.0, "head": 100.0}
_CENTRE_Y = {"abdomen": 38.0, "chest": 34.0, "head": 0.0}
_KERNEL_MM = {"soft": 0.95, "standard": 0.7, "sharp": 0.45}


def draw_grid(draw: Draw, plan: SubjectPlan, config: SubjectConfig) -> tuple[Grid, Pose]:
    """Where the scanner's voxels lie, and how the body lies in them.

    Args:
        draw: Random numbers.
        plan: The subject.
        config: Voxel sizes or the number of voxels.
    """
    build, region = plan.habitus, plan.region
    scale = build.scale_xyz
    fat = build.fat_side_mm if region != "head" else 4.0
    width = 2 * (_HALF_WIDTH[region] + 1.2 * fat) * scale[0]
    depth_fat = build.fat_front_mm + build.fat_back_mm + max(build.depth_mm, 0.0)
    depth = (2 * _HALF_DEPTH[region] + (depth_fat if region != "head" else 0.0)) * scale[1]
    fov = max(width, depth) + draw.uniform(16.0, 60.0)
    if plan.scan.are_arms_down:
        fov += draw.uniform(40.0, 130.0)
    is_narrow = draw.chance(0.04) and config.is_cut is not False and region == "abdomen"
    if is_narrow:
        fov = 0.86 * width
    low, high = _Z_RANGE[region]
    cut_share = draw.uniform(0.12, 0.3)
    if plan.scan.cut == "top":
        high -= cut_share * (high - low)
    elif plan.scan.cut == "bottom":
        low += 1.6 * cut_share * (high - low)
    low, high = low - draw.uniform(0.0, 14.0), high + draw.uniform(0.0, 16.0)
    extent = (high - low) * scale[2]
    if config.shape_zyx is not None:
        nz, ny, nx = config.shape_zyx
        spacing_xy, spacing_z = fov / max(nx, ny), extent / nz
    else:
        spacing_xy, spacing_z = (
            draw.uniform(*config.in_plane_spacing_mm),
            draw.uniform(*config.slice_spacing_mm),
        )
        nx = ny = math.ceil(fov / spacing_xy)
        nz = math.ceil(extent / spacing_z)
    turn = rotation((plan.scan.tilt_deg, 0.0, 0.0))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([spacing_xy, spacing_xy, spacing_z])
    centre = np.array(
        [draw.uniform(-30.0, 30.0), draw.uniform(-180.0, 20.0), draw.uniform(-900.0, 300.0)]
    )
    middle = affine[:3, :3] @ ((np.array([nx, ny, nz]) - 1) / 2)
    affine[:3, 3] = np.round(centre - middle, 3)
    body = (0.0, _CENTRE_Y[region] + build.depth_mm / 2 * (region != "head"), (low + high) / 2)
    off = [draw.uniform(-6.0, 6.0), draw.uniform(-6.0, 6.0), 0.0]
    origin = tuple(
        float(c - b * s + o) for c, b, s, o in zip(centre, body, scale, off, strict=True)
    )
    warp = 2.2 if region == "head" else 4.0
    return (
        Grid(shape_zyx=(nz, ny, nx), affine=affine),
        Pose(origin_ras_mm=origin, scale_xyz=scale, warp_mm=warp),  # type: ignore[arg-type]
    )


def scan_ct(canvas: Canvas, plan: SubjectPlan, draw: Draw) -> torch.Tensor:
    """int16 HU of the scan: table, streaks, slice profile, kernel, noise."""
    hu = canvas.hu
    _paint_table(canvas, plan)
    if plan.scan.motion:
        hu = _moved(canvas, draw)
    spacing_z, spacing_y, _ = canvas.grid.spacing_zyx_mm
    hu = _profile(hu, plan.scan.slice_thickness_factor)
    hu = softened(hu, _KERNEL_MM[plan.scan.kernel] / spacing_y)
    noise = torch.randn(hu.shape, generator=draw.generator, dtype=REAL).to(canvas.device)
    noise = softened(
        noise, {"soft": 0.9, "standard": 0.7, "sharp": 0.4}[plan.scan.kernel] / spacing_y
    )
    spread = float(noise[:: max(len(noise) // 8, 1)].std())
    thin = math.sqrt(min(5.0 / max(spacing_z, 0.8), 2.0))
    deep = _depth_factor(canvas)
    hu = hu + noise * deep * (plan.scan.noise_hu * thin / max(spread, 1e-3))
    hu = hu + _streaks(canvas, plan, draw)
    return hu.round_().clamp_(-1024.0, 3071.0).to(torch.int16)


def _profile(hu: torch.Tensor, factor: float) -> torch.Tensor:
    """Slices a little thicker than their distance overlap."""
    side = min(max((factor - 1.0) / 2.0, 0.0) + 0.06, 0.25)
    if hu.shape[0] < 3:
        return hu
    padded = torch.cat([hu[:1], hu, hu[-1:]])
    return hu * (1 - 2 * side) + (padded[:-2] + padded[2:]) * side


def softened(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """In-plane blur with three weights per axis and pass.

    Args:
        values: (z, y, x).
        sigma: In voxels.
    """
    passes = max(1, math.ceil(sigma**2 / 0.5))
    side = min(sigma**2 / 2 / passes, 0.25)
    for axis in (1, 2):
        for _ in range(passes):
            n = values.shape[axis]
            if n < 3:
                continue
            inner = values.narrow(axis, 1, n - 2) * (1 - 2 * side)
            inner += (values.narrow(axis, 0, n - 2) + values.narrow(axis, 2, n - 2)) * side
            values = torch.cat(
                [values.narrow(axis, 0, 1), inner, values.narrow(axis, n - 1, 1)], dim=axis
            )
    return values


def _depth_factor(canvas: Canvas) -> torch.Tensor:
    """Noise grows towards the middle of a wide body."""
    x, y, _ = canvas.xyz
    return 0.65 + 0.5 * torch.exp(-((x / 120.0) ** 2 + ((y - 30.0) / 90.0) ** 2))


def _paint_table(canvas: Canvas, plan: SubjectPlan) -> None:
    """A curved couch under the patient: at the back, or at the front of a prone one."""
    if plan.region == "head":
        return
    x, y, _ = canvas.xyz
    body = canvas.labels > 0
    if not bool(body.any()):
        return
    bow = 14.0 * (x / 200.0) ** 2
    back = float(torch.where(body, y, 999.0).min()) - 3.0
    front = float(torch.where(body, y, -999.0).max()) + 3.0
    edge = back + bow if not plan.scan.is_prone else front - bow
    away = (edge - y) if not plan.scan.is_prone else (y - edge)
    open_ = ~body
    shell = open_ & (away > 0.0) & (away < 34.0) & (x.abs() < 215.0)
    foam = shell & (away > 3.0) & (away < 31.0)
    canvas.hu[shell] = -180.0
    canvas.hu[foam] = -940.0


def _moved(canvas: Canvas, draw: Draw) -> torch.Tensor:
    """Breathing during some slices: two positions at once."""
    hu = canvas.hu.clone()
    n = hu.shape[0]
    first, count = draw.integer(max(n - 4, 1)), max(2, n // 10)
    step = max(1, round(draw.uniform(2.0, 5.0) / canvas.grid.spacing_zyx_mm[1]))
    part = hu[first : first + count]
    hu[first : first + count] = 0.55 * part + 0.45 * part.roll(step, dims=1)
    return hu


def _streaks(canvas: Canvas, plan: SubjectPlan, draw: Draw) -> torch.Tensor:
    """Dark bands between dense bones, and a star around a piece of metal."""
    x, y, z = canvas.xyz
    added = torch.zeros((), device=canvas.device, dtype=REAL)
    if plan.scan.beam_hardening:
        level = -262.0 if plan.region == "abdomen" else 150.0
        band = torch.exp(-(((z - level) / 22.0) ** 2) - ((y - 22.0) / 26.0) ** 2)
        added = added - 45.0 * band * (x.abs() < 150.0)
    if plan.scan.metal:
        px, py, pz = draw.uniform(-90.0, 90.0), draw.uniform(0.0, 60.0), draw.uniform(-150.0, 60.0)
        r = ((x - px) ** 2 + (y - py) ** 2).sqrt() + 1.0
        angle = torch.atan2(y - py, x - px)
        star = torch.cos(9.0 * angle + 2.0 * torch.cos(3.0 * angle)) * 260.0 * torch.exp(-r / 55.0)
        near = torch.exp(-(((z - pz) / 6.0) ** 2))
        added = added + star * near + 2800.0 * (r < 4.0) * (near > 0.3)
    return added


def scan_mr(canvas: Canvas, plan: SubjectPlan, draw: Draw) -> torch.Tensor:
    """int16 arbitrary units: every tissue draws its own brightness; bias field, noise.

    Bone cortex and air stay dark. The relation to HU is random, so that nothing can be read off it.
    """
    labels = canvas.labels.long()
    table = torch.tensor(
        [draw.uniform(120.0, 900.0) for _ in range(256)], device=canvas.device, dtype=REAL
    )
    table[0] = 0.0
    for key in ("fat_of_cavity", "fat"):
        table[LABELS[key]] = table[FREE]
    for key in LABELS:
        if key.endswith("_right") and f"{key[:-6]}_left" in LABELS:
            table[LABELS[key]] = table[LABELS[f"{key[:-6]}_left"]]
    image = table[labels]
    base = torch.zeros(256, device=canvas.device, dtype=REAL)
    count = torch.bincount(labels.flatten(), minlength=256).clamp(min=1)
    mean = base.index_add(0, labels.flatten(), canvas.hu.flatten()) / count
    # grey and white matter, lesions and vessels differ from their label's mean: this stays visible
    gain = draw.uniform(4.0, 16.0) if plan.region == "head" else draw.uniform(0.4, 1.4)
    gain *= 1.0 if draw.chance(0.5) else -1.0
    image = image + ((canvas.hu - mean[labels]) * gain).clamp(-300.0, 300.0) * (labels > 0)
    image = torch.where((canvas.hu < -500.0), torch.zeros_like(image), image)
    image = torch.where(canvas.hu > 400.0, image * 0.15, image)
    knots = torch.randn((3, 3, 3), generator=draw.generator, dtype=REAL).to(canvas.device)
    field = interpolate(knots[None, None], size=image.shape, mode="trilinear", align_corners=True)[
        0, 0
    ]
    image = image * (0.22 * field).exp()
    image = softened(_profile(image, plan.scan.slice_thickness_factor), 0.6)
    noise = torch.randn((2, *image.shape), generator=draw.generator, dtype=REAL).to(
        canvas.device
    ) * draw.uniform(8.0, 26.0)
    return (
        ((image + noise[0]).square() + noise[1].square())
        .sqrt()
        .round_()
        .clamp_(0, 4000)
        .to(torch.int16)
    )
