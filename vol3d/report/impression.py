"""The impression: what matters, the most serious first, nothing that the findings lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vol3d.anatomy import structure
from vol3d.measure.facts import LesionFacts
from vol3d.measure.rules import lesion_presence
from vol3d.report import numerals
from vol3d.report.absence_text import DIFFUSE_TYPES, count_ids, negated_organ
from vol3d.report.chest_brain_text import abnormality, shift_fields
from vol3d.report.gaps import is_core
from vol3d.report.lesion_text import (
    by_place,
    diffuse_sentence,
    place_fields,
    sides_phrase,
    size_fields,
    size_ids,
    with_article,
)
from vol3d.report.organ_text import fat_of_liver, size_word
from vol3d.report.places import UNSPECIFIED, lesion_label, place_ids
from vol3d.report.records import Sentence
from vol3d.report.tumour_text import stage_fields
from vol3d.report.voice import Voice

STAGED, SHIFT, TUMOUR, MASS, DIFFUSE, CYST, ORGAN, FAT = range(8)
"""Ranks of importance."""
_TUMOUR_TYPES = frozenset(("tumor", "pdac", "pnet", "metastasis"))


@dataclass(frozen=True, slots=True)
class _Item:
    rank: int
    size: float
    sentence: Sentence


def impression_sentences(voice: Voice) -> list[Sentence]:
    """The lines of the impression by importance: rank first, then size.

    Pancreatic tumour with its stage, midline shift, tumours, masses of no given type, effusions
    and the like, cysts, size of organs, fatty infiltration.
    """
    items = [
        *_lesions(voice),
        *_shift(voice),
        *_organs(voice),
        *_fat(voice),
        *_chest(voice),
    ]
    ordered = sorted(items, key=lambda each: (each.rank, -each.size))
    said = [each.sentence for each in ordered]
    if not voice.facts.lesions:
        said += _no_lesion(voice)
    if not any(_is_size(each) for each in said):
        said += _not_enlarged(voice)
    return said or [voice.say("imp.nothing", ("organs", "annotated"))]


def _lesions(voice: Voice) -> list[_Item]:
    return [
        _Item(_rank(voice, group), group[0].longest_axial_diameter_mm, _group(voice, group))
        for group in by_place(_largest_first(voice))
    ]


def _largest_first(voice: Voice) -> list[LesionFacts]:
    organs = dict.fromkeys(each.organ for each in voice.facts.lesions)
    return [lesion for organ in organs for lesion in voice.facts.lesions_of(organ)]


def _rank(voice: Voice, group: Sequence[LesionFacts]) -> int:
    first = group[0]
    if first.type in DIFFUSE_TYPES:
        return DIFFUSE
    if first.type == "cyst":
        return CYST
    is_staged = any(stage_fields(voice, each) for each in group)
    if first.organ == "pancreas" and (is_staged or first.type in _TUMOUR_TYPES):
        return STAGED
    return TUMOUR if first.type in _TUMOUR_TYPES else MASS


def _group(voice: Voice, group: Sequence[LesionFacts]) -> Sentence:
    """One line for the lesions of one organ, type and side."""
    first = group[0]
    if first.type in DIFFUSE_TYPES:
        return diffuse_sentence(voice, group, key="imp.diffuse")
    if first.organ == UNSPECIFIED:
        return _unspecified(voice, group)
    fields = _fields(voice, group)
    staged = stage_fields(voice, first)
    ids: tuple[str, ...] = ()
    fields["stage"] = ""
    if staged is not None:
        fields["stage"] = voice.fill("imp.stage", (), staged[0])
        ids = staged[1]
    if len(group) > 1:
        fields["where"] = _where(voice, first)
        key = "imp.many_here" if fields["where"] == fields["the_place"] else "imp.many"
    else:
        key = "imp.one"
    return voice.say(key, (*_ids(group), *ids), lesion=first, fields=fields)


def _fields(voice: Voice, group: Sequence[LesionFacts]) -> dict[str, str]:
    first = group[0]
    kind = voice.kind(first.type, first.organ)
    return {
        "kind": kind,
        "a_kind": with_article(voice, kind),
        "kinds": voice.kind(first.type, first.organ, number=len(group)),
        "count": voice.count(len(group)),
        "label": lesion_label(voice.facts, first),
        **place_fields(voice, first),
        **size_fields(first),
    }


def _ids(group: Sequence[LesionFacts]) -> list[str]:
    types = [f"lesions.{each.id}.type" for each in group]
    return [*types, *place_ids(group[0]), *size_ids(group[0])]


def _where(voice: Voice, lesion: LesionFacts) -> str:
    """The organ in which several lesions lie, with its side and article."""
    bare = lesion.model_copy(update={"segments": ()})
    return place_fields(voice, bare)["the_place"]


def _unspecified(voice: Voice, group: Sequence[LesionFacts]) -> Sentence:
    """Lesions whose masks name no organ; all those of one side."""
    fields = _fields(voice, group) | {"sides": sides_phrase(voice, group)}
    key = "imp.unspecified_many" if len(group) > 1 else "imp.unspecified_one"
    sides = [f"lesions.{each.id}.side" for each in group if each.side is not None]
    return voice.say(key, (*_ids(group), *sides), lesion=group[0], fields=fields)


def _shift(voice: Voice) -> list[_Item]:
    brain = voice.facts.brain
    if brain is None or not brain.has_mass_effect:
        return []
    fields = shift_fields(voice)
    ids = ["brain.has_mass_effect"]
    if fields is None:
        return [_Item(SHIFT, 0.0, voice.say("brain.mass_effect", ids, about="brain"))]
    ids.append("brain.midline_shift_mm")
    return [_Item(SHIFT, 0.0, voice.say("imp.shift", ids, about="brain", fields=fields))]


def _organs(voice: Voice) -> list[_Item]:
    """Organs that are enlarged or absent."""
    items = []
    for key, organ in voice.facts.organs.items():
        fields = {"organ": voice.structure(key), "volume": numerals.volume(organ.volume_cm3)}
        about = structure(key).group
        if organ.status == "absent" and is_core(voice.facts, key):
            ids: tuple[str, ...] = (f"organs.{key}.status",)
            said = voice.say("imp.absent", ids, about=about, fields=fields)
            items.append(_Item(ORGAN, 1e6, said))
        size = size_word(voice.facts, organ)
        if size is not None and size[0] != "size.normal":
            ids = (f"organs.{key}.volume_cm3", size[1])
            fields["size"] = voice.word(size[0])
            said = voice.say("imp.enlarged", ids, about=about, fields=fields)
            items.append(_Item(ORGAN, organ.volume_cm3, said))
    if voice.facts.derived.is_portal_hypertension:
        said = voice.say("imp.portal", ("derived.is_portal_hypertension",), about="spleen")
        items.append(_Item(ORGAN, 0.0, said))
    return items


def _is_size(sentence: Sentence) -> bool:
    marks = ("derived.spleen_grade", "derived.is_enlarged.")
    return any(each.startswith(marks) for each in sentence.fact_ids)


def _fat(voice: Voice) -> list[_Item]:
    items = []
    found = fat_of_liver(voice.facts)
    if found is not None and found[0] != "not_fatty":
        name, ids, fields = found
        said = voice.say(f"imp.{name}", ids, about="liver", fields=fields)
        items.append(_Item(FAT, 1.0, said))
    derived = voice.facts.derived
    if derived.is_fatty_pancreas and derived.pancreas_spleen_ratio is not None:
        ids = ("derived.is_fatty_pancreas", "derived.pancreas_spleen_ratio")
        fields = {"ratio": numerals.ratio(derived.pancreas_spleen_ratio)}
        said = voice.say("imp.fatty_pancreas", ids, about="pancreas", fields=fields)
        items.append(_Item(FAT, 0.0, said))
    return items


def _chest(voice: Voice) -> list[_Item]:
    chest = voice.facts.chest
    if chest is None:
        return []
    items = []
    ids, has = abnormality(voice, "emphysema")
    if has and chest.emphysema_index_percent is not None:
        fields = {"percent": numerals.percent(chest.emphysema_index_percent)}
        ids = ("chest.emphysema_index_percent", *ids)
        said = voice.say("imp.emphysema", ids, about="lung", fields=fields)
        items.append(_Item(FAT, 0.0, said))
    ids, has = abnormality(voice, "cardiomegaly")
    if has and chest.cardiothoracic_ratio is not None:
        fields = {"ratio": numerals.ratio(chest.cardiothoracic_ratio)}
        ids = ("chest.cardiothoracic_ratio", *ids)
        said = voice.say("imp.heart", ids, about="heart", fields=fields)
        items.append(_Item(ORGAN, 0.0, said))
    return items


def _no_lesion(voice: Voice) -> list[Sentence]:
    """In which organs lesions of every type were looked for and none was found."""
    names, ids = [], []
    for group in voice.facts.annotated:
        name = negated_organ(voice, group)
        if name is None or lesion_presence(voice.facts, group) is not False:
            continue
        names.append(name)
        ids += [f"annotated.{group}", *count_ids(voice.facts, group, "any")]
    if not names:
        return []
    return [voice.say("imp.no_lesion", ids, fields={"organs": voice.listing(names)})]


def _not_enlarged(voice: Voice) -> list[Sentence]:
    names, ids = [], []
    for key, organ in voice.facts.organs.items():
        size = size_word(voice.facts, organ)
        if size is not None:
            names.append(voice.structure(key))
            ids.append(size[1])
    if not names:
        return []
    return [voice.say("imp.not_enlarged", ids, fields={"organs": voice.listing(names)})]
