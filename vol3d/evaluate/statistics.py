"""Intervals for accuracies whose questions come in groups (several questions on one volume)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from vol3d.errors import DataError, explain


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its confidence interval.

    Args:
        mean: Mean over all values.
        low: Lower end.
        high: Upper end.
        level: Confidence level, such as 0.95.
    """

    mean: float
    low: float
    high: float
    level: float

    def is_disjoint_from(self, other: Interval) -> bool:
        """Whether the two intervals share no point."""
        return self.low > other.high or other.low > self.high


def clustered_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    num_resamples: int = 4000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean, drawing whole clusters with replacement.

    Args:
        values: One value per question, such as 1.0 for right and 0.0 for wrong.
        clusters: Which cluster (volume) each value belongs to.
        level: Confidence level.
        num_resamples: Bootstrap resamples.
        seed: Seed of the resampling; the same arguments give the same interval.

    Raises:
        DataError: No values, or another number of clusters than of values.

    Source: Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69 (2007) 369-390,
        the randomised cluster bootstrap.
    """
    if not values or len(values) != len(clusters):
        raise DataError(
            explain(
                expected="at least one value and one cluster per value",
                got=f"{len(values)} values and {len(clusters)} clusters",
                where="clustered_interval",
                remedy="Pass the volume of every question.",
            )
        )
    number = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([number[cluster] for cluster in clusters])
    totals = np.bincount(index, weights=np.asarray(values, dtype=np.float64))
    counts = np.bincount(index)
    draws = np.random.default_rng(seed).integers(len(number), size=(num_resamples, len(number)))
    means = totals[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=float(np.mean(values)), low=float(low), high=float(high), level=level)
