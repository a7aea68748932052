"""Facts of a case as far as tool results tell them: nothing else is known here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from vol3d.anatomy import find_structure, thresholds_sha256
from vol3d.evaluate.agent.chat import Message, tool_results
from vol3d.evaluate.prompt import phase_named
from vol3d.measure.facts import (
    CaseFacts,
    LesionFacts,
    OrganFacts,
    PhaseFacts,
    Provenance,
    ScanFacts,
)
from vol3d.measure.rules import with_derived

Scalars = dict[str, dict[str, float]]
"""Results of ``measure``: target, measurement, value; ``mask_found`` is 0 or 1."""
_CONTRAST = re.compile(r"^Patient:.*\bcontrast=([^,.\n]+)", re.MULTILINE)
_NO_SHAPE, _NO_SPACING = (1, 1, 1), (1.0, 1.0, 1.0)
"""Where no tool tells the scan's grid; no rule reads it."""


def facts_told(messages: Sequence[Message]) -> CaseFacts:
    """The facts that tool results among messages tell, with what follows from them.

    Organs of ``measure`` count as whole unless the result says otherwise. Lesions come from
    ``list_lesions`` only; without ``describe_scan`` no type counts as looked for.

    Args:
        messages: Of one question; its prompt may name the contrast phase.

    Raises:
        ValidationError: A result has not the form of the live tools.
    """
    results = [(n, a, r) for n, a, r in tool_results(messages) if "error" not in r]
    scan = next((result for name, _, result in results if name == "describe_scan"), None)
    organs = _measured_organs(scalars_told(messages), _notes(results))
    organs |= _listed_organs(scan)
    organs |= {organ.key: organ for organ in _detailed_organs(results)}
    return with_derived(
        CaseFacts(
            scan=_scan(scan, messages),
            organs=organs,
            lesions=tuple(_lesions(results)),
            annotated={} if scan is None else scan["lesion_types_looked_for"],
            provenance=Provenance(vol3d_version=version("vol3d"), rules_sha256=thresholds_sha256()),
        )
    )


def scalars_told(messages: Sequence[Message]) -> Scalars:
    """Numbers of ``measure`` and findings of ``segment_organ``, by target."""
    table: Scalars = {}
    for name, arguments, result in tool_results(messages):
        target = str(arguments.get("target", ""))
        if "error" in result:
            continue
        if name == "segment_organ":
            table.setdefault(target, {})["mask_found"] = float(bool(result.get("mask_found")))
        elif name == "measure":
            kind = str(arguments.get("measurement_type", arguments.get("measurement", "")))
            value = _number(result)
            if value is not None:
                table.setdefault(target, {})[kind] = value
    return table


def _number(result: Mapping[str, Any]) -> float | None:
    """The value of a measurement: under ``value``, else the only number there is."""
    numbers = {
        key: float(value)
        for key, value in result.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if "value" in numbers:
        return numbers["value"]
    return next(iter(numbers.values())) if len(numbers) == 1 else None


def _notes(results: Sequence[tuple[str, Mapping[str, Any], Any]]) -> set[str]:
    """Targets whose measurement comes with a note: cut off or partly missing."""
    return {str(a.get("target")) for name, a, r in results if name == "measure" and "note" in r}


def _measured_organs(table: Scalars, noted: set[str]) -> dict[str, OrganFacts]:
    organs = {}
    for target, numbers in table.items():
        structure = find_structure(target)
        if structure is None or "volume_cm3" not in numbers:
            continue
        organs[structure.key] = OrganFacts(
            key=structure.key,
            status="truncated" if target in noted else "whole",
            volume_cm3=numbers["volume_cm3"],
            mean_intensity=numbers.get("mean_hu"),
        )
    return organs


def _listed_organs(scan: Mapping[str, Any] | None) -> dict[str, OrganFacts]:
    listed = {} if scan is None else scan["organs"]
    return {key: OrganFacts.model_validate({"key": key, **row}) for key, row in listed.items()}


def _detailed_organs(
    results: Sequence[tuple[str, Mapping[str, Any], Any]],
) -> Iterator[OrganFacts]:
    for name, _, result in results:
        if name != "organ_details":
            continue
        for row in result["organs"]:
            for each in (row, *row.get("parts", {}).values()):
                known = {k: v for k, v in each.items() if k in OrganFacts.model_fields}
                yield OrganFacts.model_validate(known)


def _lesions(results: Sequence[tuple[str, Mapping[str, Any], Any]]) -> Iterator[LesionFacts]:
    around = {
        result["lesion"]: {key: result[key] for key in ("contacts", "vessel_angles_deg")}
        for name, _, result in results
        if name == "lesion_surroundings"
    }
    rows = {
        row["id"]: row
        for name, _, result in results
        if name == "list_lesions"
        for row in result["lesions"]
    }
    for lesion_id, row in rows.items():
        yield LesionFacts.model_validate({**row, **around.get(lesion_id, {})})


def _scan(scan: Mapping[str, Any] | None, messages: Sequence[Message]) -> ScanFacts:
    if scan is not None:
        return ScanFacts(
            modality=scan["modality"],
            unit=scan["unit"],
            shape_zyx=scan["shape_zyx"],
            spacing_zyx_mm=scan["spacing_zyx_mm"],
            phase=PhaseFacts(value=scan["phase"], source="declared"),
            kvp=scan["kvp"],
        )
    prompts = [m["content"] for m in messages if m["role"] == "user"]
    named = _CONTRAST.search(prompts[0]) if prompts else None
    phase = phase_named(named.group(1)) if named else None
    return ScanFacts(
        modality="CT",
        unit="HU",
        shape_zyx=_NO_SHAPE,
        spacing_zyx_mm=_NO_SPACING,
        phase=PhaseFacts(value=phase, source="declared" if phase else "unknown"),
    )
