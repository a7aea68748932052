"""Sentences on lesions: that there are none, how many, and each with its place, size and look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vol3d.anatomy import group_members
from vol3d.measure.facts import LesionFacts
from vol3d.report import numerals
from vol3d.report.absence_text import DIFFUSE_TYPES, count_ids, none_sentences
from vol3d.report.places import UNSPECIFIED, lesion_label, place, place_ids, the_place
from vol3d.report.records import Sentence
from vol3d.report.tumour_text import tumour_sentences
from vol3d.report.voice import Voice

LISTED_AT_MOST = 5
LISTED_OF_MANY = 3
"""Of more than ``LISTED_AT_MOST`` lesions of one organ only so many are listed, largest first."""


def lesion_sentences(voice: Voice, group: str) -> list[Sentence]:
    """Everything that is said of the lesions of one organ."""
    lesions = voice.facts.lesions_of(group)
    focal = [each for each in lesions if each.type not in DIFFUSE_TYPES]
    said = [] if lesions else none_sentences(voice, group)
    said += diffuse_sentences(voice, lesions)
    said += _summaries(voice, group, focal)
    listed = focal if len(focal) <= LISTED_AT_MOST else focal[:LISTED_OF_MANY]
    for lesion in listed:
        said += _one(voice, lesion)
    if focal:
        said += _derived(voice, group, focal)
    return said


def diffuse_sentences(voice: Voice, lesions: Sequence[LesionFacts]) -> list[Sentence]:
    """Effusions, consolidations ... by their total volume in each place."""
    diffuse = [each for each in lesions if each.type in DIFFUSE_TYPES]
    return [diffuse_sentence(voice, parts, key="diffuse") for parts in by_place(diffuse)]


def diffuse_sentence(voice: Voice, parts: Sequence[LesionFacts], *, key: str) -> Sentence:
    """One sentence on all parts of an effusion, consolidation ... of one side."""
    first = parts[0]
    ids = [f"lesions.{each.id}.{name}" for each in parts for name in ("type", "volume_cm3")]
    whole = first.model_copy(update={"segments": ()}) if len(parts) > 1 else first
    fields = place_fields(voice, whole) | {
        "kind": voice.kind(first.type, first.organ),
        "volume": numerals.volume(sum(each.volume_cm3 for each in parts)),
    }
    return voice.say(key, (*ids, *place_ids(whole)), about=first.organ, fields=fields)


def by_place(lesions: Sequence[LesionFacts]) -> list[tuple[LesionFacts, ...]]:
    """Lesions of one organ, type and side together, in order of first appearance."""
    groups: dict[tuple[str, str, str | None], list[LesionFacts]] = {}
    for each in lesions:
        groups.setdefault((each.organ, each.type, each.side), []).append(each)
    return [tuple(group) for group in groups.values()]


def place_fields(voice: Voice, lesion: LesionFacts) -> dict[str, str]:
    """The names of a lesion's place that templates use."""
    return {"place": place(voice, lesion), "the_place": the_place(voice, lesion)}


def with_article(voice: Voice, kind: str) -> str:
    """``a cyst``, ``an enlarged lymph node``; as it is in Chinese."""
    if voice.language == "zh":
        return kind
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def mixture_kind(voice: Voice, lesions: Sequence[LesionFacts]) -> tuple[str, str]:
    """What several lesions are called, and how many of each type if there are several."""
    organ = lesions[0].organ
    counts = Counter(each.type for each in lesions)
    if len(counts) == 1:
        return voice.kind(lesions[0].type, organ, number=len(lesions)), ""
    parts = []
    for lesion_type, number in counts.items():
        kinds = voice.kind(lesion_type, organ, number=number)
        fields = {"count": voice.count(number), "kinds": kinds}
        parts.append(voice.fill("mixture.part", (), fields))
    mixture = voice.fill("mixture", (), {"parts": voice.listing(parts)})
    return voice.kind("any", organ, number=len(lesions)), mixture


def _summaries(voice: Voice, group: str, lesions: Sequence[LesionFacts]) -> list[Sentence]:
    """How many lesions and their total volume, for each side of a paired organ by itself."""
    if not lesions:
        return []
    if group == UNSPECIFIED:
        return [_unspecified(voice, lesions)]
    sides = dict.fromkeys(each.side for each in lesions) if len(group_members(group)) == 2 else {}
    if len(sides) < 2:
        by_side = [list(lesions)]
    else:
        by_side = [[each for each in lesions if each.side == side] for side in sides]
    is_many = len(lesions) > LISTED_AT_MOST
    return [_summary(voice, own, is_many) for own in by_side if is_many or len(own) > 1]


def _unspecified(voice: Voice, lesions: Sequence[LesionFacts]) -> Sentence:
    kinds, _ = mixture_kind(voice, lesions)
    ids = [f"lesions.{each.id}.{name}" for each in lesions for name in ("type", "organ")]
    ids += [f"lesions.{each.id}.side" for each in lesions if each.side]
    sides = sides_phrase(voice, lesions)
    fields = {"count": voice.count(len(lesions)), "kinds": kinds, "sides": sides}
    return voice.say("unspecified.summary", ids, about=UNSPECIFIED, fields=fields)


def _summary(voice: Voice, lesions: Sequence[LesionFacts], is_many: bool) -> Sentence:
    """One sentence on all lesions of an organ, or of one of a pair."""
    group = lesions[0].organ
    kinds, mixture = mixture_kind(voice, lesions)
    ids = [f"lesions.{each.id}.{name}" for each in lesions for name in ("type", "volume_cm3")]
    ids += [f"lesions.{each.id}.side" for each in lesions if each.side]
    if len(lesions) == len(voice.facts.lesions_of(group)):
        ids += count_ids(voice.facts, group, "any")
    fields = {
        "organ": _owner(voice, lesions),
        "count": voice.count(len(lesions)),
        "kinds": kinds,
        "kind": kinds,
        "volume": numerals.volume(sum(each.volume_cm3 for each in lesions)),
        "mixture": mixture,
    }
    key = "lesions.summary_many" if is_many else "lesions.summary"
    if len(lesions) == 1:
        key = "lesions.summary_one"
    return voice.say(key, ids, about=group, fields=fields)


def _owner(voice: Voice, lesions: Sequence[LesionFacts]) -> str:
    """The organ that holds lesions: ``liver``, ``right kidney``, ``kidneys``."""
    sides = {each.side for each in lesions}
    if len(sides) > 1 or sides == {None}:
        return voice.group(lesions[0].organ)
    return place(voice, lesions[0].model_copy(update={"segments": ()}))


def sides_phrase(voice: Voice, lesions: Sequence[LesionFacts]) -> str:
    """On which side of the midline lesions of an unknown organ lie."""
    counts = Counter(each.side for each in lesions)
    if None in counts:
        return ""
    if len(counts) == 2:
        fields = {side: voice.count(counts[side]) for side in ("left", "right")}
        return voice.fill("unspecified.mixed", (), fields)
    names = {1: "one_side", 2: "both"}
    fields = {"side": voice.word(f"side.{lesions[0].side}")}
    return voice.fill(f"unspecified.{names.get(len(lesions), 'all')}", (), fields)


def size_fields(lesion: LesionFacts) -> dict[str, str]:
    """Both diameters in cm, as printed."""
    return {
        "long": numerals.cm_from_mm(lesion.longest_axial_diameter_mm),
        "short": numerals.cm_from_mm(lesion.perpendicular_diameter_mm),
    }


def size_ids(lesion: LesionFacts) -> tuple[str, str]:
    """Ids of both diameters."""
    return tuple(  # type: ignore[return-value]
        f"lesions.{lesion.id}.{name}"
        for name in ("longest_axial_diameter_mm", "perpendicular_diameter_mm")
    )


def _one(voice: Voice, lesion: LesionFacts) -> list[Sentence]:
    """One lesion: what, where, how large, how dense; then its contacts and its stage."""
    if lesion.organ == UNSPECIFIED:
        voice = voice.structured()
    label = lesion_label(voice.facts, lesion)
    kind = voice.kind(lesion.type, lesion.organ)
    named = place_fields(voice, lesion) | {"label": label}
    look, look_ids = _look(voice, lesion)
    slice_fields = {
        "slice": str(lesion.slice_index + 1),
        "slices": str(voice.facts.scan.shape_zyx[0]),
    }
    ids = (
        f"lesions.{lesion.id}.type",
        *place_ids(lesion),
        *size_ids(lesion),
        f"lesions.{lesion.id}.slice_index",
        "scan.shape_zyx",
        f"lesions.{lesion.id}.volume_cm3",
        *look_ids,
    )
    fields = named | size_fields(lesion)
    fields["kind"], fields["a_kind"] = kind, with_article(voice, kind)
    fields["volume"] = numerals.volume(lesion.volume_cm3)
    fields["slice"] = voice.fill("lesion.slice", (), slice_fields)
    said = [voice.say("lesion", ids, lesion=lesion, fields=fields | {"look": look})]
    if lesion.is_truncated:
        truncated = (f"lesions.{lesion.id}.is_truncated", *place_ids(lesion))
        said.append(voice.say("lesion.truncated", truncated, lesion=lesion, fields=named))
    if lesion.organ == "pancreas" and lesion.type != "cyst":
        said += tumour_sentences(voice, lesion, named)
    return said


def _look(voice: Voice, lesion: LesionFacts) -> tuple[str, tuple[str, ...]]:
    """Attenuation, on CT only."""
    if not voice.is_ct_in_hu:
        return "", ()
    ids = (f"lesions.{lesion.id}.mean_intensity", f"lesions.{lesion.id}.std_intensity")
    fields = {
        "mean": numerals.one(lesion.mean_intensity),
        "std": numerals.one(lesion.std_intensity),
    }
    if lesion.attenuation is None:
        return voice.fill("lesion.look_hu", (), fields), ids
    fields["attenuation"] = voice.word(f"attenuation.{lesion.attenuation}")
    return voice.fill("lesion.look", (), fields), (*ids, f"lesions.{lesion.id}.attenuation")


def _derived(voice: Voice, group: str, lesions: Sequence[LesionFacts]) -> list[Sentence]:
    """Burden and distribution of an organ's lesions."""
    derived = voice.facts.derived
    said = []
    burden = derived.burden_percent.get(group)
    if burden is not None:
        ids: tuple[str, ...] = (f"derived.burden_percent.{group}",)
        fields = {"organ": voice.group(group), "burden": numerals.percent(burden)}
        said.append(voice.say("lesions.burden", ids, about=group, fields=fields))
    if derived.is_outlier.get(group):
        ids = (f"derived.is_outlier.{group}", f"lesions.{lesions[0].id}.volume_cm3")
        fields = {"organ": voice.group(group), "label": lesion_label(voice.facts, lesions[0])}
        said.append(voice.say("lesions.outlier", ids, about=group, fields=fields))
    if group == "liver" and derived.liver_clustering is not None:
        word = voice.word(f"clustering.{derived.liver_clustering}")
        ids = ("derived.liver_clustering",)
        said.append(voice.say("lesions.clustering", ids, about=group, fields={"clustering": word}))
    has_both = {each.side for each in lesions} >= {"left", "right"}
    if group == "kidney" and has_both and derived.kidney_burden is not None:
        is_even = derived.kidney_burden == "symmetric"
        side = "" if is_even else voice.word(f"side.{derived.kidney_burden}")
        key = "lesions.kidney_symmetric" if is_even else "lesions.kidney_burden"
        said.append(voice.say(key, ("derived.kidney_burden",), about=group, fields={"side": side}))
    return said
