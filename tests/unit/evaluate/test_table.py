"""An evaluation printed to a terminal or a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from scored_rows import example_summary, official_metrics, scored

from vol3d.evaluate.figures import EvaluationSummary
from vol3d.evaluate.summary import RunInfo, summarise
from vol3d.evaluate.table import print_summary


@pytest.fixture(scope="module")
def summary() -> EvaluationSummary:
    return example_summary()


def printed(summary: EvaluationSummary, width: int, *, is_terminal: bool = False) -> str:
    file = io.StringIO()
    print_summary(summary, Console(file=file, width=width, force_terminal=is_terminal))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(summary: EvaluationSummary, width: int) -> None:
    assert max(map(len, printed(summary, width).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_official_and_strict_stand_whole_in_every_subtype_row(
    summary: EvaluationSummary, width: int
) -> None:
    text = printed(summary, width)
    for row in summary.subtypes:
        assert row.official is not None
        official, strict = 100 * row.official.accuracy, 100 * row.scores.strict.mean
        assert f"{official:.2f}" in text
        assert any(
            f"{official:.2f}" in line and f"{strict:.2f}" in line for line in text.splitlines()
        )


def test_a_file_gets_no_colour_codes_and_a_terminal_does(summary: EvaluationSummary) -> None:
    assert "\x1b" not in printed(summary, 80)
    assert "\x1b[" in printed(summary, 80, is_terminal=True)


def test_it_is_plain_ascii_but_for_lines_of_tables(summary: EvaluationSummary) -> None:
    assert set(printed(summary, 80)) - set(map(chr, range(128))) <= {"─"}


def test_the_last_line_says_research_use_only(summary: EvaluationSummary) -> None:
    last = printed(summary, 80).splitlines()[-1]
    assert last == "Research use only, not for clinical use."


def test_published_rows_and_readers_stand_around_ours(summary: EvaluationSummary) -> None:
    lines = [line.split() for line in printed(summary, 80).splitlines()]
    names = [words[0] for words in lines if {"direct", "agent", "human"} & set(words[1:])]
    assert names == ["High", "An", "tiny", "Senior", "Low"]


def test_a_name_is_neither_markup_nor_a_terminal_code() -> None:
    text = printed(example_summary("[red]evil[/red]\x1b[2J", num=84), 120)
    assert "[red]evil[/red]?[2J" in text
    assert "\x1b" not in text


def test_an_evaluation_without_a_single_answer_can_be_printed() -> None:
    rows = [scored("a", 0.0, is_answered=False)]
    metrics = official_metrics([scored("a")])
    metrics["overall"] |= {"accuracy": 0.0, "n_total": 0}
    run = RunInfo(title="Bench", system="tiny", form="freeform", evidence="none")
    text = printed(summarise(rows, metrics, run=run), 80)
    assert "Official - %" in text
    assert "Strict   0.00 %" in text
