"""The phantom's coordinates: a smoothly deformed adult abdomen on a random acquisition grid.

Anatomy is written in *canonical* millimetres (x to the patient's right, y to the front, z to the
head; the origin lies in front of the spine at the level of the renal hila). A :class:`Frame`
holds the canonical position of every voxel of the box around the body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from vol3d.phantom.plan import Draw, PhantomConfig
from vol3d.volume import Grid

Box = tuple[slice, slice, slice]
XYZ = tuple[float, float, float]

MUSCLE_HALF_WIDTH_MM = 143.0
MUSCLE_HALF_DEPTH_MM = 100.0
_ORGANS_Z_MM = (-84.0, 128.0)  # canonical range that every scan covers


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanSetup:
    """Where the scanner's grid lies and how the body lies in it.

    ``body_centre_xyz_mm`` is the world position of the canonical origin; ``scale_xyz`` is canonical
    over world length, so above 1 for a small patient.
    """

    grid: Grid
    body_centre_xyz_mm: XYZ
    scale_xyz: XYZ
    fat_side_mm: float
    fat_front_mm: float


def draw_setup(draw: Draw, config: PhantomConfig) -> ScanSetup:
    """A random grid around a random patient; independent of everything questions ask for."""
    build = draw.uniform(0.93, 1.12)
    scale = (
        build * draw.uniform(0.96, 1.04),
        build * draw.uniform(0.95, 1.06),
        draw.uniform(0.94, 1.06),
    )
    fat_side, fat_front = draw.uniform(7.0, 26.0), draw.uniform(8.0, 30.0)
    width = 2 * (MUSCLE_HALF_WIDTH_MM / scale[0] + fat_side)
    lower, upper = config.field_of_view_mm
    fov = draw.uniform(max(lower, min(width + 14.0, upper)), upper)
    spacing_xy = draw.uniform(*config.in_plane_spacing_mm)
    spacing_z = draw.uniform(*config.slice_spacing_mm)
    extent = draw.uniform(*config.z_extent_mm)
    bottom, top = _ORGANS_Z_MM[0] / scale[2], _ORGANS_Z_MM[1] / scale[2]
    spare = max(extent - (top - bottom), 0.0)
    above = draw.uniform(0.05, 0.95) * min(spare, 45.0)
    count_xy, count_z = round(fov / spacing_xy), round(extent / spacing_z)
    affine = np.diag([spacing_xy, spacing_xy, spacing_z, 1.0])
    affine[:3, 3] = [-count_xy * spacing_xy / 2 + draw.uniform(-25.0, 25.0) for _ in range(2)] + [
        draw.uniform(-900.0, 300.0)
    ]
    slack = max((fov - width) / 2 - 4.0, 0.0)
    off_x, off_y = (draw.uniform(-1.0, 1.0) * min(slack, 14.0) for _ in range(2))
    centre = (
        float(affine[0, 3]) + fov / 2 + off_x,
        float(affine[1, 3]) + fov / 2 + off_y,
        float(affine[2, 3]) + extent - above - top,
    )
    return ScanSetup(
        grid=Grid(shape_zyx=(count_z, count_xy, count_xy), affine=affine),
        body_centre_xyz_mm=centre,
        scale_xyz=scale,
        fat_side_mm=fat_side,
        fat_front_mm=fat_front,
    )


class Frame:
    """Canonical and world coordinates of the voxels in the box around the body.

    Attributes:
        box: Slices (z, y, x) of the body box in the scan's array.
        world_xyz: Three 1-D tensors, world mm of the box's columns, rows and slices.
        xyz: Three (z, y, x) tensors, canonical mm of every voxel in the box.
    """

    def __init__(
        self, setup: ScanSetup, draw: Draw, config: PhantomConfig, device: torch.device
    ) -> None:
        self.setup = setup
        self.spacing_xyz_mm = setup.grid.spacing_zyx_mm[::-1]
        self.box = _body_box(setup)
        origin = setup.grid.affine[:3, 3]
        self.world_xyz: list[torch.Tensor] = []
        for axis, piece in enumerate(reversed(self.box)):
            index = torch.arange(piece.start, piece.stop, dtype=torch.float32)
            self.world_xyz.append(
                (index * self.spacing_xyz_mm[axis] + float(origin[axis])).to(device)
            )
        self.margin_xyz_mm = [0.0, 0.0, 0.0]
        self.xyz = [self._canonical(axis, draw, config) for axis in range(3)]

    def _canonical(self, axis: int, draw: Draw, config: PhantomConfig) -> torch.Tensor:
        """Linear coordinate plus a smooth displacement built from a few cosines per axis."""
        device = self.world_xyz[0].device
        order = 3
        waves = [
            torch.stack(
                [
                    torch.cos(math.pi * k * torch.linspace(0, 1, len(w), device=device))
                    for k in range(order)
                ]
            )
            for w in self.world_xyz
        ]
        weights = torch.randn((order, order, order), generator=draw.generator)
        k = torch.arange(order)
        rank = k[:, None, None] + k[None, :, None] + k[None, None, :]
        weights = weights * (rank > 0) * config.warp_mm / (1.0 + rank)
        weights = weights.to(device)
        line = self.world_xyz[axis] - self.setup.body_centre_xyz_mm[axis]
        line = line * self.setup.scale_xyz[axis]
        shape = [1, 1, 1]
        shape[2 - axis] = -1
        field = line.view(shape).expand(*(len(w) for w in reversed(self.world_xyz))).clone()
        for i in range(order):
            plane = torch.zeros((len(self.world_xyz[2]), len(self.world_xyz[1])), device=device)
            for j in range(order):
                for n in range(order):
                    plane += weights[i, j, n] * waves[1][j][None, :] * waves[2][n][:, None]
            field += plane[:, :, None] * waves[0][i]
        sparse = (slice(None, None, 5),) * 3
        linear = line.view(shape).expand_as(field)
        self.margin_xyz_mm[axis] = float((field[sparse] - linear[sparse]).abs().max()) + 1.0
        return field

    def slices(self, centre: XYZ, half: XYZ) -> Box:
        """Slices (z, y, x) in the body box that hold the canonical box ``centre`` +- ``half``."""
        pieces: list[slice] = []
        for axis in (2, 1, 0):
            reach = half[axis] + self.margin_xyz_mm[axis]
            scale = self.setup.scale_xyz[axis]
            origin = float(self.world_xyz[axis][0]) - self.setup.body_centre_xyz_mm[axis]
            step = self.spacing_xyz_mm[axis]
            first = math.floor(((centre[axis] - reach) / scale - origin) / step)
            last = math.ceil(((centre[axis] + reach) / scale - origin) / step)
            count = len(self.world_xyz[axis])
            start = min(max(first, 0), count)
            pieces.append(slice(start, max(start, min(last + 1, count))))
        return pieces[0], pieces[1], pieces[2]

    def ellipsoid(
        self, centre: XYZ, radii: XYZ, *, lean_xy: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[Box, torch.Tensor]:
        """The box around an ellipsoid and its squared relative radius there (1 on the surface).

        ``lean_xy`` shifts the centre along x and y per mm of z, which tilts the organ.
        """
        half = (
            radii[0] + abs(lean_xy[0]) * radii[2],
            radii[1] + abs(lean_xy[1]) * radii[2],
            radii[2],
        )
        box = self.slices(centre, half)
        z = self.xyz[2][box] - centre[2]
        x = self.xyz[0][box] - centre[0]
        y = self.xyz[1][box] - centre[1]
        if lean_xy != (0.0, 0.0):
            x = x - lean_xy[0] * z
            y = y - lean_xy[1] * z
        return box, (x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2


def _body_box(setup: ScanSetup) -> Box:
    grid = setup.grid
    pieces: list[slice] = [slice(0, grid.shape_zyx[0])]
    halves = {0: (MUSCLE_HALF_WIDTH_MM, setup.fat_side_mm)}
    halves[1] = (MUSCLE_HALF_DEPTH_MM, setup.fat_front_mm)
    for axis in (1, 0):
        muscle, fat = halves[axis]
        half = 1.06 * muscle / setup.scale_xyz[axis] + fat + 12.0
        step = grid.spacing_zyx_mm[2 - axis]
        middle = (setup.body_centre_xyz_mm[axis] - float(grid.affine[axis, 3])) / step
        count = grid.shape_zyx[2 - axis]
        start = max(math.floor(middle - half / step), 0)
        pieces.append(slice(start, min(math.ceil(middle + half / step) + 1, count)))
    return pieces[0], pieces[1], pieces[2]
