"""Answers from the scalars of tool caches: counts, volumes, diameters and mean HU of targets.

These tools tell no places, types, neighbours or deviations, so some rules here are coarser than
those on facts, and say so; others are not there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vol3d.anatomy import threshold
from vol3d.evaluate.agent.evidence import Scalars
from vol3d.measure.facts import CaseFacts
from vol3d.measure.lesion_rules import organ_volume_cm3
from vol3d.vqa.answers import organ_hu
from vol3d.vqa.parse import ParsedPrompt
from vol3d.vqa.values import NO, YES, Number, Phrase, Slots, Value, yes_no

TARGETS: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("liver", "lesion"): ("liver_tumor",),
        ("liver", "tumor"): ("liver_tumor",),
        ("kidney", "lesion"): ("kidney_tumor", "kidney_cyst"),
        ("kidney", "tumor"): ("kidney_tumor",),
        ("kidney", "cyst"): ("kidney_cyst",),
        ("pancreas", "lesion"): ("pancreas_tumor",),
        ("pancreas", "pdac"): ("pancreas_tumor",),
        ("colon", "lesion"): ("colon_tumor",),
    }
)
"""Targets of the caches by organ and type. Tumours of the liver and ductal adenocarcinomas are
taken for all lesions of the organ: the caches have no finer target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionScalars:
    """What a cache tells about lesions; ``None`` where it does not."""

    count: int
    volume_cm3: float
    largest_cm3: float | None
    largest_cm: float | None
    mean_hu: float | None


def lesion_scalars_told(table: Scalars, organ: str, lesion_type: str) -> LesionScalars | None:
    """Scalars of an organ's lesions of a type, several targets together."""
    names = TARGETS.get((organ, lesion_type))
    if names is None or any(name not in table for name in names):
        return None
    found = [_one(table[name]) for name in names]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    largest = [each for each in known if each.largest_cm3 is not None]
    first = max(largest, key=lambda each: each.largest_cm3 or 0.0, default=None)
    volume = sum(each.volume_cm3 for each in known)
    means = [(e.volume_cm3, e.mean_hu) for e in known if e.mean_hu is not None]
    weight = sum(size for size, _ in means)
    return LesionScalars(
        count=sum(each.count for each in known),
        volume_cm3=volume,
        largest_cm3=None if first is None else first.largest_cm3,
        largest_cm=None if first is None else first.largest_cm,
        mean_hu=sum(size * mean for size, mean in means) / weight if weight else None,
    )


def _one(numbers: Mapping[str, float]) -> LesionScalars | None:
    if numbers.get("mask_found") == 0.0 and "lesion_count" not in numbers:
        return LesionScalars(
            count=0, volume_cm3=0.0, largest_cm3=None, largest_cm=None, mean_hu=None
        )
    if "lesion_count" not in numbers:
        return None
    return LesionScalars(
        count=round(numbers["lesion_count"]),
        volume_cm3=numbers.get("volume_cm3", 0.0),
        largest_cm3=numbers.get("largest_lesion_volume_cm3"),
        largest_cm=numbers.get("largest_lesion_diameter_cm"),
        mean_hu=numbers.get("mean_hu"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    table: Scalars
    facts: CaseFacts
    slots: Slots

    def lesions(self, organ: str, lesion_type: str | None = None) -> LesionScalars | None:
        kind = lesion_type or self.slots.get("lesion_type", "lesion")
        return lesion_scalars_told(self.table, organ, kind)


def scalar_value(parsed: ParsedPrompt, table: Scalars, facts: CaseFacts) -> Value | None:
    """The answer to a question about lesions from scalars; ``None`` where they leave it open.

    Args:
        parsed: The question.
        table: What ``measure`` and ``segment_organ`` told.
        facts: Organs that were told.
    """
    rule = _RULES.get(parsed.subtype)
    value = None if rule is None else rule(_Told(table=table, facts=facts, slots=parsed.slots))
    if parsed.is_inverted and value in (YES, NO):
        return NO if value == YES else YES
    return value


def _presence(organ: str, lesion_type: str) -> Callable[[_Told], Value | None]:
    def rule(told: _Told) -> Value | None:
        found = told.lesions(organ, lesion_type)
        return None if found is None else yes_no(found.count > 0)

    return rule


def _count(told: _Told) -> Value | None:
    found = told.lesions(told.slots["organ"])
    return None if found is None else Number(value=found.count, decimals=0)


def _none_in_segment(told: _Told) -> Value | None:
    """Only where there is no lesion at all."""
    found = told.lesions(told.slots["organ"])
    return Number(value=0, decimals=0) if found is not None and found.count == 0 else None


def _none_in_both(told: _Told) -> Value | None:
    """Only where there is no lesion at all."""
    found = told.lesions(told.slots["organ"], "lesion")
    return Phrase(key="equal") if found is not None and found.count == 0 else None


def _volume(told: _Told) -> Value | None:
    found = told.lesions(told.slots["organ"])
    return Number(value=found.volume_cm3) if found is not None and found.count else None


def _diameter(told: _Told) -> Value | None:
    found = told.lesions(told.slots["organ"])
    return None if found is None or found.largest_cm is None else Number(value=found.largest_cm)


def _share(told: _Told, organ: str) -> float | None:
    found, volume = told.lesions(organ, "lesion"), organ_volume_cm3(told.facts, organ)
    return None if found is None or not volume else 100.0 * found.volume_cm3 / volume


def _burden(told: _Told) -> Value | None:
    share = _share(told, told.slots["organ"])
    return None if share is None else Number(value=share)


def _burdens(told: _Told) -> Value | None:
    first, second = (_share(told, told.slots[key]) for key in ("organ", "organ_b"))
    if first is None or second is None:
        return None
    if first == second:
        return Phrase(key="equal")
    return Phrase(key=told.slots["organ" if first > second else "organ_b"], kind="organ")


def _offset_hu(told: _Told) -> float | None:
    """Mean of all lesions less that of the organ: the caches tell none of the largest alone."""
    found, organ = told.lesions(told.slots["organ"], "lesion"), organ_hu(told.facts, told.slots)
    if found is None or found.mean_hu is None or not isinstance(organ, Number):
        return None
    return found.mean_hu - organ.value


def _difference(told: _Told) -> Value | None:
    offset = _offset_hu(told)
    return None if offset is None else Number(value=abs(offset))


def _attenuation(told: _Told) -> Value | None:
    """Never isoattenuating: that needs the organ's deviation."""
    offset = _offset_hu(told)
    if offset is None:
        return None
    return Phrase(key="hypoattenuating" if offset < 0 else "hyperattenuating")


def _outlier(told: _Told) -> Value | None:
    """Sure where the others together are small, or where there are too few; else most likely no."""
    found = told.lesions(told.slots["organ"], "lesion")
    if found is None or found.count == 0 or found.largest_cm3 is None:
        return None
    if found.count < threshold("outlier.least_lesions"):
        return NO
    others = found.volume_cm3 - found.largest_cm3
    return yes_no(found.largest_cm3 >= threshold("outlier.volume_ratio") * others)


def _stage(told: _Told) -> Value | None:
    """By size alone: the caches tell no contact with arteries, so never T4."""
    found = told.lesions("pancreas", "lesion")
    if found is None or found.largest_cm is None:
        return None
    if found.largest_cm <= threshold("t_stage.t1_cm"):
        return Phrase(key="T1")
    return Phrase(key="T2" if found.largest_cm <= threshold("t_stage.t2_cm") else "T3")


def _larger_kind(told: _Told) -> tuple[str, LesionScalars] | None:
    """Type of the largest kidney lesion with its scalars."""
    found = {kind: told.lesions("kidney", kind) for kind in ("tumor", "cyst")}
    known = [(s.largest_cm3, k, s) for k, s in found.items() if s and s.largest_cm3 is not None]
    if None in found.values() or not known:
        return None
    _, kind, scalars = max(known, key=lambda row: row[0] or 0.0)
    return kind, scalars


def _cyst_or_tumor(told: _Told) -> Value | None:
    found = _larger_kind(told)
    return None if found is None else Phrase(key=found[0])


def _renal_mass(told: _Told) -> Value | None:
    """By the mean over all lesions of the largest one's type."""
    found = _larger_kind(told)
    if found is None or found[1].mean_hu is None:
        return None
    kind, mean = found[0], found[1].mean_hu
    if mean < threshold("renal_mass.fat_hu"):
        return Phrase(key="fat-containing")
    if kind == "tumor":
        return Phrase(key="rcc")
    if mean <= threshold("renal_mass.simple_cyst_hu"):
        return Phrase(key="simple cyst")
    is_bright = mean > threshold("renal_mass.hyperattenuating_cyst_hu")
    return Phrase(key="hyperattenuating cyst" if is_bright else "indeterminate")


_RULES: Mapping[str, Callable[[_Told], Value | None]] = MappingProxyType(
    {
        "liver lesion existence": _presence("liver", "lesion"),
        "kidney lesion existence": _presence("kidney", "lesion"),
        "kidney tumor existence": _presence("kidney", "tumor"),
        "kidney cyst existence": _presence("kidney", "cyst"),
        "pancreatic lesion existence": _presence("pancreas", "lesion"),
        "PDAC existence": _presence("pancreas", "pdac"),
        "colon lesion existence": _presence("colon", "lesion"),
        "lesion volume measurement": _volume,
        "tumor burden percentage": _burden,
        "lesion counting": _count,
        "lesion count by location": _none_in_segment,
        "largest lesion diameter": _diameter,
        "tumor organ HU difference": _difference,
        "largest lesion attenuation": _attenuation,
        "inter-segment comparison": _none_in_both,
        "lesion outlier": _outlier,
        "multi-organ lesion burden comparison": _burdens,
        "pancreatic tumor staging": _stage,
        "lesion type classification": _cyst_or_tumor,
        "renal mass characterization": _renal_mass,
    }
)
