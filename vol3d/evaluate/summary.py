"""All figures of one evaluation, from its scored rows and the official scorer's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vol3d.errors import DataError, explain
from vol3d.evaluate.breakdown import (
    NOT_GIVEN,
    GroupScore,
    break_down,
    by_stratum,
    by_subtype,
    by_super_type,
    group_score,
    strata_names,
)
from vol3d.evaluate.calibration import assess_abstentions, calibrate, coverage_risk, thinned
from vol3d.evaluate.figures import (
    SUPER_TYPES,
    Beside,
    EvaluationSummary,
    GroupFigure,
    OfficialFigure,
    Placement,
    ReferenceRow,
    RowKind,
    RunInfo,
    Stratum,
    SubtypeFigure,
    SystemFigure,
    SystemRun,
)
from vol3d.evaluate.paired import index_rows
from vol3d.evaluate.rows import ScoredRow
from vol3d.evaluate.statistics import precision_of
from vol3d.report import DISCLAIMER

__all__ = [
    "Beside",
    "EvaluationSummary",
    "ReferenceRow",
    "RunInfo",
    "SystemRun",
    "summarise",
]

MAX_RISK_POINTS = 200
FEW_VOLUMES = 30
ROUNDING = 2e-4  # the official scorer rounds subtypes, then the whole, to four decimals


def summarise(
    rows: Sequence[ScoredRow],
    metrics: Mapping[str, Any],
    *,
    run: RunInfo,
    beside: Beside | None = None,
    seed: int = 0,
) -> EvaluationSummary:
    """All figures of one evaluation; the same arguments give the same record.

    Args:
        rows: One row per question asked, those without an answer too.
        metrics: What the official ``aggregate`` returned: ``overall``, ``by_super_type`` and
            ``by_subtype``. Its figures are shown as they are.
        run: What was run.
        beside: What to show beside it.
        seed: Seed of all resampling.

    Raises:
        DataError: No rows, a question asked twice, a score or confidence outside 0 to 1, or
            official figures that lack a part.
    """
    if not rows:
        raise _bad_input("at least one scored row", "none", "Run the evaluation first.")
    index_rows(rows, run.system)
    beside = beside or Beside()
    main = SystemRun(name=run.system, rows=rows, metrics=metrics)
    ours = _system_figure(main, blank=beside.blank, seed=seed, is_main=True)
    others = [_system_figure(each, seed=seed) for each in beside.systems]
    strict = ours.overall.scores.strict
    risk = coverage_risk(rows)
    return EvaluationSummary(
        disclaimer=DISCLAIMER,
        run=replace(run, provenance=dict(run.provenance)),
        num_questions=len(rows),
        num_answered=ours.overall.scores.num_answered,
        num_failed=len(rows) - ours.overall.scores.num_answered,
        num_abstained=sum(row.is_abstention for row in rows),
        num_volumes=ours.overall.scores.num_volumes,
        overall=ours.overall,
        super_types=ours.super_types,
        subtypes=_subtypes(rows, metrics, beside.blank, seed),
        precision=precision_of(strict.clustered, strict.wilson, len(rows)),
        calibration=calibrate(rows),
        coverage_risk=replace(risk, points=thinned(risk.points, MAX_RISK_POINTS)),
        assessability=assess_abstentions(rows, seed=seed),
        strata=tuple(
            Stratum(
                name=name,
                groups=tuple(
                    sorted(
                        break_down(rows, by_stratum(name), blank=beside.blank, seed=seed),
                        key=_stratum_order,
                    )
                ),
            )
            for name in strata_names(rows)
        ),
        references=tuple(sorted(beside.references, key=lambda row: (-row.overall, row.name))),
        references_note=beside.references_note,
        placement=(
            place(ours.overall, run.kind, beside.references) if beside.is_comparable else None
        ),
        systems=(ours, *others),
        comparisons=tuple(beside.comparisons),
        notes=tuple(_notes(rows, ours, beside)),
    )


def place(
    overall: GroupFigure, kind: RowKind, references: Sequence[ReferenceRow]
) -> Placement | None:
    """Rank of the official overall accuracy among published rows of one kind.

    Args:
        overall: The figure to place; none without an official figure.
        kind: Kind of rows to place it among.
        references: Published rows, in percent with one decimal.
    """
    family = [row for row in references if row.kind == kind]
    if not family or overall.official is None:
        return None
    own = round(100 * overall.official.accuracy, 1)
    rank = 1 + sum(row.overall >= own for row in family)
    return Placement(kind=kind, rank=rank, num_published=len(family))


def _system_figure(
    system: SystemRun,
    *,
    blank: Sequence[ScoredRow] | None = None,
    seed: int,
    is_main: bool = False,
) -> SystemFigure:
    """Figures of one run.

    Raises:
        DataError: As of ``summarise``.
    """
    if not system.rows:
        raise _bad_input("at least one scored row", f"none of {system.name!r}", "Run it first.")
    seen_blank = None if blank is None else index_rows(blank, "blank")
    index_rows(system.rows, system.name)
    whole = group_score("overall", system.rows, blank=seen_blank, seed=seed)
    groups = break_down(system.rows, by_super_type, blank=blank, seed=seed)
    named = _part(system.metrics, "by_super_type", system.name)
    return SystemFigure(
        name=system.name,
        note=system.note,
        is_main=is_main,
        overall=GroupFigure(
            official=_official(_part(system.metrics, "overall", system.name)),
            scores=whole,
        ),
        super_types=tuple(
            GroupFigure(official=_official(named.get(group.name)), scores=group)
            for group in _ordered(groups, {group.name: group.name for group in groups})
        ),
    )


def _subtypes(
    rows: Sequence[ScoredRow],
    metrics: Mapping[str, Any],
    blank: Sequence[ScoredRow] | None,
    seed: int,
) -> tuple[SubtypeFigure, ...]:
    group_of = {row.subtype: row.super_type for row in rows}
    named = _part(metrics, "by_subtype", "the main run")
    return tuple(
        SubtypeFigure(
            super_type=group_of[group.name],
            official=_official(named.get(group.name)),
            scores=group,
        )
        for group in _ordered(break_down(rows, by_subtype, blank=blank, seed=seed), group_of)
    )


def _ordered(groups: Sequence[GroupScore], super_type: Mapping[str, str]) -> list[GroupScore]:
    """Groups in the official order of super types, then by name; unknown super types last."""
    place_of = {name: index for index, name in enumerate(SUPER_TYPES)}
    return sorted(
        groups,
        key=lambda group: (
            place_of.get(super_type[group.name], len(place_of)),
            super_type[group.name],
            group.name.lower(),
        ),
    )


def _stratum_order(group: GroupScore) -> tuple[bool, str]:
    return group.name == NOT_GIVEN, group.name


def _part(metrics: Mapping[str, Any], key: str, system: str) -> Mapping[str, Any]:
    part = metrics.get(key)
    if not isinstance(part, Mapping):
        raise _bad_input(
            f"official figures of {system!r} with {key!r}",
            f"only {sorted(metrics)}",
            "Pass what the official aggregate returned.",
        )
    return part


def _official(scores: Mapping[str, Any] | None) -> OfficialFigure | None:
    """The figure of one group; free-form numbers are scored by mean relative accuracy."""
    if scores is None:
        return None
    accuracy = scores.get("mean_mra", scores.get("accuracy"))
    total = scores.get("n_total")
    if not isinstance(accuracy, int | float) or not isinstance(total, int):
        raise _bad_input(
            "an accuracy or mean_mra, and n_total, in every official group",
            f"only {sorted(scores)}",
            "Pass what the official aggregate returned.",
        )
    return OfficialFigure(accuracy=accuracy, num_questions=total) if total else None


def _notes(rows: Sequence[ScoredRow], ours: SystemFigure, beside: Beside) -> Iterator[str]:
    scores, official = ours.overall.scores, ours.overall.official
    failed = len(rows) - scores.num_answered
    if failed:
        yield (
            f"{failed} of {len(rows)} questions have no answer: official leaves them out, "
            "strict counts them as wrong."
        )
    if scores.num_volumes < FEW_VOLUMES:
        yield (
            f"Only {scores.num_volumes} volumes: intervals by bootstrap are too narrow below "
            f"about {FEW_VOLUMES}."
        )
    if official is not None and scores.official is not None:
        if official.num_questions != scores.num_answered:
            yield (
                f"The official scorer counted {official.num_questions} answers, the rows hold "
                f"{scores.num_answered}."
            )
        if abs(official.accuracy - scores.official.mean) > ROUNDING:
            yield (
                f"The official overall accuracy is {100 * official.accuracy:.2f} %, the mean of "
                f"the rows {100 * scores.official.mean:.2f} %; the difference is more than "
                "rounding. Intervals are those of the rows."
            )
    if beside.blank is not None:
        missing = len(rows) - (scores.above_blank.num_questions if scores.above_blank else 0)
        if missing:
            yield (
                f"Not in the blank run: {missing} of {len(rows)} questions; scores above blank "
                "leave them out."
            )
    for system in beside.systems:
        own = {row.qid for row in rows}
        other = {row.qid for row in system.rows}
        if own != other:
            yield (
                f"{system.name}: lacks {len(own - other)} of the main run's {len(own)} questions "
                f"and has {len(other - own)} others; its figures are over its own questions."
            )


def _bad_input(expected: str, got: str, remedy: str) -> DataError:
    return DataError(explain(expected=expected, got=got, where="summarise", remedy=remedy))
