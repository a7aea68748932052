"""Facts written by hand or at random, without scans: short forms for tests."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from vol3d.anatomy import parts_of, structure
from vol3d.measure.facts import (
    CaseFacts,
    Contact,
    LesionFacts,
    OrganFacts,
    PhaseFacts,
    Provenance,
    ScanFacts,
)

NUM_SLICES = 101


def organ(
    key: str,
    volume_cm3: float,
    mean: float | None = 100.0,
    std: float | None = 20.0,
    *,
    status: str = "whole",
) -> OrganFacts:
    """An organ; ``status="absent"`` drops volume and intensities."""
    is_there = status in ("whole", "truncated")
    side = structure(key).side
    x = {"left": -60.0, "right": 60.0, None: 0.0}[side]
    return OrganFacts(
        key=key,
        status=status,  # type: ignore[arg-type]
        volume_cm3=volume_cm3 if is_there else 0.0,
        mean_intensity=mean if is_there else None,
        std_intensity=std if is_there else None,
        centroid_ras_mm=(x, 0.0, 0.0) if is_there else None,
    )


def lesion(
    organ: str,
    lesion_type: str = "lesion",
    volume_cm3: float = 1.0,
    *,
    diameter_mm: float | None = None,
    mean: float = 40.0,
    std: float = 10.0,
    side: str | None = None,
    segments: Iterable[str] = (),
    slice_index: int = 50,
    attenuation: str | None = "hypoattenuating",
    contacts: Iterable[tuple[str, float, int]] = (),
    vessel_angles_deg: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """A lesion as keyword arguments; ``make_case`` gives it its id.

    Without a diameter it is a ball's: 4.19 cm3 is 20 mm.
    """
    long_mm = (volume_cm3 * 1000.0 * 6 / 3.141592653589793) ** (1 / 3)
    long_mm = long_mm if diameter_mm is None else diameter_mm
    return {
        "organ": organ,
        "type": lesion_type,
        "volume_cm3": volume_cm3,
        "longest_axial_diameter_mm": long_mm,
        "perpendicular_diameter_mm": 0.8 * long_mm,
        "feret_3d_mm": 1.1 * long_mm,
        "slice_index": slice_index,
        "slice_percent": 100.0 * slice_index / (NUM_SLICES - 1),
        "mean_intensity": mean,
        "std_intensity": std,
        "attenuation": attenuation,
        "centroid_ras_mm": ({"left": -60.0, "right": 60.0, None: 0.0}[side], 0.0, 0.0),
        "side": side,
        "segments": tuple(segments) or ((side,) if organ == "kidney" and side else ()),
        "contacts": tuple(Contact(structure=s, gap_mm=g, near_voxels=n) for s, g, n in contacts),
        "vessel_angles_deg": dict(vessel_angles_deg or {}),
    }


def make_case(
    organs: Iterable[OrganFacts],
    lesions: Iterable[Mapping[str, Any]] = (),
    *,
    annotated: Mapping[str, tuple[str, ...]] | None = None,
    phase: str | None = "venous",
    kvp: float | None = 120.0,
    modality: str = "CT",
    case_id: str = "case",
) -> CaseFacts:
    """A case with derived facts; lesions get ids by volume, such as ``liver-1``."""
    from vol3d.measure.rules import with_derived

    ordered = sorted(lesions, key=lambda each: -each["volume_cm3"])
    ranks: dict[str, int] = {}
    made = []
    for each in ordered:
        ranks[each["organ"]] = ranks.get(each["organ"], 0) + 1
        made.append(LesionFacts(id=f"{each['organ']}-{ranks[each['organ']]}", **each))
    found = {each["organ"] for each in ordered}
    looked_for = annotated if annotated is not None else {o: ("lesion",) for o in sorted(found)}
    return with_derived(
        CaseFacts(
            case_id=case_id,
            scan=ScanFacts(
                modality=modality,  # type: ignore[arg-type]
                unit="HU" if modality == "CT" else "arbitrary",
                shape_zyx=(NUM_SLICES, 512, 512),
                spacing_zyx_mm=(2.5, 0.8, 0.8),
                phase=PhaseFacts(value=phase, source="declared"),  # type: ignore[arg-type]
                kvp=kvp if modality == "CT" else None,
                regions=("abdomen",),
            ),
            organs={each.key: each for each in organs},
            lesions=tuple(made),
            annotated=dict(looked_for),
            provenance=Provenance(
                mask_source="annotator", vol3d_version="0", rules_sha256="0" * 64
            ),
        )
    )


_ORGANS_CM3 = {
    "liver": (700, 2600, 30, 120),
    "spleen": (80, 1000, 35, 130),
    "pancreas": (30, 140, 20, 110),
    "kidney_left": (70, 320, 25, 180),
    "kidney_right": (70, 320, 25, 180),
}
_NEIGHBOURS = (
    "duodenum",
    "small_bowel",
    "stomach",
    "spleen",
    "colon",
    "liver",
    "gallbladder",
    "adrenal_gland_left",
    "common_bile_duct",
)
_VESSELS = (
    "superior_mesenteric_artery",
    "celiac_trunk",
    "common_hepatic_artery",
    "portal_vein_and_splenic_vein",
    "inferior_vena_cava",
)
_TYPES = {
    "liver": ("lesion", "tumor", "cyst"),
    "pancreas": ("pdac", "pnet", "cyst", "lesion"),
    "kidney": ("tumor", "cyst", "lesion"),
    "colon": ("lesion",),
}


def random_case(seed: int) -> CaseFacts:
    """A plausible abdomen with random organs, lesions, phase and gaps in what was annotated."""
    rng = random.Random(seed)
    organs = [_random_organ(rng, key) for key in _ORGANS_CM3 if rng.random() < 0.95]
    has = {each.key for each in organs if each.is_measured}
    organs += [
        organ(part, rng.uniform(40, 300), rng.uniform(60, 110))
        for part in (*parts_of("liver"), *parts_of("pancreas"))
        if part.startswith(("liver_segment", "pancreas_")) and structure(part).parent in has
    ]
    organs += [organ(key, rng.uniform(20, 400), rng.uniform(20, 90)) for key in _NEIGHBOURS[:3]]
    organs += [organ("colon", rng.uniform(300, 1500), rng.uniform(-300, 40))]
    lesions = []
    annotated: dict[str, tuple[str, ...]] = {}
    for name, types in _TYPES.items():
        if rng.random() < 0.15:
            continue
        annotated[name] = types
        sides = [s for s in ("left", "right") if f"kidney_{s}" in has] if name == "kidney" else []
        if name not in has | {"colon"} and not sides:
            continue
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 5, 8))):
            lesions.append(_random_lesion(rng, name, rng.choice(types), sides))
    phase = rng.choice(("unenhanced", "arterial", "venous", "venous", "delayed", None))
    return make_case(organs, lesions, annotated=annotated, phase=phase, case_id=f"BDMAP_{seed:08d}")


def _random_organ(rng: random.Random, key: str) -> OrganFacts:
    low, high, low_hu, high_hu = _ORGANS_CM3[key]
    status = rng.choices(("whole", "truncated", "absent", "not_seen"), (88, 6, 4, 2))[0]
    volume, mean = rng.uniform(low, high), rng.uniform(low_hu, high_hu)
    return organ(key, volume, mean, rng.uniform(8, 35), status=status)


def _random_lesion(
    rng: random.Random, name: str, lesion_type: str, sides: list[str]
) -> dict[str, Any]:
    parts = {"liver": [str(n) for n in range(1, 9)], "pancreas": ["head", "body", "tail"]}
    side = rng.choice(sides) if sides else None
    choices = parts.get(name, [])
    count = min(len(choices), rng.choice((1, 1, 1, 2)))
    chosen = sorted(rng.sample(choices, count), key=choices.index)
    diameter = min(5.0 * 1.8 ** rng.uniform(0, 5), 120.0)
    others = [s for s in _NEIGHBOURS if s != name]
    return lesion(
        name,
        lesion_type,
        max(0.02, (diameter / 10) ** 3 * 0.5236 * rng.uniform(0.5, 1.0)),
        diameter_mm=diameter,
        mean=rng.uniform(-30, 150),
        std=rng.uniform(5, 30),
        side=side,
        segments=chosen,
        slice_index=rng.randrange(NUM_SLICES),
        attenuation=rng.choice(("hypoattenuating", "isoattenuating", "hyperattenuating")),
        contacts=[
            (other, gap, 0 if gap > 4 else rng.randrange(1, 900))
            for other, gap in ((o, rng.uniform(0, 30)) for o in rng.sample(others, 4))
        ],
        vessel_angles_deg=(
            {v: rng.choice((0.0, 0.0, rng.uniform(1, 330))) for v in _VESSELS}
            if name == "pancreas"
            else {}
        ),
    )
