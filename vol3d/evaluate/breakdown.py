"""Scores by subtype, group of subtypes and stratum, beside chance and beside a blank scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vol3d.errors import DataError, explain
from vol3d.evaluate.paired import Scorer, index_rows, score_of
from vol3d.evaluate.rows import ScoredRow
from vol3d.evaluate.statistics import Interval, clustered_interval, wilson_interval

SMALL_LESION_MM = 20.0
SMALL, LARGE = "<= 20 mm", "> 20 mm"
NOT_GIVEN = "not given"


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean score with both of its intervals.

    Args:
        mean: Mean score, 0 to 1.
        wilson: Wilson's interval, which takes questions as independent.
        clustered: Bootstrap of whole volumes.
    """

    mean: float
    wilson: Interval
    clustered: Interval

    @property
    def interval(self) -> Interval:
        """The hull of both: the bootstrap has no width where few volumes are all alike."""
        return self.clustered.hull(self.wilson)


@dataclass(frozen=True, kw_only=True, slots=True)
class AboveBlank:
    """A score where 0 is the same system on blank scans, and 1 is perfect.

    Args:
        num_questions: Questions that the blank run holds too; both means are over them.
        blank: Mean strict score of the blank run.
        score: ``(own - blank) / (1 - blank)``; ``None`` where the blank run is perfect.
    """

    num_questions: int
    blank: float
    score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupScore:
    """Scores of one group of questions.

    Args:
        name: Name of the group.
        num_questions: All questions of the group.
        num_answered: Those with an answer.
        num_volumes: Volumes that the questions lie on.
        official: Over answered questions, as the official scorer counts; ``None`` without any.
        strict: Over all questions.
        chance: Mean score of guessing; ``None`` in free form.
        above_chance: ``(strict - chance) / (1 - chance)``, negative below chance; ``None`` in
            free form.
        above_blank: The strict score beside a blank run, if there is one for these questions.
    """

    name: str
    num_questions: int
    num_answered: int
    num_volumes: int
    official: Estimate | None
    strict: Estimate
    chance: float | None
    above_chance: float | None
    above_blank: AboveBlank | None


def size_stratum(longest_mm: float) -> str:
    """Name of the size stratum of a lesion: up to 20 mm, or above.

    Args:
        longest_mm: Longest diameter in mm.

    Raises:
        DataError: A diameter that is not above 0.
    """
    if not 0 < longest_mm < math.inf:
        raise DataError(
            explain(
                expected="a diameter above 0 mm",
                got=f"{longest_mm} mm",
                where="size_stratum",
                remedy="Leave the stratum out where there is no lesion.",
            )
        )
    return SMALL if longest_mm <= SMALL_LESION_MM else LARGE


def above_baseline(score: float, baseline: float) -> float | None:
    """``(score - baseline) / (1 - baseline)``, or ``None`` for a perfect baseline.

    Args:
        score: Mean score, 0 to 1.
        baseline: Score without looking, by chance or on blank scans, 0 to 1.

    Source: the normalisation of Cohen's kappa, Educ. Psychol. Meas. 20 (1960) 37-46.
    """
    return None if baseline >= 1 else (score - baseline) / (1 - baseline)


def by_subtype(row: ScoredRow) -> str:
    """The subtype of a row."""
    return row.subtype


def by_super_type(row: ScoredRow) -> str:
    """The group of subtypes of a row."""
    return row.super_type


def by_stratum(name: str) -> Callable[[ScoredRow], str]:
    """A key for ``break_down`` that goes by a stratum, such as ``size`` or ``phase``.

    Rows without it form the group ``not given``.
    """
    return lambda row: row.strata.get(name, NOT_GIVEN)


def strata_names(rows: Sequence[ScoredRow]) -> tuple[str, ...]:
    """Names of all strata that any row has, in order of appearance."""
    return tuple(dict.fromkeys(name for row in rows for name in row.strata))


def break_down(
    rows: Sequence[ScoredRow],
    key: Callable[[ScoredRow], str],
    *,
    blank: Sequence[ScoredRow] | None = None,
    seed: int = 0,
) -> tuple[GroupScore, ...]:
    """Scores of each group, in order of appearance.

    Args:
        rows: Scored rows of one system.
        key: Group of a row.
        blank: Rows of the same system on blank scans.
        seed: Seed of the clustered intervals.

    Raises:
        DataError: A blank run that holds a question twice.
    """
    seen_blank = None if blank is None else index_rows(blank, "blank")
    groups: dict[str, list[ScoredRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return tuple(
        group_score(name, group, blank=seen_blank, seed=seed) for name, group in groups.items()
    )


def group_score(
    name: str,
    rows: Sequence[ScoredRow],
    *,
    blank: Mapping[str, ScoredRow] | None = None,
    seed: int = 0,
) -> GroupScore:
    """Scores of one group of questions.

    Args:
        name: Name of the group.
        rows: Its rows.
        blank: Rows of a blank run by question id.
        seed: Seed of the clustered intervals.

    Raises:
        DataError: No rows.
    """
    answered = [row for row in rows if row.is_answered]
    strict = estimate(rows, "strict", seed=seed)
    chance = math.fsum(row.chance for row in rows) / len(rows)
    return GroupScore(
        name=name,
        num_questions=len(rows),
        num_answered=len(answered),
        num_volumes=len({row.image_id for row in rows}),
        official=estimate(answered, "official", seed=seed) if answered else None,
        strict=strict,
        chance=chance if chance > 0 else None,
        above_chance=above_baseline(strict.mean, chance) if chance > 0 else None,
        above_blank=None if blank is None else _above_blank(rows, blank),
    )


def estimate(rows: Sequence[ScoredRow], scorer: Scorer, *, seed: int = 0) -> Estimate:
    """Mean of one of the two scores over rows, with its intervals.

    Raises:
        DataError: No rows, or a score outside 0 to 1.
    """
    scores = [score_of(row, scorer) for row in rows]
    clustered = clustered_interval(scores, [row.image_id for row in rows], seed=seed)
    wilson = wilson_interval(math.fsum(scores), len(scores))
    return Estimate(mean=clustered.mean, wilson=wilson, clustered=clustered)


def _above_blank(rows: Sequence[ScoredRow], blank: Mapping[str, ScoredRow]) -> AboveBlank | None:
    shared = [(row.strict, blank[row.qid].strict) for row in rows if row.qid in blank]
    if not shared:
        return None
    own = math.fsum(a for a, _ in shared) / len(shared)
    floor = math.fsum(b for _, b in shared) / len(shared)
    return AboveBlank(num_questions=len(shared), blank=floor, score=above_baseline(own, floor))
