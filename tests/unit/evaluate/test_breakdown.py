"""Groups of questions, beside chance and beside a blank scan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_rows import generated_rows, scored

from vol3d.errors import DataError
from vol3d.evaluate.breakdown import (
    above_baseline,
    break_down,
    by_stratum,
    by_subtype,
    by_super_type,
    size_stratum,
    strata_names,
)


@pytest.mark.parametrize(("mm", "name"), [(0.5, "<= 20 mm"), (20, "<= 20 mm"), (20.1, "> 20 mm")])
def test_twenty_millimetres_is_small(mm: float, name: str) -> None:
    assert size_stratum(mm) == name


@pytest.mark.parametrize("mm", [0, -1, float("nan"), float("inf")])
def test_a_lesion_without_a_size_has_no_stratum(mm: float) -> None:
    with pytest.raises(DataError, match="above 0 mm"):
        size_stratum(mm)


def test_above_chance_of_four_options_by_hand() -> None:
    assert above_baseline(0.70, 0.25) == pytest.approx(0.60)


def test_blank_normalisation_in_percent_is_the_same_figure() -> None:
    # (acc - blank) / (100 - blank) with acc = 63 % and blank = 26 %
    assert above_baseline(0.63, 0.26) == pytest.approx((63 - 26) / (100 - 26))


def test_a_perfect_baseline_leaves_nothing_to_gain() -> None:
    assert above_baseline(1.0, 1.0) is None


@given(st.floats(0, 1), st.floats(0, 0.99))
def test_baseline_itself_is_0_and_perfect_is_1(score: float, baseline: float) -> None:
    assert above_baseline(baseline, baseline) == 0
    assert above_baseline(1.0, baseline) == pytest.approx(1)
    above = above_baseline(score, baseline)
    assert above is not None
    assert (above > 0) == (score > baseline)


def test_official_is_over_answered_rows_and_strict_over_all() -> None:
    rows = [scored("a", 1.0), scored("b", 0.0, is_answered=False)]
    (group,) = break_down(rows, by_subtype)
    assert group.official is not None
    assert (group.official.mean, group.strict.mean) == (1.0, 0.5)
    assert (group.num_questions, group.num_answered) == (2, 1)


def test_a_group_without_answers_has_no_official_score() -> None:
    (group,) = break_down([scored("a", 0.0, is_answered=False)], by_subtype)
    assert group.official is None


def test_chance_is_the_mean_over_questions_with_their_own_options() -> None:
    rows = [scored("a", chance=0.5), scored("b", 0.0, chance=0.25)]
    (group,) = break_down(rows, by_subtype)
    assert group.chance == 0.375
    assert group.above_chance == pytest.approx((0.5 - 0.375) / (1 - 0.375))


def test_free_form_has_no_chance() -> None:
    (group,) = break_down([scored("a", chance=0.0)], by_subtype)
    assert (group.chance, group.above_chance) == (None, None)


def test_blank_scores_are_of_the_same_questions() -> None:
    rows = [scored("a", 1.0), scored("b", 0.0), scored("c", 1.0)]
    blank = [scored("a", 0.0), scored("b", 1.0), scored("z", 1.0)]
    (group,) = break_down(rows, by_subtype, blank=blank)
    assert group.above_blank is not None
    assert group.above_blank.num_questions == 2
    assert (group.above_blank.blank, group.above_blank.score) == (0.5, 0.0)


def test_a_blank_run_without_these_questions_says_nothing() -> None:
    (group,) = break_down([scored("a")], by_subtype, blank=[scored("z")])
    assert group.above_blank is None


def test_a_repeated_blank_question_is_refused() -> None:
    with pytest.raises(DataError, match="question z twice"):
        break_down([scored("a")], by_subtype, blank=[scored("z"), scored("z")])


def test_rows_without_the_stratum_are_a_group_of_their_own() -> None:
    rows = [scored("a", strata={"phase": "venous"}), scored("b")]
    groups = break_down(rows, by_stratum("phase"))
    assert [(group.name, group.num_questions) for group in groups] == [
        ("venous", 1),
        ("not given", 1),
    ]


def test_names_of_strata_are_those_of_any_row() -> None:
    rows = [scored("a", strata={"phase": "venous"}), scored("b", strata={"size": "> 20 mm"})]
    assert strata_names(rows) == ("phase", "size")


def test_groups_add_up_to_all_questions() -> None:
    rows = generated_rows(840)
    for key in (by_subtype, by_super_type, by_stratum("size"), by_stratum("scanner")):
        groups = break_down(rows, key)
        assert sum(group.num_questions for group in groups) == 840
        right = sum(group.num_questions * group.strict.mean for group in groups)
        assert right == pytest.approx(sum(row.strict for row in rows))


def test_the_drawn_interval_has_a_width_where_the_bootstrap_has_none() -> None:
    rows = [scored(str(i), image_id=str(i)) for i in range(3)]
    (group,) = break_down(rows, by_subtype)
    assert group.strict.clustered.width == 0
    assert group.strict.interval.low == pytest.approx(0.4385, abs=1e-4)
