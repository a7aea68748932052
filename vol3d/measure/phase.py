"""Contrast phase of a CT: as declared, from the header, or estimated from the vessels' HU."""

from __future__ import annotations

from collections.abc import Mapping

from vol3d.anatomy import threshold
from vol3d.measure.facts import Phase, PhaseFacts

_PORTAL = ("portal_vein", "portal_vein_and_splenic_vein", "superior_mesenteric_vein")
UNKNOWN = PhaseFacts()


def phase_of(
    *,
    declared: Phase | None,
    is_contrast_given: bool | None,
    means_hu: Mapping[str, float],
    is_ct: bool = True,
) -> PhaseFacts:
    """The phase and how it is known.

    What the user declares wins; then comes the header, which can only say that no contrast was
    given; then the estimate. A header and vessels that contradict each other settle nothing.

    Args:
        declared: By the user.
        is_contrast_given: By the header.
        means_hu: Mean HU by structure key.
        is_ct: Whether the scan is CT in HU; other scans have no phase here.
    """
    if not is_ct:
        return UNKNOWN
    if declared is not None:
        return PhaseFacts(value=declared, source="declared", reason="As declared.")
    estimate = estimate_phase(means_hu)
    is_enhanced = None if estimate.value is None else estimate.value != "unenhanced"
    if is_contrast_given is not None and is_enhanced not in (None, is_contrast_given):
        said = "given" if is_contrast_given else "not given"
        reason = f"The header says that contrast was {said}, but: {estimate.reason}"
        return PhaseFacts(value=None, source="unknown", reason=reason)
    if is_contrast_given is False:
        reason = "The header says that no contrast was given."
        return PhaseFacts(value="unenhanced", source="header", reason=reason)
    return estimate


def estimate_phase(means_hu: Mapping[str, float]) -> PhaseFacts:
    """The phase from the mean HU of the aorta and the portal vein.

    Unenhanced blood lies at 30 to 60 HU. In the arterial phase the aorta is far brighter than the
    portal vein; in the venous phase both are bright; later both fade to the same level.

    Args:
        means_hu: Mean HU by structure key.
    """
    aorta = means_hu.get("aorta")
    portal = next((means_hu[key] for key in _PORTAL if key in means_hu), None)
    if aorta is None:
        return UNKNOWN
    if portal is None:
        seen = f"aorta {aorta:.0f} HU"
    else:
        seen = f"aorta {aorta:.0f} HU, portal vein {portal:.0f} HU"
    value = _classify(aorta, portal)
    if value is None:
        return PhaseFacts(source="unknown", reason=f"The phase is not clear from the {seen}.")
    return PhaseFacts(value=value, source="estimated", reason=f"Estimated from the {seen}.")


def _classify(aorta: float, portal: float | None) -> Phase | None:
    if aorta < threshold("phase.unenhanced_aorta_hu"):
        is_plain = portal is None or portal < threshold("phase.unenhanced_aorta_hu")
        return "unenhanced" if is_plain else None
    if portal is None:
        return None
    is_alike = abs(aorta - portal) <= threshold("phase.equal_share") * max(aorta, portal)
    if aorta >= threshold("phase.arterial_aorta_hu") and portal < aorta and not is_alike:
        is_late = portal >= threshold("phase.venous_portal_hu")
        return None if is_late and portal > 0.6 * aorta else "arterial"
    if is_alike and max(aorta, portal) < threshold("phase.delayed_most_hu"):
        return "delayed"
    return "venous" if portal >= threshold("phase.venous_portal_hu") else None
