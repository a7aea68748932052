"""Sentences that an organ has no lesion: only of what was looked for and what the scan shows."""

from __future__ import annotations

from vol3d.anatomy import group_members
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import lesion_presence
from vol3d.report.organ_text import members
from vol3d.report.records import Sentence
from vol3d.report.voice import Voice

DIFFUSE_TYPES = frozenset(
    ("effusion", "ascites", "consolidation", "opacity", "atelectasis", "emphysema")
)
"""Types that are given by their total volume on each side, not one by one."""


def negated_organ(voice: Voice, group: str) -> str | None:
    """The organ of which "no lesion" may be said, such as ``visible part of the liver``.

    Only what the scan shows is named: the right kidney alone where the left one is absent.
    ``None`` where masks of the organ exist and show nothing of it.
    """
    known = members(voice.facts, group)
    seen = [each for each in known if each.is_measured]
    if known and not seen:
        return None
    is_one_of_pair = len(group_members(group)) == 2 and len(seen) == 1
    name = voice.structure(seen[0].key) if is_one_of_pair else voice.group(group)
    if any(each.status == "truncated" for each in seen):
        return voice.word("visible").format(organ=name)
    return name


def none_sentences(voice: Voice, group: str) -> list[Sentence]:
    """That an organ has no lesion, of those types that were looked for."""
    organ = negated_organ(voice, group)
    if organ is None:
        return []
    annotated = voice.facts.annotated.get(group, ())
    is_of_any_type = "lesion" in annotated or not set(annotated) <= DIFFUSE_TYPES
    if is_of_any_type and lesion_presence(voice.facts, group) is False:
        ids = (f"annotated.{group}", *count_ids(voice.facts, group, "any"))
        return [voice.say("lesions.none", ids, about=group, fields={"organ": organ})]
    said = []
    for lesion_type in annotated:
        if lesion_presence(voice.facts, group, lesion_type) is not False:
            continue
        ids = (f"annotated.{group}", *count_ids(voice.facts, group, lesion_type))
        kind = none_kind(voice, group, lesion_type)
        said.append(
            voice.say("lesions.none_type", ids, about=group, fields={"kind": kind, "organ": organ})
        )
    return said


def none_kind(voice: Voice, group: str, lesion_type: str) -> str:
    """What is not there, where none was found: ``cyst``, ``ductal adenocarcinoma``."""
    key = f"type.{lesion_type}.none"
    return voice.word(key) if voice.has_word(key) else voice.kind(lesion_type, group)


def count_ids(facts: CaseFacts, group: str, lesion_type: str) -> tuple[str, ...]:
    """Id of the count of lesions, if the record has it."""
    has_count = lesion_type in facts.derived.lesion_counts.get(group, {})
    return (f"derived.lesion_counts.{group}.{lesion_type}",) if has_count else ()
