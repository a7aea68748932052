"""Scores of many findings at once from one probability each: AUROC, F1, accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.evaluate.resampling import IntArray, interval_json, resampled_interval
from vol3d.evaluate.statistics import Interval

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ThresholdRule = Literal["f1", "youden"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelTable:
    """What is so and what a model says, for N scans and C findings.

    Args:
        names: The C findings.
        truth: (N, C): 1 present, 0 absent, -1 not known, which is left out of every score.
        scores: (N, C): the model's probability that the finding is present.
        clusters: The patient of each scan.

    Raises:
        DataError: Shapes or codes that do not fit, or a score that is not finite.
    """

    names: tuple[str, ...]
    truth: npt.NDArray[np.int8]
    scores: FloatArray
    clusters: tuple[Hashable, ...]

    def __post_init__(self) -> None:
        shape = (len(self.clusters), len(self.names))
        if self.truth.shape != shape or self.scores.shape != shape or 0 in shape:
            raise _wrong(f"truth and scores of shape {shape}, not empty", f"{self.truth.shape}")
        if not np.isin(self.truth, (-1, 0, 1)).all():
            raise _wrong("truth of 1, 0 and -1", "another code")
        if not np.isfinite(self.scores).all():
            raise _wrong("finite scores", "nan or infinity")


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingScores:
    """Scores of one finding; a figure that is not defined (one class only) is ``None``."""

    name: str
    positives: int
    negatives: int
    unknown: int
    auroc: Interval | None
    threshold: float
    f1: float | None
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None

    def to_json(self) -> dict[str, Any]:
        """The scores with JSON types."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "auroc"}
        return plain | {"auroc": interval_json(self.auroc)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ZeroShotScores:
    """Scores of all findings; macro figures are means over the findings that have one."""

    findings: tuple[FindingScores, ...]
    macro_auroc: Interval | None
    macro_f1: float | None
    macro_accuracy: float | None
    threshold_source: str

    def to_json(self) -> dict[str, Any]:
        """The scores with JSON types, and over how many findings each macro figure goes."""
        return {
            "findings": [each.to_json() for each in self.findings],
            "macro_auroc": interval_json(self.macro_auroc),
            "macro_auroc_findings": sum(each.auroc is not None for each in self.findings),
            "macro_f1": self.macro_f1,
            "macro_f1_findings": sum(each.f1 is not None for each in self.findings),
            "macro_accuracy": self.macro_accuracy,
            "threshold_source": self.threshold_source,
        }


def auroc(
    truth: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half.

    Args:
        truth: (N,) of true and false.
        scores: (N,), finite.
        weights: (N,) how often each counts; once each by default.

    Returns:
        0 to 1; ``None`` without a positive or without a negative.

    Source: Hanley and McNeil, Radiology 143 (1982) 29-36: the Mann-Whitney statistic.
    """
    ranked = _Ranked.of(np.asarray(truth, dtype=bool), np.asarray(scores, dtype=np.float64))
    weight = np.ones(len(ranked.place)) if weights is None else np.asarray(weights)
    return ranked.auroc(weight.astype(np.float64))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Ranked:
    """Cases by the place of their score among all scores: sorted once, resampled often."""

    is_positive: BoolArray
    place: IntArray
    places: int

    @classmethod
    def of(cls, is_positive: BoolArray, scores: FloatArray) -> _Ranked:
        values, place = np.unique(scores, return_inverse=True)
        return cls(is_positive=is_positive, place=place.astype(np.int64), places=len(values))

    def auroc(self, weight: FloatArray) -> float | None:
        positive = np.bincount(self.place, weight * self.is_positive, minlength=self.places)
        negative = np.bincount(self.place, weight * ~self.is_positive, minlength=self.places)
        pairs = positive.sum() * negative.sum()
        if pairs == 0:
            return None
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2)).sum() / pairs)


def choose_threshold(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, rule: ThresholdRule = "f1"
) -> float:
    """The score from which on to call a finding present, best by a rule on a validation set.

    Args:
        truth: (N,) of true and false, of cases that are not tested on.
        scores: (N,), finite.
        rule: ``f1``, or ``youden``: sensitivity + specificity - 1.

    Returns:
        One of the scores; the largest of equally good ones.

    Raises:
        DataError: Without a positive, or for ``youden`` without a negative.
    """
    is_positive = np.asarray(truth, dtype=bool)
    if not is_positive.any() or (rule == "youden" and is_positive.all()):
        raise _wrong(
            "positives (and negatives, for 'youden') to choose a threshold on", "one class"
        )
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ranked = np.asarray(scores, dtype=np.float64)[order]
    hits = np.cumsum(is_positive[order])
    called = np.arange(1, len(ranked) + 1)
    is_last = np.append(ranked[1:] != ranked[:-1], True)
    total = int(is_positive.sum())
    if rule == "f1":
        quality = 2 * hits / (called + total)
    else:
        quality = hits / total - (called - hits) / max(len(ranked) - total, 1)
    best = int(np.argmax(np.where(is_last, quality, -np.inf)))
    return float(ranked[best])


def choose_thresholds(table: LabelTable, *, rule: ThresholdRule = "f1") -> dict[str, float]:
    """A threshold for every finding that the validation set has both classes of.

    Args:
        table: Of validation cases only.
        rule: As for :func:`choose_threshold`.
    """
    chosen = {}
    for column, name in enumerate(table.names):
        is_known = table.truth[:, column] >= 0
        truth = table.truth[is_known, column] == 1
        if truth.any() and not truth.all():
            chosen[name] = choose_threshold(truth, table.scores[is_known, column], rule=rule)
    return chosen


def score_findings(
    table: LabelTable,
    *,
    thresholds: Mapping[str, float] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> ZeroShotScores:
    """All scores of a table; intervals of AUROC resample patients.

    Args:
        table: Truth and scores.
        thresholds: From other cases, by :func:`choose_thresholds`; a finding without one gets 0.5.
            Thresholds are never chosen on the cases that are scored.
        num_resamples: Bootstrap resamples.
        seed: The same arguments give the same intervals.
    """
    chosen = dict(thresholds or {})
    findings = [
        _finding(table, column, limit=chosen.get(name, 0.5), num_resamples=num_resamples, seed=seed)
        for column, name in enumerate(table.names)
    ]
    known = [table.truth[:, column] >= 0 for column in range(len(table.names))]
    ranked = [
        _Ranked.of(table.truth[rows, column] == 1, table.scores[rows, column])
        for column, rows in enumerate(known)
    ]
    macro = resampled_interval(
        lambda weights: _mean(
            [
                each.auroc(weights[rows].astype(np.float64))
                for each, rows in zip(ranked, known, strict=True)
            ]
        ),
        table.clusters,
        num_resamples=num_resamples,
        seed=seed,
    )
    given = sum(name in chosen for name in table.names)
    return ZeroShotScores(
        findings=tuple(findings),
        macro_auroc=macro,
        macro_f1=_mean([each.f1 for each in findings]),
        macro_accuracy=_mean([each.accuracy for each in findings]),
        threshold_source=f"other cases for {given} findings, 0.5 for {len(table.names) - given}",
    )


def _finding(
    table: LabelTable, column: int, *, limit: float, num_resamples: int, seed: int
) -> FindingScores:
    known = np.flatnonzero(table.truth[:, column] >= 0)
    truth: BoolArray = table.truth[known, column] == 1
    scores: FloatArray = table.scores[known, column]
    ranked = _Ranked.of(truth, scores)
    interval = resampled_interval(
        lambda weights: ranked.auroc(weights.astype(np.float64)),
        [table.clusters[row] for row in known],
        num_resamples=num_resamples,
        seed=seed,
    )
    called = scores >= limit
    hits, alarms = int((called & truth).sum()), int((called & ~truth).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    return FindingScores(
        name=table.names[column],
        positives=positives,
        negatives=negatives,
        unknown=len(table.clusters) - len(known),
        auroc=interval,
        threshold=limit,
        f1=_ratio(2 * hits, positives + hits + alarms),
        accuracy=_ratio(hits + negatives - alarms, positives + negatives),
        sensitivity=_ratio(hits, positives),
        specificity=_ratio(negatives - alarms, negatives),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _wrong(expected: str, got: str) -> DataError:
    return DataError(
        explain(
            expected=expected,
            got=got,
            where="scores of findings",
            remedy="Check the table of probabilities.",
        )
    )
