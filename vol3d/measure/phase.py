"""Contrast phase of a CT: as declared, as the header says, or from the attenuation of vessels.

The estimate compares blood pools. Blood without contrast lies below about 65 HU. In the arterial
phase the aorta is far brighter than the portal vein; in the venous phase the portal vein has caught
up and is bright; in the delayed phase all blood is alike and fades, while the kidneys stay bright.
The limits leave gaps on purpose: between them the phase stays unknown. Low tube voltage brightens
contrast, which ratios bear and absolute limits bear up to the gaps.
"""

from __future__ import annotations

from collections.abc import Mapping

from vol3d.anatomy import threshold
from vol3d.measure.facts import Phase, PhaseFacts

AORTA = "aorta"
CAVA = "inferior_vena_cava"
PORTAL_VEINS = ("portal_vein_and_splenic_vein", "portal_vein")
KIDNEYS = ("kidney_left", "kidney_right")
PHASE_STRUCTURES = (AORTA, *PORTAL_VEINS, CAVA, *KIDNEYS)
"""Structures whose mean HU the estimate reads."""


def estimate_phase(means_hu: Mapping[str, float]) -> PhaseFacts:
    """Contrast phase from mean attenuation.

    Needs the aorta, and beside it the kidneys or the portal vein; the phases with contrast need the
    portal vein, the delayed one the kidneys too.

    Args:
        means_hu: Mean HU by structure key; keys other than ``PHASE_STRUCTURES`` are not read. Not
            for MR, whose intensities mean nothing here.

    Returns:
        A phase with source ``estimated``, or no phase with source ``unknown``, each with a reason.
    """
    aorta, portal, kidneys = means_hu.get(AORTA), _portal_hu(means_hu), _kidneys_hu(means_hu)
    seen = _seen(means_hu)
    if aorta is None or (portal is None and kidneys is None):
        return PhaseFacts(reason=f"needs the aorta and the portal vein or kidneys; known: {seen}")
    if _is_unenhanced(means_hu):
        return _estimated("unenhanced", f"no blood or kidney is enhanced: {seen}")
    if portal is None or portal <= 0:
        return PhaseFacts(reason=f"enhanced, but without the portal vein no phase: {seen}")
    if _is_arterial(aorta, portal):
        return _estimated("arterial", f"the aorta is far brighter than the portal vein: {seen}")
    if _is_venous(aorta, portal):
        return _estimated("venous", f"the portal vein is bright beside the aorta: {seen}")
    if kidneys is not None and _is_delayed(means_hu, portal, kidneys):
        return _estimated("delayed", f"all blood is alike and faded, the kidneys bright: {seen}")
    return PhaseFacts(reason=f"no phase fits clearly: {seen}")


def phase_of(
    means_hu: Mapping[str, float],
    *,
    declared: Phase | None = None,
    is_contrast_given: bool | None = None,
) -> PhaseFacts:
    """The contrast phase by the best source: the user, then the header, then an estimate.

    A header tells at most whether contrast was given, so it settles only the unenhanced phase.
    Where it and the attenuation contradict each other, the phase is unknown.

    Args:
        means_hu: As :func:`estimate_phase` takes it; empty if nothing was measured.
        declared: What the user says; it stands, whatever the attenuation.
        is_contrast_given: What the header says.
    """
    guess = estimate_phase(means_hu)
    if declared is not None:
        doubt = guess.value is not None and guess.value != declared
        reason = "declared" + (
            f"; attenuation looks {guess.value} ({guess.reason})" if doubt else ""
        )
        return PhaseFacts(value=declared, source="declared", reason=reason)
    if is_contrast_given is False:
        if _is_surely_enhanced(means_hu) or guess.value not in (None, "unenhanced"):
            seen = _seen(means_hu)
            return PhaseFacts(reason=f"the header says no contrast, yet blood is enhanced: {seen}")
        return PhaseFacts(value="unenhanced", source="header", reason="no contrast by the header")
    if is_contrast_given and guess.value == "unenhanced":
        return PhaseFacts(reason=f"the header says contrast was given, yet {guess.reason}")
    return guess


def _estimated(phase: Phase, reason: str) -> PhaseFacts:
    return PhaseFacts(value=phase, source="estimated", reason=reason)


def _portal_hu(means_hu: Mapping[str, float]) -> float | None:
    return next((means_hu[key] for key in PORTAL_VEINS if key in means_hu), None)


def _kidneys_hu(means_hu: Mapping[str, float]) -> float | None:
    """The brighter kidney, as one may have failed."""
    return max((means_hu[key] for key in KIDNEYS if key in means_hu), default=None)


def _is_unenhanced(means_hu: Mapping[str, float]) -> bool:
    limit = threshold("phase.unenhanced_hu")
    return all(means_hu[key] < limit for key in PHASE_STRUCTURES if key in means_hu)


def _is_surely_enhanced(means_hu: Mapping[str, float]) -> bool:
    """Vessels only: kidneys may still excrete contrast of an earlier scan."""
    vessels = (AORTA, *PORTAL_VEINS, CAVA)
    limit = threshold("phase.enhanced_hu")
    return any(means_hu[key] > limit for key in vessels if key in means_hu)


def _is_arterial(aorta: float, portal: float) -> bool:
    is_bright = aorta >= threshold("phase.arterial_aorta_hu")
    return is_bright and aorta / portal >= threshold("phase.arterial_aorta_portal_ratio")


def _is_venous(aorta: float, portal: float) -> bool:
    is_bright = portal >= threshold("phase.venous_portal_hu")
    return is_bright and aorta / portal <= threshold("phase.venous_aorta_portal_ratio")


def _is_delayed(means_hu: Mapping[str, float], portal: float, kidneys: float) -> bool:
    blood = [means_hu[AORTA], portal, *([means_hu[CAVA]] if CAVA in means_hu else [])]
    return (
        min(blood) >= threshold("phase.unenhanced_hu")
        and max(blood) <= threshold("phase.delayed_blood_hu")
        and max(blood) - min(blood) <= threshold("phase.delayed_spread_hu")
        and kidneys >= threshold("phase.enhanced_hu")
    )


def _seen(means_hu: Mapping[str, float]) -> str:
    known = [f"{key} {means_hu[key]:.0f} HU" for key in PHASE_STRUCTURES if key in means_hu]
    return ", ".join(known) or "nothing"
