"""Whether confidences mean what they say, and whether silence comes at the right places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from vol3d.errors import DataError, explain
from vol3d.evaluate.rows import ScoredRow
from vol3d.evaluate.statistics import Interval, clustered_interval, wilson_interval

NUM_BINS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """Answers of similar confidence.

    Args:
        low: Smallest confidence in the bin.
        high: Largest confidence in the bin.
        num: Answers in it.
        confidence: Their mean confidence.
        score: Their mean score.
        interval: Wilson's interval of the score.
    """

    low: float
    high: float
    num: int
    confidence: float
    score: float
    interval: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How far confidences are from scores.

    Args:
        num_used: Answers with a confidence, to questions that can be answered.
        num_without_confidence: Answers without one; they are in no figure here.
        num_unanswered: Questions without an answer.
        num_not_assessable: Questions that the scan does not allow to answer.
        bins: Bins of about equal size; equal confidences are never parted.
        ece: Expected calibration error, 0 to 1; ``None`` without any confidence.
        brier: Mean squared distance of confidence and score; ``None`` without any confidence.
    """

    num_used: int
    num_without_confidence: int
    num_unanswered: int
    num_not_assessable: int
    bins: tuple[ReliabilityBin, ...]
    ece: float | None
    brier: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskPoint:
    """What happens when answers below a confidence are withheld.

    Args:
        threshold: Smallest confidence that is still answered.
        coverage: Share of answers kept.
        risk: One minus the mean score of those kept.
    """

    threshold: float
    coverage: float
    risk: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageRisk:
    """Risk at every coverage that the confidences allow.

    Args:
        num_used: Answers with a confidence, to questions that can be answered.
        points: From the highest confidence down; the last has a coverage of 1.
        aurc: Area under the curve; confidences that tell nothing give the risk at coverage 1.
            ``None`` without any confidence.
        own: Where the system's own abstentions put it: the confidence plays no part in this
            point. ``None`` if it never abstained or always did.
    """

    num_used: int
    points: tuple[RiskPoint, ...]
    aurc: float | None
    own: RiskPoint | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessability:
    """Whether "not assessable" was said where it is true.

    Args:
        num_questions: All questions.
        num_not_assessable: Questions that the scan does not allow to answer.
        num_abstained: Questions on which the system said so.
        num_right: Questions of both kinds at once.
        precision: ``num_right / num_abstained`` with Wilson's interval; ``None`` without any.
        recall: ``num_right / num_not_assessable`` with Wilson's interval; ``None`` without any.
        score: Mean strict score over all questions where saying so is right exactly on questions
            that cannot be answered; interval clustered by volume.
    """

    num_questions: int
    num_not_assessable: int
    num_abstained: int
    num_right: int
    precision: Interval | None
    recall: Interval | None
    score: Interval


def credited_score(row: ScoredRow) -> float:
    """Score of a row when abstaining is right exactly where no answer is possible, 0 to 1.

    On a question that can be answered this is the strict score, and 0 for an abstention.
    """
    if row.is_abstention or not row.is_assessable:
        return float(row.is_abstention and not row.is_assessable)
    return row.strict


def calibrate(rows: Sequence[ScoredRow], *, num_bins: int = NUM_BINS) -> Calibration:
    """Reliability bins and calibration errors of the strict scores.

    Args:
        rows: All rows, those without a confidence too: they are counted.
        num_bins: Most bins there may be; fewer where many confidences are equal.

    Raises:
        DataError: A confidence outside 0 to 1.

    Source: Naeini et al., AAAI 2015, expected calibration error, here with bins of equal mass;
        Brier, Mon. Weather Rev. 78 (1950) 1-3.
    """
    used = rows_with_confidence(rows)
    confidences = [confidence for confidence, _ in used]
    scores = [row.strict for _, row in used]
    bins = reliability_bins(confidences, scores, num_bins=num_bins)
    answered = [row for row in rows if row.is_answered and row.is_assessable]
    squares = [(c - s) ** 2 for c, s in zip(confidences, scores, strict=True)]
    return Calibration(
        num_used=len(used),
        num_without_confidence=len(answered) - len(used),
        num_unanswered=sum(not row.is_answered for row in rows),
        num_not_assessable=sum(not row.is_assessable for row in rows),
        bins=bins,
        ece=expected_calibration_error(bins) if used else None,
        brier=math.fsum(squares) / len(squares) if used else None,
    )


def reliability_bins(
    confidences: Sequence[float], scores: Sequence[float], *, num_bins: int = NUM_BINS
) -> tuple[ReliabilityBin, ...]:
    """Bins of about equal size over sorted confidences, equal confidences together.

    Args:
        confidences: One per answer, 0 to 1.
        scores: One per answer, 0 to 1.
        num_bins: Most bins there may be.

    Raises:
        DataError: Lengths that differ, or no bins asked for.
    """
    if num_bins < 1 or len(confidences) != len(scores):
        raise DataError(
            explain(
                expected="at least one bin, and one score per confidence",
                got=f"{num_bins} bins, {len(confidences)} confidences, {len(scores)} scores",
                where="reliability_bins",
                remedy="Pass the score of every answer.",
            )
        )
    pairs = sorted(zip(confidences, scores, strict=True))
    bins: dict[int, list[tuple[float, float]]] = {}
    done = 0
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        members = list(group)
        bins.setdefault(done * num_bins // len(pairs), []).extend(members)
        done += len(members)
    return tuple(_bin(members) for members in bins.values())


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and score over bins, weighted by their answers, 0 to 1."""
    total = sum(each.num for each in bins)
    return math.fsum(each.num * abs(each.confidence - each.score) for each in bins) / total


def coverage_risk(rows: Sequence[ScoredRow]) -> CoverageRisk:
    """Risk of the strict score against coverage, over answers with a confidence.

    Answers of equal confidence are kept or withheld together. Without ties the area is the mean
    of the risks at coverages 1/n, 2/n, ..., 1.

    Raises:
        DataError: A confidence outside 0 to 1.

    Source: Geifman and El-Yaniv, NeurIPS 2017, selective classification; AURC as in Geifman,
        Uziel and El-Yaniv, ICLR 2019.
    """
    used = rows_with_confidence(rows)
    points = risk_points([c for c, _ in used], [1 - row.strict for _, row in used])
    steps = zip(points, (0.0, *(point.coverage for point in points)), strict=False)
    area = math.fsum(point.risk * (point.coverage - before) for point, before in steps)
    answered = [row for row in rows if row.is_assessable and row.is_answered]
    kept = [row for row in answered if not row.is_abstention]
    own = None
    if kept and len(kept) < len(answered):
        own = RiskPoint(
            threshold=0.0,
            coverage=len(kept) / len(answered),
            risk=math.fsum(1 - row.strict for row in kept) / len(kept),
        )
    return CoverageRisk(num_used=len(used), points=points, aurc=area if used else None, own=own)


def risk_points(confidences: Sequence[float], losses: Sequence[float]) -> tuple[RiskPoint, ...]:
    """The coverage-risk curve from the highest confidence down, one point per distinct one.

    Args:
        confidences: One per answer.
        losses: One minus the score of each answer.
    """
    pairs = sorted(zip(confidences, losses, strict=True), reverse=True)
    points: list[RiskPoint] = []
    num, total = 0, 0.0
    for threshold, group in groupby(pairs, key=lambda pair: pair[0]):
        own = [loss for _, loss in group]
        num, total = num + len(own), total + math.fsum(own)
        points.append(RiskPoint(threshold=threshold, coverage=num / len(pairs), risk=total / num))
    return tuple(points)


def thinned(points: Sequence[RiskPoint], most: int) -> tuple[RiskPoint, ...]:
    """At most so many points of a curve, evenly by rank, the first and the last among them."""
    if len(points) <= most:
        return tuple(points)
    steps = [round(step * (len(points) - 1) / (most - 1)) for step in range(most)]
    return tuple(points[index] for index in steps)


def assess_abstentions(rows: Sequence[ScoredRow], *, seed: int = 0) -> Assessability:
    """Precision and recall of "not assessable", and the score that credits it.

    Args:
        rows: All rows.
        seed: Seed of the clustered interval.

    Raises:
        DataError: No rows.
    """
    abstained = sum(row.is_abstention for row in rows)
    impossible = sum(not row.is_assessable for row in rows)
    right = sum(row.is_abstention and not row.is_assessable for row in rows)
    volumes = [row.image_id for row in rows]
    return Assessability(
        num_questions=len(rows),
        num_not_assessable=impossible,
        num_abstained=abstained,
        num_right=right,
        precision=wilson_interval(right, abstained) if abstained else None,
        recall=wilson_interval(right, impossible) if impossible else None,
        score=clustered_interval([credited_score(row) for row in rows], volumes, seed=seed),
    )


def rows_with_confidence(rows: Sequence[ScoredRow]) -> list[tuple[float, ScoredRow]]:
    """Confidence and row of answers to questions that can be answered.

    Raises:
        DataError: A confidence outside 0 to 1.
    """
    used: list[tuple[float, ScoredRow]] = []
    for row in rows:
        if row.confidence is None or not row.is_answered or not row.is_assessable:
            continue
        if not 0 <= row.confidence <= 1:
            raise DataError(
                explain(
                    expected="a confidence from 0 to 1",
                    got=str(row.confidence),
                    where=f"question {row.qid}",
                    remedy="Write a probability, or null where there is none.",
                )
            )
        used.append((row.confidence, row))
    return used


def _bin(members: Sequence[tuple[float, float]]) -> ReliabilityBin:
    total = math.fsum(score for _, score in members)
    return ReliabilityBin(
        low=members[0][0],
        high=members[-1][0],
        num=len(members),
        confidence=math.fsum(confidence for confidence, _ in members) / len(members),
        score=total / len(members),
        interval=wilson_interval(total, len(members)),
    )
