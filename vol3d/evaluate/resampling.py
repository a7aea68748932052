"""Bootstrap intervals of statistics that are no means: AUROC, F1, medians."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from vol3d.evaluate.statistics import Interval

IntArray = npt.NDArray[np.int64]
Statistic = Callable[[IntArray], float | None]
"""A figure of data in which row i counts ``weights[i]`` times; ``None`` where it is not defined."""


def resampled_interval(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval over resamples of whole clusters; ``mean`` is the figure of the data.

    Resamples without a value (such as an AUROC with one class only) are left out.

    Args:
        statistic: Takes how often each row counts.
        clusters: The cluster (patient) of each row.
        level: Confidence level.
        num_resamples: Bootstrap resamples.
        seed: The same arguments give the same interval.

    Returns:
        ``None`` if the figure of the data, or of half of the resamples or more, is not defined.

    Source: Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69 (2007) 369-390,
        the randomised cluster bootstrap.
    """
    number = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([number[cluster] for cluster in clusters], dtype=np.int64)
    whole = statistic(np.ones(len(index), dtype=np.int64))
    if whole is None:
        return None
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(num_resamples):
        drawn = np.bincount(
            generator.integers(len(number), size=len(number)), minlength=len(number)
        )
        value = statistic(drawn[index])
        if value is not None:
            values.append(value)
    if 2 * len(values) <= num_resamples:
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=whole, low=float(low), high=float(high), level=level)


def interval_json(interval: Interval | None) -> dict[str, float] | None:
    """The figure and its interval as JSON; ``None`` stays ``None``."""
    if interval is None:
        return None
    return {"value": interval.mean, "low": interval.low, "high": interval.high}
