"""Two systems on the same questions: tests that know about volumes, corrected for many subtypes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vol3d.errors import DataError, explain
from vol3d.evaluate.rows import ScoredRow
from vol3d.evaluate.significance import benjamini_hochberg, holm, mcnemar_exact, sign_flip_p
from vol3d.evaluate.statistics import Interval, clustered_interval

Scorer = Literal["official", "strict"]

FALSE_DISCOVERY = 0.05
"""Level at which a corrected difference is pointed out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairing:
    """The questions that two result sets share, and those that only one holds.

    Args:
        pairs: Rows of the first and the second set, in the first's order.
        only_first: Ids of questions that only the first set holds.
        only_second: Ids of questions that only the second set holds.
    """

    pairs: tuple[tuple[ScoredRow, ScoredRow], ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedTest:
    """One comparison: all shared questions, or those of one subtype.

    Args:
        name: ``overall`` or the subtype.
        num_questions: Questions compared.
        num_volumes: Volumes they lie on.
        first: Mean score of the first system, 0 to 1.
        second: Mean score of the second system, 0 to 1.
        difference: Second minus first, with the interval clustered by volume.
        p_flip: P value of the sign-flip test by volume: the one to quote.
        p_mcnemar: Exact McNemar p value, which takes questions as independent; ``None`` where
            scores are not all 0 or 1.
        p_holm: ``p_flip`` after Holm's correction over the subtypes; ``None`` for ``overall``.
        p_bh: ``p_flip`` after Benjamini and Hochberg's; ``None`` for ``overall``.
    """

    name: str
    num_questions: int
    num_volumes: int
    first: float
    second: float
    difference: Interval
    p_flip: float
    p_mcnemar: float | None
    p_holm: float | None = None
    p_bh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedComparison:
    """Two systems compared under one scorer.

    Args:
        first: Name of the first system.
        second: Name of the second system.
        scorer: Which score is compared.
        overall: The one test over all shared questions, not corrected.
        by_subtype: One test per subtype, corrected for their number.
        only_first: Ids of questions that only the first set holds.
        only_second: Ids of questions that only the second set holds.
        not_scored: Ids of shared questions that one system left without an answer and that the
            official scorer therefore leaves out; empty for ``strict``, which counts them as wrong.
    """

    first: str
    second: str
    scorer: Scorer
    overall: PairedTest
    by_subtype: tuple[PairedTest, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    not_scored: tuple[str, ...]


def pair_rows(first: Sequence[ScoredRow], second: Sequence[ScoredRow]) -> Pairing:
    """Rows of two result sets on the same questions, and the ids of all others.

    Raises:
        DataError: A question occurs twice in one set, or differs in volume or subtype between
            them.
    """
    own, other = index_rows(first, "first"), index_rows(second, "second")
    shared = [qid for qid in own if qid in other]
    for qid in shared:
        a, b = own[qid], other[qid]
        if (a.image_id, a.subtype) != (b.image_id, b.subtype):
            raise DataError(
                explain(
                    expected="the same volume and subtype in both result sets",
                    got=f"{a.image_id}, {a.subtype} and {b.image_id}, {b.subtype}",
                    where=f"question {qid}",
                    remedy="Compare result sets of one benchmark.",
                )
            )
    return Pairing(
        pairs=tuple((own[qid], other[qid]) for qid in shared),
        only_first=tuple(qid for qid in own if qid not in other),
        only_second=tuple(qid for qid in other if qid not in own),
    )


def score_of(row: ScoredRow, scorer: Scorer) -> float:
    """Score of a row under one of the two scorers, 0 to 1.

    Raises:
        DataError: A score outside 0 to 1.
    """
    score = row.official if scorer == "official" else row.strict
    if not 0 <= score <= 1:
        raise DataError(
            explain(
                expected="a score from 0 to 1",
                got=str(score),
                where=f"question {row.qid}",
                remedy="Score it again.",
            )
        )
    return score


def index_rows(rows: Sequence[ScoredRow], name: str) -> dict[str, ScoredRow]:
    """Rows by the id of their question.

    Raises:
        DataError: A question occurs twice.
    """
    index: dict[str, ScoredRow] = {}
    for row in rows:
        if row.qid in index:
            raise DataError(
                explain(
                    expected="each question once",
                    got=f"question {row.qid} twice",
                    where=f"result set {name!r}",
                    remedy="Remove the repeated rows.",
                )
            )
        index[row.qid] = row
    return index


def compare_paired(
    first: Sequence[ScoredRow],
    second: Sequence[ScoredRow],
    *,
    names: tuple[str, str],
    scorer: Scorer = "strict",
    seed: int = 0,
) -> PairedComparison:
    """Tests of the second result set against the first, over all and per subtype.

    Args:
        first: Rows of the system to compare with.
        second: Rows of the system in question.
        names: Names of the two systems.
        scorer: ``strict`` counts unanswered questions as wrong; ``official`` leaves them out, and
            they are then named in ``not_scored``.
        seed: Seed of resampling and sign flips.

    Raises:
        DataError: The sets share no scored question, repeat one, or disagree about one.
    """
    pairing = pair_rows(first, second)
    is_left_out = [
        scorer == "official" and not (a.is_answered and b.is_answered) for a, b in pairing.pairs
    ]
    pairs = [pair for pair, is_out in zip(pairing.pairs, is_left_out, strict=True) if not is_out]
    if not pairs:
        raise DataError(
            explain(
                expected="at least one question that both result sets score",
                got=f"{len(first)} and {len(second)} rows that share none",
                where=f"{names[0]!r} and {names[1]!r}",
                remedy="Compare result sets of one benchmark.",
            )
        )
    subtypes = dict.fromkeys(a.subtype for a, _ in pairs)
    tests = [
        _test(name, [pair for pair in pairs if pair[0].subtype == name], scorer, seed)
        for name in subtypes
    ]
    return PairedComparison(
        first=names[0],
        second=names[1],
        scorer=scorer,
        overall=_test("overall", pairs, scorer, seed),
        by_subtype=_corrected(tests),
        only_first=pairing.only_first,
        only_second=pairing.only_second,
        not_scored=tuple(
            pair[0].qid for pair, is_out in zip(pairing.pairs, is_left_out, strict=True) if is_out
        ),
    )


def _test(
    name: str, pairs: Sequence[tuple[ScoredRow, ScoredRow]], scorer: Scorer, seed: int
) -> PairedTest:
    first = [score_of(a, scorer) for a, _ in pairs]
    second = [score_of(b, scorer) for _, b in pairs]
    differences = [b - a for a, b in zip(first, second, strict=True)]
    volumes = [a.image_id for a, _ in pairs]
    is_binary = all(value in (0.0, 1.0) for value in (*first, *second))
    return PairedTest(
        name=name,
        num_questions=len(pairs),
        num_volumes=len(set(volumes)),
        first=math.fsum(first) / len(first),
        second=math.fsum(second) / len(second),
        difference=clustered_interval(differences, volumes, seed=seed),
        p_flip=sign_flip_p(differences, volumes, seed=seed),
        p_mcnemar=mcnemar_exact(differences.count(-1.0), differences.count(1.0))
        if is_binary
        else None,
    )


def _corrected(tests: Sequence[PairedTest]) -> tuple[PairedTest, ...]:
    raw = [test.p_flip for test in tests]
    return tuple(
        replace(test, p_holm=h, p_bh=b)
        for test, h, b in zip(tests, holm(raw), benjamini_hochberg(raw), strict=True)
    )
