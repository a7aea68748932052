"""Abdominal organs, with the parts and the insides that questions and eyes ask for."""

from __future__ import annotations

import math

import torch

from vol3d.phantom.subjects.abdomen import Trunk, grown
from vol3d.phantom.subjects.canvas import REAL, XYZ, Box, Shape, drop_specks, overlap, rough, union
from vol3d.phantom.subjects.tissues import FREE, LABELS


def paint_organs(trunk: Trunk) -> None:
    """Every organ of the abdomen, the firm ones first: what is soft fits around them."""
    _kidneys(trunk)
    _adrenals(trunk)
    _pancreas(trunk)
    _bladder(trunk)
    _liver(trunk)
    _spleen(trunk)
    _stomach(trunk)
    _duodenum(trunk)
    _colon(trunk)
    _small_bowel(trunk)
    _ascites(trunk)
    trunk.mesentery()


def _kidneys(trunk: Trunk) -> None:
    canvas, plan = trunk.canvas, trunk.plan
    cortex, medulla = trunk.hu("kidney_cortex", "kidney"), trunk.hu("kidney_medulla", "kidney")
    pelvis_hu = trunk.hu("kidney_pelvis")
    if plan.phase == "arterial":
        cortex = max(cortex, medulla + 60.0)
    for side, sign, centre in (
        ("left", -1.0, (-72.0, 15.0, -22.0)),
        ("right", 1.0, (72.0, 17.0, -36.0)),
    ):
        cm3 = plan.organ_cm3[f"kidney_{side}"]
        if cm3 <= 0:
            continue
        size = canvas.times(cm3, 155.0)
        radii = (27.0 * size, 26.0 * size, 56.0 * size)
        turn = (-8.0, sign * 10.0, sign * 25.0)
        bean = canvas.ellipsoid(centre, radii, turn_deg=turn)
        sinus_at: XYZ = (centre[0] - sign * 17.0 * size, centre[1] + 8.0 * size, centre[2])
        sinus = canvas.ellipsoid(sinus_at, (17.0 * size, 9.0 * size, 24.0 * size), turn_deg=turn)
        hollow = _minus(trunk, bean, sinus)
        distance = canvas.paint(f"kidney_{side}", hollow, hu=cortex, cm3=cm3)
        box = bean[0]
        trunk.depth[f"kidney_{side}"] = (box, distance)
        _medulla(trunk, box, distance, (centre, size), medulla)
        tube = canvas.tube(
            [
                sinus_at,
                (centre[0] - sign * 32.0, centre[1] + 16.0, centre[2] - 14.0),
                (sign * 40.0, 42.0, centre[2] - 60.0),
                (sign * 36.0, 46.0, -130.0),
                (sign * 30.0, 30.0, -215.0),
            ],
            (6.0, 5.0, 2.0, 1.8, 1.8),
        )
        inner, gap = tube
        inside = (gap <= 0) & canvas.free(inner)
        canvas.hu[inner][inside] = pelvis_hu


def _minus(trunk: Trunk, shape: Shape, hole: Shape) -> Shape:
    """A shape without a hole."""
    box, distance = shape
    inner, gap = hole
    distance = distance.clone()
    here, there = overlap(box, inner)
    distance[here] = torch.maximum(distance[here], -gap[there])
    return box, distance


def _medulla(
    trunk: Trunk, box: Box, distance: torch.Tensor, place: tuple[XYZ, float], hu: float
) -> None:
    """Pyramids between columns of cortex, 7 mm below the surface."""
    if not distance.numel():
        return
    (_, cy, cz), size = place
    _, y, z = trunk.canvas.at(box)
    angle = torch.atan2(y - cy, (z - cz) * 0.5)
    pyramids = torch.cos(angle * 7.0) > -0.45
    inside = (distance < -7.0 * size) & (distance > -40.0) & pyramids
    trunk.canvas.hu[box][inside] = hu


def _adrenals(trunk: Trunk) -> None:
    canvas, hu = trunk.canvas, trunk.hu("adrenal_gland")
    for side, sign, (x, y, z) in (
        ("left", -1.0, (-40.0, 40.0, 20.0)),
        ("right", 1.0, (36.0, 38.0, 17.0)),
    ):
        limbs = [
            canvas.ellipsoid((x, y, z), (2.6, 13.0, 13.0), turn_deg=(20.0, 0.0, sign * 14.0)),
            canvas.ellipsoid(
                (x + sign * 6.0, y - 2.0, z - 3.0),
                (2.6, 11.0, 11.0),
                turn_deg=(15.0, 0.0, -sign * 24.0),
            ),
        ]
        canvas.paint(f"adrenal_gland_{side}", union(canvas, limbs, blend_mm=2.0), hu=hu)


def _pancreas(trunk: Trunk) -> None:
    canvas, plan, draw = trunk.canvas, trunk.plan, trunk.draw
    cm3 = plan.organ_cm3["pancreas"]
    wide = (cm3 / 75.0) ** 0.4
    path: list[XYZ] = [
        (34.0, 72.0, -46.0),
        (28.0, 76.0, -24.0),
        (10.0, 86.0, -10.0),
        (-18.0, 84.0, 2.0),
        (-52.0, 62.0, 14.0),
        (-86.0, 34.0, 20.0),
    ]
    gland = canvas.tube(path, [r * wide for r in (12.0, 15.5, 9.5, 10.5, 10.5, 9.0)])
    hu = trunk.hu("pancreas", "pancreas", 5.0)
    if plan.has("pancreatic_steatosis"):
        hu -= 42.0
    gland = rough(canvas, gland, draw, sd_mm=1.6, scale_mm=7.0)
    dilated = plan.has("dilated_ducts")
    if dilated or draw.chance(0.3):
        duct = canvas.tube([(p[0], p[1] - 1.0, p[2]) for p in path[1:]], 3.4 if dilated else 1.4)
        canvas.paint("pancreatic_duct", duct, hu=trunk.hu("bile"))
    bile = canvas.tube(
        [(38.0, 68.0, -52.0), (36.0, 68.0, -24.0), (38.0, 78.0, 6.0), (50.0, 82.0, 26.0)],
        6.5 if dilated else 2.9,
    )
    canvas.paint("common_bile_duct", bile, hu=trunk.hu("bile"))
    distance = canvas.paint("pancreas", gland, hu=hu, cm3=cm3)
    box = gland[0]
    trunk.depth["pancreas"] = (box, distance)
    inside = distance <= 0
    x = canvas.at(box)[0]
    canvas.parts[box][inside & (x > 6.0)] = LABELS["pancreas_head"]
    canvas.parts[box][inside & (x <= 6.0) & (x > -40.0)] = LABELS["pancreas_body"]
    canvas.parts[box][inside & (x <= -40.0)] = LABELS["pancreas_tail"]


def _bladder(trunk: Trunk) -> None:
    canvas, plan = trunk.canvas, trunk.plan
    cm3 = plan.organ_cm3["urinary_bladder"]
    size = canvas.times(cm3, 230.0)
    if plan.sex == "F":
        womb = union(
            canvas,
            [
                canvas.ellipsoid(
                    (0.0, 22.0, -224.0), (26.0, 20.0, 30.0), turn_deg=(-35.0, 0.0, 0.0)
                ),
                canvas.ellipsoid((0.0, 8.0, -250.0), (15.0, 13.0, 18.0)),
            ],
        )
        canvas.paint("uterus", womb, hu=trunk.hu("uterus"))
        rise = 2.0
    else:
        gland = canvas.ellipsoid((0.0, 26.0, -284.0), (22.0, 16.0, 16.0))
        canvas.paint("prostate", gland, hu=trunk.hu("prostate"), over=("muscle",))
        rise = 6.0
    bag = canvas.ellipsoid((0.0, 56.0, -248.0 + rise), (42.0 * size, 32.0 * size, 33.0 * size))
    distance = canvas.paint("urinary_bladder", bag, hu=trunk.hu("urine"), cm3=cm3, over=("muscle",))
    wall = (distance <= 0) & (distance > -2.5)
    canvas.hu[bag[0]][wall] = trunk.hu("muscle") - 15.0
    if plan.phase == "delayed":  # the contrast sinks
        y = canvas.at(bag[0])[1]
        floats = (distance <= -2.5) & ((y - 56.0) * trunk.swing > 4.0)
        canvas.hu[bag[0]][floats] = 14.0


def _liver(trunk: Trunk) -> None:
    canvas, plan, draw = trunk.canvas, trunk.plan, trunk.draw
    gall_cm3 = plan.organ_cm3["gallbladder"]
    if gall_cm3 > 0:
        size = canvas.times(gall_cm3, 33.0)
        sac = canvas.ellipsoid(
            (64.0, 100.0, -20.0),
            (13.0 * size, 15.0 * size, 30.0 * size),
            turn_deg=(35.0, -12.0, 0.0),
        )
        distance = canvas.paint(
            "gallbladder", sac, hu=trunk.hu("gallbladder", spread=4.0), cm3=gall_cm3
        )
        wall = (distance <= 0) & (distance > -1.5)
        canvas.hu[sac[0]][wall] = 35.0
    cm3 = plan.organ_cm3["liver"]
    size = canvas.times(cm3, 1340.0)
    lobes = [
        canvas.ellipsoid((76.0, 46.0, 18.0), (74.0 * size, 84.0 * size, 78.0 * size)),
        canvas.ellipsoid((96.0, 40.0, -30.0), (46.0 * size, 58.0 * size, 66.0 * size)),
        canvas.ellipsoid(
            (14.0, 104.0, 38.0), (74.0 * size, 40.0 * size, 34.0 * size), turn_deg=(0.0, -8.0, 8.0)
        ),
        canvas.ellipsoid((22.0, 66.0, 30.0), (22.0, 20.0, 26.0)),
    ]
    box, distance = union(canvas, lobes, blend_mm=14.0)
    if not distance.numel():
        return
    x, y, z = canvas.at(box)
    below = z - trunk.diaphragm(x, y) + 1.0
    free = canvas.free(box) & (below < 0.5)
    # the kidney's bed: no liver behind or medial to the kidney
    edge = 14.0 - 0.9 * (x - 84.0).clamp(min=0.0) - 1.4 * (z - 2.0).clamp(min=0.0)
    behind = y < edge
    free &= (
        ~_beside_kidneys(trunk, box) & ~behind & ~grown(canvas, trunk.depth["pancreas"], 3.0, box)
    )
    nodular = 2.2 if plan.has("small_liver") else 0.8
    shape = rough(canvas, (box, distance), draw, sd_mm=nodular, scale_mm=14.0)
    distance = canvas.paint("liver", shape, hu=trunk.liver_hu(), cm3=cm3, allowed=free)
    trunk.depth["liver"] = (box, distance)
    inside = distance <= 0
    _liver_vessels(trunk)
    _couinaud(trunk, box, inside)


def _beside_kidneys(trunk: Trunk, box: Box) -> torch.Tensor:
    """Where the fat around the kidneys lies: more of it in a stout person."""
    near = torch.zeros(trunk.canvas.labels[box].shape, dtype=torch.bool, device=trunk.canvas.device)
    for side in ("left", "right"):
        if f"kidney_{side}" in trunk.depth:
            width = 2.0 + 0.25 * max(trunk.deeper, 0.0)
            near |= grown(trunk.canvas, trunk.depth[f"kidney_{side}"], width, box)
    return near


_IVC_XY = (21.0, 52.0)


def _liver_vessels(trunk: Trunk) -> None:
    """Hepatic veins and portal branches: HU inside the liver's mask."""
    portal = trunk.hu("portal_vein_and_splenic_vein", "portal")
    veins = trunk.hu("portal_vein_and_splenic_vein", "portal") - (
        0.0 if trunk.plan.phase != "arterial" else 48.0
    )
    top: XYZ = (_IVC_XY[0], _IVC_XY[1] + 6.0, 62.0)
    for end, middle in (
        ((110.0, 40.0, -5.0), (72.0, 46.0, 42.0)),
        ((68.0, 100.0, 0.0), (46.0, 78.0, 45.0)),
        ((-8.0, 108.0, 32.0), (8.0, 84.0, 52.0)),
    ):
        _in_liver(trunk, [top, middle, end], (5.2, 3.8, 1.6), veins)
    root: XYZ = (54.0, 76.0, 30.0)
    for points in (
        [root, (78.0, 66.0, 28.0), (104.0, 76.0, 48.0)],
        [(78.0, 66.0, 28.0), (106.0, 46.0, 4.0), (112.0, 30.0, -30.0)],
        [(78.0, 66.0, 28.0), (96.0, 86.0, 6.0), (100.0, 90.0, -16.0)],
        [(78.0, 66.0, 28.0), (104.0, 30.0, 44.0)],
        [root, (30.0, 92.0, 34.0), (6.0, 110.0, 36.0), (-24.0, 112.0, 40.0)],
    ):
        _in_liver(trunk, points, (4.8,) + (3.4,) * (len(points) - 2) + (1.8,), portal)


def _in_liver(trunk: Trunk, points: list[XYZ], radii: tuple[float, ...], hu: float) -> None:
    box, distance = trunk.canvas.tube(points, radii)
    inside = (distance <= 0) & (trunk.canvas.labels[box] == LABELS["liver"])
    trunk.canvas.hu[box][inside] = hu


def _couinaud(trunk: Trunk, box: Box, inside: torch.Tensor) -> None:
    """Segments: sectors around the cava by the planes of the hepatic veins, halved at the hilum."""
    canvas = trunk.canvas
    x, y, z = canvas.at(box)
    angle = torch.rad2deg(torch.atan2(x - _IVC_XY[0], y - _IVC_XY[1]))
    upper = z > 24.0
    caudate = ((x - 20.0) / 17.0) ** 2 + ((y - 64.0) / 17.0) ** 2 + ((z - 28.0) / 30.0) ** 2 < 1.0
    posterior, anterior = angle > 92.0, (angle > 42.0) & (angle <= 92.0)
    medial, lateral = (angle > -6.0) & (angle <= 42.0), angle <= -6.0
    posterior |= angle < -120.0
    lateral &= angle >= -120.0
    sectors = (
        (posterior & upper, 7),
        (posterior & ~upper, 6),
        (anterior & upper, 8),
        (anterior & ~upper, 5),
        (medial, 4),
        (lateral & (z > 38.0), 2),
        (lateral & (z <= 38.0), 3),
        (caudate, 1),
    )
    for sector, number in sectors:
        canvas.parts[box][inside & sector] = LABELS[f"liver_segment_{number}"]


def _spleen(trunk: Trunk) -> None:
    canvas, plan = trunk.canvas, trunk.plan
    cm3 = plan.organ_cm3["spleen"]
    size = canvas.times(cm3, 185.0)
    down = -14.0 * max(size - 1.0, 0.0) * 2.2
    lateral = canvas.ellipsoid(
        (-106.0, 4.0, 18.0 + down),
        (25.0 * size, 46.0 * size, 50.0 * size),
        turn_deg=(-22.0, 0.0, 14.0),
    )
    # its upper part lies behind the stomach and above the kidney, and reaches towards the spine
    medial = canvas.ellipsoid(
        (-80.0, -4.0, 46.0 + 0.5 * down),
        (36.0 * size, 24.0 * size, 25.0 * size),
        turn_deg=(0.0, 0.0, 24.0),
    )
    body = union(canvas, [lateral, medial], blend_mm=10.0)
    box, distance = body
    if not distance.numel():
        return
    x, y, z = canvas.at(box)
    free = canvas.free(box) & (z - trunk.diaphragm(x, y) < -0.5) & ~_beside_kidneys(trunk, box)
    # nothing of it medial to the kidney or behind it
    above = 2.5 * (z - 27.0).clamp(min=0.0)
    free &= (x < -82.0 + above) | ((x < -62.0 + above) & (y > 30.0))
    dent = canvas.ellipsoid((-78.0, 34.0, 18.0), (20.0, 24.0, 44.0))
    shape = _minus(trunk, body, dent) if size < 1.4 else body
    distance = canvas.paint(
        "spleen", shape, hu=trunk.hu("spleen", "spleen", 4.0), cm3=cm3, allowed=free
    )
    trunk.depth["spleen"] = (box, distance)
    if plan.phase == "arterial":  # moire of the first pass
        stripes = torch.sin(x / 6.0 + 2.0 * torch.sin(z / 9.0)) * 22.0
        canvas.hu[box] += torch.where(distance <= 0, stripes, torch.zeros_like(stripes))


def _filled(
    trunk: Trunk, key: str, shape: Shape, *, wall_mm: float, cm3: float | None = None, air: float
) -> torch.Tensor:
    """A hollow organ: wall, content, and air that floats on it up to a share of its height."""
    canvas = trunk.canvas
    distance = canvas.paint(key, shape, hu=trunk.hu("bowel_wall"), cm3=cm3)
    box = shape[0]
    inside = distance <= -wall_mm
    if not bool(inside.any()):
        return distance
    canvas.hu[box][inside] = trunk.hu("bowel_content") + trunk.draw.uniform(-12.0, 18.0)
    if air > 0:
        y = canvas.at(box)[1] * trunk.swing
        heights = y[inside]
        rank = min(max(int(heights.numel() * (1.0 - air)), 1), heights.numel())
        level = float(torch.kthvalue(heights, rank).values)
        canvas.hu[box][inside & (y > level)] = -960.0
    return distance


def _stomach(trunk: Trunk) -> None:
    canvas, plan, draw = trunk.canvas, trunk.plan, trunk.draw
    gullet = canvas.tube(
        [(-4.0, 12.0, 190.0), (-6.0, 26.0, 110.0), (-14.0, 42.0, 66.0), (-34.0, 56.0, 52.0)], 6.5
    )
    canvas.paint("esophagus", gullet, hu=trunk.hu("bowel_wall"), over=("fat", "diaphragm"))
    cm3 = plan.organ_cm3["stomach"]
    wide = (cm3 / 300.0) ** 0.4
    bag = canvas.tube(
        [
            (-64.0, 44.0, 58.0),
            (-66.0, 70.0, 36.0),
            (-52.0, 98.0, 8.0),
            (-18.0, 116.0, -14.0),
            (16.0, 106.0, -10.0),
            (32.0, 96.0, -6.0),
        ],
        [r * wide for r in (30.0, 34.0, 27.0, 20.0, 14.0, 8.0)],
    )
    box = bag[0]
    x, y, z = canvas.at(box)
    bag = (box, torch.maximum(bag[1], z - trunk.diaphragm(x, y) + 1.5))
    _filled(trunk, "stomach", bag, wall_mm=4.0, cm3=cm3, air=draw.uniform(0.1, 0.6))


def _duodenum(trunk: Trunk) -> None:
    loop = trunk.canvas.tube(
        [
            (34.0, 95.0, -8.0),
            (50.0, 86.0, -18.0),
            (54.0, 72.0, -46.0),
            (44.0, 66.0, -72.0),
            (10.0, 66.0, -78.0),
            (-20.0, 70.0, -64.0),
            (-28.0, 80.0, -44.0),
        ],
        (12.0, 12.0, 12.0, 12.0, 10.5, 10.5, 10.5),
    )
    _filled(trunk, "duodenum", loop, wall_mm=3.0, air=trunk.draw.uniform(0.0, 0.25))


def _colon(trunk: Trunk) -> None:
    canvas, draw = trunk.canvas, trunk.draw
    d = trunk.deeper * 0.6
    sag = draw.uniform(-35.0, 8.0)
    path: list[XYZ] = [
        (92.0, 62.0, -178.0),
        (98.0, 58.0, -140.0),
        (106.0, 48.0, -96.0),
        (92.0, 82.0, -56.0),
        (56.0, 118.0 + d, -58.0 + sag / 2),
        (0.0, 128.0 + d, -62.0 + sag),
        (-58.0, 120.0 + d, -42.0 + sag / 2),
        (-100.0, 62.0, 6.0),
        (-114.0, 34.0, -40.0),
        (-116.0, 36.0, -110.0),
        (-104.0, 46.0, -168.0),
        (-66.0, 62.0, -198.0),
        (-26.0, 66.0, -186.0),
        (-4.0, 30.0, -192.0),
        (2.0, -2.0, -210.0),
    ]
    radii = [
        24.0,
        25.0,
        22.0,
        20.0,
        19.0,
        18.0,
        18.0,
        16.0,
        14.0,
        13.0,
        13.0,
        13.0,
        14.0,
        13.0,
        13.0,
    ]
    scale = draw.uniform(0.85, 1.35)
    tube = canvas.tube(path, [r * scale for r in radii], steps=6)
    box, distance = tube
    if distance.numel():  # haustra: the wall folds in between bulges
        x, _, z = canvas.at(box)
        along = torch.where(x.abs() > 85.0, z, x)
        tube = (box, distance + 2.6 * torch.cos(along * (2 * math.pi / 26.0)))
    distance = _filled(trunk, "colon", tube, wall_mm=2.6, air=draw.uniform(0.15, 0.6))
    trunk.depth["colon"] = (box, distance)
    if distance.numel():
        _stool(trunk, box, distance)
    rectum = canvas.tube(
        [(2.0, -2.0, -210.0), (0.0, -18.0, -240.0), (0.0, -6.0, -272.0), (0.0, -8.0, -300.0)],
        (13.0, 16.0, 15.0, 10.0),
    )
    canvas.paint("rectum", rectum, hu=trunk.hu("bowel_wall"), over=("muscle",))
    inner, gap = rectum
    lumen = (gap <= -4.0) & (canvas.labels[inner] == LABELS["rectum"])
    canvas.hu[inner][lumen] = 20.0 if draw.chance(0.5) else -700.0


def _stool(trunk: Trunk, box: Box, distance: torch.Tensor) -> None:
    """Stool is speckled with gas; positive oral contrast fills the colon of some."""
    canvas, draw = trunk.canvas, trunk.draw
    inside = (distance <= -2.6) & (canvas.hu[box] > -500.0)
    noise = torch.randn(distance.shape, generator=draw.generator, dtype=REAL).to(canvas.device)
    noise = (noise + noise.roll(1, 0) + noise.roll(1, 1) + noise.roll(1, 2)) / 2.0
    texture = 15.0 + 45.0 * noise - torch.where(noise > 1.1, 350.0, 0.0)
    if draw.chance(0.15):
        texture = texture + 260.0
    canvas.hu[box] = torch.where(inside, texture, canvas.hu[box])


def _small_bowel(trunk: Trunk) -> None:
    """Loops that wander through the free middle of the abdomen."""
    canvas, draw = trunk.canvas, trunk.draw
    d = trunk.deeper * 0.6
    contrast = 180.0 if draw.chance(0.2) else 0.0
    for _ in range(34):
        x, y, z = (
            draw.uniform(-80.0, 80.0),
            draw.uniform(62.0, 118.0 + d),
            draw.uniform(-180.0, -45.0),
        )
        points: list[XYZ] = [(x, y, z)]
        heading = draw.uniform(0.0, 2 * math.pi)
        for _ in range(6):
            heading += draw.uniform(-1.3, 1.3)
            x += 24.0 * math.cos(heading)
            z += 20.0 * math.sin(heading)
            y += draw.uniform(-14.0, 14.0)
            x, y, z = (
                min(max(x, -92.0), 88.0),
                min(max(y, 55.0), 124.0 + d),
                min(max(z, -196.0), -34.0),
            )
            points.append((x, y, z))
        tube = canvas.tube(points, draw.uniform(8.5, 12.5), steps=4)
        distance = _filled(
            trunk, "small_bowel", tube, wall_mm=2.4, air=0.12 if draw.chance(0.25) else 0.0
        )
        if contrast:
            inside = (distance <= -2.4) & (canvas.hu[tube[0]] > -500.0)
            canvas.hu[tube[0]][inside] = contrast


def _ascites(trunk: Trunk) -> None:
    """Fluid around the liver and the spleen, along the flanks and in the pelvis."""
    if not trunk.plan.has("ascites"):
        return
    canvas = trunk.canvas
    amount = trunk.draw.uniform(5.0, 22.0)
    x, y, z = canvas.xyz
    flank = trunk.wall_distance > -12.0 - amount
    low = (z < -165.0) & (y > 5.0) & (x.abs() < 75.0)
    wet = (
        (canvas.labels == FREE)
        & (y > -10.0)
        & ((flank & (y < 120.0)) | low)
        & (z < trunk.diaphragm(x, y))
    )
    canvas.hu[wet] = trunk.hu("ascites")
    canvas.labels[wet] = LABELS["ascites"]
    drop_specks(canvas, "ascites", least_cm3=8.0, label=FREE, hu=trunk.hu("fat"))
