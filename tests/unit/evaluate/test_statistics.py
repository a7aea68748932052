"""Wilson's and clustered bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vol3d.errors import DataError
from vol3d.evaluate.statistics import (
    Interval,
    clustered_interval,
    precision_of,
    weighted_interval,
    wilson_interval,
)


def test_mean_is_over_questions_not_clusters() -> None:
    assert clustered_interval([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75


def test_constant_values_have_an_interval_of_no_width() -> None:
    interval = clustered_interval([1.0] * 10, list(range(10)))
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_repeated_questions_in_a_cluster_do_not_narrow_the_interval() -> None:
    values = [float(i % 2) for i in range(40)]
    single = clustered_interval(values, list(range(40)))
    tripled = clustered_interval(
        [v for v in values for _ in range(3)], [c for c in range(40) for _ in range(3)]
    )
    assert tripled.low == pytest.approx(single.low)
    assert tripled.high == pytest.approx(single.high)


def test_half_of_many_coins_is_covered() -> None:
    interval = clustered_interval([float(i % 2) for i in range(400)], list(range(400)))
    assert interval.low < 0.5 < interval.high
    assert interval.high - interval.low == pytest.approx(0.098, abs=0.01)  # 2 * 1.96 * 0.5 / 20


def test_touching_intervals_are_not_disjoint() -> None:
    low = Interval(mean=0.1, low=0.0, high=0.2, level=0.95)
    high = Interval(mean=0.3, low=0.2, high=0.4, level=0.95)
    assert not low.is_disjoint_from(high)


def test_values_without_clusters_are_refused() -> None:
    with pytest.raises(DataError, match="one cluster per value"):
        clustered_interval([1.0], [])


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_values_of_newcombe_1998_table_1_method_3(
    right: int, total: int, low: float, high: float
) -> None:
    interval = wilson_interval(right, total, 0.95)
    assert round(interval.low, 4) == low
    assert round(interval.high, 4) == high


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_lies_within_0_and_1_and_holds_the_share(counts: tuple[int, int]) -> None:
    right, total = counts
    interval = wilson_interval(right, total)
    assert 0 <= interval.low <= right / total <= interval.high <= 1


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_of_the_wrong_answers_is_the_mirror_image(counts: tuple[int, int]) -> None:
    right, total = counts
    own, mirror = wilson_interval(right, total), wilson_interval(total - right, total)
    assert own.low == pytest.approx(1 - mirror.high, abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(counts: tuple[int, int]) -> None:
    expected = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    interval = wilson_interval(*counts)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_of_all_right_still_has_a_width() -> None:
    assert wilson_interval(3, 3).low == pytest.approx(3 / (3 + 1.959964**2), abs=1e-6)


@pytest.mark.parametrize(("right", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_counts_that_cannot_be(right: int, total: int) -> None:
    with pytest.raises(DataError, match="number of trials"):
        wilson_interval(right, total)


def test_a_level_that_is_no_share_is_refused() -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        wilson_interval(1, 2, 95)


def test_equal_weights_change_nothing() -> None:
    values, clusters = [1.0, 0.0, 1.0, 1.0], ["a", "a", "b", "c"]
    plain = clustered_interval(values, clusters)
    assert weighted_interval(values, clusters, weights=[2.0] * 4) == plain


def test_one_over_the_size_of_a_subtype_gives_the_mean_over_subtypes() -> None:
    # subtype A: three right of three; subtype B: none of one
    interval = weighted_interval([1, 1, 1, 0], [1, 2, 3, 4], weights=[1 / 3] * 3 + [1])
    assert interval.mean == pytest.approx(0.5)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("nan")]])
def test_weights_that_are_missing_or_not_above_0_are_refused(weights: list[float]) -> None:
    with pytest.raises(DataError, match="one finite weight above 0"):
        weighted_interval([1.0, 0.0], ["a", "b"], weights=weights)


def test_differences_of_constant_gain_have_an_interval_of_no_width() -> None:
    first, second = [0.1, 0.5, 0.9], [0.2, 0.6, 1.0]
    gains = [b - a for a, b in zip(first, second, strict=True)]
    interval = clustered_interval(gains, ["a", "b", "c"])
    assert interval.low == pytest.approx(0.1)
    assert interval.high == pytest.approx(0.1)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # volumes of four questions that are all right or all wrong: 100 coins, not 400
    draw = np.random.default_rng(1)
    clusters = [volume for volume in range(100) for _ in range(4)]
    hits = 0
    for trial in range(200):
        values = [float(value) for value in np.repeat(draw.random(100) < 0.6, 4)]
        interval = clustered_interval(values, clusters, num_resamples=400, seed=trial)
        hits += interval.low <= 0.6 <= interval.high
    assert 178 <= hits <= 200  # 190 expected; two standard errors of 200 trials are 6


def test_hull_keeps_the_mean_and_takes_the_outer_ends() -> None:
    own = Interval(mean=1.0, low=1.0, high=1.0, level=0.95)
    hull = own.hull(wilson_interval(3, 3))
    assert (hull.mean, round(hull.low, 2), hull.high) == (1.0, 0.44, 1.0)


def test_a_clustered_interval_twice_as_wide_leaves_a_quarter_of_the_questions() -> None:
    wide = Interval(mean=0.5, low=0.4, high=0.6, level=0.95)
    narrow = Interval(mean=0.5, low=0.45, high=0.55, level=0.95)
    precision = precision_of(wide, narrow, 400)
    assert precision.design_effect == pytest.approx(4)
    assert precision.effective_questions == pytest.approx(100)
    # (1.960 + 0.842) * sqrt(2) * 0.2 / 3.920
    assert precision.detectable_difference == pytest.approx(0.2022, abs=1e-4)


def test_an_interval_of_no_width_has_no_design_effect() -> None:
    flat = Interval(mean=1.0, low=1.0, high=1.0, level=0.95)
    precision = precision_of(flat, wilson_interval(3, 3), 3)
    assert (precision.design_effect, precision.effective_questions) == (None, None)
