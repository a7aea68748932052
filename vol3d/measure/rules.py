"""Derived facts of a case: ratios, burden, grades and stages, each by one rule.

Every number a rule compares with comes from the table of thresholds. A rule that the facts do not
settle stays silent: its value is ``None``, and where attenuation, phase or a missing mask is the
cause, a gate names it. Rules on attenuation read CT in HU only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vol3d.anatomy import threshold
from vol3d.measure import lesion_rules, staging
from vol3d.measure.facts import CaseFacts, DerivedFacts, Gate, SpleenGrade
from vol3d.measure.presence import (
    is_fully_annotated,
    largest_lesion,
    lesion_presence,
    was_looked_for,
)

__all__ = [
    "derive",
    "is_fully_annotated",
    "largest_lesion",
    "lesion_presence",
    "was_looked_for",
    "with_derived",
]

ENLARGED: Mapping[str, str] = {
    "liver": "liver.enlarged_cm3",
    "spleen": "spleen.enlarged_cm3",
    "pancreas": "pancreas.enlarged_cm3",
    "kidney_left": "kidney.enlarged_cm3",
    "kidney_right": "kidney.enlarged_cm3",
}
_CAUDATE_LOBE = "liver_segment_1"
_RIGHT_LOBE = tuple(f"liver_segment_{number}" for number in (5, 6, 7, 8))
_STEATOSIS_GRADES: tuple[Literal[1, 2, 3], ...] = (3, 2, 1)
_UNENHANCED_RULES = ("is_fatty_liver", "steatosis_grade", "is_fatty_pancreas")


def with_derived(facts: CaseFacts) -> CaseFacts:
    """The same record with ``derived`` filled anew from its organs and lesions."""
    return facts.model_copy(update={"derived": derive(facts)})


def derive(facts: CaseFacts) -> DerivedFacts:
    """What the rules make of a case; reads neither ``facts.derived`` nor any image."""
    stage, operable = staging.t_stage(facts), staging.resectability(facts)
    gates = _attenuation_gates(facts)
    silent = {gate.rule for gate in gates}
    gates += [each for each in (stage, operable) if isinstance(each, Gate)]
    return DerivedFacts(
        liver_spleen_ratio=spleen_ratio(facts, "liver"),
        pancreas_spleen_ratio=spleen_ratio(facts, "pancreas"),
        total_kidney_volume_cm3=lesion_rules.total_kidney_volume_cm3(facts),
        burden_percent=lesion_rules.burden_percent(facts),
        lesion_volume_cm3=lesion_rules.lesion_volumes_cm3(facts),
        lesion_counts=lesion_rules.lesion_counts(facts),
        counts_by_segment=lesion_rules.counts_by_segment(facts),
        is_enlarged=is_enlarged(facts),
        spleen_grade=spleen_grade(facts),
        is_fatty_liver=None if "is_fatty_liver" in silent else is_fatty_liver(facts),
        steatosis_grade=None if "steatosis_grade" in silent else steatosis_grade(facts),
        is_fatty_pancreas=None if "is_fatty_pancreas" in silent else is_fatty_pancreas(facts),
        is_portal_hypertension=is_portal_hypertension(facts),
        is_outlier=lesion_rules.is_outlier_by_organ(facts),
        liver_clustering=lesion_rules.liver_clustering(facts),
        kidney_burden=lesion_rules.kidney_burden(facts),
        t_stage=None if isinstance(stage, Gate) else stage,
        resectability=None if isinstance(operable, Gate) else operable,
        gates=tuple(gates),
    )


def is_ct_in_hu(facts: CaseFacts) -> bool:
    """Whether the intensities are attenuation."""
    return facts.scan.modality == "CT" and facts.scan.unit == "HU"


def mean_hu(facts: CaseFacts, key: str) -> float | None:
    """Mean attenuation of what the scan shows of an organ; ``None`` off CT in HU."""
    found = facts.organ(key)
    return found.mean_intensity if found is not None and is_ct_in_hu(facts) else None


def spleen_ratio(facts: CaseFacts, key: str) -> float | None:
    """Mean HU of an organ / mean HU of the spleen, in any phase; needs a spleen above 0 HU."""
    own, spleen = mean_hu(facts, key), mean_hu(facts, "spleen")
    return None if own is None or spleen is None or spleen <= 0 else own / spleen


def is_enlarged(facts: CaseFacts) -> dict[str, bool]:
    """By organ, whether its volume is above the threshold.

    A cut-off organ that already exceeds it is enlarged; one that does not is not in the result.
    """
    found = {}
    for key, limit in ENLARGED.items():
        organ = facts.organ(key)
        if organ is None:
            continue
        exceeds = organ.volume_cm3 > threshold(limit)
        if exceeds or organ.status == "whole":
            found[key] = exceeds
    return found


def spleen_grade(facts: CaseFacts) -> SpleenGrade | None:
    """Grade of splenomegaly of a whole spleen; exactly 500 and 800 cm3 are moderate."""
    spleen = facts.whole_organ("spleen")
    if spleen is None:
        return None
    if spleen.volume_cm3 > threshold("spleen.severe_cm3"):
        return "severe"
    if spleen.volume_cm3 >= threshold("spleen.moderate_cm3"):
        return "moderate"
    return "mild" if spleen.volume_cm3 > threshold("spleen.enlarged_cm3") else "normal"


def is_fatty_liver(facts: CaseFacts) -> bool | None:
    """Steatosis by the ratio of liver and spleen; the caller checks that the scan is unenhanced."""
    ratio = spleen_ratio(facts, "liver")
    return None if ratio is None else ratio < threshold("fatty_liver.liver_spleen_ratio")


def is_fatty_pancreas(facts: CaseFacts) -> bool | None:
    """Pancreatic steatosis by the ratio to the spleen; the caller checks the phase."""
    ratio = spleen_ratio(facts, "pancreas")
    limit = threshold("fatty_pancreas.pancreas_spleen_ratio")
    return None if ratio is None else ratio < limit


def steatosis_grade(facts: CaseFacts) -> Literal[0, 1, 2, 3] | None:
    """The severest grade that liver HU or the ratio reaches; the caller checks phase and kVp."""
    liver_hu, ratio = mean_hu(facts, "liver"), spleen_ratio(facts, "liver")
    if liver_hu is None:
        return None
    for grade in _STEATOSIS_GRADES:
        if liver_hu < threshold(f"steatosis.grade{grade}_hu"):
            return grade if ratio is not None or grade == 3 else None
        if ratio is not None and ratio < threshold(f"steatosis.grade{grade}_ratio"):
            return grade
    return None if ratio is None else 0


def is_portal_hypertension(facts: CaseFacts) -> bool | None:
    """Whether spleen and liver sizes suggest portal hypertension.

    A spleen that is not enlarged denies it. An enlarged one needs a small liver or a caudate lobe
    that is large against the right lobe; where no liver segment was measured it is enough alone.
    """
    enlarged = is_enlarged(facts).get("spleen")
    if not enlarged:
        return enlarged
    liver = facts.whole_organ("liver")
    if liver is not None and liver.volume_cm3 < threshold("portal_hypertension.small_liver_cm3"):
        return True
    if not any(key in facts.organs for key in (_CAUDATE_LOBE, *_RIGHT_LOBE)):
        return True
    caudate = facts.whole_organ(_CAUDATE_LOBE)
    right = [facts.whole_organ(key) for key in _RIGHT_LOBE]
    right_cm3 = sum(part.volume_cm3 for part in right if part is not None)
    if caudate is None or None in right or right_cm3 == 0:
        return None
    if caudate.volume_cm3 / right_cm3 > threshold("portal_hypertension.caudate_right_lobe_ratio"):
        return True
    return None if liver is None else False


def _attenuation_gates(facts: CaseFacts) -> list[Gate]:
    """Why rules on attenuation are silent, at most one gate for each."""
    common = _scan_reason(facts)
    reasons = {
        rule: common or _organ_reason(facts, rule) or _kvp_reason(facts, rule)
        for rule in _UNENHANCED_RULES
    }
    return [Gate(rule=rule, reason=reason) for rule, reason in reasons.items() if reason]


def _scan_reason(facts: CaseFacts) -> str | None:
    scan = facts.scan
    if scan.modality != "CT":
        return f"the scan is {scan.modality}, not CT"
    if scan.unit != "HU":
        return "the intensities are not in HU"
    if scan.phase.value is None:
        return "the contrast phase is not known"
    if scan.phase.value != "unenhanced":
        return f"the scan is not unenhanced but {scan.phase.value}"
    return None


def _organ_reason(facts: CaseFacts, rule: str) -> str | None:
    own = "pancreas" if rule == "is_fatty_pancreas" else "liver"
    if mean_hu(facts, own) is None:
        return f"attenuation of the {own} is not known"
    if rule == "steatosis_grade" and steatosis_grade(facts) is not None:
        return None  # severest grade by the liver alone
    if spleen_ratio(facts, own) is None:
        return "attenuation of the spleen is not known or not above 0 HU"
    return None


def _kvp_reason(facts: CaseFacts, rule: str) -> str | None:
    kvp = facts.scan.kvp
    if rule != "steatosis_grade" or kvp is None:
        return None
    if threshold("kvp.low") <= kvp <= threshold("kvp.high"):
        return None
    return f"thresholds in HU do not hold at {kvp:g} kVp"
