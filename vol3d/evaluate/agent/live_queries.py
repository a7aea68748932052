"""What live tools look up in the facts of a case, by the names that a model uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vol3d.anatomy import group_members, is_group, structure
from vol3d.evaluate.agent import live_values as values
from vol3d.evaluate.agent.toolset import ToolArgumentError
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.lesion_rules import organ_volume_cm3
from vol3d.vqa.tool_cache import lesion_scalars


def all_whole(facts: CaseFacts, names: Iterable[str]) -> bool:
    """Whether all structures that some names mean lie whole in the scan."""
    keys = (key for name in names for key in values.find_target(name, facts).keys)
    return all(facts.whole_organ(key) is not None for key in keys)


def segmented(facts: CaseFacts, keys: tuple[str, ...]) -> Mapping[str, Any]:
    """What ``segment_organ`` tells of structures that have no row in tool caches."""
    organs = [organ for organ in (facts.organs.get(key) for key in keys) if organ is not None]
    if not organs:
        known = list(values.targets(facts))
        error = f"no mask of {', '.join(keys)}"
        return {"mask_found": False, "error": error, "available_targets": known}
    counts = [organ.num_voxels for organ in organs if organ.num_voxels is not None]
    return {
        "mask_found": any(organ.is_measured for organ in organs),
        "voxel_count": sum(counts),
        "parts": {organ.key: organ.status for organ in organs},
    }


def organ_scalars(facts: CaseFacts, keys: tuple[str, ...]) -> dict[str, Any]:
    """What ``measure`` tells of structures together, by measurement.

    Raises:
        ToolArgumentError: None of them is in the scan.
    """
    volume, mean, is_whole = values.volume_of(facts, keys)
    note = {} if is_whole else {"note": "cut off or partly missing: a lower bound"}
    table = {"volume_cm3": values.measured(volume, "cm3", **note)}
    if mean is not None and facts.scan.unit == "HU":
        table["mean_hu"] = values.measured(mean, "HU")
    return table


def lesion_table(facts: CaseFacts, target: values.Target, name: str) -> dict[str, Any]:
    """What ``measure`` tells of lesions, by measurement.

    Raises:
        ToolArgumentError: Nobody looked for them.
    """
    found = values.chosen_lesions(facts, target)
    if not found and not values.is_known(facts, target.organ, target.lesion_type):
        raise ToolArgumentError(f"{name[:60]} was not looked for in this case")
    return lesion_scalars(facts, found)


def organ_group(facts: CaseFacts, name: str) -> str:
    """The organ group that a name means: ``kidney`` for ``left kidney``."""
    target = values.find_target(name, facts)
    if not target.keys:
        return target.organ
    return structure(target.keys[0]).group


def organ_keys(facts: CaseFacts, name: str) -> tuple[str, ...]:
    """Structures that a name means; of lesions the organ that holds them."""
    target = values.find_target(name, facts)
    if target.keys:
        return target.keys
    return group_members(target.organ) if is_group(target.organ) else ()


def typed_lesions(facts: CaseFacts, arguments: Mapping[str, str]) -> tuple[LesionFacts, ...]:
    """Lesions of an organ, of one side if the organ's name says it."""
    target = values.find_target(arguments["organ"], facts)
    kind = arguments.get("lesion_type")
    lesions = facts.lesions_of(
        organ_group(facts, arguments["organ"]), None if kind in (None, "lesion") else kind
    )
    if len(target.keys) == 1 and target.keys[0].endswith(("_left", "_right")):
        side = target.keys[0].rsplit("_", 1)[1]
        return tuple(each for each in lesions if each.side == side)
    return lesions


def quantity_of(facts: CaseFacts, name: str, quantity: str) -> float:
    """One quantity of one organ.

    Raises:
        ToolArgumentError: It is not known.
    """
    target = values.find_target(name, facts)
    group = organ_group(facts, name)
    found: float | None
    if quantity == "lesion_burden_percent":
        found = facts.derived.burden_percent.get(group)
    elif quantity == "lesion_count":
        is_known = values.is_known(facts, group, None)
        found = float(len(typed_lesions(facts, {"organ": name}))) if is_known else None
    elif quantity == "mean_hu":
        found = values.volume_of(facts, target.keys)[1] if facts.scan.unit == "HU" else None
    else:
        whole = organ_volume_cm3(facts, group) if len(target.keys) > 1 else None
        found = whole if whole is not None else values.volume_of(facts, target.keys)[0]
    if found is None:
        raise ToolArgumentError(f"{quantity} of {name[:60]} is not known in this case")
    return found
