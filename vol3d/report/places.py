"""Where a lesion lies, and what it is called: ``L1``, ``liver segment 4/8``, ``right kidney``."""

from __future__ import annotations

from vol3d.anatomy import group_members, group_name, structures
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.report.voice import Voice

UNSPECIFIED = "unspecified"
"""Organ of lesions whose masks name none."""
LABELS = {
    "liver": "L",
    "pancreas": "P",
    "kidney": "K",
    "spleen": "S",
    "colon": "C",
    "lung": "LU",
    "brain": "B",
    "adrenal_gland": "AD",
    "stomach": "ST",
    "duodenum": "DU",
    "small_bowel": "SB",
    "gallbladder": "GB",
    "uterus": "UT",
    "prostate": "PR",
    "urinary_bladder": "UB",
    "esophagus": "ES",
    "thyroid_gland": "TH",
    "mediastinum": "ME",
    "peritoneum": "PE",
    "bone": "BO",
    UNSPECIFIED: "U",
}
"""Letters of a lesion's label by organ; ``X`` for any other."""


def lesion_label(facts: CaseFacts, lesion: LesionFacts) -> str:
    """Letter of the organ and the lesion's rank by volume in it, such as ``L1``."""
    ids = [each.id for each in facts.lesions_of(lesion.organ)]
    return f"{LABELS.get(lesion.organ, 'X')}{ids.index(lesion.id) + 1}"


def place_ids(lesion: LesionFacts) -> tuple[str, ...]:
    """Ids of the facts that say where a lesion lies."""
    found = [f"lesions.{lesion.id}.organ"]
    if lesion.side is not None:
        found.append(f"lesions.{lesion.id}.side")
    if lesion.segments:
        found.append(f"lesions.{lesion.id}.segments")
    return tuple(found)


def place(voice: Voice, lesion: LesionFacts) -> str:
    """Where a lesion lies, without article: ``pancreatic head``, ``left temporal lobe``."""
    side = None if lesion.side is None else voice.word(f"side.{lesion.side}")
    if lesion.organ == UNSPECIFIED:
        return voice.word("midline").format(side=side) if side else voice.word("midline.unknown")
    if lesion.organ == "liver" and lesion.segments:
        first = voice.structure(f"liver_segment_{lesion.segments[0]}")
        return first.replace(lesion.segments[0], "/".join(lesion.segments))
    parts = [_part_key(lesion, segment) for segment in lesion.segments]
    named = [voice.structure(key) for key in parts if key is not None]
    if named and len(named) == len(parts):
        return _joined(voice, named)
    organ = voice.group(lesion.organ)
    members = group_members(lesion.organ)
    if len(members) == 2:
        if lesion.side is not None:
            return voice.structure(f"{lesion.organ}_{lesion.side}")
        organ = group_name(lesion.organ, voice.language)
        return voice.word("unsided").format(organ=organ)
    return voice.word("half").format(organ=organ, side=side) if side else organ


def the_place(voice: Voice, lesion: LesionFacts) -> str:
    """The same with an article where English needs one."""
    name = place(voice, lesion)
    bare = voice.language == "zh" or lesion.organ == UNSPECIFIED
    return name if bare or name.startswith("liver segment") else f"the {name}"


def _joined(voice: Voice, names: list[str]) -> str:
    """``pancreatic head/body``: words that all names begin with are written once."""
    if voice.language == "zh" or len(names) == 1:
        return "/".join(names)
    first = names[0].rsplit(" ", 1)[0] + " "
    is_shared = all(each.startswith(first) and " " not in each[len(first) :] for each in names)
    if not is_shared:
        return "/".join(names)
    return first + "/".join(each[len(first) :] for each in names)


def _part_key(lesion: LesionFacts, segment: str) -> str | None:
    """Key of the part that a short name of ``LesionFacts.segments`` means."""
    sided = "" if lesion.side is None else f"_{lesion.side}"
    tried = (
        f"{lesion.organ}_{segment}{sided}",
        f"{segment}{sided}",
        f"{lesion.organ}_{segment}",
        segment,
    )
    return next((key for key in tried if key in structures()), None)
