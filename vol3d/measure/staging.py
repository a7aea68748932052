"""T stage and resectability of a pancreatic tumour from its size and its contact with vessels."""

from __future__ import annotations

from vol3d.anatomy import threshold
from vol3d.measure.facts import CaseFacts, LesionFacts, Resectability, TStage

ARTERIES = ("superior_mesenteric_artery", "celiac_trunk", "common_hepatic_artery")
NEEDED = ("superior_mesenteric_artery", "celiac_trunk")
"""Without these two vessels nothing is said about stage or resectability."""
VEINS = ("portal_vein_and_splenic_vein", "portal_vein", "superior_mesenteric_vein")
_T3_PNET = ("duodenum", "common_bile_duct")
_T4_PNET = ("stomach", "spleen", "colon", "adrenal_gland_left", "kidney_left")


def staged_tumour(facts: CaseFacts) -> LesionFacts | None:
    """The largest pancreatic lesion that is no cyst, if its contact with arteries is known."""
    for lesion in facts.lesions_of("pancreas"):
        if lesion.type != "cyst":
            has_vessels = all(vessel in lesion.vessel_angles_deg for vessel in NEEDED)
            return lesion if has_vessels else None
    return None


def t_stage(facts: CaseFacts) -> TStage | None:
    """T1 to T4 of the largest pancreatic tumour; ``None`` without one or without its arteries.

    Source:
        AJCC 8 by size; an artery that is held over at least 180 degrees makes T4, as RadGPT has
        it. Neuroendocrine tumours follow ENETS: T3 from 4 cm or with contact with duodenum or bile
        duct, T4 with contact with other organs.
    """
    tumour = staged_tumour(facts)
    return None if tumour is None else stage_of(tumour)


def stage_of(tumour: LesionFacts) -> TStage:
    """The stage of one pancreatic tumour, by size and contacts."""
    most = max(tumour.vessel_angles_deg.get(vessel, 0.0) for vessel in ARTERIES)
    touched = {each.structure for each in tumour.contacts if each.gap_mm == 0}
    is_pnet = tumour.type == "pnet"
    is_t4 = most >= threshold("t_stage.artery_angle_deg")
    if is_t4 or (is_pnet and touched.intersection(_T4_PNET)):
        return "T4"
    size_cm = tumour.longest_axial_diameter_mm / 10
    if size_cm > threshold("t_stage.t2_cm") or (is_pnet and touched.intersection(_T3_PNET)):
        return "T3"
    return "T1" if size_cm <= threshold("t_stage.t1_cm") else "T2"


def resectability(facts: CaseFacts) -> Resectability | None:
    """Whether a pancreatic tumour can be resected by its contact with vessels.

    Source:
        NCCN as the knowledge base of DeepTumorVQA has it: no contact with arteries and veins is
        resectable; arterial contact up to 180 degrees or contact with the veins borderline; beyond
        180 degrees of an artery, or a vein held all around, unresectable.
    """
    tumour = staged_tumour(facts)
    if tumour is None:
        return None
    angles = tumour.vessel_angles_deg
    artery = max(angles.get(vessel, 0.0) for vessel in ARTERIES)
    vein = max(angles.get(vessel, 0.0) for vessel in VEINS)
    if artery > threshold("resectability.encasement_deg") or vein >= threshold(
        "resectability.vein_closed_deg"
    ):
        return "unresectable"
    return "borderline resectable" if artery > 0 or vein > 0 else "resectable"
