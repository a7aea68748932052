"""What follows from organs and lesions: ratios, burdens, sizes, grades; one small function each.

Every number that a rule compares with stands in ``vol3d/anatomy/thresholds.json`` with its source.
A rule that may not speak (wrong phase, magnetic resonance, an organ that is cut off) gives
``None``; rules on HU say why in ``DerivedFacts.gates``.
"""

from __future__ import annotations

from collections import Counter

from vol3d.anatomy import group_members, threshold
from vol3d.measure.annotation import (
    is_fully_annotated,
    largest_lesion,
    lesion_presence,
    was_looked_for,
)
from vol3d.measure.facts import (
    CaseFacts,
    Clustering,
    DerivedFacts,
    Gate,
    KidneyBurden,
    SpleenGrade,
    SteatosisGrade,
)
from vol3d.measure.neighbours import part_names
from vol3d.measure.staging import resectability, t_stage

__all__ = [
    "derive",
    "is_fully_annotated",
    "largest_lesion",
    "lesion_presence",
    "was_looked_for",
    "with_derived",
]

SIZED_ORGANS = {
    "liver": "liver.enlarged_cm3",
    "spleen": "spleen.enlarged_cm3",
    "pancreas": "pancreas.enlarged_cm3",
    "kidney_left": "kidney.enlarged_cm3",
    "kidney_right": "kidney.enlarged_cm3",
}
"""Organs with an upper limit of volume, and the threshold's id."""
SEGMENTED_ORGANS = ("liver", "pancreas", "kidney")


def with_derived(facts: CaseFacts) -> CaseFacts:
    """The record with everything that follows from it."""
    return facts.model_copy(update={"derived": derive(facts)})


def derive(facts: CaseFacts) -> DerivedFacts:
    """Everything that follows from organs and lesions of a case."""
    ratio_gate = _hu_gate(facts, needs_kvp=False)
    grade_gate = ratio_gate or _hu_gate(facts, needs_kvp=True)
    gates = []
    if ratio_gate:
        rules = ("liver_spleen_ratio", "pancreas_spleen_ratio", "fatty_liver", "fatty_pancreas")
        gates += [Gate(rule=rule, reason=ratio_gate) for rule in rules]
    if grade_gate:
        gates.append(Gate(rule="steatosis_grade", reason=grade_gate))
    liver = None if ratio_gate else _ratio(facts, "liver")
    pancreas = None if ratio_gate else _ratio(facts, "pancreas")
    return DerivedFacts(
        liver_spleen_ratio=liver,
        pancreas_spleen_ratio=pancreas,
        total_kidney_volume_cm3=total_volume_cm3(facts, "kidney"),
        burden_percent=_burdens(facts),
        lesion_volume_cm3=_lesion_volumes(facts),
        lesion_counts=_counts(facts),
        counts_by_segment=_segment_counts(facts),
        is_enlarged=_enlargements(facts),
        spleen_grade=spleen_grade(facts),
        is_fatty_liver=None
        if liver is None
        else liver < threshold("fatty_liver.liver_spleen_ratio"),
        steatosis_grade=None if grade_gate else steatosis_grade(facts, liver),
        is_fatty_pancreas=None
        if pancreas is None
        else pancreas < threshold("fatty_pancreas.pancreas_spleen_ratio"),
        is_portal_hypertension=is_portal_hypertension(facts),
        is_outlier=_outliers(facts),
        liver_clustering=liver_clustering(facts),
        kidney_burden=kidney_burden(facts),
        t_stage=t_stage(facts),
        resectability=resectability(facts),
        gates=tuple(gates),
    )


def _hu_gate(facts: CaseFacts, *, needs_kvp: bool) -> str | None:
    """Why rules on HU of unenhanced organs may not speak, or ``None`` if they may."""
    scan = facts.scan
    if scan.modality != "CT" or scan.unit != "HU":
        return "The scan is no CT in Hounsfield units."
    if scan.phase.value is None:
        return "The contrast phase is not known; the rule holds for unenhanced scans."
    if scan.phase.value != "unenhanced":
        return f"The rule holds for unenhanced scans; the phase is {scan.phase.value}."
    low, high = threshold("kvp.low"), threshold("kvp.high")
    if needs_kvp and scan.kvp is not None and not low <= scan.kvp <= high:
        return f"The thresholds hold for about 120 kVp; the scan was made with {scan.kvp:g} kVp."
    return None


def _ratio(facts: CaseFacts, organ: str) -> float | None:
    own, spleen = facts.organ(organ), facts.organ("spleen")
    if own is None or spleen is None or own.mean_intensity is None:
        return None
    if spleen.mean_intensity is None or spleen.mean_intensity <= 0 or own.mean_intensity <= 0:
        return None
    return own.mean_intensity / spleen.mean_intensity


def total_volume_cm3(facts: CaseFacts, group: str) -> float | None:
    """Volume of an organ, of a pair both sides together; ``None`` if a part is cut off or unknown.

    An absent side of a pair counts as nothing, but one side must be there.
    """
    found = [facts.organs.get(key) for key in group_members(group)]
    if not found or any(each is None or each.status not in ("whole", "absent") for each in found):
        return None
    volume = sum(each.volume_cm3 for each in found if each is not None)
    return volume or None


def _lesion_volumes(facts: CaseFacts) -> dict[str, float]:
    return {
        organ: sum(lesion.volume_cm3 for lesion in facts.lesions_of(organ))
        for organ in facts.annotated
        if facts.lesions_of(organ) or is_fully_annotated(facts, organ)
    }


def _burdens(facts: CaseFacts) -> dict[str, float]:
    found = {}
    for organ, lesions_cm3 in _lesion_volumes(facts).items():
        total = total_volume_cm3(facts, organ)
        if total:
            found[organ] = 100.0 * lesions_cm3 / total
    return found


def _counts(facts: CaseFacts) -> dict[str, dict[str, int]]:
    found = {}
    for organ, types in facts.annotated.items():
        counts = {each: len(facts.lesions_of(organ, each)) for each in types if each != "lesion"}
        if is_fully_annotated(facts, organ):
            counts["any"] = len(facts.lesions_of(organ))
        if counts:
            found[organ] = counts
    return found


def _segment_counts(facts: CaseFacts) -> dict[str, dict[str, int]]:
    """Lesions by part; a lesion in two parts counts in both."""
    found = {}
    for organ in SEGMENTED_ORGANS:
        lesions = facts.lesions_of(organ)
        parts = part_names(organ)
        is_masked = any(facts.organ(key) for key in parts)
        if not is_fully_annotated(facts, organ) or not (is_masked or lesions):
            continue
        if any(not lesion.segments for lesion in lesions):
            continue
        if not is_masked and not lesions:
            continue
        found[organ] = {
            name: sum(name in lesion.segments for lesion in lesions) for name in parts.values()
        }
    return found


def _enlargements(facts: CaseFacts) -> dict[str, bool]:
    """A cut-off organ beyond the limit is enlarged; one below it is left open."""
    found = {}
    for key, limit_id in SIZED_ORGANS.items():
        organ = facts.organ(key)
        if organ is None:
            continue
        is_large = organ.volume_cm3 > threshold(limit_id)
        if organ.status == "whole" or is_large:
            found[key] = is_large
    return found


def spleen_grade(facts: CaseFacts) -> SpleenGrade | None:
    """Size class of a whole spleen."""
    spleen = facts.whole_organ("spleen")
    if spleen is None:
        return None
    if spleen.volume_cm3 <= threshold("spleen.enlarged_cm3"):
        return "normal"
    if spleen.volume_cm3 < threshold("spleen.moderate_cm3"):
        return "mild"
    return "moderate" if spleen.volume_cm3 <= threshold("spleen.severe_cm3") else "severe"


def steatosis_grade(facts: CaseFacts, ratio: float | None) -> SteatosisGrade | None:
    """Grade 0 to 3 from the liver's HU or its ratio to the spleen's, the severer one counting."""
    liver = facts.organ("liver")
    if liver is None or liver.mean_intensity is None:
        return None
    grades: tuple[SteatosisGrade, ...] = (3, 2, 1)
    for grade in grades:
        is_dark = liver.mean_intensity < threshold(f"steatosis.grade{grade}_hu")
        is_low = ratio is not None and ratio < threshold(f"steatosis.grade{grade}_ratio")
        if is_dark or is_low:
            return grade
    return 0


def is_portal_hypertension(facts: CaseFacts) -> bool | None:
    """Whether spleen and liver sizes suggest it; by the spleen alone without liver segments."""
    is_spleen_large = _enlargements(facts).get("spleen")
    if not is_spleen_large:
        return is_spleen_large
    liver = facts.whole_organ("liver")
    if liver is not None and liver.volume_cm3 < threshold("portal_hypertension.small_liver_cm3"):
        return True
    ratio = caudate_right_lobe_ratio(facts)
    if ratio is None:
        return True if liver is None or not _has_segments(facts) else None
    return ratio > threshold("portal_hypertension.caudate_right_lobe_ratio")


def _has_segments(facts: CaseFacts) -> bool:
    return any(key in facts.organs for key in part_names("liver"))


def caudate_right_lobe_ratio(facts: CaseFacts) -> float | None:
    """Volume of segment 1 over segments 5 to 8, where all of them are whole."""
    parts = [facts.whole_organ(f"liver_segment_{n}") for n in (1, 5, 6, 7, 8)]
    volumes = [part.volume_cm3 for part in parts if part is not None]
    return volumes[0] / sum(volumes[1:]) if len(volumes) == len(parts) else None


def _outliers(facts: CaseFacts) -> dict[str, bool]:
    found = {}
    for organ in facts.annotated:
        if not is_fully_annotated(facts, organ):
            continue
        volumes = [lesion.volume_cm3 for lesion in facts.lesions_of(organ)]
        is_enough = len(volumes) >= threshold("outlier.least_lesions")
        found[organ] = is_enough and volumes[0] >= threshold("outlier.volume_ratio") * volumes[1]
    return found


def liver_clustering(facts: CaseFacts) -> Clustering | None:
    """How concentrated liver lesions are over the segments, by count; two lesions are needed."""
    lesions = facts.lesions_of("liver")
    if len(lesions) < 2 or any(not lesion.segments for lesion in lesions):
        return None
    counts = Counter(name for lesion in lesions for name in lesion.segments)
    fullest = [count for _, count in counts.most_common(2)]
    if fullest[0] / len(lesions) > threshold("clustering.high_share"):
        return "highly clustered"
    in_two = _in_best_pair(facts) / len(lesions)
    is_some = in_two >= threshold("clustering.some_share")
    return "somewhat clustered" if is_some else "widely distributed"


def _in_best_pair(facts: CaseFacts) -> int:
    """Most lesions that two segments hold together, each lesion counted once."""
    lesions = [set(lesion.segments) for lesion in facts.lesions_of("liver")]
    names = sorted(set().union(*lesions))
    return max(sum(bool(each & {a, b}) for each in lesions) for a in names for b in names)


def kidney_burden(facts: CaseFacts) -> KidneyBurden | None:
    """The kidney with clearly more lesion volume; ``None`` without kidney lesions or sides."""
    lesions = facts.lesions_of("kidney")
    if not lesions or any(lesion.side is None for lesion in lesions):
        return None
    left, right = (
        sum(lesion.volume_cm3 for lesion in lesions if lesion.side == side)
        for side in ("left", "right")
    )
    ratio = threshold("kidney_burden.ratio")
    if left >= ratio * right:
        return "left"
    return "right" if right >= ratio * left else "symmetric"
