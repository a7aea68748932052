"""Which questions are clear enough to be asked: none hangs on a hair.

A generated question is left out where its answer would change within 3 % of a threshold, where two
lesions are nearly the largest, or where two neighbours are nearly the nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vol3d.anatomy import threshold
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import ENLARGED, largest_lesion
from vol3d.vqa.answers import healthy_mean_std, largest_known, neighbours
from vol3d.vqa.values import Slots

LEAST_HU = 1.0
"""No question within this of a threshold in HU, where 3 % of it would be less."""
LEAST_ANGLE_DEG = 5.0
"""Contact with a vessel below it is neither contact nor none."""

ClearRule = Callable[[CaseFacts, Slots], bool]


def is_near(value: float, limit: float) -> bool:
    """Whether a value lies within the skipped share of a threshold."""
    return abs(value - limit) <= threshold("question.skip_share") * abs(limit)


def _is_near_hu(value: float, threshold_id: str) -> bool:
    limit = threshold(threshold_id)
    return is_near(value, limit) or abs(value - limit) <= LEAST_HU


def _spleen(*threshold_ids: str) -> ClearRule:
    def rule(facts: CaseFacts, slots: Slots) -> bool:
        spleen = facts.organ("spleen")
        return spleen is None or not any(
            is_near(spleen.volume_cm3, threshold(each)) for each in threshold_ids
        )

    return rule


def _enlargement(facts: CaseFacts, slots: Slots) -> bool:
    organ = facts.organ(slots["organ"])
    limit = threshold(ENLARGED[slots["organ"]])
    return organ is not None and not is_near(organ.volume_cm3, limit)


def _one_largest(facts: CaseFacts, slots: Slots) -> bool:
    """One lesion is clearly the largest of those asked about."""
    lesion_type = slots.get("lesion_type", "lesion")
    found = facts.lesions_of(slots["organ"], None if lesion_type == "lesion" else lesion_type)
    return len(found) < 2 or not is_near(found[1].volume_cm3, found[0].volume_cm3)


def _largest_of(organ: str, lesion_type: str | None = None) -> ClearRule:
    def rule(facts: CaseFacts, slots: Slots) -> bool:
        found = facts.lesions_of(organ, lesion_type)
        return len(found) < 2 or not is_near(found[1].volume_cm3, found[0].volume_cm3)

    return rule


def _has_volume(facts: CaseFacts, slots: Slots) -> bool:
    """Something to measure: a burden of 0.0 has no distractors."""
    return facts.derived.burden_percent[slots["organ"]] >= 0.1


def _lesion_volume(facts: CaseFacts, slots: Slots) -> bool:
    lesion_type = slots["lesion_type"]
    found = facts.lesions_of(slots["organ"], None if lesion_type == "lesion" else lesion_type)
    return sum(each.volume_cm3 for each in found) >= 0.3


def _attenuation(facts: CaseFacts, slots: Slots) -> bool:
    lesion = largest_known(facts, slots["organ"])
    healthy = None if lesion is None else healthy_mean_std(facts, lesion)
    if lesion is None or not _one_largest(facts, slots):
        return False
    if healthy is None:
        return True
    band = threshold("attenuation.std_share") * healthy[1]
    return not is_near(abs(lesion.mean_intensity - healthy[0]), band)


def _difference(facts: CaseFacts, slots: Slots) -> bool:
    lesion = largest_known(facts, slots["organ"])
    healthy = None if lesion is None else healthy_mean_std(facts, lesion)
    if lesion is None or healthy is None or not _one_largest(facts, slots):
        return False
    return abs(lesion.mean_intensity - healthy[0]) >= LEAST_HU


def _kidney_volumes(facts: CaseFacts, slots: Slots) -> bool:
    left, right = facts.organs["kidney_left"].volume_cm3, facts.organs["kidney_right"].volume_cm3
    return round(left, 1) == round(right, 1) or not is_near(left, right)


def _kidney_burden(facts: CaseFacts, slots: Slots) -> bool:
    left, right = (
        sum(each.volume_cm3 for each in facts.lesions_of("kidney") if each.side == side)
        for side in ("left", "right")
    )
    ratio = threshold("kidney_burden.ratio")
    return not is_near(left, ratio * right) and not is_near(right, ratio * left)


def _burdens(facts: CaseFacts, slots: Slots) -> bool:
    first, second = (facts.derived.burden_percent[slots[key]] for key in ("organ", "organ_b"))
    return first == second or not is_near(first, second)


def _outlier(facts: CaseFacts, slots: Slots) -> bool:
    volumes = [each.volume_cm3 for each in facts.lesions_of(slots["organ"])]
    if len(volumes) < threshold("outlier.least_lesions"):
        return True
    return not is_near(volumes[0] / volumes[1], threshold("outlier.volume_ratio"))


def _adjacent(facts: CaseFacts, slots: Slots) -> bool:
    found = neighbours(facts, slots["organ"])
    if not _one_largest(facts, slots):
        return False
    if len(found) < 2:
        return True
    first, second = found[0], found[1]
    if first.near_voxels:
        return second.near_voxels < 0.9 * first.near_voxels
    return second.gap_mm - first.gap_mm > 2.0


def _fatty_liver(facts: CaseFacts, slots: Slots) -> bool:
    ratio = facts.derived.liver_spleen_ratio
    return ratio is not None and not is_near(ratio, threshold("fatty_liver.liver_spleen_ratio"))


def _steatosis(facts: CaseFacts, slots: Slots) -> bool:
    liver, ratio = facts.organ("liver"), facts.derived.liver_spleen_ratio
    if liver is None or liver.mean_intensity is None:
        return False
    for grade in (1, 2, 3):
        if _is_near_hu(liver.mean_intensity, f"steatosis.grade{grade}_hu"):
            return False
        if ratio is not None and is_near(ratio, threshold(f"steatosis.grade{grade}_ratio")):
            return False
    return True


def _fatty_pancreas(facts: CaseFacts, slots: Slots) -> bool:
    ratio = facts.derived.pancreas_spleen_ratio
    limit = threshold("fatty_pancreas.pancreas_spleen_ratio")
    return ratio is not None and not is_near(ratio, limit)


def _portal(facts: CaseFacts, slots: Slots) -> bool:
    liver = facts.organ("liver")
    if liver is not None and is_near(
        liver.volume_cm3, threshold("portal_hypertension.small_liver_cm3")
    ):
        return False
    return _spleen("spleen.enlarged_cm3")(facts, slots)


def _vessels(facts: CaseFacts, slots: Slots) -> bool:
    found = [each for each in facts.lesions_of("pancreas") if each.type != "cyst"]
    if not found or not _solid_largest(facts):
        return False
    angles = found[0].vessel_angles_deg.values()
    limit = threshold("resectability.encasement_deg")
    return not any(is_near(a, limit) or 0 < a < LEAST_ANGLE_DEG for a in angles)


def _solid_largest(facts: CaseFacts) -> bool:
    found = [each for each in facts.lesions_of("pancreas") if each.type != "cyst"]
    return len(found) < 2 or not is_near(found[1].volume_cm3, found[0].volume_cm3)


def _staging(facts: CaseFacts, slots: Slots) -> bool:
    if not _vessels(facts, slots):
        return False
    found = [each for each in facts.lesions_of("pancreas") if each.type != "cyst"]
    size_cm = found[0].longest_axial_diameter_mm / 10
    return not any(is_near(size_cm, threshold(f"t_stage.{t}_cm")) for t in ("t1", "t2"))


def _typed_pancreas(facts: CaseFacts, slots: Slots) -> bool:
    found = [each for each in facts.lesions_of("pancreas") if each.type in ("pdac", "pnet")]
    return len(found) < 2 or not is_near(found[1].volume_cm3, found[0].volume_cm3)


def _cyst_size(facts: CaseFacts, slots: Slots) -> bool:
    cyst = largest_lesion(facts, "pancreas", "cyst")
    if cyst is None or not _largest_of("pancreas", "cyst")(facts, slots):
        return False
    return not is_near(cyst.volume_cm3, threshold("pancreatic_cyst.resection_cm3")) and not is_near(
        cyst.longest_axial_diameter_mm / 10, threshold("pancreatic_cyst.resection_cm")
    )


def _pseudocyst(facts: CaseFacts, slots: Slots) -> bool:
    cyst = largest_lesion(facts, "pancreas", "cyst")
    if cyst is None or not _largest_of("pancreas", "cyst")(facts, slots):
        return False
    return not _is_near_hu(cyst.mean_intensity, "pseudocyst.hu")


def _kidney_type(facts: CaseFacts, slots: Slots) -> bool:
    lesion = largest_known(facts, "kidney")
    if lesion is None or not _largest_of("kidney")(facts, slots):
        return False
    is_typed = lesion.type in ("cyst", "tumor")
    return is_typed or not _is_near_hu(lesion.mean_intensity, "kidney_lesion.tumor_hu")


def _renal_mass(facts: CaseFacts, slots: Slots) -> bool:
    lesion = largest_known(facts, "kidney")
    if lesion is None or not _largest_of("kidney")(facts, slots):
        return False
    names = ("fat_hu", "simple_cyst_hu", "hyperattenuating_cyst_hu")
    return not any(_is_near_hu(lesion.mean_intensity, f"renal_mass.{name}") for name in names)


_RULES: Mapping[str, ClearRule] = MappingProxyType(
    {
        "splenomegaly detection": _spleen("spleen.enlarged_cm3"),
        "splenomegaly grading": _spleen(
            "spleen.enlarged_cm3", "spleen.moderate_cm3", "spleen.severe_cm3"
        ),
        "lesion volume measurement": _lesion_volume,
        "tumor burden percentage": _has_volume,
        "largest lesion diameter": _one_largest,
        "largest lesion slice": _one_largest,
        "tumor organ HU difference": _difference,
        "largest lesion attenuation": _attenuation,
        "largest lesion location": _one_largest,
        "lesion outlier": _outlier,
        "kidney volume comparison": _kidney_volumes,
        "bilateral kidney asymmetry": _kidney_burden,
        "multi-organ lesion burden comparison": _burdens,
        "organ enlargement": _enlargement,
        "adjacent organ": _adjacent,
        "PDAC vs PNET classification": _typed_pancreas,
        "pancreatic tumor staging": _staging,
        "pancreatic cyst resectability": _cyst_size,
        "fatty liver": _fatty_liver,
        "pancreatic lesion resectability": _vessels,
        "hepatic steatosis grading": _steatosis,
        "pancreatic steatosis": _fatty_pancreas,
        "portal hypertension assessment": _portal,
        "lesion type classification": _kidney_type,
        "renal mass characterization": _renal_mass,
        "pseudocyst determination": _pseudocyst,
    }
)


def is_clear(subtype: str, facts: CaseFacts, slots: Slots) -> bool:
    """Whether a question may be asked; its answer must be known.

    Args:
        subtype: Name of the subtype.
        facts: The case.
        slots: What the question asks about.
    """
    rule = _RULES.get(subtype)
    return rule is None or rule(facts, slots)
