"""A patient's body on a scanner's grid: template coordinates of every voxel, labels and HU.

Anatomy is written in *template* mm of an adult (x to the patient's right, y to the front, z to
the head; the origin is the centre of the first lumbar vertebra, of the brain in a head). Shapes are
signed distances in template mm, negative inside, computed only in the boxes that can hold them.
Voxels come from elementwise operations and sorts, and means are taken in double precision, so that
the number of threads does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cc3d
import numpy as np
import torch
from torch.nn.functional import interpolate

from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.tissues import FREE, LABELS
from vol3d.volume import Grid

XYZ = tuple[float, float, float]
Box = tuple[slice, slice, slice]
Field = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
WARP_STEP_MM = 55.0
REAL = torch.float64
"""Type of distances and HU: with 32 bits the rounding of another processor reaches the voxels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """How the template lies in the world.

    Args:
        origin_ras_mm: World place of the template's origin.
        scale_xyz: World mm per template mm along each axis.
        warp_mm: Standard deviation of the smooth random displacement.
    """

    origin_ras_mm: XYZ
    scale_xyz: XYZ
    warp_mm: float


class Canvas:
    """Labels and HU of a body under construction.

    Attributes:
        labels: (z, y, x) uint8, values of ``LABELS``.
        parts: (z, y, x) uint8, values of ``LABELS``: liver segments, pancreas parts, lobes.
        hu: (z, y, x), 64 bits.
        xyz: Template mm of every voxel, three (z, y, x) tensors.
    """

    def __init__(self, grid: Grid, pose: Pose, draw: Draw, device: torch.device) -> None:
        self.grid, self.pose, self.device = grid, pose, device
        shape = grid.shape_zyx
        self.labels = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.parts = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.hu = torch.full(shape, -1000.0, device=device, dtype=REAL)
        self._to_index = np.linalg.inv(grid.affine)
        self._margin_mm = 0.0
        self.xyz = self._coordinates(draw)

    @property
    def voxel_cm3(self) -> float:
        """Volume of a voxel in the world."""
        return self.grid.voxel_volume_mm3 / 1000.0

    def times(self, cm3: float, template_cm3: float) -> float:
        """How much longer an organ of a volume in the world is than the template's.

        Args:
            cm3: In the world.
            template_cm3: Of the organ in the template.
        """
        return float((cm3 / (template_cm3 * math.prod(self.pose.scale_xyz))) ** (1 / 3))

    def _coordinates(self, draw: Draw) -> list[torch.Tensor]:
        shape = self.grid.shape_zyx
        index = [torch.arange(n, dtype=REAL, device=self.device) for n in shape]
        found = []
        for axis in range(3):
            row = self.grid.affine[axis]
            line = (
                index[0][:, None, None] * float(row[2])
                + index[1][None, :, None] * float(row[1])
                + index[2][None, None, :] * float(row[0])
            )
            offset = float(row[3]) - self.pose.origin_ras_mm[axis]
            found.append((line + offset) / self.pose.scale_xyz[axis])
        extent = [n * mm for n, mm in zip(shape, self.grid.spacing_zyx_mm, strict=True)]
        knots = [max(round(mm / WARP_STEP_MM), 2) + 1 for mm in extent]
        for axis in range(3):
            coarse = torch.randn(knots, generator=draw.generator, dtype=REAL) * self.pose.warp_mm
            coarse = coarse.clamp(-2.0 * self.pose.warp_mm, 2.0 * self.pose.warp_mm)
            smooth = interpolate(
                coarse[None, None].to(self.device), size=shape, mode="trilinear", align_corners=True
            )
            found[axis] = found[axis] + smooth[0, 0]
        self._margin_mm = 2.0 * self.pose.warp_mm + 2.0
        return found

    def box(self, low: XYZ, high: XYZ) -> Box:
        """Slices that hold a template box, whatever the warp does."""
        corners = np.array(
            [
                [(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]]
                for i in (0, 1)
                for j in (0, 1)
                for k in (0, 1)
            ]
        )
        grow = np.sign(corners - corners.mean(axis=0)) * self._margin_mm
        world = (corners + grow) * np.array(self.pose.scale_xyz) + np.array(self.pose.origin_ras_mm)
        index = world @ self._to_index[:3, :3].T + self._to_index[:3, 3]
        first = np.floor(index.min(axis=0)).astype(int)[::-1]
        last = np.ceil(index.max(axis=0)).astype(int)[::-1] + 1
        z, y, x = (
            slice(min(max(a, 0), n), max(min(b, n), min(max(a, 0), n)))
            for a, b, n in zip(first.tolist(), last.tolist(), self.grid.shape_zyx, strict=True)
        )
        return z, y, x

    def at(self, box: Box) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Template x, y, z of the voxels of a box."""
        x, y, z = (each[box] for each in self.xyz)
        return x, y, z

    def free(self, box: Box) -> torch.Tensor:
        """Voxels of a box that no organ has taken: fat of the cavity."""
        return self.labels[box] == FREE

    def paint(
        self,
        key: str,
        shape: Shape,
        *,
        hu: float,
        cm3: float | None = None,
        over: Iterable[str] = (),
        allowed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Gives voxels inside a shape a label and HU.

        Args:
            key: Structure key, or another name of ``LABELS``.
            shape: Its signed distance.
            hu: Mean HU.
            cm3: Volume in the whole scan that the shape is grown or shrunk to, by at most 14 mm;
                ``None`` leaves it as it is.
            over: Structures besides free tissue that it may replace.
            allowed: Voxels of the shape's box that it may take, if not free tissue.

        Returns:
            Signed distance in the shape's box after growing, positive where nothing was painted.
        """
        box, distance = shape
        open_ = self.free(box) if allowed is None else allowed
        for other in over:
            open_ = open_ | (self.labels[box] == LABELS[other])
        distance = torch.where(open_, distance, torch.full_like(distance, 99.0))
        if cm3 is not None and distance.numel():
            distance = distance - self._level(distance, cm3)
        inside = distance <= 0
        self.labels[box][inside] = LABELS[key]
        self.hu[box][inside] = hu
        return distance

    def _level(self, distance: torch.Tensor, cm3: float) -> float:
        """The distance up to which the shape has to reach."""
        near = distance[distance < 14.0]
        wanted = round(cm3 / self.voxel_cm3)
        if near.numel() == 0 or wanted < 1:
            return -99.0 if wanted < 1 else 0.0
        if wanted >= near.numel():
            return 14.0
        level = float(torch.kthvalue(near.flatten(), wanted).values)
        return max(level, -14.0)

    # --- shapes

    def ellipsoid(
        self, centre: XYZ, radii: XYZ, *, turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> Shape:
        """An ellipsoid, turned about x, then y, then z."""
        reach = max(radii) if any(turn_deg) else 0.0
        half = [max(r, reach) + 15.0 for r in radii]
        low = (centre[0] - half[0], centre[1] - half[1], centre[2] - half[2])
        high = (centre[0] + half[0], centre[1] + half[1], centre[2] + half[2])
        box = self.box(low, high)
        x, y, z = (c - middle for c, middle in zip(self.at(box), centre, strict=True))
        if any(turn_deg):
            m = rotation(turn_deg).T
            x, y, z = (row[0] * x + row[1] * y + row[2] * z for row in m.tolist())
        return box, ellipsoid_distance(x, y, z, radii)

    def tube(
        self, points: Sequence[XYZ], radii: Sequence[float] | float, *, steps: int = 5
    ) -> Shape:
        """A tube along a smooth curve through points, whose radius changes from point to point."""
        widths = [radii] * len(points) if isinstance(radii, float | int) else list(radii)
        path, width = smooth_path(points, widths, steps)
        reach = float(width.max()) + 4.0
        low = tuple((path.min(axis=0) - reach).tolist())
        high = tuple((path.max(axis=0) + reach).tolist())
        box = self.box(low, high)
        distance = torch.full(
            tuple(max(s.stop - s.start, 0) for s in box), 99.0, device=self.device, dtype=REAL
        )
        for (a, b), (ra, rb) in zip(pairwise(path), pairwise(width), strict=True):
            self._segment(box, distance, (a, b), (float(ra), float(rb)))
        return box, distance

    def _segment(
        self,
        box: Box,
        distance: torch.Tensor,
        ends: tuple[np.ndarray, np.ndarray],
        radii: tuple[float, float],
    ) -> None:
        a, b = ends
        reach = max(radii) + 4.0
        low = tuple((np.minimum(a, b) - reach).tolist())
        high = tuple((np.maximum(a, b) + reach).tolist())
        inner, _ = overlap(box, self.box(low, high))
        here = distance[inner]
        if not here.numel():
            return
        x, y, z = (c[inner] for c in self.at(box))
        step = (b - a).tolist()
        square = float(np.dot(b - a, b - a)) or 1e-6
        x, y, z = x - float(a[0]), y - float(a[1]), z - float(a[2])
        t = ((x * step[0] + y * step[1] + z * step[2]) / square).clamp_(0.0, 1.0)
        gap = ((x - t * step[0]) ** 2 + (y - t * step[1]) ** 2 + (z - t * step[2]) ** 2).sqrt_()
        gap -= radii[0] + t * (radii[1] - radii[0])
        torch.minimum(here, gap, out=here)


def overlap(first: Box, second: Box) -> tuple[Box, Box]:
    """Where two boxes of the scan overlap, as slices of the arrays of each."""
    ends = [
        (max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True)
    ]
    spans = [(start, max(stop, start)) for start, stop in ends]
    z, y, x = (
        slice(low - a.start, high - a.start) for (low, high), a in zip(spans, first, strict=True)
    )
    w, v, u = (
        slice(low - b.start, high - b.start) for (low, high), b in zip(spans, second, strict=True)
    )
    return (z, y, x), (w, v, u)


def drop_specks(canvas: Canvas, key: str, *, least_cm3: float, label: int, hu: float) -> None:
    """Gives connected parts of a tissue that are too small back to what was there."""
    inside = (canvas.labels == LABELS[key]).cpu().numpy()
    if not inside.any():
        return
    parts = cc3d.connected_components(inside, connectivity=6)
    counts = np.bincount(parts.ravel())
    small = np.flatnonzero(counts * canvas.voxel_cm3 < least_cm3)
    lost = torch.from_numpy(np.isin(parts, small) & inside).to(canvas.device)
    canvas.labels[lost] = label
    canvas.hu[lost] = hu


Shape = tuple[Box, torch.Tensor]
"""A box of the scan and the signed distance in it, template mm."""


def ellipsoid_distance(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, radii: XYZ
) -> torch.Tensor:
    """About the signed distance from an ellipsoid around the origin; exact on a ball."""
    a, b, c = ((v / r).square() for v, r in zip((x, y, z), radii, strict=True))
    near = (a + b + c).sqrt_()
    steep = (a / radii[0] ** 2 + b / radii[1] ** 2 + c / radii[2] ** 2).sqrt_().clamp_(min=1e-4)
    return near * (near - 1.0) / steep


def rotation(turn_deg: tuple[float, float, float]) -> np.ndarray:
    """3x3 matrix of turns about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(turn_deg):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i], turn[j, j] = c, c
        turn[i, j], turn[j, i] = (-s, s) if axis != 1 else (s, -s)
        matrix = turn @ matrix
    return matrix


def smooth_path(
    points: Sequence[XYZ], widths: Sequence[float], steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Catmull-Rom curve through points, with widths interpolated alike."""
    rows = np.column_stack([np.array(points, dtype=float), np.array(widths, dtype=float)])
    if len(rows) == 2:
        return rows[:, :3], rows[:, 3]
    padded = np.vstack([2 * rows[0] - rows[1], rows, 2 * rows[-1] - rows[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    made = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        made.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
        )
    curve = np.vstack([*made, rows[-1:]])
    return curve[:, :3], np.maximum(curve[:, 3], 0.5)


def union(canvas: Canvas, shapes: Sequence[Shape], *, blend_mm: float = 6.0) -> Shape:
    """Shapes melted into one; where they meet, the seam is filled smoothly."""
    boxes = [box for box, _ in shapes]
    whole: Box = tuple(  # type: ignore[assignment]
        slice(min(b[i].start for b in boxes), max(b[i].stop for b in boxes)) for i in range(3)
    )
    distance = torch.full(
        tuple(max(s.stop - s.start, 0) for s in whole), 99.0, device=canvas.device, dtype=REAL
    )
    for box, other in shapes:
        inner, _ = overlap(whole, box)
        here = distance[inner]
        bridge = ((blend_mm - (here - other).abs()).clamp_(min=0.0) / blend_mm).square()
        distance[inner] = torch.minimum(here, other) - bridge * blend_mm / 4.0
    return whole, distance


def rough(canvas: Canvas, shape: Shape, draw: Draw, *, sd_mm: float, scale_mm: float) -> Shape:
    """A shape with an irregular border: smooth noise added to its distance."""
    box, distance = shape
    if not distance.numel() or sd_mm == 0.0:
        return shape
    knots = [
        max(round(n * mm / scale_mm), 1) + 1
        for n, mm in zip(distance.shape, canvas.grid.spacing_zyx_mm, strict=True)
    ]
    coarse = (
        torch.randn(knots, generator=draw.generator, dtype=REAL).clamp_(-2.5, 2.5).to(canvas.device)
    )
    noise = interpolate(
        coarse[None, None], size=distance.shape, mode="trilinear", align_corners=True
    )
    return box, distance + sd_mm * noise[0, 0]
