"""An evaluation in the terminal: official and strict beside each other in every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vol3d.evaluate.breakdown import GroupScore
from vol3d.evaluate.figures import EvaluationSummary, GroupFigure, OfficialFigure, ReferenceRow
from vol3d.evaluate.formats import MISSING, p_value, percent, span
from vol3d.evaluate.paired import FALSE_DISCOVERY, PairedComparison, PairedTest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NEIGHBOURS = 3


def print_summary(summary: EvaluationSummary, console: Console) -> None:
    """Prints an evaluation; 80 columns are enough, and names are never read as markup.

    Of the published rows it shows the nearest three above and below, and all readers; of paired
    subtypes those that differ after Benjamini and Hochberg's correction. The page shows all.

    Args:
        summary: What ``summarise`` returned.
        console: Where to print; colours are its own affair, and there are none in a file.
    """
    for line in _headline(summary):
        console.print(line, markup=False, highlight=False)
    for table in summary_tables(summary):
        console.print(table)
    for line in (*summary.notes, summary.disclaimer):
        console.print(plain(line), markup=False, highlight=False)


def summary_tables(summary: EvaluationSummary) -> Iterator[Table]:
    """The tables in their order: groups, subtypes, strata, systems, published, comparisons."""
    groups = [*summary.super_types, summary.overall]
    yield _score_table("Groups of questions", [(each.official, each.scores) for each in groups])
    yield _score_table("Subtypes", [(each.official, each.scores) for each in summary.subtypes])
    for stratum in summary.strata:
        yield _score_table(f"By {stratum.name}", [(None, group) for group in stratum.groups])
    yield _system_table(summary)
    if summary.references:
        yield _published_table(summary)
    for comparison in summary.comparisons:
        yield _paired_table(comparison)


def plain(text: str) -> str:
    """A name without characters that could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _headline(summary: EvaluationSummary) -> Iterator[str]:
    run, scores = summary.run, summary.overall.scores
    form = "multiple choice" if run.form == "mc" else "free form"
    yield plain(f"{run.title}: {run.system} ({form}, evidence {run.evidence})")
    yield (
        f"{summary.num_questions} questions on {summary.num_volumes} volumes: "
        f"{summary.num_answered} answered, {summary.num_failed} without an answer, "
        f"{summary.num_abstained} said not assessable"
    )
    ends = MISSING if scores.official is None else span(scores.official.interval)
    yield f"Official {_official(summary.overall)} %, 95 % interval {ends}"
    yield (
        f"Strict   {percent(scores.strict.mean)} %, 95 % interval {span(scores.strict.interval)}"
    )
    if summary.calibration.ece is not None:
        yield (
            f"Calibration error {percent(summary.calibration.ece)} %, area under coverage-risk "
            f"{percent(summary.coverage_risk.aurc)} %"
        )
    said = summary.assessability
    if said.num_abstained or said.num_not_assessable:
        precision = None if said.precision is None else said.precision.mean
        recall = None if said.recall is None else said.recall.mean
        yield (
            f"Not assessable: precision {percent(precision, 1)} %, recall {percent(recall, 1)} %; "
            f"score that credits it {percent(said.score.mean)} %"
        )
    yield (
        "Detectable between separate sets of this size: "
        f"{percent(summary.precision.detectable_difference, 1)} points"
    )


def _official(figure: GroupFigure) -> str:
    return percent(None if figure.official is None else figure.official.accuracy)


def _table(title: str, first: str, names: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(plain(title)), title_justify="left", box=box.SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    table.add_column(first, overflow="fold", min_width=8)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add(table: Table, name: str, *values: str, is_bold: bool = False) -> None:
    from rich.text import Text

    table.add_row(Text(plain(name)), *map(Text, values), style="bold" if is_bold else None)


def _score_table(title: str, rows: Sequence[tuple[OfficialFigure | None, GroupScore]]) -> Table:
    table = _table(title, "", ("n", "Official", "Strict", "95 %", "Above\nchance", "Above\nblank"))
    for official, scores in rows:
        own = None if scores.official is None else scores.official.mean
        above = None if scores.above_blank is None else scores.above_blank.score
        _add(
            table,
            scores.name,
            str(scores.num_questions),
            percent(own if official is None else official.accuracy),
            percent(scores.strict.mean),
            _ends(scores),
            percent(scores.above_chance, 1),
            percent(above, 1),
        )
    return table


def _ends(scores: GroupScore) -> str:
    interval = scores.strict.interval
    return f"{percent(interval.low, 1)}-{percent(interval.high, 1)}"


def _system_table(summary: EvaluationSummary) -> Table:
    table = _table("Systems", "", ("n", "Official", "Strict", "95 %", "No answer"))
    for system in summary.systems:
        scores = system.overall.scores
        _add(
            table,
            system.name,
            str(scores.num_questions),
            _official(system.overall),
            percent(scores.strict.mean),
            _ends(scores),
            str(scores.num_questions - scores.num_answered),
            is_bold=system.is_main,
        )
    return table


def _published_table(summary: EvaluationSummary) -> Table:
    place = summary.placement
    title = "Published results"
    if place is not None:
        title += f": place {place.rank} of {place.num_published + 1} ({place.kind})"
    table = _table(title, "", ("Kind", "Official", "Strict"))
    official = summary.overall.official
    own = -1.0 if official is None else round(100 * official.accuracy, 1)
    above = [row for row in summary.references if row.overall >= own]
    below = [row for row in summary.references if row.overall < own]

    def add(rows: Sequence[ReferenceRow]) -> None:
        for row in rows:
            name = f"{row.name} ({row.note})" if row.note else row.name
            _add(table, name, row.kind, f"{row.overall:.1f}", MISSING)

    add([row for row in above[:-NEIGHBOURS] if row.kind == "human"] + above[-NEIGHBOURS:])
    strict = percent(summary.overall.scores.strict.mean, 1)
    figure = MISSING if official is None else f"{own:.1f}"
    _add(table, summary.run.system, summary.run.kind, figure, strict, is_bold=True)
    add(below[:NEIGHBOURS] + [row for row in below[NEIGHBOURS:] if row.kind == "human"])
    if summary.references_note:
        table.caption = plain(summary.references_note).replace("[", r"\[")
    return table


def _paired_table(comparison: PairedComparison) -> Table:
    kept = [test for test in comparison.by_subtype if (test.p_bh or 0.0) <= FALSE_DISCOVERY]
    title = f"{comparison.second} against {comparison.first}, {comparison.scorer}"
    table = _table(title, "", ("n", "First", "Second", "Diff.", "95 %", "p", "Holm", "BH"))
    for test in (comparison.overall, *sorted(kept, key=_by_p)):
        _add(
            table,
            test.name,
            str(test.num_questions),
            percent(test.first, 1),
            percent(test.second, 1),
            percent(test.difference.mean, 1),
            f"{percent(test.difference.low, 1)}..{percent(test.difference.high, 1)}",
            *(p_value(value).replace(" ", "") for value in (test.p_flip, test.p_holm, test.p_bh)),
            is_bold=test is comparison.overall,
        )
    table.caption = (
        f"{len(comparison.by_subtype) - len(kept)} more subtypes do not differ at "
        f"{FALSE_DISCOVERY}; {len(comparison.only_first)} and {len(comparison.only_second)} "
        f"questions are in one set only, {len(comparison.not_scored)} not scored."
    )
    return table


def _by_p(test: PairedTest) -> float:
    return test.p_flip
