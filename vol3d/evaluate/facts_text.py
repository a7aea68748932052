"""Facts as lines of text for a language model: sorted, with units, each with its id."""

from __future__ import annotations

from collections.abc import Iterator

from vol3d.measure.facts import CaseFacts, LesionFacts, OrganFacts


def facts_text(facts: CaseFacts) -> str:
    """All facts of a case, one per line; ``id: value unit``.

    Args:
        facts: The case.
    """
    return "\n".join(_lines(facts))


def _lines(facts: CaseFacts) -> Iterator[str]:
    if facts.scan.phase.value is not None:
        yield f"scan.phase: {facts.scan.phase.value}"
    for key in sorted(facts.organs):
        yield from _organ_lines(facts.organs[key], facts.scan.unit)
    for lesion in sorted(facts.lesions, key=lambda each: each.id):
        yield from _lesion_lines(lesion, facts.scan.unit)
    looked_for = (
        f"{organ} ({', '.join(types)})" for organ, types in sorted(facts.annotated.items())
    )
    yield f"lesions were looked for in: {'; '.join(looked_for) or 'no organ'}"
    derived = facts.derived.model_dump(mode="json", exclude_none=True, exclude={"gates"})
    for name in sorted(derived):
        value = derived[name]
        if isinstance(value, dict):
            for key in sorted(value):
                yield f"derived.{name}.{key}: {_shown(value[key])}"
        else:
            yield f"derived.{name}: {_shown(value)}"
    for gate in facts.derived.gates:
        yield f"not settled, {gate.rule}: {gate.reason}"


def _organ_lines(organ: OrganFacts, unit: str) -> Iterator[str]:
    start = f"organs.{organ.key}"
    if not organ.is_measured:
        yield f"{start}: {organ.status}"
        return
    note = " (cut off by the field of view)" if organ.status == "truncated" else ""
    yield f"{start}.volume_cm3: {organ.volume_cm3:.1f} cm3{note}"
    if organ.mean_intensity is not None and organ.std_intensity is not None:
        yield (
            f"{start}.mean_intensity: {organ.mean_intensity:.1f} {unit}, "
            f"standard deviation {organ.std_intensity:.1f}"
        )


def _lesion_lines(lesion: LesionFacts, unit: str) -> Iterator[str]:
    start = f"lesions.{lesion.id}"
    side = f"{lesion.side} " if lesion.side else ""
    yield f"{start}: {side}{lesion.organ} {lesion.type}"
    yield f"{start}.volume_cm3: {lesion.volume_cm3:.1f} cm3"
    yield (
        f"{start}.longest_axial_diameter_mm: {lesion.longest_axial_diameter_mm:.0f} mm x "
        f"{lesion.perpendicular_diameter_mm:.0f} mm"
    )
    yield f"{start}.slice_percent: {lesion.slice_percent:.1f} % of the slices from inferior"
    yield f"{start}.mean_intensity: {lesion.mean_intensity:.1f} {unit}"
    if lesion.attenuation is not None:
        yield f"{start}.attenuation: {lesion.attenuation}"
    if lesion.segments:
        yield f"{start}.segments: {', '.join(lesion.segments)}"
    if lesion.contacts:
        near = "; ".join(f"{c.structure} {c.gap_mm:.0f} mm" for c in lesion.contacts[:5])
        yield f"{start}.contacts: {near}"
    touched = {k: a for k, a in lesion.vessel_angles_deg.items() if a > 0}
    for vessel in sorted(touched):
        yield f"{start}.vessel_angles_deg.{vessel}: {touched[vessel]:.0f} degrees"


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
