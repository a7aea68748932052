"""Clustered bootstrap intervals."""

from __future__ import annotations

import pytest

from vol3d.errors import DataError
from vol3d.evaluate.statistics import Interval, clustered_interval


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
