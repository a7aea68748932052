"""Tumour-level scores over many pairs of reports, with 95 % intervals clustered by scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import methodcaller
from typing import Any

from vol3d.evaluate.report_metrics.tumour import STRATA, CaseScore
from vol3d.evaluate.statistics import clustered_interval

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean, how many values it rests on, and its interval; all ``None`` without a value.

    Args:
        value: The mean.
        low: Lower end of the 95 % interval.
        high: Upper end.
        count: Number of values.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PresenceScores:
    """How well a report says which organs hold a lesion.

    Args:
        sensitivity: Of organs with a lesion, the share in which the prediction claims one.
        specificity: Of organs that the reference clears, the share in which it claims none.
    """

    sensitivity: Estimate
    specificity: Estimate

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of both; ``None`` unless both exist."""
        if self.sensitivity.value is None or self.specificity.value is None:
            return None
        return (self.sensitivity.value + self.specificity.value) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TumourScores:
    """Tumour-level scores over cases.

    Args:
        num_cases: Pairs of reports.
        num_normal: Pairs whose reference denies lesions and claims none.
        counts: Sums over cases: tp, fp, fn, the kinds of fault, missed, invented, left_open,
            doubted (pairs with a lesion that the reference doubts), not_looked_for.
        f1: Of lesions: 2 tp / (2 tp + fp + fn).
        precision: Of predicted lesions, the share that is right.
        recall: Of lesions of the reference, the share that is found.
        recall_by_size: The same by the reference's size: up to 20 mm, larger, not told.
        precision_by_size: Precision by the predicted size.
        presence: Over all organs together.
        presence_by_organ: By organ group.
        size_error_mm: Predicted minus reference diameter of pairs in the right place, mean.
        absolute_size_error_mm: Mean of its absolute value.
        laterality_error_rate: Share of pairs of sided lesions that are on the wrong side.
        invented_per_normal: Invented lesions per normal scan.
        normal_with_invented: Share of normal scans with an invented lesion.
        invented_per_case: Invented lesions per case, normal or not.
    """

    num_cases: int
    num_normal: int
    counts: Mapping[str, int]
    f1: Estimate
    precision: Estimate
    recall: Estimate
    recall_by_size: Mapping[str, Estimate]
    precision_by_size: Mapping[str, Estimate]
    presence: PresenceScores
    presence_by_organ: Mapping[str, PresenceScores]
    size_error_mm: Estimate
    absolute_size_error_mm: Estimate
    laterality_error_rate: Estimate
    invented_per_normal: Estimate
    normal_with_invented: Estimate
    invented_per_case: Estimate

    def to_json(self) -> dict[str, Any]:
        """All scores as plain values for JSON."""
        found = asdict(self)
        found["presence"]["balanced_accuracy"] = self.presence.balanced_accuracy
        for organ, scores in self.presence_by_organ.items():
            found["presence_by_organ"][organ]["balanced_accuracy"] = scores.balanced_accuracy
        return found


_Values = Iterable[tuple[float, str]]
_COUNTS = (
    *("tp", "fp", "fn", "laterality_errors", "location_errors", "size_mismatches"),
    *("missed", "invented", "not_looked_for"),
)


def summarise_cases(cases: Sequence[CaseScore]) -> TumourScores:
    """The scores over cases.

    Args:
        cases: One or more compared pairs.

    Source: F1 as a mean over 2 tp + fp + fn values, of which the 2 tp ones are 1 and the others
        0, so that the cluster bootstrap of means holds for it too.
    """
    normal = [each for each in cases if each.is_normal]
    organs = sorted({organ for each in cases for organ in each.presence})
    return TumourScores(
        num_cases=len(cases),
        num_normal=len(normal),
        counts=_sums(cases),
        f1=_estimate(_shares(cases, lambda c: (2 * c.tp, 2 * c.tp + c.fp + c.fn))),
        precision=_estimate(_shares(cases, lambda c: (c.tp, c.tp + c.fp))),
        recall=_estimate(_shares(cases, lambda c: (c.tp, c.tp + c.fn))),
        recall_by_size={
            name: _estimate(_shares(cases, methodcaller("recall_of", name))) for name in STRATA
        },
        precision_by_size={
            name: _estimate(_shares(cases, methodcaller("precision_of", name))) for name in STRATA
        },
        presence=_presence(cases, organs),
        presence_by_organ={organ: _presence(cases, [organ]) for organ in organs},
        size_error_mm=_estimate((e, c.cluster) for c in cases for e in c.size_errors_mm),
        absolute_size_error_mm=_estimate(
            (abs(e), c.cluster) for c in cases for e in c.size_errors_mm
        ),
        laterality_error_rate=_estimate(
            (float(p.fault == "side"), c.cluster) for c in cases for p in c.sided_pairs()
        ),
        invented_per_normal=_estimate((float(c.invented), c.cluster) for c in normal),
        normal_with_invented=_estimate((float(c.invented > 0), c.cluster) for c in normal),
        invented_per_case=_estimate((float(c.invented), c.cluster) for c in cases),
    )


def _shares(
    cases: Sequence[CaseScore], of: Callable[[CaseScore], tuple[int, int]]
) -> list[tuple[float, str]]:
    """One value for each counted thing: 1 for what is right."""
    values: list[tuple[float, str]] = []
    for case in cases:
        right, total = of(case)
        values += [(1.0, case.cluster)] * right + [(0.0, case.cluster)] * (total - right)
    return values


def _presence(cases: Sequence[CaseScore], organs: Sequence[str]) -> PresenceScores:
    known = [
        (case.presence[organ], case.cluster)
        for case in cases
        for organ in organs
        if organ in case.presence
    ]
    return PresenceScores(
        sensitivity=_estimate((float(said), c) for (is_there, said), c in known if is_there),
        specificity=_estimate(
            (float(not said), c) for (is_there, said), c in known if not is_there
        ),
    )


def _sums(cases: Sequence[CaseScore]) -> dict[str, int]:
    sums = {name: sum(getattr(case, name) for case in cases) for name in _COUNTS}
    sums["left_open"] = sum(len(case.matching.left_open) for case in cases)
    sums["doubted"] = sum(len(case.matching.doubted) for case in cases)
    return sums


def _estimate(values: _Values) -> Estimate:
    found = list(values)
    if not found:
        return Estimate()
    numbers, clusters = zip(*found, strict=True)
    interval = clustered_interval(list(numbers), list(clusters), level=LEVEL)
    return Estimate(value=interval.mean, low=interval.low, high=interval.high, count=len(numbers))
