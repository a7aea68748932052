"""Sentences on organs: volume, size class, attenuation, what is absent or cut off."""

from __future__ import annotations

from vol3d.anatomy import group_members, structure
from vol3d.measure.facts import CaseFacts, OrganFacts
from vol3d.report import numerals
from vol3d.report.records import Sentence
from vol3d.report.voice import Voice

ATTENUATION_ORGANS = frozenset(
    (
        "liver",
        "spleen",
        "pancreas",
        "kidney",
        "adrenal_gland",
        "gallbladder",
        "urinary_bladder",
        "prostate",
        "uterus",
        "aorta",
        "inferior_vena_cava",
        "portal_vein_and_splenic_vein",
        "portal_vein",
        "thyroid_gland",
    )
)
"""Organ groups whose mean attenuation says something; not those that hold gas."""


def members(facts: CaseFacts, group: str) -> tuple[OrganFacts, ...]:
    """The organs of a group in the record, the right one first."""
    found = [facts.organs[key] for key in group_members(group) if key in facts.organs]
    return tuple(sorted(found, key=lambda each: each.key, reverse=True))


def size_word(facts: CaseFacts, organ: OrganFacts) -> tuple[str, str] | None:
    """Key of the word for a whole organ's size and the id of the fact behind it."""
    if organ.status != "whole":
        return None
    if organ.key == "spleen" and facts.derived.spleen_grade is not None:
        return f"size.{facts.derived.spleen_grade}", "derived.spleen_grade"
    is_enlarged = facts.derived.is_enlarged.get(organ.key)
    if is_enlarged is None:
        return None
    word = "size.enlarged" if is_enlarged else "size.normal"
    return word, f"derived.is_enlarged.{organ.key}"


def organ_sentences(voice: Voice, organ: OrganFacts, *, is_core: bool) -> list[Sentence]:
    """What is said of one organ itself.

    Args:
        voice: Language and style.
        organ: The organ.
        is_core: Whether it is said of this organ that it is absent or not seen.
    """
    fields = {"organ": voice.structure(organ.key)}
    group = structure(organ.key).group
    speaker = voice.structured() if organ.key == "lungs" else voice
    if not organ.is_measured:
        if not is_core:
            return []
        status = (f"organs.{organ.key}.status",)
        return [speaker.say(f"organ.{organ.status}", status, about=group, fields=fields)]
    fields["volume"] = numerals.volume(organ.volume_cm3)
    ids: tuple[str, ...] = (f"organs.{organ.key}.volume_cm3", f"organs.{organ.key}.status")
    attenuation = _attenuation(voice, organ)
    if organ.status == "truncated":
        said = [speaker.say("organ.truncated", ids, about=group, fields=fields)]
        return said + _attenuation_sentence(speaker, organ, attenuation)
    size = size_word(voice.facts, organ)
    key = "organ.whole"
    if size is not None:
        key, ids = f"{key}_size", (*ids, size[1])
        fields["size"] = voice.word(size[0])
    if speaker.style == "narrative" or attenuation is None:
        said = [speaker.say(key, ids, about=group, fields=fields)]
        return said + _attenuation_sentence(speaker, organ, attenuation)
    ids = (*ids, *_attenuation_ids(organ))
    return [speaker.say(f"{key}_hu", ids, about=group, fields=fields | attenuation)]


def _attenuation(voice: Voice, organ: OrganFacts) -> dict[str, str] | None:
    is_said = structure(organ.key).group in ATTENUATION_ORGANS and voice.is_ct_in_hu
    if not is_said or organ.mean_intensity is None or organ.std_intensity is None:
        return None
    return {
        "mean": numerals.one(organ.mean_intensity),
        "std": numerals.one(organ.std_intensity),
    }


def _attenuation_ids(organ: OrganFacts) -> tuple[str, str]:
    return (f"organs.{organ.key}.mean_intensity", f"organs.{organ.key}.std_intensity")


def _attenuation_sentence(
    voice: Voice, organ: OrganFacts, attenuation: dict[str, str] | None
) -> list[Sentence]:
    if attenuation is None:
        return []
    fields = {"organ": voice.structure(organ.key), **attenuation}
    group = structure(organ.key).group
    return [voice.say("organ.hu", _attenuation_ids(organ), about=group, fields=fields)]


def derived_sentences(voice: Voice, group: str) -> list[Sentence]:
    """What follows from an organ's measurements: total volume, fatty infiltration."""
    if group == "kidney":
        return _kidney_total(voice)
    if group == "liver":
        return _liver_fat(voice)
    if group == "pancreas":
        return _pancreas_fat(voice)
    if group == "spleen" and voice.facts.derived.is_portal_hypertension:
        return [voice.say("spleen.portal", ("derived.is_portal_hypertension",), about="spleen")]
    return []


def _kidney_total(voice: Voice) -> list[Sentence]:
    total = voice.facts.derived.total_kidney_volume_cm3
    if total is None or sum(each.is_measured for each in members(voice.facts, "kidney")) < 2:
        return []
    ids = ("derived.total_kidney_volume_cm3",)
    return [
        voice.say("kidneys.total", ids, about="kidney", fields={"volume": numerals.volume(total)})
    ]


def fat_of_liver(facts: CaseFacts) -> tuple[str, tuple[str, ...], dict[str, str]] | None:
    """Which sentence on fatty liver holds: ``fatty``, ``fatty_grade``, ``grade``, ``not_fatty``.

    Returns:
        Its name, the ids of the facts behind it, and its numbers; ``None`` if nothing is known.
    """
    derived = facts.derived
    ids: tuple[str, ...] = ()
    fields: dict[str, str] = {}
    if derived.is_fatty_liver is not None and derived.liver_spleen_ratio is not None:
        ids = ("derived.is_fatty_liver", "derived.liver_spleen_ratio")
        fields = {"ratio": numerals.ratio(derived.liver_spleen_ratio)}
    has_grade = bool(derived.steatosis_grade)
    if has_grade:
        ids = (*ids, "derived.steatosis_grade")
        fields["grade"] = str(derived.steatosis_grade)
    if derived.is_fatty_liver and fields:
        return ("fatty_grade" if has_grade else "fatty"), ids, fields
    if has_grade:
        return "grade", ids, fields
    return ("not_fatty", ids, fields) if fields else None


def _liver_fat(voice: Voice) -> list[Sentence]:
    found = fat_of_liver(voice.facts)
    if found is None:
        return []
    name, ids, fields = found
    return [voice.say(f"liver.{name}", ids, about="liver", fields=fields)]


def _pancreas_fat(voice: Voice) -> list[Sentence]:
    derived = voice.facts.derived
    if derived.is_fatty_pancreas is None or derived.pancreas_spleen_ratio is None:
        return []
    key = "pancreas.fatty" if derived.is_fatty_pancreas else "pancreas.not_fatty"
    ids = ("derived.is_fatty_pancreas", "derived.pancreas_spleen_ratio")
    ratio = numerals.ratio(derived.pancreas_spleen_ratio)
    return [voice.say(key, ids, about="pancreas", fields={"ratio": ratio})]
