"""Tests of differences, and their correction when there are many of them."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from vol3d.errors import DataError, explain
from vol3d.evaluate.statistics import FloatArray, cluster_numbers

NUM_FLIPS = 10_000
MAX_EXACT_CLUSTERS = 14
_CHUNK = 1000


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p value from the questions that just one of two systems has right.

    Args:
        only_first: Questions that only the first system has right.
        only_second: Questions that only the second system has right.

    Raises:
        DataError: A negative count.

    Source: McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution instead of
        its chi-square approximation.
    """
    if min(only_first, only_second) < 0:
        raise DataError(
            explain(
                expected="counts of at least 0",
                got=f"{only_first} and {only_second}",
                where="mcnemar_exact",
                remedy="Count the discordant questions.",
            )
        )
    total = only_first + only_second
    term = tail = 1
    for k in range(min(only_first, only_second)):
        term = term * (total - k) // (k + 1)
        tail += term
    return float(min(1.0, 2 * tail / 2**total))


def sign_flip_p(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    num_flips: int = NUM_FLIPS,
    seed: int = 0,
) -> float:
    """Two-sided p value of a mean difference, by flipping the signs of whole clusters.

    Up to 14 clusters with a difference are enumerated exactly. For more the p value is
    (1 + as large) / (1 + drawn), which is never 0.

    Args:
        differences: One difference per question.
        clusters: Which volume each belongs to.
        num_flips: Random sign patterns.
        seed: Seed of the patterns; the same arguments give the same p value.

    Raises:
        DataError: No differences, or another number of clusters.

    Source: Winkler et al., NeuroImage 123 (2015) 253-268, whole-block sign flipping; Phipson and
        Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) article 39, for the added ones.
    """
    if len(differences) == 0 or len(differences) != len(clusters):
        raise DataError(
            explain(
                expected="at least one difference and one cluster per difference",
                got=f"{len(differences)} differences and {len(clusters)} clusters",
                where="sign_flip_p",
                remedy="Pass the volume of every question.",
            )
        )
    sums = _cluster_sums(differences, clusters)
    slack = 1e-9 * float(np.abs(sums).sum())
    observed = abs(float(sums.sum())) - slack
    if len(sums) <= MAX_EXACT_CLUSTERS:
        every = list(itertools.product((1.0, -1.0), repeat=len(sums)))
        signs: FloatArray = np.array(every, dtype=np.float64)
        return _num_as_large(signs, sums, observed) / len(every)
    draw = np.random.default_rng(seed)
    count = 0
    for start in range(0, num_flips, _CHUNK):
        size = (min(_CHUNK, num_flips - start), len(sums))
        signs = draw.integers(2, size=size).astype(np.float64) * 2 - 1
        count += _num_as_large(signs, sums, observed)
    return (1 + count) / (1 + num_flips)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P values that keep the chance of even one false finding below the level.

    Source: Holm, Scand. J. Stat. 6 (1979) 65-70.
    """
    num = len(p_values)
    order = sorted(range(num), key=lambda index: p_values[index])
    steps = (p_values[index] * (num - rank) for rank, index in enumerate(order))
    raised = itertools.accumulate(steps, max)
    return _in_place(order, (min(1.0, value) for value in raised))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """P values that keep the expected share of false findings below the level.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.
    """
    num = len(p_values)
    order = sorted(range(num), key=lambda index: p_values[index], reverse=True)
    steps = (p_values[index] * num / (num - rank) for rank, index in enumerate(order))
    lowered = itertools.accumulate(steps, min)
    return _in_place(order, (min(1.0, value) for value in lowered))


def _cluster_sums(differences: Sequence[float], clusters: Sequence[Hashable]) -> FloatArray:
    """Sums of clusters without those that are 0, whose sign changes nothing."""
    values = np.asarray(differences, dtype=np.float64)
    sums = np.bincount(cluster_numbers(clusters), weights=values)
    kept: FloatArray = sums[np.abs(sums) > 1e-9 * np.abs(sums).sum()]
    return kept


def _in_place(order: Sequence[int], values: Iterable[float]) -> tuple[float, ...]:
    placed = dict(zip(order, values, strict=True))
    return tuple(placed[index] for index in range(len(order)))


def _num_as_large(signs: FloatArray, sums: FloatArray, observed: float) -> int:
    return int(np.count_nonzero(np.abs(signs @ sums) >= observed))
