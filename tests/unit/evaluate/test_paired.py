"""Two result sets on the same questions."""

from __future__ import annotations

import pytest
from scored_rows import generated_rows, scored

from vol3d.errors import DataError
from vol3d.evaluate.paired import compare_paired, pair_rows

NAMES = ("old", "new")


def test_questions_of_one_set_only_are_named() -> None:
    pairing = pair_rows([scored("a"), scored("b")], [scored("b"), scored("c"), scored("d")])
    assert [a.qid for a, _ in pairing.pairs] == ["b"]
    assert (pairing.only_first, pairing.only_second) == (("a",), ("c", "d"))


def test_a_repeated_question_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="question q7 twice"):
        pair_rows([scored("q7"), scored("q7")], [scored("q7")])


def test_a_question_about_another_volume_is_refused() -> None:
    with pytest.raises(DataError, match="question a: got v1, lesion counting and v2"):
        pair_rows([scored("a")], [scored("a", image_id="v2")])


def test_sets_that_share_nothing_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="rows that share none"):
        compare_paired([scored("a")], [scored("b")], names=NAMES)


def test_a_score_outside_0_to_1_is_named() -> None:
    with pytest.raises(DataError, match=r"question a: got 1\.5"):
        compare_paired([scored("a", 1.5)], [scored("a")], names=NAMES)


def test_figures_of_four_questions_by_hand() -> None:
    first = [scored(q, s, image_id=q) for q, s in zip("abcd", (0, 0, 0, 1), strict=True)]
    second = [scored(q, s, image_id=q) for q, s in zip("abcd", (1, 1, 0, 1), strict=True)]
    test = compare_paired(first, second, names=NAMES).overall
    assert (test.first, test.second, test.difference.mean) == (0.25, 0.75, 0.5)
    assert (test.num_questions, test.num_volumes) == (4, 4)
    assert (test.p_flip, test.p_mcnemar) == (0.5, 0.5)  # 2 of 4 patterns; 2 * 1 / 2^2


def test_fractional_scores_have_no_mcnemar_test() -> None:
    test = compare_paired([scored("a", 0.4)], [scored("a", 0.9)], names=NAMES).overall
    assert test.p_mcnemar is None


def test_official_leaves_out_unanswered_questions_and_names_them() -> None:
    first = [scored("a", 0.0, is_answered=False), scored("b", 1.0)]
    second = [scored("a", 1.0), scored("b", 1.0)]
    official = compare_paired(first, second, names=NAMES, scorer="official")
    strict = compare_paired(first, second, names=NAMES, scorer="strict")
    assert (official.not_scored, official.overall.num_questions) == (("a",), 1)
    assert (strict.not_scored, strict.overall.num_questions) == ((), 2)


def test_subtypes_are_corrected_and_the_overall_test_is_not() -> None:
    first, second = generated_rows(skill=0.3, seed=1), generated_rows(skill=0.6, seed=2)
    comparison = compare_paired(first, second, names=NAMES)
    assert comparison.overall.p_holm is None
    assert len(comparison.by_subtype) == 42
    for test in comparison.by_subtype:
        assert test.p_holm is not None
        assert test.p_bh is not None
        assert test.p_flip <= test.p_bh <= test.p_holm
    assert comparison.overall.p_flip < 0.001
    assert comparison.overall.difference.low > 0


def test_the_same_system_twice_shows_no_difference() -> None:
    rows = generated_rows(420)
    comparison = compare_paired(rows, rows, names=NAMES)
    assert {test.p_flip for test in comparison.by_subtype} == {1.0}
    assert comparison.overall.difference.width == 0


def test_swapping_the_systems_turns_the_sign_only() -> None:
    first, second = generated_rows(420, seed=1), generated_rows(420, seed=2)
    one = compare_paired(first, second, names=NAMES).overall
    other = compare_paired(second, first, names=NAMES).overall
    assert one.p_flip == other.p_flip
    assert one.difference.mean == pytest.approx(-other.difference.mean)
