"""Confidences and abstentions, on cases small enough to work out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_rows import generated_rows, scored

from vol3d.errors import DataError
from vol3d.evaluate.calibration import (
    assess_abstentions,
    calibrate,
    coverage_risk,
    credited_score,
    reliability_bins,
    risk_points,
)

ANSWERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=80,
)


def test_calibration_of_four_answers_by_hand() -> None:
    rows = [
        scored("a", 0.0, confidence=0.2),
        scored("b", 1.0, confidence=0.4),
        scored("c", 1.0, confidence=0.6),
        scored("d", 1.0, confidence=0.8),
    ]
    calibration = calibrate(rows, num_bins=2)
    low, high = calibration.bins
    assert (low.confidence, low.score, low.num) == (pytest.approx(0.3), 0.5, 2)
    assert (high.confidence, high.score, high.num) == (pytest.approx(0.7), 1.0, 2)
    assert calibration.ece == pytest.approx((0.2 + 0.3) / 2)
    assert calibration.brier == pytest.approx((0.04 + 0.36 + 0.16 + 0.04) / 4)


def test_confidence_that_is_always_true_has_no_error() -> None:
    rows = [scored("a", 1.0, confidence=1.0), scored("b", 0.0, confidence=0.0)]
    assert (calibrate(rows).ece, calibrate(rows).brier) == (0.0, 0.0)


def test_rows_that_cannot_count_are_counted() -> None:
    rows = [
        scored("a", confidence=0.9),
        scored("b"),
        scored("c", 0.0, is_answered=False),
        scored("d", confidence=0.9, is_assessable=False),
    ]
    calibration = calibrate(rows)
    assert calibration.num_used == 1
    assert calibration.num_without_confidence == 1
    assert calibration.num_unanswered == 1
    assert calibration.num_not_assessable == 1


def test_without_any_confidence_there_is_no_figure() -> None:
    calibration = calibrate([scored("a")])
    assert (calibration.ece, calibration.brier, calibration.bins) == (None, None, ())
    assert coverage_risk([scored("a")]).aurc is None


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_outside_0_to_1_is_named(confidence: float) -> None:
    with pytest.raises(DataError, match="question a7"):
        calibrate([scored("a7", confidence=confidence)])


def test_bins_without_scores_are_refused() -> None:
    with pytest.raises(DataError, match="one score per confidence"):
        reliability_bins([0.5], [])


def test_a_large_tie_takes_up_the_bins_it_fills() -> None:
    bins = reliability_bins([0.5] * 6 + [0.6, 0.7, 0.8, 0.9], [1.0] * 10, num_bins=5)
    assert [each.num for each in bins] == [6, 2, 2]


@given(ANSWERS, st.integers(1, 12))
def test_bins_hold_every_answer_once_and_never_part_ties(
    answers: list[tuple[float, float]], num_bins: int
) -> None:
    confidences, scores = [c for c, _ in answers], [s for _, s in answers]
    bins = reliability_bins(confidences, scores, num_bins=num_bins)
    assert sum(each.num for each in bins) == len(answers)
    assert len(bins) <= num_bins
    assert all(one.high < following.low for one, following in pairwise(bins))
    total = sum(each.num * each.score for each in bins)
    assert total == pytest.approx(sum(scores))


def test_coverage_and_risk_of_three_answers_by_hand() -> None:
    rows = [
        scored("a", 1.0, confidence=0.9),
        scored("b", 0.0, confidence=0.5),
        scored("c", 1.0, confidence=0.1),
    ]
    curve = coverage_risk(rows)
    assert [point.risk for point in curve.points] == pytest.approx([0, 1 / 2, 1 / 3])
    assert [point.coverage for point in curve.points] == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_equal_confidences_are_one_step_with_the_plain_error_as_area() -> None:
    rows = [scored(str(i), float(i % 2), confidence=0.5) for i in range(4)]
    curve = coverage_risk(rows)
    assert len(curve.points) == 1
    assert curve.aurc == 0.5


@given(ANSWERS)
def test_risk_at_full_coverage_is_the_error_rate(answers: list[tuple[float, float]]) -> None:
    losses = [1 - score for _, score in answers]
    points = risk_points([c for c, _ in answers], losses)
    assert points[-1].coverage == 1
    assert points[-1].risk == pytest.approx(sum(losses) / len(losses))
    coverages = [point.coverage for point in points]
    assert coverages == sorted(set(coverages))


@settings(deadline=None)
@given(ANSWERS)
def test_the_order_of_rows_does_not_matter(answers: list[tuple[float, float]]) -> None:
    rows = [scored(str(i), s, confidence=c) for i, (c, s) in enumerate(answers)]
    assert coverage_risk(rows) == coverage_risk(rows[::-1])
    assert calibrate(rows) == calibrate(rows[::-1])


def test_own_abstentions_are_one_point_of_coverage_and_risk() -> None:
    rows = [
        scored("a", 1.0),
        scored("b", 0.0),
        scored("c", 0.0, is_abstention=True),
        scored("d", 0.0, is_abstention=True),
    ]
    own = coverage_risk(rows).own
    assert own is not None
    assert (own.coverage, own.risk) == (0.5, 0.5)


def test_a_system_that_never_abstains_has_no_own_point() -> None:
    assert coverage_risk([scored("a")]).own is None


@pytest.mark.parametrize(
    ("is_abstention", "is_assessable", "credit"),
    [(True, False, 1.0), (True, True, 0.0), (False, False, 0.0), (False, True, 0.5)],
)
def test_abstaining_is_right_exactly_where_no_answer_is_possible(
    is_abstention: bool, is_assessable: bool, credit: float
) -> None:
    row = scored("a", 0.5, is_abstention=is_abstention, is_assessable=is_assessable)
    assert credited_score(row) == credit


def test_precision_and_recall_of_not_assessable_by_hand() -> None:
    rows = [
        scored("a", is_abstention=True, is_assessable=False),
        scored("b", is_abstention=True, is_assessable=True),
        scored("c", is_assessable=False),
        scored("d", is_assessable=False),
        scored("e", 1.0),
    ]
    found = assess_abstentions(rows)
    assert found.precision is not None
    assert found.recall is not None
    assert found.precision.mean == 1 / 2
    assert found.recall.mean == 1 / 3
    assert found.score.mean == 2 / 5  # a and e


def test_without_abstentions_or_such_questions_there_is_no_precision_or_recall() -> None:
    found = assess_abstentions([scored("a")])
    assert (found.precision, found.recall) == (None, None)


def test_useful_confidences_lie_below_the_flat_curve() -> None:
    curve = coverage_risk(generated_rows())
    assert curve.aurc is not None
    assert curve.aurc < curve.points[-1].risk
