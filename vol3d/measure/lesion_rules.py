"""Rules over all lesions of an organ: counts, volumes, burden, spread. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vol3d.anatomy import threshold
from vol3d.measure.facts import CaseFacts, Clustering, KidneyBurden, LesionFacts
from vol3d.measure.presence import is_fully_annotated, was_looked_for

ANY = "any"
"""Key of a count over all types."""

_SEGMENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "liver": tuple((str(number), f"liver_segment_{number}") for number in range(1, 9)),
    "pancreas": tuple((part, f"pancreas_{part}") for part in ("head", "body", "tail")),
    "kidney": (("left", "kidney_left"), ("right", "kidney_right")),
}
"""By organ: each segment as lesions name it, and the structure whose mask shows it."""


def annotated_organs(facts: CaseFacts) -> tuple[str, ...]:
    """Organs in whose lesions somebody looked for at least one type, in the record's order."""
    return tuple(organ for organ, types in facts.annotated.items() if types)


def lesion_volumes_cm3(facts: CaseFacts) -> dict[str, float]:
    """Total volume of an organ's lesions, where all of them were looked for."""
    return {
        organ: sum(lesion.volume_cm3 for lesion in facts.lesions_of(organ))
        for organ in annotated_organs(facts)
        if is_fully_annotated(facts, organ)
    }


def lesion_counts(facts: CaseFacts) -> dict[str, dict[str, int]]:
    """Number of lesions by organ and type, and of all types as ``any``.

    A type is counted where it was looked for; ``any`` where all lesions of the organ were.
    """
    counts: dict[str, dict[str, int]] = {}
    for organ in annotated_organs(facts):
        types = [*facts.annotated[organ], *(each.type for each in facts.lesions_of(organ))]
        own = {
            kind: len(facts.lesions_of(organ, kind))
            for kind in dict.fromkeys(types)
            if was_looked_for(facts, organ, kind)
        }
        if is_fully_annotated(facts, organ):
            own[ANY] = len(facts.lesions_of(organ))
        if own:
            counts[organ] = own
    return counts


def organ_volume_cm3(facts: CaseFacts, organ: str) -> float | None:
    """Volume of a whole organ; of the kidneys both sides together. ``None`` if cut off."""
    if organ == "kidney":
        return total_kidney_volume_cm3(facts)
    found = facts.whole_organ(organ)
    return None if found is None else found.volume_cm3


def total_kidney_volume_cm3(facts: CaseFacts) -> float | None:
    """Both kidneys; one alone counts only if the other is known to be absent."""
    sides = [facts.organs.get("kidney_left"), facts.organs.get("kidney_right")]
    settled = [each for each in sides if each is not None and each.status in ("whole", "absent")]
    whole = [each.volume_cm3 for each in settled if each.status == "whole"]
    return sum(whole) if len(settled) == len(sides) and whole else None


def burden_percent(facts: CaseFacts) -> dict[str, float]:
    """Share of an organ that lesions take, in percent, where both volumes are known."""
    shares = {}
    for organ, lesions_cm3 in lesion_volumes_cm3(facts).items():
        volume_cm3 = organ_volume_cm3(facts, organ)
        if volume_cm3:
            shares[organ] = 100.0 * lesions_cm3 / volume_cm3
    return shares


def counts_by_segment(facts: CaseFacts) -> dict[str, dict[str, int]]:
    """Number of lesions of any type in each segment; a lesion counts in every one that it names.

    Only where all lesions were looked for and their places are known: segments are measured, or
    every lesion names one.
    """
    counts = {}
    for organ, segments in _SEGMENTS.items():
        if not is_fully_annotated(facts, organ):
            continue
        places = [_places(lesion) for lesion in facts.lesions_of(organ)]
        has_parts = any(facts.organ(key) is not None for _, key in segments)
        if has_parts or (places and all(places)):
            counts[organ] = {name: sum(name in own for own in places) for name, _ in segments}
    return counts


def _places(lesion: LesionFacts) -> tuple[str, ...]:
    if lesion.organ == "kidney" and lesion.side is not None:
        return (lesion.side,)
    return lesion.segments


def is_outlier_by_organ(facts: CaseFacts) -> dict[str, bool]:
    """Whether an organ's largest lesion dwarfs all its others, where all were looked for."""
    return {
        organ: _is_outlier([lesion.volume_cm3 for lesion in facts.lesions_of(organ)])
        for organ in annotated_organs(facts)
        if is_fully_annotated(facts, organ)
    }


def _is_outlier(volumes_cm3: list[float]) -> bool:
    """Volumes come largest first."""
    if len(volumes_cm3) < threshold("outlier.least_lesions"):
        return False
    return _reaches(volumes_cm3[0], threshold("outlier.volume_ratio") * volumes_cm3[1])


def _reaches(value: float, least: float) -> bool:
    """At or above, whatever the last bit of a sum of voxels says."""
    return value >= least or math.isclose(value, least, rel_tol=1e-9)


def liver_clustering(facts: CaseFacts) -> Clustering | None:
    """How the liver's lesions spread over its segments, by count.

    Needs at least two lesions, each with a segment. A lesion in two segments counts in both;
    shares are of the number of lesions, and the two fullest segments share theirs.
    """
    lesions = facts.lesions_of("liver")
    if len(lesions) < 2 or not is_fully_annotated(facts, "liver"):
        return None
    if not all(lesion.segments for lesion in lesions):
        return None
    return _clustering(lesions)


def _clustering(lesions: tuple[LesionFacts, ...]) -> Clustering:
    names = [name for name, _ in _SEGMENTS["liver"]]
    inside = {name: {lesion.id for lesion in lesions if name in lesion.segments} for name in names}
    fullest = max(len(ids) for ids in inside.values())
    if fullest > threshold("clustering.high_share") * len(lesions):
        return "highly clustered"
    in_two = max(len(inside[a] | inside[b]) for a in names for b in names if a < b)
    if in_two >= threshold("clustering.some_share") * len(lesions):
        return "somewhat clustered"
    return "widely distributed"


def kidney_burden(facts: CaseFacts) -> KidneyBurden | None:
    """The kidney with clearly more lesion volume.

    Needs lesions, all of them looked for and each with a side, and both kidneys whole.
    """
    lesions = facts.lesions_of("kidney")
    if not lesions or not is_fully_annotated(facts, "kidney"):
        return None
    if any(lesion.side is None for lesion in lesions):
        return None
    if facts.whole_organ("kidney_left") is None or facts.whole_organ("kidney_right") is None:
        return None
    left = sum(lesion.volume_cm3 for lesion in lesions if lesion.side == "left")
    right = sum(lesion.volume_cm3 for lesion in lesions if lesion.side == "right")
    ratio = threshold("kidney_burden.ratio")
    if _reaches(left, ratio * right):
        return "left"
    return "right" if _reaches(right, ratio * left) else "symmetric"
