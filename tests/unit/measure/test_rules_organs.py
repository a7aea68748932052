"""Rules on organs: sizes, grades, attenuation, and the gates that keep them silent."""

from __future__ import annotations

from typing import Any

import pytest
from fact_builders import make_case, organ, random_case

from vol3d.measure.facts import DerivedFacts
from vol3d.measure.rules import derive, with_derived


def derived(*organs: Any, **scan: Any) -> DerivedFacts:
    return make_case(organs, **scan).derived


def reason(facts: DerivedFacts, rule: str) -> str | None:
    return next((gate.reason for gate in facts.gates if gate.rule == rule), None)


@pytest.mark.parametrize(
    ("volume_cm3", "grade", "is_enlarged"),
    [
        (314.5, "normal", False),
        (314.6, "mild", True),
        (499.9, "mild", True),
        (500.0, "moderate", True),
        (800.0, "moderate", True),
        (800.1, "severe", True),
    ],
)
def test_spleen_is_graded_by_volume(volume_cm3: float, grade: str, is_enlarged: bool) -> None:
    found = derived(organ("spleen", volume_cm3))
    assert (found.spleen_grade, found.is_enlarged) == (grade, {"spleen": is_enlarged})


@pytest.mark.parametrize(
    ("key", "limit_cm3"),
    [("liver", 1800.0), ("pancreas", 100.0), ("kidney_left", 260.0), ("kidney_right", 260.0)],
)
def test_organ_is_enlarged_above_its_limit_only(key: str, limit_cm3: float) -> None:
    assert derived(organ(key, limit_cm3)).is_enlarged == {key: False}
    assert derived(organ(key, limit_cm3 + 0.1)).is_enlarged == {key: True}


def test_only_the_large_kidney_is_enlarged() -> None:
    found = derived(organ("kidney_left", 150.0), organ("kidney_right", 300.0))
    assert found.is_enlarged == {"kidney_left": False, "kidney_right": True}


def test_cut_off_spleen_is_enlarged_or_unknown_but_never_graded() -> None:
    large = derived(organ("spleen", 600.0, status="truncated"))
    small = derived(organ("spleen", 200.0, status="truncated"))
    assert (large.is_enlarged, large.spleen_grade) == ({"spleen": True}, None)
    assert (small.is_enlarged, small.spleen_grade) == ({}, None)


def test_absent_organ_has_no_size() -> None:
    found = derived(organ("spleen", 0.0, status="absent"))
    assert (found.is_enlarged, found.spleen_grade) == ({}, None)


def test_kidney_volumes_add_up() -> None:
    found = derived(organ("kidney_left", 150.0), organ("kidney_right", 170.0))
    assert found.total_kidney_volume_cm3 == 320.0


@pytest.mark.parametrize(
    ("right_status", "total_cm3"), [("absent", 150.0), ("truncated", None), ("not_seen", None)]
)
def test_one_kidney_is_the_total_only_if_the_other_is_absent(
    right_status: str, total_cm3: float | None
) -> None:
    found = derived(organ("kidney_left", 150.0), organ("kidney_right", 90.0, status=right_status))
    assert found.total_kidney_volume_cm3 == total_cm3


def test_total_of_two_absent_kidneys_or_of_one_without_the_other_is_unknown() -> None:
    none = [organ(key, 0.0, status="absent") for key in ("kidney_left", "kidney_right")]
    assert derived(*none).total_kidney_volume_cm3 is None
    assert derived(organ("kidney_left", 150.0)).total_kidney_volume_cm3 is None


def test_ratios_divide_by_the_spleen() -> None:
    found = derived(organ("liver", 1500, 60), organ("pancreas", 80, 30), organ("spleen", 200, 48))
    assert (found.liver_spleen_ratio, found.pancreas_spleen_ratio) == (1.25, 0.625)


@pytest.mark.parametrize("spleen_hu", [0.0, -20.0, None])
def test_no_ratio_to_a_spleen_that_is_not_above_zero(spleen_hu: float | None) -> None:
    found = derived(organ("liver", 1500, 60), organ("spleen", 200, spleen_hu), phase="unenhanced")
    assert found.liver_spleen_ratio is None
    assert "spleen" in (reason(found, "is_fatty_liver") or "")


@pytest.mark.parametrize(("liver_hu", "is_fatty"), [(50.0, False), (49.9, True), (-5.0, True)])
def test_liver_darker_than_the_spleen_is_fatty(liver_hu: float, is_fatty: bool) -> None:
    found = derived(organ("liver", 1500, liver_hu), organ("spleen", 200, 50), phase="unenhanced")
    assert found.is_fatty_liver is is_fatty


@pytest.mark.parametrize(("pancreas_hu", "is_fatty"), [(35.0, False), (34.9, True)])
def test_pancreas_below_seven_tenths_of_the_spleen_is_fatty(
    pancreas_hu: float, is_fatty: bool
) -> None:
    found = derived(
        organ("pancreas", 80, pancreas_hu), organ("spleen", 200, 50), phase="unenhanced"
    )
    assert found.is_fatty_pancreas is is_fatty


@pytest.mark.parametrize(
    ("liver_hu", "spleen_hu", "grade"),
    [
        (58.0, 58.0, 0),
        (57.9, 50.0, 1),
        (60.0, 60.1, 1),
        (51.0, 50.0, 1),
        (50.9, 50.0, 2),
        (60.0, 75.0, 1),  # 0.8
        (60.0, 75.1, 2),
        (39.0, 45.0, 2),
        (38.9, 38.0, 3),
        (60.0, 120.0, 2),  # 0.5 is not below 0.5
        (60.0, 120.1, 3),
    ],
)
def test_steatosis_takes_the_severest_grade(liver_hu: float, spleen_hu: float, grade: int) -> None:
    organs = (organ("liver", 1500, liver_hu), organ("spleen", 200, spleen_hu))
    assert derived(*organs, phase="unenhanced").steatosis_grade == grade


def test_without_a_spleen_only_the_severest_grade_is_settled() -> None:
    assert derived(organ("liver", 1500, 20), phase="unenhanced").steatosis_grade == 3
    milder = derived(organ("liver", 1500, 45), phase="unenhanced")
    assert milder.steatosis_grade is None
    assert "spleen" in (reason(milder, "steatosis_grade") or "")


ABDOMEN = (organ("liver", 1500, 30), organ("pancreas", 80, 20), organ("spleen", 200, 50))
RULES = ("is_fatty_liver", "steatosis_grade", "is_fatty_pancreas")


def test_unenhanced_ct_lets_all_rules_on_fat_speak() -> None:
    found = derived(*ABDOMEN, phase="unenhanced")
    assert [getattr(found, rule) for rule in RULES] == [True, 3, True]
    assert found.gates == ()


@pytest.mark.parametrize(
    ("phase", "cause"), [("venous", "venous"), ("arterial", "arterial"), (None, "not known")]
)
def test_rules_on_fat_are_silent_off_the_unenhanced_phase(phase: str | None, cause: str) -> None:
    found = derived(*ABDOMEN, phase=phase)
    assert [getattr(found, rule) for rule in RULES] == [None, None, None]
    assert all(cause in (reason(found, rule) or "") for rule in RULES)


def test_no_rule_reads_intensities_of_mr() -> None:
    found = derived(*ABDOMEN, phase="unenhanced", modality="MR")
    assert [getattr(found, rule) for rule in RULES] == [None, None, None]
    assert (found.liver_spleen_ratio, found.pancreas_spleen_ratio) == (None, None)
    assert all("MR" in (reason(found, rule) or "") for rule in RULES)


def test_no_rule_reads_mr_even_if_it_claims_hu() -> None:
    case = make_case(ABDOMEN, phase="unenhanced")
    scan = case.scan.model_copy(update={"modality": "MR"})
    found = derive(case.model_copy(update={"scan": scan}))
    assert [getattr(found, rule) for rule in RULES] == [None, None, None]
    assert found.liver_spleen_ratio is None


def test_no_rule_reads_ct_that_is_not_in_hu() -> None:
    case = make_case(ABDOMEN, phase="unenhanced")
    scan = case.scan.model_copy(update={"unit": "arbitrary"})
    found = derive(case.model_copy(update={"scan": scan}))
    assert [getattr(found, rule) for rule in RULES] == [None, None, None]
    assert found.liver_spleen_ratio is None


@pytest.mark.parametrize(
    ("kvp", "grade"), [(109.0, None), (110.0, 3), (130.0, 3), (131.0, None), (None, 3)]
)
def test_hu_thresholds_hold_near_120_kvp_only(kvp: float | None, grade: int | None) -> None:
    found = derived(*ABDOMEN, phase="unenhanced", kvp=kvp)
    assert found.steatosis_grade == grade
    assert (reason(found, "steatosis_grade") is None) == (grade is not None)


def test_ratios_hold_at_any_tube_voltage() -> None:
    found = derived(*ABDOMEN, phase="unenhanced", kvp=80.0)
    assert (found.is_fatty_liver, found.is_fatty_pancreas) == (True, True)


def segments(caudate_cm3: float, right_cm3: float) -> list[Any]:
    right = [organ(f"liver_segment_{number}", right_cm3 / 4) for number in (5, 6, 7, 8)]
    return [organ("liver_segment_1", caudate_cm3), *right]


@pytest.mark.parametrize(
    ("spleen_cm3", "liver_cm3", "caudate_cm3", "suggests"),
    [
        (314.5, 900.0, 400.0, False),
        (400.0, 999.0, 100.0, True),
        (400.0, 1000.0, 260.0, False),  # 260 / 400 is 0.65
        (400.0, 1500.0, 264.0, True),
    ],
)
def test_portal_hypertension_needs_a_large_spleen_and_a_small_or_reshaped_liver(
    spleen_cm3: float, liver_cm3: float, caudate_cm3: float, suggests: bool
) -> None:
    organs = (organ("spleen", spleen_cm3), organ("liver", liver_cm3), *segments(caudate_cm3, 400.0))
    assert derived(*organs).is_portal_hypertension is suggests


def test_portal_hypertension_rests_on_the_spleen_where_no_segment_was_measured() -> None:
    assert derived(organ("spleen", 400), organ("liver", 1500)).is_portal_hypertension is True


def test_portal_hypertension_is_open_with_a_cut_off_segment_or_without_a_spleen() -> None:
    cut = [*segments(100.0, 400.0)[:-1], organ("liver_segment_8", 50, status="truncated")]
    assert derived(organ("spleen", 400), organ("liver", 1500), *cut).is_portal_hypertension is None
    assert derived(organ("liver", 900)).is_portal_hypertension is None


def test_derived_facts_follow_from_the_rest_alone() -> None:
    case = random_case(7)
    assert with_derived(case.model_copy(update={"derived": DerivedFacts()})) == case
    assert with_derived(case) == case
