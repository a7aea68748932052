"""The trunk from the lower chest to the pelvis: walls, bones, vessels, organs.

Places are template mm around the centre of the first lumbar vertebra, close to those of real CT.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch

from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.canvas import (
    XYZ,
    Box,
    Canvas,
    Shape,
    ellipsoid_distance,
    overlap,
    rough,
    union,
)
from vol3d.phantom.subjects.plan import SubjectPlan
from vol3d.phantom.subjects.tissues import FREE, LABELS, base_hu

ROOF_MM = 290.0
_SLAB = 4
LOWER_CHEST_MM = 170.0
"""Above it the chest narrows to the shoulders."""
VERTEBRAE: tuple[tuple[float, float], ...] = (
    # height and place of the body's centre in front: T1 ... L5
    *((296.0, 2.0), (273.0, -8.0), (249.0, -16.0), (224.0, -21.0), (198.0, -23.0)),
    *((172.0, -22.0), (144.0, -19.0), (116.0, -15.0), (88.0, -9.0), (60.0, -3.0), (31.0, 4.0)),
    *((0.0, 12.0), (-34.0, 21.0), (-68.0, 28.0), (-104.0, 30.0), (-137.0, 22.0)),
)


class Trunk:
    """Paints a trunk; what later steps need of it is kept.

    Attributes:
        depth: Signed distances of painted organs by key, in their boxes.
    """

    def __init__(self, canvas: Canvas, plan: SubjectPlan, draw: Draw) -> None:
        self.canvas, self.plan, self.draw = canvas, plan, draw
        self.depth: dict[str, Shape] = {}
        self.deeper = plan.habitus.depth_mm
        self.vessels: dict[str, list[XYZ]] = {}
        self.vessel_radii: dict[str, float] = {}
        self.swing = 1.0 if not plan.scan.is_prone else -1.0

    # --- HU

    def hu(self, tissue: str, group: str = "other", spread: float = 8.0) -> float:
        """HU of a tissue in this case; tissues of a group deviate together."""
        base = base_hu(tissue, self.plan.phase)
        share = 0.10 if abs(base) > 80 else 0.0
        shift = self.plan.hu_shift[group] * (spread + share * abs(base))
        return base + shift

    def liver_hu(self) -> float:
        """Fat makes the liver darker: grades 1 to 3 lie about 54, 45 and 22 HU without contrast."""
        fat = (0.0, 7.0, 16.0, 39.0)[self.plan.steatosis_grade]
        return self.hu("liver", "liver", 5.0) - fat

    # --- walls

    def paint_walls(self) -> None:
        """Skin, fat, muscle wall, and the cavity that organs lie in."""
        distance = torch.empty_like(self.canvas.hu)
        tissue_hu = {key: self.hu(key) for key in ("fat", "muscle")}
        for first in range(0, len(distance), _SLAB):  # a slab stays in the processor's cache
            slab = (slice(first, first + _SLAB), slice(None), slice(None))
            distance[slab] = self._walls_of(slab, tissue_hu)
        self.wall_distance = distance

    def _walls_of(self, slab: Box, tissue_hu: dict[str, float]) -> torch.Tensor:
        """Paints the walls of some slices; returns the distance from the muscle's outer border."""
        build = self.plan.habitus
        labels, hu = self.canvas.labels[slab], self.canvas.hu[slab]
        x, y, z = self.canvas.at(slab)
        chest = ((z - 25.0) / 60.0).clamp(0.0, 1.0)
        pelvis = ((-150.0 - z) / 70.0).clamp(0.0, 1.0)
        a = 148.0 - 4.0 * chest + 10.0 * pelvis
        waist = torch.exp(-(((z + 50.0) / 55.0) ** 2)) * (8.0 if self.plan.sex == "F" else 4.0)
        a = a - waist
        depth = self.deeper * (1.0 - 0.6 * chest - 0.5 * pelvis)
        b = 110.0 + depth / 2 - 4.0 * chest - 6.0 * pelvis
        yc = 36.0 + depth / 2 - 8.0 * chest - 6.0 * pelvis
        front = (y > yc).double()
        fat_y = build.fat_front_mm * front + build.fat_back_mm * (1 - front)
        fat_y = fat_y * (1.0 - 0.5 * chest)
        fat_x = build.fat_side_mm * (1.0 + 0.5 * pelvis - 0.3 * chest)
        outer = _oval(x, y - yc, a + fat_x, b + fat_y)
        labels[outer <= 0] = LABELS["fat"]
        hu[outer <= 0] = tissue_hu["fat"]
        is_skin = (outer <= 0) & (outer > -2.2)
        labels[is_skin] = LABELS["skin"]
        hu[is_skin] = 10.0
        muscle = _oval(x, y - yc, a, b)
        labels[muscle <= 0] = LABELS["muscle"]
        hu[muscle <= 0] = tissue_hu["muscle"]
        side, rectus = 14.0 - 5.0 * chest, 9.0 - 1.0 * chest + 4.0 * pelvis
        inner = _oval(x, y - yc, a - side, b - rectus)
        back = -14.0 - 90.0 * ((x.abs() - 52.0) / 40.0).clamp(0.0, 1.0) - 20.0 * pelvis
        cavity = (inner <= 0) & (y > back - 12.0 * chest)
        labels[cavity] = FREE
        hu[cavity] = tissue_hu["fat"] + 3.0
        # behind the cavity lies fat; the back muscles are painted into it
        behind = (inner <= 0) & ~cavity
        labels[behind] = LABELS["fat"]
        hu[behind] = tissue_hu["fat"]
        # the oblique and the transverse muscle of the flanks are parted by a little fat
        flank = (x.abs() > 75.0) & (y > yc - 45.0) & (z < 40.0)
        for deep in (4.5, 9.0):
            hu[((muscle + deep).abs() < 0.6) & flank] = -10.0
        seam = (x.abs() < 2.5) & (y > yc) & (muscle <= 0) & ~cavity & (z > -130.0)
        hu[seam] = -30.0
        return muscle

    def paint_muscles(self) -> None:
        """Back muscles, psoas, gluteal muscles, thighs."""
        canvas, hu = self.canvas, self.hu("muscle")
        self._paint_thighs(hu)
        over = ("muscle", "fat")
        for side, sign in (("left", -1.0), ("right", 1.0)):
            back = [(sign * 33.0, -42.0, z) for z in (180.0, 60.0, -40.0, -120.0)]
            near = [(sign * 17.0, -38.0, z) for z in (180.0, 60.0, -40.0, -150.0)]
            far = [(sign * 56.0, -44.0, z) for z in (150.0, 60.0, -30.0, -130.0)]
            erector = union(
                canvas,
                [
                    canvas.tube(
                        [*back, (sign * 26.0, -52.0, -190.0)], (20.0, 23.0, 26.0, 26.0, 14.0)
                    ),
                    canvas.tube(near, (15.0, 17.0, 18.0, 19.0)),
                    canvas.tube(far, (13.0, 18.0, 22.0, 16.0)),
                ],
                blend_mm=12.0,
            )
            erector = rough(canvas, erector, self.draw, sd_mm=1.3, scale_mm=16.0)
            square = canvas.tube(
                [
                    (sign * 62.0, -14.0, 12.0),
                    (sign * 66.0, -10.0, -60.0),
                    (sign * 70.0, -10.0, -110.0),
                ],
                (9.0, 14.0, 15.0),
            )
            canvas.paint("muscle", square, hu=hu, over=over)
            canvas.paint(f"autochthon_{side}", erector, hu=hu - 4.0, over=over)
            psoas = canvas.tube(
                [
                    (sign * 30.0, 12.0, 5.0),
                    (sign * 42.0, 28.0, -60.0),
                    (sign * 56.0, 38.0, -130.0),
                    (sign * 82.0, 50.0, -200.0),
                    (sign * 100.0, 40.0, -280.0),
                ],
                (5.0, 16.0, 24.0, 22.0, 14.0),
            )
            canvas.paint(f"iliopsoas_{side}", psoas, hu=hu, over=over)
            self._paint_buttock(sign, hu)

    def _paint_buttock(self, sign: float, hu: float) -> None:
        """Muscle on both faces of the iliac wing: gluteal outside, iliac inside."""
        canvas = self.canvas
        box, shell = self.iliac_shell(sign)
        if not shell.numel():
            return
        x, y, z = canvas.at(box)
        wall = self.wall_distance[box]
        low = ((-128.0 - z) / 45.0).clamp(0.0, 1.0)
        # the gluteal muscles begin below the crest and leave a cleft behind the sacrum
        outside = (
            (shell > 3.0)
            & (wall < -1.0)
            & (y < 70.0 - 0.3 * (x.abs() - 80.0).abs())
            & (sign * x > 24.0 + 14.0 * low)
        )
        outside &= shell < 8.0 + 46.0 * low
        iliacus = (shell < 0.0) & (shell > -5.0 - 15.0 * low) & (y < 66.0) & (sign * x > 52.0)
        thigh = (
            (z < -222.0) & (sign * x > 50.0 + 0.5 * (y - 50.0).abs()) & (wall < -2.0) & (y >= 60.0)
        )
        thigh &= wall > -58.0
        inside = (low > 0.0) & (outside | iliacus | thigh) & (sign * x > 0) & self._in_body(box)
        canvas.labels[box][inside] = LABELS["muscle"]
        canvas.hu[box][inside] = hu - 4.0
        # fat between the two large gluteal muscles
        between = inside & outside & ((shell - 19.0 + 0.12 * (y - 20.0)).abs() < 1.0)
        canvas.hu[box][between | (thigh & inside & ((sign * x + y - 165.0).abs() < 2.0))] = -25.0

    def _paint_thighs(self, hu: float) -> None:
        """Muscle around the upper thigh bones, below the pelvis."""
        canvas = self.canvas
        box = canvas.box((-180.0, -100.0, -340.0), (180.0, 70.0, -236.0))
        x, y, z = canvas.at(box)
        cleft = 42.0 - 30.0 * ((-y - 5.0) / 15.0).clamp(0.0, 1.0)
        inside = (z < -240.0) & (x.abs() > cleft) & (self.wall_distance[box] < -1.0) & (y < 62.0)
        inside &= self._in_body(box)
        canvas.labels[box][inside] = LABELS["muscle"]
        canvas.hu[box][inside] = hu - 4.0

    def iliac_shell(self, sign: float) -> Shape:
        """The curved face that the iliac wing of a side follows."""
        return self.canvas.ellipsoid(
            (sign * 48.0, 42.0, -178.0), (72.0, 92.0, 82.0), turn_deg=(0.0, 0.0, sign * -8.0)
        )

    def _in_body(self, box: tuple[slice, slice, slice]) -> torch.Tensor:
        labels = self.canvas.labels[box]
        return (labels == LABELS["fat"]) | (labels == LABELS["muscle"]) | (labels == FREE)

    def diaphragm(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Height of the diaphragm: two domes that fall off to the sides, the back and the front."""
        right = 84.0 - 78.0 * (((x - 70.0) / 85.0) ** 2 + ((y - 55.0) / 105.0) ** 2)
        left = 72.0 - 70.0 * (((x + 72.0) / 85.0) ** 2 + ((y - 50.0) / 105.0) ** 2)
        middle = 66.0 - 70.0 * ((x / 60.0) ** 2 + ((y - 75.0) / 80.0) ** 2)
        top = torch.maximum(torch.maximum(right, left), middle)
        return top.clamp(min=4.0)

    def paint_chest(self) -> None:
        """Lungs above the diaphragm, with vessels, and the heart between them."""
        canvas, draw = self.canvas, self.draw
        box = canvas.box((-170.0, -90.0, 0.0), (170.0, 190.0, ROOF_MM))
        if not canvas.labels[box].numel():
            return
        x, y, z = canvas.at(box)
        wall = self.wall_distance[box]
        above = z - self.diaphragm(x, y)
        heart = self.heart_shape()
        canvas.paint("heart", heart, hu=self.hu("heart", "aorta"), allowed=self._above(heart[0]))
        self._cardiac_muscle(heart)
        middle = 22.0 + 10.0 * torch.exp(-(((y - 20.0) / 50.0) ** 2))
        narrow = 95.0 * (((z - LOWER_CHEST_MM) / 110.0).clamp(0.0, 1.2)) ** 2
        in_chest = (wall < -11.0 - narrow) & (above > 3.0) & (y > -66.0) & (z < 244.0)
        spine = torch.sqrt((x / 30.0) ** 2 + ((y + 5.0) / 34.0) ** 2)
        is_lung = in_chest & (x.abs() > middle) & (spine > 1.0) & self._is_open(box)
        around_heart = grown(canvas, heart, 5.0, box)
        is_lung &= ~around_heart
        for side, chosen in (("left", x < 0), ("right", x > 0)):
            lung = is_lung & chosen
            canvas.labels[box][lung] = LABELS[f"lung_{side}"]
            canvas.hu[box][lung] = self.hu("lung", spread=25.0)
        # height from the back counts: blood sinks, so the lower lung is denser
        sink = (self.swing * (30.0 - y) / 100.0).clamp(-0.6, 1.0) * 40.0
        canvas.hu[box] += torch.where(is_lung, sink, torch.zeros_like(sink))
        self._lung_vessels(box, is_lung, draw)
        # around the narrowing cage lie the muscles of the shoulder girdle
        girdle = (z > 60.0) & (wall < 0.0) & (wall > -8.0 - narrow)
        girdle &= (x.abs() > 12.0) | (z > 235.0)
        labels = canvas.labels[box]
        girdle &= (labels == FREE) | (labels == LABELS["fat"])
        parted = ((wall + 13.0 + 0.05 * y).abs() < 1.1) & (narrow > 8.0) & (x.abs() > 25.0)
        labels[girdle] = LABELS["muscle"]
        canvas.hu[box][girdle] = self.hu("muscle")
        canvas.hu[box][girdle & parted] = -40.0
        rim = (above > 0.0) & (above <= 3.0) & (wall < -6.0) & self._is_open(box)
        canvas.labels[box][rim] = LABELS["diaphragm"]
        canvas.hu[box][rim] = self.hu("muscle")
        self._soften_above(box, above)

    def _soften_above(self, box: tuple[slice, slice, slice], above: torch.Tensor) -> None:
        """Fat above the diaphragm belongs to the mediastinum: no abdominal organ may take it."""
        fat = (canvas_labels := self.canvas.labels[box]) == FREE
        canvas_labels[fat & (above > 0.0)] = LABELS["fat"]

    def _is_open(self, box: tuple[slice, slice, slice]) -> torch.Tensor:
        labels = self.canvas.labels[box]
        return (labels == FREE) | (labels == LABELS["muscle"])

    def _above(self, box: tuple[slice, slice, slice]) -> torch.Tensor:
        x, y, z = self.canvas.at(box)
        return self._is_open(box) & (z > self.diaphragm(x, y) - 2.0)

    def heart_shape(self) -> Shape:
        """The heart: its apex points to the left, the front and down."""
        size = self.draw.uniform(1.28, 1.45) if self.plan.has("cardiomegaly") else 1.0
        radii = (62.0 * size, 46.0 * min(size, 1.15), 48.0 * min(size, 1.2))
        return self.canvas.ellipsoid((-22.0, 78.0, 112.0), radii, turn_deg=(8.0, 18.0, 28.0))

    def _cardiac_muscle(self, heart: Shape) -> None:
        box, distance = heart
        if not distance.numel():
            return
        inside = self.canvas.labels[box] == LABELS["heart"]
        x, y, z = self.canvas.at(box)
        chamber = ellipsoid_distance(x + 38.0, y - 84.0, z - 104.0, (28.0, 24.0, 28.0))
        wall = inside & (((chamber > 0) & (chamber < 9.0)) | (distance > -4.0))
        muscle = 0.45 * self.hu("heart", "aorta") + 28.0
        self.canvas.hu[box][wall] = muscle

    def _lung_vessels(
        self, box: tuple[slice, slice, slice], is_lung: torch.Tensor, draw: Draw
    ) -> None:
        """Branches that run from the hila outwards and get thinner."""
        blood = self.hu("heart", "aorta") * 0.8
        for sign in (-1.0, 1.0):
            for _ in range(9):
                angle = draw.uniform(-1.2, 1.2)
                reach = draw.uniform(50.0, 95.0)
                hilum: XYZ = (sign * 32.0, 35.0, 120.0)
                drop = draw.uniform(30.0, 95.0)
                end = (
                    sign * (32.0 + reach * math.cos(angle) * 0.9),
                    35.0 + 70.0 * math.sin(angle),
                    120.0 - drop,
                )
                middle = tuple(
                    (h + e) / 2 + draw.uniform(-8.0, 8.0) for h, e in zip(hilum, end, strict=True)
                )
                tube = self.canvas.tube([hilum, middle, end], (4.5, 2.8, 1.4), steps=4)  # type: ignore[list-item]
                inner, distance = tube
                inside = (distance <= 0) & self._is_lung(inner)
                self.canvas.hu[inner][inside] = blood

    def _is_lung(self, box: tuple[slice, slice, slice]) -> torch.Tensor:
        labels = self.canvas.labels[box]
        return (labels == LABELS["lung_left"]) | (labels == LABELS["lung_right"])

    def paint_arms(self) -> None:
        """Arms beside the body, hanging down: upper arm, elbow at the waist, forearm."""
        canvas, build = self.canvas, self.plan.habitus
        for side, sign in (("left", -1.0), ("right", 1.0)):
            x = sign * (152.0 + build.fat_side_mm + 44.0)
            path: list[XYZ] = [
                (x - sign * 8.0, 10.0, 300.0),
                (x, 0.0, 120.0),
                (x + sign * 4.0, -8.0, -40.0),
                (x - sign * 2.0, 14.0, -180.0),
                (x - sign * 4.0, 40.0, -300.0),
            ]
            for key, radii, hu in (
                ("skin", (48.0, 44.0, 38.0, 34.0, 26.0), 10.0),
                ("fat", (46.0, 42.0, 36.0, 32.0, 24.0), self.hu("fat")),
                ("muscle", (38.0, 35.0, 31.0, 28.0, 20.0), self.hu("muscle")),
            ):
                box, distance = canvas.tube(path, radii)
                inside = (distance <= 0) & (self.wall_distance[box] > build.fat_side_mm * 0.6)
                canvas.labels[box][inside] = LABELS[key]
                canvas.hu[box][inside] = hu
            upper = canvas.tube(path[:3], (12.0, 11.0, 15.0))
            self._bone(f"humerus_{side}", upper, ("muscle",))
            for shift in (-11.0, 11.0):
                bone = canvas.tube([(a + shift, b, c) for a, b, c in path[2:]], (9.0, 7.0, 8.0))
                self._bone("rib", bone, ("muscle",))

    # --- bones

    def paint_bones(self) -> None:
        """Spine, ribs, pelvis, upper thighs."""
        canvas, plan = self.canvas, self.plan
        age = (plan.age_years - 22) / 66
        trabecular = base_hu("trabecular_bone", plan.phase) * (1.25 - 0.6 * age)
        self.bone_hu = trabecular
        soft = ("muscle", "fat", "autochthon_left", "autochthon_right", "fat_of_cavity")
        heights = [z for z, _ in VERTEBRAE]
        for (z, y), above in zip(
            VERTEBRAE,
            [23.0, *(a - b for a, b in pairwise(heights))],
            strict=True,
        ):
            wide, deep = (24.0, 17.0) if z < 20 else (19.0, 15.0)
            half = 0.42 * above
            body = canvas.ellipsoid((0.0, y, z), (wide, deep, 60.0))
            box, distance = body
            if not distance.numel():
                continue
            zz = canvas.at(box)[2] - z
            side = torch.maximum(distance, zz.abs() - half)
            self._bone("vertebrae", (box, side), soft)
            disc = torch.maximum(distance + 0.8, (zz - half - 3.5).abs() - 4.5)
            canvas.paint("cartilage", (box, disc), hu=85.0, over=soft)
            self._arch(z, y - deep, half, soft)
        cord = canvas.tube([(0.0, y - 24.0, z) for z, y in VERTEBRAE], 7.0, steps=2)
        canvas.paint("spinal_cord", cord, hu=self.hu("cord"), over=("vertebrae", *soft))
        self._paint_ribs(soft)
        self._paint_pelvis(soft)

    def _arch(self, z: float, y: float, half: float, over: tuple[str, ...]) -> None:
        canvas = self.canvas
        spine = canvas.ellipsoid((0.0, y - 27.0, z - 6.0), (3.5, 17.0, 0.7 * half))
        wings = [canvas.ellipsoid((s * 24.0, y - 8.0, z), (18.0, 4.5, 6.0)) for s in (-1.0, 1.0)]
        laminae = [
            canvas.ellipsoid((s * 13.0, y - 12.0, z), (6.5, 8.0, 0.8 * half)) for s in (-1.0, 1.0)
        ]
        for shape in (spine, *wings, *laminae):
            self._bone("vertebrae", shape, over)

    def _bone(self, key: str, shape: Shape, over: tuple[str, ...]) -> None:
        """A bone with a dense rim around its spongy middle."""
        distance = self.canvas.paint(key, shape, hu=self.bone_hu, over=over)
        box = shape[0]
        rim = (distance <= 0) & (distance > -2.0)
        self.canvas.hu[box][rim] = self.bone_hu + 330.0

    def _paint_ribs(self, over: tuple[str, ...]) -> None:
        canvas = self.canvas
        for number, start in zip(range(1, 13), [z for z, _ in VERTEBRAE][:12], strict=True):
            end = {12: 0.34, 11: 0.55}.get(number, 0.86)
            steps = 9
            for sign in (-1.0, 1.0):
                points: list[XYZ] = []
                for i in range(steps + 1):
                    t = end * i / steps
                    angle = math.pi * (0.08 + 0.84 * t)  # from the spine to the breastbone
                    drop = 62.0 * math.sin(min(1.0, 1.25 * t) * math.pi / 2)
                    rise = max(0.0, t - 0.7) * 90.0
                    height = start + 4.0 - drop + rise
                    tight = 88.0 * min(max((height - LOWER_CHEST_MM) / 110.0, 0.0), 1.2) ** 2
                    half_a = 139.0 - (4.0 if start > 40 else 0.0) - tight
                    half_b, mid = 99.0 + self.deeper * 0.15 - 0.6 * tight, 30.0 + self.deeper * 0.15
                    x = sign * half_a * math.sin(angle)
                    y = mid - half_b * math.cos(angle)
                    points.append((x, y, height))
                bony = points[: int(0.8 * steps) + 1] if number < 11 else points
                tube = canvas.tube(bony, 4.6, steps=2)
                self._bone("rib", tube, (*over, "lung_left", "lung_right", "diaphragm"))
                if number < 11:
                    gristle = canvas.tube(points[int(0.8 * steps) :], 5.0, steps=2)
                    canvas.paint("cartilage", gristle, hu=95.0, over=over)

    def _paint_pelvis(self, over: tuple[str, ...]) -> None:
        canvas = self.canvas
        sacrum = union(
            canvas,
            [
                canvas.ellipsoid((0.0, -8.0, -165.0), (44.0, 17.0, 20.0), turn_deg=(25.0, 0, 0)),
                canvas.ellipsoid((0.0, -32.0, -198.0), (32.0, 14.0, 26.0), turn_deg=(25.0, 0, 0)),
                canvas.ellipsoid((0.0, -46.0, -235.0), (14.0, 9.0, 22.0)),
            ],
        )
        self._bone("sacrum", sacrum, over)
        for side, sign in (("left", -1.0), ("right", 1.0)):
            box, distance = self.iliac_shell(sign)
            if distance.numel():
                x, y, z = canvas.at(box)
                wing = (distance + 4.0).abs() - 4.6
                limits = torch.stack(
                    [-(sign * x) + 44.0, z + 118.0 - 0.12 * y, y - 72.0, -z - 252.0]
                ).amax(dim=0)
                self._bone(f"hip_{side}", (box, torch.maximum(wing, limits)), over)
            joint: XYZ = (sign * 98.0, 22.0, -262.0)
            self._bone(f"hip_{side}", canvas.ellipsoid(joint, (32.0, 31.0, 31.0)), over)
            pubis = canvas.tube([(sign * 75.0, 30.0, -265.0), (sign * 14.0, 52.0, -282.0)], 9.0)
            self._bone(f"hip_{side}", pubis, over)
            inner = canvas.ellipsoid(joint, (24.0, 24.0, 24.0))
            shaft = canvas.tube(
                [joint, (sign * 135.0, 12.0, -295.0), (sign * 138.0, 12.0, -340.0)],
                (14.0, 15.0, 14.0),
            )
            self._bone(f"femur_{side}", union(canvas, [inner, shaft]), (*over, f"hip_{side}"))

    # --- vessels

    def paint_vessels(self) -> None:
        """Aorta and its branches, cava, portal system."""
        canvas = self.canvas
        red, blue = self.hu("aorta", "aorta"), self.hu("inferior_vena_cava", "portal")
        portal = self.hu("portal_vein_and_splenic_vein", "portal")
        wide = 1.0 + 0.25 * (self.plan.age_years - 50) / 40
        over = ("diaphragm",)
        curve = self.draw.uniform(-4.0, 4.0)
        aorta = canvas.tube(
            [
                (-16.0, 22.0, 190.0),
                (-14.0, 26.0, 100.0),
                (-11.0, 38.0, 40.0),
                (-9.0, 46.0, 0.0),
                (-6.0 + curve, 54.0, -60.0),
                (-2.0, 58.0, -108.0),
            ],
            [r * wide for r in (12.0, 11.5, 11.0, 10.0, 9.0, 8.5)],
        )
        chest = ("lung_left", "fat", "muscle")
        self.depth["aorta"] = (aorta[0], canvas.paint("aorta", aorta, hu=red, over=(*over, *chest)))
        self._calcify(aorta)
        for side, sign, x0 in (("left", -1.0, -4.0), ("right", 1.0, 2.0)):
            iliac = canvas.tube(
                [
                    (x0, 58.0, -106.0),
                    (sign * 24.0, 60.0, -145.0),
                    (sign * 45.0, 52.0, -190.0),
                    (sign * 72.0, 78.0, -260.0),
                    (sign * 80.0, 84.0, -300.0),
                ],
                (6.5, 6.0, 5.5, 5.0, 5.0),
            )
            canvas.paint(f"iliac_artery_{side}", iliac, hu=red, over=("muscle",))
            vein = canvas.tube(
                [
                    (12.0, 50.0, -116.0),
                    (sign * 22.0 + 3.0, 48.0, -150.0),
                    (sign * 44.0, 38.0, -195.0),
                    (sign * 66.0, 68.0, -262.0),
                    (sign * 72.0, 74.0, -300.0),
                ],
                (7.5, 7.5, 7.0, 6.0, 6.0),
            )
            canvas.paint(f"iliac_vena_{side}", vein, hu=blue - 8.0, over=("muscle",))
        cava = canvas.tube(
            [
                (20.0, 55.0, 95.0),
                (22.0, 52.0, 45.0),
                (21.0, 54.0, 0.0),
                (20.0, 56.0, -60.0),
                (14.0, 52.0, -118.0),
            ],
            (12.0, 12.5, 11.0, 10.5, 9.5),
        )
        canvas.paint("inferior_vena_cava", cava, hu=blue, over=over)
        self._paint_branches(red, portal)

    def _calcify(self, aorta: Shape) -> None:
        """Plaques in the wall of an old aorta."""
        draw = self.draw
        count = draw.integer(9) if self.plan.age_years > 58 and draw.chance(0.7) else 0
        box, distance = aorta
        if not distance.numel():
            return
        wall = (distance <= 0) & (distance > -2.5) & (self.canvas.labels[box] == LABELS["aorta"])
        for _ in range(count):
            z, front = draw.uniform(-100.0, 60.0), draw.uniform(40.0, 75.0)
            spot = self.canvas.ellipsoid((draw.uniform(-18.0, 6.0), front, z), (4.0, 4.0, 5.0))
            near = grown(self.canvas, spot, 0.0, box)
            self.canvas.hu[box][wall & near] = draw.uniform(350.0, 800.0)

    def _paint_branches(self, red: float, portal: float) -> None:
        canvas = self.canvas
        self.sma: list[XYZ] = [
            (-8.0, 53.0, 3.0),
            (-7.0, 62.0, -4.0),
            (-6.0, 68.0, -20.0),
            (-3.0, 72.0, -50.0),
            (3.0, 76.0, -95.0),
        ]
        for key, points, radius, hu in (
            ("superior_mesenteric_artery", self.sma, 3.8, red),
            (
                "celiac_trunk",
                [(-9.0, 50.0, 15.0), (-8.0, 60.0, 17.0), (-8.0, 69.0, 18.0)],
                3.8,
                red,
            ),
            (
                "common_hepatic_artery",
                [(-8.0, 69.0, 18.0), (8.0, 77.0, 16.0), (24.0, 82.0, 15.0)],
                2.9,
                red,
            ),
            (
                "splenic_artery",
                [(-8.0, 69.0, 18.0), (-30.0, 66.0, 22.0), (-58.0, 48.0, 18.0), (-84.0, 28.0, 16.0)],
                2.8,
                red,
            ),
            (
                "superior_mesenteric_vein",
                [(8.0, 78.0, -95.0), (9.0, 76.0, -50.0), (11.0, 76.0, -14.0)],
                5.4,
                portal,
            ),
            # the splenic vein comes first: tumours touch it rather than the portal vein
            (
                "portal_vein_and_splenic_vein",
                [
                    (11.0, 75.0, -13.0),
                    (-14.0, 72.0, -1.0),
                    (-48.0, 52.0, 10.0),
                    (-84.0, 28.0, 12.0),
                ],
                4.3,
                portal,
            ),
            (
                "portal_vein_and_splenic_vein",
                [(11.0, 76.0, -14.0), (24.0, 78.0, 4.0), (40.0, 76.0, 20.0), (54.0, 76.0, 30.0)],
                6.6,
                portal,
            ),
        ):
            tube = canvas.tube(points, radius)
            canvas.paint(key, tube, hu=hu)
            self.vessels.setdefault(key, points)
            self.vessel_radii.setdefault(key, radius)
        for sign, x0, z0 in ((-1.0, -14.0, -12.0), (1.0, 2.0, -14.0)):
            renal = canvas.tube(
                [(x0, 46.0, z0), (sign * 35.0, 36.0, z0 - 8.0), (sign * 58.0, 26.0, z0 - 16.0)], 2.8
            )
            inner, distance = renal
            inside = (distance <= 0) & canvas.free(inner)
            canvas.hu[inner][inside] = red

    def mesentery(self) -> None:
        """Small vessels in the fat that is left: HU only."""
        canvas, draw = self.canvas, self.draw
        for _ in range(26):
            end = (
                draw.uniform(-95.0, 95.0),
                draw.uniform(60.0, 125.0),
                draw.uniform(-170.0, -25.0),
            )
            start = (draw.uniform(-8.0, 14.0), 78.0, draw.uniform(-95.0, -30.0))
            bend = tuple(
                (s + e) / 2 + draw.uniform(-14.0, 14.0) for s, e in zip(start, end, strict=True)
            )
            tube = canvas.tube([start, bend, end], (2.6, 2.0, 1.2), steps=3)  # type: ignore[list-item]
            box, distance = tube
            inside = (distance <= 0) & canvas.free(box)
            canvas.hu[box][inside] = self.hu("portal_vein_and_splenic_vein", "portal") * 0.9


def _oval(
    x: torch.Tensor, y: torch.Tensor, a: torch.Tensor | float, b: torch.Tensor | float
) -> torch.Tensor:
    """About the signed distance from a superellipse of exponent 2.5 around the origin."""
    u, v = (x / a).abs(), (y / b).abs()
    near = (u * u * u.sqrt() + v * v * v.sqrt()).clamp_(min=1e-6) ** 0.4
    return (near - 1.0) * torch.minimum(torch.as_tensor(a), torch.as_tensor(b))


def grown(
    canvas: Canvas, shape: Shape, by_mm: float, box: tuple[slice, slice, slice]
) -> torch.Tensor:
    """Where in a box a shape lies, grown."""
    inside = torch.zeros(canvas.labels[box].shape, dtype=torch.bool, device=canvas.device)
    here, there = overlap(box, shape[0])
    inside[here] = shape[1][there] <= by_mm
    return inside
