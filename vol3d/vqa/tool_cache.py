"""Tool caches: what an agent's tools answer about a case, in the layout of DeepTumorVQA 2.0."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vol3d.anatomy import structure
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.rules import is_fully_annotated, was_looked_for

LESION_TARGETS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "liver_tumor": ("liver", None),
        "kidney_tumor": ("kidney", "tumor"),
        "kidney_cyst": ("kidney", "cyst"),
        "pancreas_tumor": ("pancreas", None),
        "colon_tumor": ("colon", None),
    }
)
"""Targets that stand for lesions: organ, and type if not all."""


def case_tools(facts: CaseFacts) -> dict[str, Any]:
    """Answers of ``segment_organ`` and ``measure`` about one case.

    ``bounding_box`` is first x, y, z and last x, y, z; ``center_of_mass`` is in RAS mm.
    """
    segment: dict[str, Any] = {}
    measure: dict[str, Any] = {}
    for key, organ in facts.organs.items():
        if structure(key).kind not in ("organ", "vessel") or not organ.is_measured:
            continue
        box, centre = organ.box_zyx, organ.centroid_ras_mm
        segment[key] = {
            "mask_found": True,
            "voxel_count": organ.num_voxels,
            "bounding_box": None if box is None else [*box[2::-1], *box[:2:-1]],
            "center_of_mass": None if centre is None else _rounded(centre),
        }
        measure[key] = {"volume_cm3": _value(organ.volume_cm3, "cm3")}
        if facts.scan.unit == "HU" and organ.mean_intensity is not None:
            measure[key]["mean_hu"] = _value(organ.mean_intensity, "HU")
    for target, (organ_group, lesion_type) in LESION_TARGETS.items():
        lesions = facts.lesions_of(organ_group, lesion_type)
        if not lesions and not _is_known(facts, organ_group, lesion_type):
            continue
        segment[target] = {"mask_found": bool(lesions)}
        measure[target] = lesion_scalars(facts, lesions)
    return {"segment": segment, "measure": measure}


def _is_known(facts: CaseFacts, organ: str, lesion_type: str | None) -> bool:
    if lesion_type is None:
        return is_fully_annotated(facts, organ)
    return was_looked_for(facts, organ, lesion_type)


def lesion_scalars(facts: CaseFacts, lesions: tuple[LesionFacts, ...]) -> dict[str, Any]:
    """What ``measure`` answers about lesions, by measurement.

    Args:
        facts: The case.
        lesions: Largest first; none is an answer too.
    """
    values = {
        "lesion_count": _value(len(lesions), ""),
        "volume_cm3": _value(sum(each.volume_cm3 for each in lesions), "cm3"),
    }
    if not lesions:
        return values
    longest = lesions[0].longest_axial_diameter_mm
    values["largest_lesion_volume_cm3"] = _value(lesions[0].volume_cm3, "cm3")
    values["largest_lesion_diameter_cm"] = _value(longest / 10, "cm")
    values["max_diameter_mm"] = _value(
        max(each.longest_axial_diameter_mm for each in lesions), "mm"
    )
    if facts.scan.unit == "HU":
        total = sum(each.volume_cm3 for each in lesions)
        mean = sum(each.volume_cm3 * each.mean_intensity for each in lesions) / total
        values["mean_hu"] = _value(mean, "HU")
    return values


def _value(value: float, unit: str) -> dict[str, Any]:
    return {"value": round(value, 3), "unit": unit}


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 2) for value in values]


def write_tool_cache(path: Path, cases: Iterable[CaseFacts]) -> None:
    """Writes a tool cache of many cases."""
    cache = {facts.case_id: case_tools(facts) for facts in cases}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"cache": cache}, ensure_ascii=True, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")
