"""What live tools say about a case: plain JSON values from its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vol3d.anatomy import find_lesion_mask, find_structure, group_members, is_group, parts_of
from vol3d.evaluate.agent.toolset import ToolArgumentError
from vol3d.measure.facts import CaseFacts, LesionFacts, OrganFacts, Side
from vol3d.measure.rules import is_fully_annotated, was_looked_for
from vol3d.vqa.tool_cache import LESION_TARGETS

_DECIMALS = 3
_ANY = "lesion"
_MOST_NAMED = 30
"""Targets that an error names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a target's name means: structures, or lesions of an organ.

    Args:
        keys: Structures together; empty for lesions.
        organ: Organ group of the lesions.
        lesion_type: Only this type; all if ``None``.
        side: Only this side.
    """

    keys: tuple[str, ...] = ()
    organ: str = ""
    lesion_type: str | None = None
    side: Side | None = None


def find_target(name: str, facts: CaseFacts) -> Target:
    """What a target means: ``liver``, ``left kidney``, ``kidneys``, ``kidney_cyst``, ``liver-1``.

    ``liver_tumor``, ``pancreas_tumor`` and ``colon_tumor`` are all lesions of the organ, as in the
    tool caches of DeepTumorVQA.

    Raises:
        ToolArgumentError: It means nothing; the message names what there is.
    """
    plain = name.strip().casefold().replace(" ", "_")
    if plain in LESION_TARGETS:
        organ, lesion_type = LESION_TARGETS[plain]
        return Target(organ=organ, lesion_type=lesion_type)
    structure = find_structure(plain)
    if structure is not None:
        return Target(keys=(structure.key,))
    group = plain.removesuffix("s")
    if is_group(group):
        return Target(keys=group_members(group))
    lesion = find_lesion_mask(plain)
    if lesion is not None and lesion.organ is not None:
        kind = None if lesion.type == _ANY else lesion.type
        return Target(organ=lesion.organ, lesion_type=kind, side=lesion.side)
    known = targets(facts)
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    shown = ", ".join(known[:_MOST_NAMED])
    raise ToolArgumentError(f"unknown target {name[:60]!r}; there are {shown}{more}")


def targets(facts: CaseFacts) -> tuple[str, ...]:
    """Names of everything that can be asked about in a case: lesions, organs, vessels."""
    organs = [key for key, organ in facts.organs.items() if organ.is_measured]
    lesions = [f"{organ}_{kind}" for organ, kinds in facts.annotated.items() for kind in kinds]
    return tuple(dict.fromkeys([*LESION_TARGETS, *lesions, *organs]))


def chosen_lesions(facts: CaseFacts, target: Target) -> tuple[LesionFacts, ...]:
    """Lesions that a target means, largest first."""
    return facts.lesions_of(target.organ, target.lesion_type, side=target.side)


def is_known(facts: CaseFacts, organ: str, lesion_type: str | None) -> bool:
    """Whether an empty list of such lesions means that there are none."""
    if lesion_type in (None, _ANY):
        return is_fully_annotated(facts, organ)
    return was_looked_for(facts, organ, str(lesion_type))


def scan_values(facts: CaseFacts) -> dict[str, Any]:
    """The scan, the structures that masks could show, and what was looked for."""
    scan = facts.scan
    return {
        "modality": scan.modality,
        "unit": scan.unit,
        "phase": scan.phase.value,
        "kvp": scan.kvp,
        "shape_zyx": list(scan.shape_zyx),
        "spacing_zyx_mm": rounded(scan.spacing_zyx_mm),
        "num_slices": scan.shape_zyx[0],
        "organs": {
            key: {"status": organ.status, "volume_cm3": round(organ.volume_cm3, _DECIMALS)}
            for key, organ in facts.organs.items()
        },
        "lesion_types_looked_for": {key: list(types) for key, types in facts.annotated.items()},
        "lesion_counts": facts.derived.lesion_counts,
        "mask_source": facts.provenance.mask_source,
        "not_settled": {gate.rule: gate.reason for gate in facts.derived.gates},
    }


def organ_values(facts: CaseFacts, key: str) -> dict[str, Any]:
    """One structure with its parts."""
    organ = facts.organs[key]
    values = _organ(organ)
    parts = [facts.organs[part] for part in parts_of(key) if part in facts.organs]
    if parts:
        values["parts"] = {part.key: _organ(part) for part in parts}
    return values


def _organ(organ: OrganFacts) -> dict[str, Any]:
    values: dict[str, Any] = {
        "key": organ.key,
        "status": organ.status,
        "volume_cm3": round(organ.volume_cm3, _DECIMALS),
        "mean_intensity": _optional(organ.mean_intensity),
        "std_intensity": _optional(organ.std_intensity),
        "centroid_ras_mm": None,
        "box_zyx": None if organ.box_zyx is None else list(organ.box_zyx),
    }
    if organ.centroid_ras_mm is not None:
        values["centroid_ras_mm"] = rounded(organ.centroid_ras_mm)
    if organ.status == "truncated":
        values["note"] = "cut off by the field of view: the volume is a lower bound"
    return values


def lesion_values(lesion: LesionFacts) -> dict[str, Any]:
    """One lesion without what lies around it."""
    values = lesion.model_dump(exclude={"contacts", "vessel_angles_deg"}, mode="json")
    told = {key: _shortened(value) for key, value in values.items()}
    return {**told, "volume_cm3": round(lesion.volume_cm3, 6)}  # a voxel may be below 1 mm3


def around_values(lesion: LesionFacts) -> dict[str, Any]:
    """What lies around a lesion: organs and vessels nearest first, and contact with vessels."""
    return {
        "lesion": lesion.id,
        "organ": lesion.organ,
        "contacts": [
            {
                "structure": contact.structure,
                "gap_mm": round(contact.gap_mm, _DECIMALS),
                "near_voxels": contact.near_voxels,
            }
            for contact in lesion.contacts
        ],
        "vessel_angles_deg": {k: round(v, 1) for k, v in lesion.vessel_angles_deg.items()},
    }


def slice_values(facts: CaseFacts, first: int, last: int, best: int) -> dict[str, Any]:
    """Slices by index from the feet, and the best of them in percent of the stack."""
    top = max(facts.scan.shape_zyx[0] - 1, 1)
    return {
        "slice_index": best,
        "slice_percent": round(100.0 * best / top, _DECIMALS),
        "first_slice": first,
        "last_slice": last,
        "num_slices": facts.scan.shape_zyx[0],
        "counted_from": "inferior, from 0",
    }


def volume_of(facts: CaseFacts, keys: Iterable[str]) -> tuple[float, float | None, bool]:
    """Summed volume, mean weighted by volume, and whether all are whole.

    Raises:
        ToolArgumentError: None of them is in the scan.
    """
    found = [each for each in (facts.organ(key) for key in keys) if each is not None]
    if not found:
        raise ToolArgumentError(f"{', '.join(keys)} is not in the scan or has no mask")
    total = sum(each.volume_cm3 for each in found)
    means = [(e.volume_cm3, e.mean_intensity) for e in found if e.mean_intensity is not None]
    weight = sum(volume for volume, _ in means)
    mean = sum(volume * value for volume, value in means) / weight if weight else None
    whole = all(facts.whole_organ(key) is not None for key in keys)
    return total, mean, whole


def measured(value: float, unit: str, **notes: Any) -> dict[str, Any]:
    """A value with its unit, as tool caches have it."""
    return {"value": round(value, _DECIMALS), "unit": unit, **notes}


def rounded(values: Iterable[float]) -> list[float]:
    """Values with as many decimals as tools tell."""
    return [round(value, _DECIMALS) for value in values]


def _optional(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _shortened(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value


def finding_values(facts: CaseFacts) -> Mapping[str, Any]:
    """Everything that the rules derive from organs and lesions, not rounded to whole steps."""
    record = facts.derived.model_dump(mode="json", exclude={"gates"})
    known = {key: value for key, value in record.items() if value not in (None, {})}
    return {
        "findings": {key: _deep(value) for key, value in known.items()},
        "not_settled": {gate.rule: gate.reason for gate in facts.derived.gates},
    }


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep(each) for key, each in value.items()}
    return _shortened(value)
