"""Intervals for accuracies whose questions come in groups (several questions on one volume)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vol3d.errors import DataError, explain

LEVEL = 0.95
NUM_RESAMPLES = 4000
POWER = 0.8

FloatArray = NDArray[np.float64]


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

    @property
    def width(self) -> float:
        """Distance between the two ends."""
        return self.high - self.low

    def is_disjoint_from(self, other: Interval) -> bool:
        """Whether the two intervals share no point."""
        return self.low > other.high or other.low > self.high

    def hull(self, other: Interval) -> Interval:
        """The smallest interval around both, with this one's mean and level.

        A bootstrap of a few volumes that are all right has no width; Wilson's interval has.
        """
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Interval(mean=self.mean, low=low, high=high, level=self.level)


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """How much a figure can show.

    Args:
        width: Width of the clustered interval.
        width_if_independent: Width of Wilson's interval, as if no two questions shared a volume.
        design_effect: Squared ratio of the two widths; 1 without clustering. ``None`` where
            either has no width.
        effective_questions: Questions divided by the design effect.
        detectable_difference: Smallest true difference between two separately drawn, equally
            large test sets that a test at ``1 - level`` finds with a power of 0.8. A paired
            test on the same questions finds smaller ones.
    """

    width: float
    width_if_independent: float
    design_effect: float | None
    effective_questions: float | None
    detectable_difference: float


def normal_quantile(level: float) -> float:
    """Two-sided quantile of the standard normal distribution: 1.96 for a level of 0.95.

    Raises:
        DataError: The level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise DataError(
            explain(
                expected="a confidence level between 0 and 1",
                got=str(level),
                where="interval",
                remedy="Pass a share such as 0.95.",
            )
        )
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson_interval(successes: float, total: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a share, without continuity correction.

    Args:
        successes: How many of ``total`` are right. A sum of scores between 0 and 1 may be
            passed as well: such scores vary at most as much as right and wrong do, so the
            interval is then no narrower than it should be.
        total: Number of independent trials.
        level: Confidence level.

    Raises:
        DataError: No trials, or successes outside 0 to ``total``.

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212; method 3 of Newcombe, Stat. Med. 17
        (1998) 857-872.
    """
    z = normal_quantile(level)
    slack = 1e-9 * max(total, 1)
    if total < 1 or not -slack <= successes <= total + slack:
        raise DataError(
            explain(
                expected="at least one trial, and successes from 0 to the number of trials",
                got=f"{successes} of {total}",
                where="wilson_interval",
                remedy="Count the questions that were asked.",
            )
        )
    share = min(max(successes / total, 0.0), 1.0)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    centre, scale = share + z * z / (2 * total), 1 + z * z / total
    return Interval(
        mean=share,
        low=max(0.0, min((centre - spread) / scale, share)),
        high=min(1.0, max((centre + spread) / scale, share)),
        level=level,
    )


def clustered_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean, drawing whole clusters with replacement.

    The mean is over questions, not over clusters, as in DeepTumorVQA's overall accuracy. For the
    difference of two systems on the same questions pass the differences question by question.

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
    _check_lengths(values, clusters)
    means = _resampled(values, np.ones(len(values)), clusters, num_resamples, seed)
    return _percentile(float(np.mean(values)), means, level)


def weighted_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    weights: Sequence[float],
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Clustered bootstrap interval of a weighted mean, such as the plain mean over subtypes.

    Args:
        values: One value per question.
        clusters: Which volume each value belongs to.
        weights: Weight of each question, above 0; only their ratios matter. One over the number
            of questions of its subtype gives the mean over subtypes.
        level: Confidence level.
        seed: Seed of the resampling.

    Raises:
        DataError: No values, lengths that differ, or a weight that is not above 0.
    """
    _check_lengths(values, clusters)
    if len(weights) != len(values) or not all(0 < w < math.inf for w in weights):
        raise DataError(
            explain(
                expected="one finite weight above 0 per value",
                got=f"{len(weights)} weights for {len(values)} values",
                where="weighted_interval",
                remedy="Leave out questions that should not count.",
            )
        )
    own = np.asarray(weights, dtype=np.float64)
    means = _resampled(values, own, clusters, NUM_RESAMPLES, seed)
    return _percentile(float(np.average(values, weights=own)), means, level)


def precision_of(clustered: Interval, wilson: Interval, total: int) -> Precision:
    """What the widths of the two intervals of one figure mean.

    Args:
        clustered: Interval that draws whole volumes.
        wilson: Interval that takes questions as independent.
        total: Number of questions.

    Source: Kish, Survey Sampling (1965), design effect; for the detectable difference
        (z of the level + z of the power) times the standard error of a difference, root 2 times
        the standard error of one figure.
    """
    has_width = clustered.width > 0 and wilson.width > 0
    effect = (clustered.width / wilson.width) ** 2 if has_width else None
    z = normal_quantile(clustered.level)
    error = max(clustered.width, wilson.width) / (2 * z)
    return Precision(
        width=clustered.width,
        width_if_independent=wilson.width,
        design_effect=effect,
        effective_questions=None if effect is None else total / effect,
        detectable_difference=(z + NormalDist().inv_cdf(POWER)) * math.sqrt(2) * error,
    )


def cluster_numbers(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number from 0 for each value's cluster, in order of appearance."""
    number = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    return np.array([number[cluster] for cluster in clusters], dtype=np.int64)


def _check_lengths(values: Sequence[float], clusters: Sequence[Hashable]) -> None:
    if len(values) == 0 or len(values) != len(clusters):
        raise DataError(
            explain(
                expected="at least one value and one cluster per value",
                got=f"{len(values)} values and {len(clusters)} clusters",
                where="clustered_interval",
                remedy="Pass the volume of every question.",
            )
        )


def _resampled(
    values: Sequence[float],
    weights: FloatArray,
    clusters: Sequence[Hashable],
    num_resamples: int,
    seed: int,
) -> FloatArray:
    index = cluster_numbers(clusters)
    totals = np.bincount(index, weights=np.asarray(values, dtype=np.float64) * weights)
    counts = np.bincount(index, weights=weights)
    draws = np.random.default_rng(seed).integers(len(counts), size=(num_resamples, len(counts)))
    means: FloatArray = totals[draws].sum(axis=1) / counts[draws].sum(axis=1)
    return means


def _percentile(mean: float, means: FloatArray, level: float) -> Interval:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=mean, low=float(low), high=float(high), level=level)
