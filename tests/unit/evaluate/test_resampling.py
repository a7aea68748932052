"""Bootstrap intervals of any statistic."""

from __future__ import annotations

import numpy as np
import pytest

from vol3d.evaluate.resampling import interval_json, resampled_interval
from vol3d.evaluate.statistics import clustered_interval

VALUES = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
CLUSTERS = list("aabbccdd")


def test_of_a_mean_it_is_about_the_interval_of_the_mean() -> None:
    own = resampled_interval(
        lambda w: float((w * VALUES).sum() / w.sum()), CLUSTERS, num_resamples=4000
    )
    known = clustered_interval(list(VALUES), CLUSTERS)
    assert own is not None
    assert own.mean == known.mean
    assert own.low == pytest.approx(known.low, abs=0.02)
    assert own.high == pytest.approx(known.high, abs=0.02)


def test_rows_of_one_cluster_are_drawn_together() -> None:
    seen: list[np.ndarray] = []
    resampled_interval(lambda w: float(len(seen.append(w) or [0])), CLUSTERS, num_resamples=20)
    assert all((w[0::2] == w[1::2]).all() and w.sum() == 8 for w in seen)


def test_the_same_seed_gives_the_same_interval() -> None:
    def statistic(weights: np.ndarray) -> float:
        return float((weights * VALUES).sum())

    assert resampled_interval(statistic, CLUSTERS) == resampled_interval(statistic, CLUSTERS)


def test_a_statistic_that_is_never_defined_has_no_interval() -> None:
    assert resampled_interval(lambda w: None, CLUSTERS) is None
    assert interval_json(None) is None


def test_one_that_few_resamples_define_has_no_interval() -> None:
    interval = resampled_interval(lambda w: 1.0 if (w == 1).all() else None, CLUSTERS)
    assert interval is None
