"""One-to-one pairs of the lesions of two reports, and what is wrong with a pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from vol3d.evaluate.report_metrics.claims import LesionClaim, is_same_place, is_same_side

SIZE_TOLERANCE_SHARE = 0.25
"""Two readers of one lesion differ by less in 95 % of measurements.

Source: Yoon et al., Observer variability in RECIST-based tumour burden measurements: a
meta-analysis, Eur. J. Cancer 53 (2016) 5-15: pooled 95 % limits of agreement between observers for
the longest diameter of single lesions, -22.1 % to 25.4 %.
"""
SIZE_TOLERANCE_MM = 5.0
"""The least change in mm that RECIST 1.1 calls growth; below it differences are measurement error.

Source: Eisenhauer et al., New response evaluation criteria in solid tumours (version 1.1), Eur. J.
Cancer 45 (2009) 228-247.
"""
_UNKNOWN_SIZE_MM = 10.0
"""Cost of a pair without two sizes: a pair of alike sizes goes first."""
_UNKNOWN_PLACE_MM = 1.0
"""Cost of a side or location that only one of the two tells."""
_FORBIDDEN = 1e6

Fault = Literal["side", "location", "size"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionPair:
    """A lesion of the reference and the one of the prediction that stands for it.

    Args:
        reference: Of the reference.
        prediction: Of the prediction.
        fault: The one thing in which they differ by too much; ``None`` for a true positive.
    """

    reference: LesionClaim
    prediction: LesionClaim
    fault: Fault | None = None

    @property
    def size_error_mm(self) -> float | None:
        """Predicted minus reference diameter, where both are told."""
        if self.reference.size_mm is None or self.prediction.size_mm is None:
            return None
        return round(self.prediction.size_mm - self.reference.size_mm, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """All lesions of two reports, each in one place.

    Args:
        found: Pairs that agree in organ, side, location and size.
        faulty: Pairs of lesions left over that differ in exactly one of side, location and size.
        doubted: Pairs with a lesion that the reference itself doubts; they count for nothing.
        missed: Lesions of the reference, not doubted, without a partner.
        invented: Lesions of the prediction without a partner.
        left_open: Lesions without a partner in an organ whose lesions the reference does not count.
    """

    found: tuple[LesionPair, ...]
    faulty: tuple[LesionPair, ...]
    doubted: tuple[LesionPair, ...]
    missed: tuple[LesionClaim, ...]
    invented: tuple[LesionClaim, ...]
    left_open: tuple[LesionClaim, ...]


def tolerance_mm(reference_mm: float) -> float:
    """The largest difference in diameter that still counts as the same lesion, in mm."""
    return max(SIZE_TOLERANCE_MM, SIZE_TOLERANCE_SHARE * reference_mm)


def match_lesions(
    reference: Sequence[LesionClaim],
    prediction: Sequence[LesionClaim],
    *,
    open_organs: frozenset[str] = frozenset(),
) -> Matching:
    """The matching with most true positives, then the least differences in size.

    Certain lesions of the reference come first, then those that it doubts, then pairs with one
    fault.

    Args:
        reference: Lesions of the reference.
        prediction: Lesions of the prediction.
        open_organs: Organs whose lesions the reference does not count.
    """
    certain = [each for each in reference if not each.is_uncertain]
    doubtful = [each for each in reference if each.is_uncertain]
    found, certain, rest = _assign(certain, list(prediction), _is_right)
    doubted, _, rest = _assign(doubtful, rest, _is_right)
    faulty, missed, rest = _assign(certain, rest, _has_one_fault)
    return Matching(
        found=tuple(found),
        faulty=tuple(faulty),
        doubted=tuple(doubted),
        missed=tuple(missed),
        invented=tuple(each for each in rest if each.organ not in open_organs),
        left_open=tuple(each for each in rest if each.organ in open_organs),
    )


def faults_of(reference: LesionClaim, prediction: LesionClaim) -> tuple[Fault, ...]:
    """Everything in which two lesions of one organ differ; what one does not tell never does."""
    checks: tuple[tuple[Fault, bool], ...] = (
        ("side", is_same_side(reference, prediction)),
        ("location", is_same_place(reference, prediction)),
        ("size", _is_size_alike(reference, prediction)),
    )
    return tuple(fault for fault, is_alike in checks if not is_alike)


def _is_size_alike(reference: LesionClaim, prediction: LesionClaim) -> bool:
    if reference.size_mm is not None and prediction.size_mm is not None:
        difference = round(abs(prediction.size_mm - reference.size_mm), 6)
        return difference <= tolerance_mm(reference.size_mm)
    for size, bound in (
        (reference.size_mm, prediction.below_mm),
        (prediction.size_mm, reference.below_mm),
    ):
        if size is not None and bound is not None:
            return size <= bound + tolerance_mm(bound)
    return True


def _is_right(reference: LesionClaim, prediction: LesionClaim) -> bool:
    return not faults_of(reference, prediction)


def _has_one_fault(reference: LesionClaim, prediction: LesionClaim) -> bool:
    return len(faults_of(reference, prediction)) == 1


def _assign(
    reference: list[LesionClaim],
    prediction: list[LesionClaim],
    is_allowed: Callable[[LesionClaim, LesionClaim], bool],
) -> tuple[list[LesionPair], list[LesionClaim], list[LesionClaim]]:
    """Pairs, and what is left of each list: most pairs first, then least cost."""
    if not reference or not prediction:
        return [], reference, prediction
    cost = np.full((len(reference), len(prediction)), _FORBIDDEN)
    for row, own in enumerate(reference):
        for column, other in enumerate(prediction):
            if own.organ == other.organ and is_allowed(own, other):
                cost[row, column] = _cost_mm(own, other)
    rows, columns = linear_sum_assignment(cost)
    chosen = {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if cost[row, column] < _FORBIDDEN
    }
    pairs = [_pair(reference[row], prediction[column]) for row, column in chosen.items()]
    taken = set(chosen.values())
    return (
        pairs,
        [each for row, each in enumerate(reference) if row not in chosen],
        [each for column, each in enumerate(prediction) if column not in taken],
    )


def _pair(reference: LesionClaim, prediction: LesionClaim) -> LesionPair:
    fault = next(iter(faults_of(reference, prediction)), None)
    return LesionPair(reference=reference, prediction=prediction, fault=fault)


def _cost_mm(reference: LesionClaim, prediction: LesionClaim) -> float:
    cost = _UNKNOWN_SIZE_MM
    if reference.size_mm is not None and prediction.size_mm is not None:
        cost = abs(prediction.size_mm - reference.size_mm)
    for own, other in (
        (reference.side, prediction.side),
        (reference.location, prediction.location),
    ):
        cost += _UNKNOWN_PLACE_MM if bool(own) != bool(other) else 0.0
    return cost
