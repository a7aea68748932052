"""Rules on lesions: what was looked for, counts, burden, spread over segments and sides."""

from __future__ import annotations

from typing import Any

import pytest
from fact_builders import lesion, make_case, organ
from hypothesis import given
from hypothesis import strategies as st

from vol3d.measure.facts import CaseFacts, DerivedFacts
from vol3d.measure.rules import (
    is_fully_annotated,
    largest_lesion,
    lesion_presence,
    was_looked_for,
)

LIVER = organ("liver", 1500)
KIDNEYS = (organ("kidney_left", 150), organ("kidney_right", 250))


def case(*lesions: Any, organs: Any = (LIVER, *KIDNEYS), **annotated: tuple[str, ...]) -> CaseFacts:
    return make_case(organs, lesions, annotated=annotated)


def derived(*lesions: Any, **rest: Any) -> DerivedFacts:
    return case(*lesions, **rest).derived


def test_a_type_with_its_own_empty_mask_is_denied_and_others_stay_open() -> None:
    facts = case(liver=("tumor",))
    assert was_looked_for(facts, "liver", "tumor")
    assert lesion_presence(facts, "liver", "tumor") is False
    assert lesion_presence(facts, "liver", "cyst") is None
    assert lesion_presence(facts, "liver") is None


def test_an_empty_mask_of_all_lesions_denies_every_type() -> None:
    facts = case(liver=("lesion",))
    assert was_looked_for(facts, "liver", "cyst")
    assert lesion_presence(facts, "liver", "cyst") is False
    assert lesion_presence(facts, "liver") is False


def test_a_mask_of_all_lesions_that_shows_one_says_nothing_about_types() -> None:
    facts = case(lesion("liver"), liver=("lesion",))
    assert lesion_presence(facts, "liver") is True
    assert not was_looked_for(facts, "liver", "cyst")
    assert lesion_presence(facts, "liver", "cyst") is None


def test_nothing_is_denied_in_an_organ_without_masks_of_lesions() -> None:
    assert lesion_presence(case(kidney=("lesion",)), "liver") is None


def test_nothing_is_denied_in_an_organ_that_the_scan_does_not_show() -> None:
    facts = case(organs=(organ("liver", 0, status="not_seen"),), liver=("lesion",))
    assert lesion_presence(facts, "liver") is None
    assert lesion_presence(facts, "liver", "cyst") is None
    assert facts.derived.lesion_counts == {}


def test_one_visible_kidney_is_enough_to_deny_renal_lesions() -> None:
    organs = (organ("kidney_left", 0, status="absent"), organ("kidney_right", 150))
    assert lesion_presence(case(organs=organs, kidney=("lesion",)), "kidney") is False


@pytest.mark.parametrize(
    ("organ_key", "types", "is_full"),
    [
        ("liver", ("tumor", "cyst"), True),
        ("liver", ("tumor",), False),
        ("kidney", ("cyst", "tumor"), True),
        ("pancreas", ("pdac", "pnet", "cyst"), True),
        ("pancreas", ("tumor", "cyst"), True),
        ("pancreas", ("pdac", "cyst"), False),
        ("colon", ("tumor",), True),
        ("spleen", ("cyst",), False),
        ("lung", ("nodule",), True),
        ("brain", ("metastasis",), True),
        ("bone", ("tumor",), False),
        ("bone", ("lesion",), True),
        ("liver", (), False),
    ],
)
def test_organ_is_fully_annotated_by_its_standard_types(
    organ_key: str, types: tuple[str, ...], is_full: bool
) -> None:
    assert is_fully_annotated(case(**{organ_key: types}), organ_key) is is_full


def test_largest_lesion_is_by_volume_not_diameter() -> None:
    long, thick = lesion("liver", "cyst", 2.0, diameter_mm=50), lesion("liver", "tumor", 3.0)
    facts = case(long, thick, liver=("tumor", "cyst"))
    assert largest_lesion(facts, "liver") == facts.lesions_of("liver", "tumor")[0]
    assert largest_lesion(facts, "liver", "cyst") == facts.lesions_of("liver", "cyst")[0]
    assert largest_lesion(facts, "kidney") is None


def test_counts_by_type_and_of_any() -> None:
    found = derived(
        lesion("kidney", "cyst", 1.0, side="left"),
        lesion("kidney", "cyst", 2.0, side="right"),
        lesion("kidney", "tumor", 3.0, side="left"),
        kidney=("tumor", "cyst"),
        liver=("tumor",),
    )
    assert found.lesion_counts == {
        "kidney": {"tumor": 1, "cyst": 2, "any": 3},
        "liver": {"tumor": 0},
    }
    assert found.lesion_volume_cm3 == {"kidney": 6.0}


def test_no_total_where_a_type_was_not_looked_for() -> None:
    found = derived(lesion("liver", "tumor", 4.0), liver=("tumor",))
    assert found.lesion_counts == {"liver": {"tumor": 1}}
    assert (found.lesion_volume_cm3, found.burden_percent, found.is_outlier) == ({}, {}, {})


def test_burden_is_the_share_of_the_organ_and_of_both_kidneys() -> None:
    found = derived(
        lesion("liver", volume_cm3=15.0),
        lesion("liver", volume_cm3=30.0),
        lesion("kidney", volume_cm3=8.0, side="right"),
        liver=("lesion",),
        kidney=("lesion",),
    )
    assert found.burden_percent == {"liver": 3.0, "kidney": 2.0}


def test_no_burden_of_a_cut_off_organ() -> None:
    cut = organ("liver", 1500, status="truncated")
    found = derived(lesion("liver", volume_cm3=15.0), organs=(cut,), liver=("lesion",))
    assert found.burden_percent == {}
    assert found.lesion_volume_cm3 == {"liver": 15.0}


def test_a_lesion_counts_in_every_segment_that_it_names() -> None:
    found = derived(
        lesion("liver", segments=("4", "8")), lesion("liver", segments=("8",)), liver=("lesion",)
    )
    expected = {str(number): 0 for number in range(1, 9)} | {"4": 1, "8": 2}
    assert found.counts_by_segment == {"liver": expected}


def test_segments_without_lesions_are_listed_where_they_were_measured() -> None:
    parts = (organ("pancreas", 80), organ("pancreas_head", 30))
    found = derived(organs=parts, pancreas=("lesion",))
    assert found.counts_by_segment == {"pancreas": {"head": 0, "body": 0, "tail": 0}}


def test_no_counts_by_segment_where_a_lesion_has_no_place() -> None:
    found = derived(lesion("liver", segments=("8",)), lesion("liver"), liver=("lesion",))
    assert found.counts_by_segment == {}
    assert derived(organs=(LIVER,), liver=("lesion",)).counts_by_segment == {}


def test_renal_lesions_count_on_their_own_side() -> None:
    found = derived(lesion("kidney", side="left"), kidney=("lesion",))
    assert found.counts_by_segment == {"kidney": {"left": 1, "right": 0}}


@pytest.mark.parametrize(
    ("volumes_cm3", "is_outlier"),
    [
        ((9.0, 3.0, 1.0), True),
        ((8.9, 3.0, 1.0), False),
        ((0.3, 0.1, 0.1), True),  # 3 * 0.1 is a bit more than 0.3
        ((9.0, 1.0), False),
        ((), False),
    ],
)
def test_outlier_is_three_times_the_second_of_three(
    volumes_cm3: tuple[float, ...], is_outlier: bool
) -> None:
    lesions = [lesion("liver", volume_cm3=volume) for volume in volumes_cm3]
    assert derived(*lesions, liver=("lesion",)).is_outlier == {"liver": is_outlier}


@pytest.mark.parametrize(
    ("segments", "clustering"),
    [
        ("88812", "highly clustered"),  # 3 of 5
        ("8812", "somewhat clustered"),  # 2 of 4 is not above a half; 3 of 4 in two
        ("88123", "widely distributed"),  # 3 of 5 in two
        ("12", "somewhat clustered"),
        ("1234", "widely distributed"),
    ],
)
def test_clustering_goes_by_the_fullest_segments(segments: str, clustering: str) -> None:
    lesions = [lesion("liver", segments=(segment,)) for segment in segments]
    assert derived(*lesions, liver=("lesion",)).liver_clustering == clustering


def test_clustering_needs_two_lesions_each_with_a_segment() -> None:
    one = lesion("liver", segments=("8",))
    assert derived(one, liver=("lesion",)).liver_clustering is None
    assert derived(one, lesion("liver"), liver=("lesion",)).liver_clustering is None
    assert derived(one, one, liver=("tumor",)).liver_clustering is None


@pytest.mark.parametrize(
    ("left_cm3", "right_cm3", "burden"),
    [
        (1.5, 1.0, "left"),
        (1.49, 1.0, "symmetric"),
        (1.0, 1.49, "symmetric"),
        (1.0, 1.5, "right"),
        (1.0, None, "left"),
        (None, 1.0, "right"),
    ],
)
def test_kidney_burden_names_the_side_with_clearly_more_lesion(
    left_cm3: float | None, right_cm3: float | None, burden: str
) -> None:
    volumes = {"left": left_cm3, "right": right_cm3}
    lesions = [
        lesion("kidney", volume_cm3=volume, side=side)
        for side, volume in volumes.items()
        if volume is not None
    ]
    assert derived(*lesions, kidney=("lesion",)).kidney_burden == burden


def test_kidney_burden_is_open_without_lesions_or_with_a_kidney_cut_off() -> None:
    assert derived(kidney=("lesion",)).kidney_burden is None
    cut = (organ("kidney_left", 150), organ("kidney_right", 90, status="truncated"))
    one = lesion("kidney", side="left")
    assert derived(one, organs=cut, kidney=("lesion",)).kidney_burden is None


SIDES = st.lists(st.tuples(st.sampled_from(["left", "right"]), st.floats(0.1, 50)), max_size=6)


@given(SIDES)
def test_mirrored_kidneys_give_mirrored_facts(drawn: list[tuple[str, float]]) -> None:
    swap = {"left": "right", "right": "left"}
    found, mirrored = (
        derived(
            *(lesion("kidney", volume_cm3=volume, side=each[side]) for side, volume in drawn),
            organs=(organ(f"kidney_{each['left']}", 150), organ(f"kidney_{each['right']}", 300)),
            kidney=("lesion",),
        )
        for each in ({"left": "left", "right": "right"}, swap)
    )
    assert mirrored.kidney_burden == swap.get(found.kidney_burden or "", found.kidney_burden)
    counts = found.counts_by_segment["kidney"]
    assert mirrored.counts_by_segment["kidney"] == {swap[s]: n for s, n in counts.items()}
    assert found.is_enlarged == {"kidney_left": False, "kidney_right": True}
    assert mirrored.is_enlarged == {"kidney_left": True, "kidney_right": False}
