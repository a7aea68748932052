"""What can be asked about a case: every filling of a subtype's slots."""

from __future__ import annotations

from itertools import combinations, permutations

from vol3d.measure.facts import CaseFacts
from vol3d.measure.neighbours import part_names
from vol3d.vqa.table import ALL_SUBTYPES

VOLUME_ORGANS = ("liver", "spleen", "pancreas", "kidney_left", "kidney_right")
HU_ORGANS = ("liver", "spleen", "pancreas", "kidney")
LESION_ORGANS = ("liver", "pancreas", "kidney", "colon")
PART_ORGANS = ("liver", "pancreas", "kidney")
TYPES_OF = {
    "liver": ("lesion", "tumor", "cyst"),
    "pancreas": ("lesion", "pdac", "pnet", "cyst"),
    "kidney": ("lesion", "tumor", "cyst"),
    "colon": ("lesion",),
}
_ORGANS = {
    "organ volume measurement": VOLUME_ORGANS,
    "organ HU measurement": HU_ORGANS,
    "organ HU ratio": ("liver", "pancreas"),
    "tumor burden percentage": ("liver", "pancreas", "kidney"),
    "organ enlargement": VOLUME_ORGANS,
    "lesion outlier": LESION_ORGANS,
    "tumor organ HU difference": ("liver", "pancreas", "kidney"),
    "largest lesion attenuation": ("liver", "pancreas", "kidney"),
    "largest lesion location": PART_ORGANS,
    "adjacent organ": ("liver", "pancreas", "kidney"),
}


def possible_slots(subtype: str, facts: CaseFacts) -> list[dict[str, str]]:
    """Every filling of a subtype's slots that makes sense for a case, in a fixed order.

    Whether the facts settle the answer is not asked here.
    """
    wanted = ALL_SUBTYPES[subtype].slots
    if not wanted:
        return [{}]
    if wanted == ("abnormality",):
        return [
            {"abnormality": word} for word in (facts.chest.abnormalities if facts.chest else ())
        ]
    if wanted == ("organ", "organ_b"):
        return _organ_pairs(subtype, facts)
    if wanted == ("organ", "lesion_type"):
        return [{"organ": o, "lesion_type": t} for o in LESION_ORGANS for t in TYPES_OF[o]]
    if wanted == ("organ", "segment", "segment_b"):
        return [
            {"organ": organ, "segment": a, "segment_b": b}
            for organ in ("liver", "pancreas")
            for a, b in permutations(part_names(organ).values(), 2)
        ]
    if "segment" in wanted:
        return [
            {"organ": organ, "segment": part, "lesion_type": lesion_type}
            for organ in PART_ORGANS
            for part in part_names(organ).values()
            for lesion_type in TYPES_OF[organ]
        ]
    return [{"organ": organ} for organ in _ORGANS[subtype]]


def _organ_pairs(subtype: str, facts: CaseFacts) -> list[dict[str, str]]:
    if subtype == "organ aggregation":
        return [{"organ": a, "organ_b": b} for a, b in combinations(VOLUME_ORGANS, 2)]
    organs = [organ for organ in ("liver", "pancreas", "kidney") if organ in facts.annotated]
    return [{"organ": a, "organ_b": b} for a, b in permutations(organs, 2)]
