"""T stage and resectability of the largest solid pancreatic lesion, by size and vessel contact.

Local spread only, from masks: nodes, metastases and a vein's occlusion are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from vol3d.anatomy import threshold
from vol3d.measure.facts import CaseFacts, Gate, LesionFacts, Resectability, TStage

_NEEDED_ARTERIES = ("superior_mesenteric_artery", "celiac_trunk")
_ARTERIES = (*_NEEDED_ARTERIES, "common_hepatic_artery")
_VEINS = ("portal_vein_and_splenic_vein", "portal_vein", "superior_mesenteric_vein")
_PNET_T3_CONTACTS = ("duodenum", "common_bile_duct")
_PNET_T4_CONTACTS = ("stomach", "spleen", "colon", "adrenal_gland_left", "kidney_left")


def staged_lesion(facts: CaseFacts) -> LesionFacts | None:
    """The largest pancreatic lesion that is no cyst; ``None`` if there is none."""
    solid = (lesion for lesion in facts.lesions_of("pancreas") if lesion.type != "cyst")
    return next(solid, None)


def t_stage(facts: CaseFacts) -> TStage | Gate | None:
    """Clinical T stage of :func:`staged_lesion`.

    A neuroendocrine tumour has a table of its own (ENETS: size, then contact with neighbours); all
    others go by AJCC 8. Both are T4 where an artery is encased. Without a measured angle of the
    superior mesenteric artery and the coeliac trunk, T4 cannot be ruled out.

    Returns:
        The stage; a gate where the facts do not settle it; ``None`` without such a lesion.
    """
    lesion = staged_lesion(facts)
    if lesion is None:
        return None
    angles = lesion.vessel_angles_deg
    if any(angles.get(key, 0.0) >= threshold("t_stage.artery_angle_deg") for key in _ARTERIES):
        return "T4"
    reason = _missing_angles(angles, _NEEDED_ARTERIES)
    if reason is None and lesion.is_truncated:
        reason = f"the field of view cuts {lesion.id} off"
    if reason is not None:
        return Gate(rule="t_stage", reason=reason)
    return _pnet_stage(facts, lesion) if lesion.type == "pnet" else _exocrine_stage(lesion)


def _exocrine_stage(lesion: LesionFacts) -> TStage:
    size_cm = lesion.longest_axial_diameter_mm / 10.0
    if size_cm <= threshold("t_stage.t1_cm"):
        return "T1"
    return "T2" if size_cm <= threshold("t_stage.t2_cm") else "T3"


def _pnet_stage(facts: CaseFacts, lesion: LesionFacts) -> TStage | Gate:
    """Size and contact; a structure that no mask could show leaves its contact open."""
    touched = {contact.structure for contact in lesion.contacts if contact.near_voxels > 0}
    if touched & set(_PNET_T4_CONTACTS):
        return "T4"
    size_cm = lesion.longest_axial_diameter_mm / 10.0
    is_large = size_cm > threshold("pnet.t2_cm")
    needed = _PNET_T4_CONTACTS if is_large else (*_PNET_T4_CONTACTS, *_PNET_T3_CONTACTS)
    is_t3 = is_large or bool(touched & set(_PNET_T3_CONTACTS))
    missing = _without_mask(facts, _PNET_T4_CONTACTS if is_t3 else needed)
    if missing:
        return Gate(rule="t_stage", reason=f"contact is not known: no mask of {', '.join(missing)}")
    if is_t3:
        return "T3"
    return "T1" if size_cm < threshold("pnet.t1_cm") else "T2"


def _without_mask(facts: CaseFacts, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in facts.organs]


def _missing_angles(angles: dict[str, float], needed: Iterable[str]) -> str | None:
    missing = [key for key in needed if key not in angles]
    return f"no angle was measured for {', '.join(missing)}" if missing else None


def resectability(facts: CaseFacts) -> Resectability | Gate | None:
    """Resectability of :func:`staged_lesion` by vessel contact.

    Unresectable: an artery (SMA, coeliac trunk, common hepatic) is encased by more than 180
    degrees. Borderline: an artery or the portal or superior mesenteric vein is touched.
    Resectable: none is. A vein's occlusion, which also makes a tumour unresectable, is not
    measured. The combined mask of portal and splenic vein stands for the portal vein.

    Returns:
        The class; a gate where the facts do not settle it; ``None`` without such a lesion.
    """
    lesion = staged_lesion(facts)
    if lesion is None:
        return None
    angles = lesion.vessel_angles_deg
    arteries = [angles[key] for key in _ARTERIES if key in angles]
    if any(angle > threshold("resectability.encasement_deg") for angle in arteries):
        return "unresectable"
    reason = _missing_angles(angles, _NEEDED_ARTERIES)
    if reason is None and lesion.is_truncated:
        reason = f"the field of view cuts {lesion.id} off"
    if reason is not None:
        return Gate(rule="resectability", reason=reason)
    veins = [angles[key] for key in _VEINS if key in angles]
    if any(angle > 0.0 for angle in (*arteries, *veins)):
        return "borderline resectable"
    if not veins:
        reason = "no angle was measured for the portal or superior mesenteric vein"
        return Gate(rule="resectability", reason=reason)
    return "resectable"
