"""What a chest has beyond a trunk: airways, great vessels, lobes, shoulders, pathologies."""

from __future__ import annotations

import torch

from vol3d.phantom.subjects.abdomen import Trunk
from vol3d.phantom.subjects.canvas import XYZ, drop_specks
from vol3d.phantom.subjects.tissues import LABELS


def paint_upper_chest(trunk: Trunk) -> None:
    """Trachea and bronchi, aortic arch, pulmonary arteries, cava, breastbone, shoulders."""
    canvas = trunk.canvas
    red, blue = trunk.hu("aorta", "aorta"), trunk.hu("inferior_vena_cava", "portal")
    soft = ("fat", "muscle", "lung_left", "lung_right", "fat_of_cavity")
    arch: list[XYZ] = [
        (-6.0, 70.0, 140.0),
        (4.0, 74.0, 175.0),
        (-2.0, 58.0, 212.0),
        (-14.0, 24.0, 214.0),
        (-18.0, 8.0, 196.0),
        (-16.0, 12.0, 150.0),
    ]
    canvas.paint(
        "aorta", canvas.tube(arch, (15.0, 15.0, 13.5, 12.5, 12.0, 12.0)), hu=red, over=soft
    )
    lung_blood = trunk.hu("pulmonary_artery", "aorta")
    trunk_of_lung: list[XYZ] = [(-22.0, 78.0, 142.0), (-22.0, 58.0, 166.0)]
    canvas.paint("pulmonary_artery", canvas.tube(trunk_of_lung, 14.0), hu=lung_blood, over=soft)
    for sign, end in ((-1.0, (-52.0, 34.0, 168.0)), (1.0, (50.0, 32.0, 156.0))):
        branch = canvas.tube(
            [(-20.0, 56.0, 166.0), (sign * 20.0 - 6.0, 44.0, 164.0), end], (11.0, 10.0, 8.0)
        )
        canvas.paint("pulmonary_artery", branch, hu=lung_blood, over=soft)
    cava = canvas.tube([(26.0, 60.0, 140.0), (28.0, 58.0, 190.0), (24.0, 60.0, 235.0)], 10.0)
    canvas.paint("superior_vena_cava", cava, hu=blue, over=soft)
    pipe = canvas.tube([(2.0, 24.0, 300.0), (4.0, 22.0, 240.0), (4.0, 22.0, 184.0)], 9.5)
    canvas.paint("trachea", pipe, hu=-990.0, over=(*soft, "aorta"))
    for end in ((-40.0, 20.0, 150.0), (42.0, 20.0, 152.0)):
        bronchus = canvas.tube([(4.0, 22.0, 186.0), end], (8.0, 5.0))
        canvas.paint("trachea", bronchus, hu=-985.0, over=soft)
    plate = canvas.ellipsoid(
        (0.0, 126.0 + trunk.deeper * 0.3, 170.0), (15.0, 5.0, 80.0), turn_deg=(12.0, 0.0, 0.0)
    )
    trunk._bone("sternum", plate, (*soft, "skin"))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        blade = canvas.ellipsoid(
            (sign * 92.0, -62.0, 205.0), (42.0, 4.0, 58.0), turn_deg=(8.0, 0.0, sign * 24.0)
        )
        trunk._bone(f"scapula_{side}", blade, ("muscle", "fat", "skin"))


def paint_lobes(trunk: Trunk) -> None:
    """Lobes: the oblique fissure falls from the upper back to the lower front."""
    canvas = trunk.canvas
    _, y, z = canvas.xyz
    oblique = z < 175.0 - 1.15 * (y + 40.0)
    flat = z < 160.0
    left, right = canvas.labels == LABELS["lung_left"], canvas.labels == LABELS["lung_right"]
    for lung, where, key in (
        (left, oblique, "lung_lower_lobe_left"),
        (left, ~oblique, "lung_upper_lobe_left"),
        (right, oblique, "lung_lower_lobe_right"),
        (right, ~oblique & flat, "lung_middle_lobe_right"),
        (right, ~oblique & ~flat, "lung_upper_lobe_right"),
    ):
        canvas.parts[lung & where] = LABELS[key]
    for key, lung in (("lung_left", left), ("lung_right", right)):
        whole = (slice(None), slice(None), slice(None))
        trunk.depth[key] = (whole, torch.where(lung, -8.0, 99.0))


def paint_chest_pathologies(trunk: Trunk) -> None:
    """Effusion behind and below, emphysema above, consolidation in one lobe."""
    canvas, draw, plan = trunk.canvas, trunk.draw, trunk.plan
    x, y, z = canvas.xyz
    for side in ("left", "right"):
        if plan.has(f"effusion_{side}"):  # type: ignore[arg-type]
            lung = canvas.labels == LABELS[f"lung_{side}"]
            height = draw.uniform(30.0, 75.0)
            lowest = (z - trunk.diaphragm(x, y)) * 0.4 + (y + 60.0) * 0.8 * trunk.swing
            wet = lung & (lowest < height)
            canvas.labels[wet] = LABELS["effusion"]
            canvas.hu[wet] = trunk.hu("effusion")
            lung_label = LABELS[f"lung_{side}"]
            drop_specks(canvas, "effusion", least_cm3=8.0, label=lung_label, hu=trunk.hu("lung"))
    lungs = (canvas.labels == LABELS["lung_left"]) | (canvas.labels == LABELS["lung_right"])
    if plan.has("emphysema"):
        holes = torch.zeros_like(lungs)
        for _ in range(90):
            at = (
                draw.uniform(-110.0, 110.0),
                draw.uniform(-45.0, 100.0),
                draw.uniform(70.0, 260.0),
            )
            r = draw.uniform(5.0, 17.0)
            box, distance = canvas.ellipsoid(at, (r, r, r))
            holes[box] |= distance <= 0
        canvas.hu[lungs & holes] = -985.0
    if plan.has("consolidation"):
        side = ("left", "right")[draw.integer(2)]
        sign = -1.0 if side == "left" else 1.0
        at = (sign * draw.uniform(55.0, 95.0), draw.uniform(-30.0, 60.0), draw.uniform(80.0, 170.0))
        box, distance = canvas.ellipsoid(
            at, (draw.uniform(18.0, 40.0), draw.uniform(18.0, 40.0), draw.uniform(18.0, 36.0))
        )
        solid = (distance <= 0) & (canvas.labels[box] == LABELS[f"lung_{side}"])
        canvas.hu[box][solid] = 25.0
        canvas.labels[box][solid] = LABELS["consolidation"]
