"""Contrast phase: estimate from blood pools, and precedence of its sources."""

from __future__ import annotations

from typing import Any

import pytest

from vol3d.anatomy import find_structure
from vol3d.measure.phase import estimate_phase, phase_of


def means(
    aorta: float | None = None,
    portal: float | None = None,
    cava: float | None = None,
    kidney: float | None = None,
) -> dict[str, float]:
    found = {
        "aorta": aorta,
        "portal_vein_and_splenic_vein": portal,
        "inferior_vena_cava": cava,
        "kidney_left": kidney,
    }
    return {key: value for key, value in found.items() if value is not None}


UNENHANCED = means(42, 40, 38, 31)
ARTERIAL = means(310, 120, 60, 150)
VENOUS = means(150, 165, 120, 180)
DELAYED = means(105, 103, 100, 150)


@pytest.mark.parametrize(
    ("means_hu", "phase"),
    [
        (UNENHANCED, "unenhanced"),
        (ARTERIAL, "arterial"),
        (VENOUS, "venous"),
        (DELAYED, "delayed"),
        (means(69.9, 69.9, 69.9, 69.9), "unenhanced"),
        (means(70.0, 60.0, 60.0, 31.0), None),
        (means(42, kidney=31), "unenhanced"),
        (means(42, kidney=90), None),
        (means(180.0, 120.0), "arterial"),  # 1.5
        (means(180.0, 121.0), None),
        (means(179.9, 60.0), None),
        (means(156.0, 130.0), "venous"),  # 1.2
        (means(157.0, 130.0), None),
        (means(150.0, 129.9), None),
        (means(120, 100, 110, 120), "delayed"),
        (means(121, 110, 110, 120), None),
        (means(120, 99, 110, 120), None),
        (means(105, 103, 84, 150), None),
        (means(105, 103, 100, 119), None),
        (means(105, 103, 100), None),
    ],
)
def test_phase_is_read_from_blood_and_kidneys(
    means_hu: dict[str, float], phase: str | None
) -> None:
    found = estimate_phase(means_hu)
    assert found.value == phase
    assert found.source == ("unknown" if phase is None else "estimated")


@pytest.mark.parametrize("means_hu", [{}, means(150), means(portal=150, kidney=180)])
def test_no_phase_without_aorta_and_a_second_structure(means_hu: dict[str, float]) -> None:
    assert estimate_phase(means_hu).value is None


def test_enhanced_scan_without_portal_vein_has_no_phase() -> None:
    assert estimate_phase(means(300, kidney=150)).value is None


def test_one_dark_kidney_does_not_hide_the_bright_one() -> None:
    found = estimate_phase({**DELAYED, "kidney_right": 30.0})
    assert found.value == "delayed"


def test_portal_vein_counts_under_both_names() -> None:
    assert estimate_phase({"aorta": 150.0, "portal_vein": 165.0}).value == "venous"


def test_reason_names_the_numbers() -> None:
    reason = estimate_phase(VENOUS).reason
    assert "aorta 150 HU" in reason
    assert "portal_vein_and_splenic_vein 165 HU" in reason


def test_user_overrules_header_and_attenuation_but_hears_of_the_doubt() -> None:
    found = phase_of(VENOUS, declared="arterial", is_contrast_given=False)
    assert (found.value, found.source) == ("arterial", "declared")
    assert "looks venous" in found.reason
    assert "looks" not in phase_of(VENOUS, declared="venous").reason


def test_header_without_contrast_means_unenhanced() -> None:
    found = phase_of({}, is_contrast_given=False)
    assert (found.value, found.source) == ("unenhanced", "header")


@pytest.mark.parametrize("means_hu", [VENOUS, means(151), means(portal=121), DELAYED])
def test_header_without_contrast_is_not_believed_over_bright_blood(
    means_hu: dict[str, float],
) -> None:
    found = phase_of(means_hu, is_contrast_given=False)
    assert (found.value, found.source) == (None, "unknown")
    assert "HU" in found.reason


def test_kidneys_that_excrete_do_not_contradict_a_header_without_contrast() -> None:
    assert phase_of(means(42, 40, 38, 160), is_contrast_given=False).value == "unenhanced"


def test_header_with_contrast_leaves_the_phase_to_the_estimate() -> None:
    found = phase_of(VENOUS, is_contrast_given=True)
    assert (found.value, found.source) == ("venous", "estimated")
    assert phase_of({}, is_contrast_given=True).value is None


def test_header_with_contrast_and_dark_blood_contradict_each_other() -> None:
    found = phase_of(UNENHANCED, is_contrast_given=True)
    assert (found.value, found.source) == (None, "unknown")
    assert "header" in found.reason


def test_silent_header_leaves_the_phase_to_the_estimate() -> None:
    assert phase_of(UNENHANCED).source == "estimated"


@pytest.mark.parametrize(("case", "phase"), [("ct_abdomen", "unenhanced"), ("ct_dicom_j2k", None)])
def test_phase_of_real_scans(facts: dict[str, Any], case: str, phase: str | None) -> None:
    """The first is known to be native; the second lies between arterial and venous."""
    means_hu = {
        found.key: label["mean"]
        for name, label in facts[case]["labels"].items()
        if (found := find_structure(name)) is not None and label["mean"] is not None
    }
    assert estimate_phase(means_hu).value == phase
