"""One record of all figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scored_rows import REFERENCES, example_summary, generated_rows, official_metrics, scored

from vol3d.errors import DataError
from vol3d.evaluate.summary import (
    Beside,
    EvaluationSummary,
    ReferenceRow,
    RunInfo,
    SystemRun,
    summarise,
)

RUN = RunInfo(title="Bench", system="tiny", form="mc", evidence="none")


@pytest.fixture(scope="module")
def summary() -> EvaluationSummary:
    return example_summary()


def test_official_figures_are_those_given_to_the_last_digit() -> None:
    rows = [scored("a", 1.0), scored("b", 0.0)]
    metrics = official_metrics(rows)
    metrics["overall"]["accuracy"] = 0.1234567890123
    metrics["by_subtype"]["lesion counting"] = {"mean_mra": 0.3456, "n_total": 2, "n_scored": 1}
    summary = summarise(rows, metrics, run=RUN)
    assert summary.overall.official is not None
    assert summary.overall.official.accuracy == 0.1234567890123
    assert summary.subtypes[0].official is not None
    assert summary.subtypes[0].official.accuracy == 0.3456


def test_official_figures_that_do_not_fit_the_rows_are_pointed_out() -> None:
    rows = [scored(str(i), image_id=str(i)) for i in range(40)]
    metrics = official_metrics(rows)
    metrics["overall"] |= {"accuracy": 0.5, "n_total": 39}
    notes = summarise(rows, metrics, run=RUN).notes
    assert notes == (
        "The official scorer counted 39 answers, the rows hold 40.",
        "The official overall accuracy is 50.00 %, the mean of the rows 100.00 %; the difference "
        "is more than rounding. Intervals are those of the rows.",
    )


def test_counts_of_answers_failures_and_abstentions() -> None:
    rows = [
        scored("a"),
        scored("b", 0.0, is_answered=False),
        scored("c", 0.0, is_abstention=True, image_id="v2"),
    ]
    summary = summarise(rows, official_metrics(rows), run=RUN)
    assert (summary.num_questions, summary.num_answered, summary.num_failed) == (3, 2, 1)
    assert (summary.num_abstained, summary.num_volumes) == (1, 2)
    assert "1 of 3 questions have no answer" in summary.notes[0]
    assert "Only 2 volumes" in summary.notes[1]


def test_groups_come_in_the_official_order(summary: EvaluationSummary) -> None:
    assert [group.scores.name for group in summary.super_types] == [
        "recognition",
        "measurement",
        "visual reasoning",
        "medical reasoning",
    ]
    assert list(dict.fromkeys(row.super_type for row in summary.subtypes)) == [
        group.scores.name for group in summary.super_types
    ]
    assert len(summary.subtypes) == 42


def test_our_row_is_placed_among_rows_of_its_kind(summary: EvaluationSummary) -> None:
    assert summary.placement is not None
    assert (summary.placement.rank, summary.placement.num_published) == (2, 2)
    assert [row.overall for row in summary.references] == [99.0, 98.0, 54.5, 20.0]


def test_a_tie_ranks_after_the_published_row() -> None:
    rows = [scored("a", 1.0), scored("b", 0.0)]
    beside = Beside(references=[ReferenceRow(name="x", kind="direct", overall=50.0)])
    placement = summarise(rows, official_metrics(rows), run=RUN, beside=beside).placement
    assert placement is not None
    assert placement.rank == 2


def test_an_agent_is_not_ranked_among_models() -> None:
    rows = [scored("a")]
    run = replace(RUN, kind="agent")
    placement = summarise(
        rows, official_metrics(rows), run=run, beside=Beside(references=REFERENCES)
    ).placement
    assert placement is not None
    assert (placement.kind, placement.rank, placement.num_published) == ("agent", 1, 1)


def test_each_system_has_its_own_figures_the_main_one_first(summary: EvaluationSummary) -> None:
    assert [system.name for system in summary.systems] == ["tiny", "rules alone", "blank scans"]
    assert [system.is_main for system in summary.systems] == [True, False, False]
    accuracies = [s.overall.official.accuracy for s in summary.systems if s.overall.official]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(set(accuracies)) == 3


def test_a_system_on_other_questions_is_pointed_out() -> None:
    rows, other = [scored("a"), scored("b")], [scored("b"), scored("c")]
    system = SystemRun(name="rules", rows=other, metrics=official_metrics(other))
    notes = summarise(rows, official_metrics(rows), run=RUN, beside=Beside(systems=[system])).notes
    assert any("rules: lacks 1 of the main run's 2 questions and has 1 others" in n for n in notes)


def test_questions_missing_from_the_blank_run_are_counted() -> None:
    rows = [scored("a"), scored("b")]
    beside = Beside(blank=[scored("a", 0.0)])
    summary = summarise(rows, official_metrics(rows), run=RUN, beside=beside)
    assert any("Not in the blank run: 1 of 2 questions" in note for note in summary.notes)
    assert summary.overall.scores.above_blank is not None
    assert summary.overall.scores.above_blank.score == 1.0


def test_json_says_research_use_only_and_holds_every_part(summary: EvaluationSummary) -> None:
    record = json.loads(summary.to_json())
    official = summary.overall.official
    assert official is not None
    assert record["disclaimer"] == "Research use only, not for clinical use."
    assert record["overall"]["official"]["accuracy"] == official.accuracy
    assert len(record["comparisons"][0]["by_subtype"]) == 42
    assert [stratum["name"] for stratum in record["strata"]] == ["phase", "scanner", "size"]
    assert record["run"]["provenance"] == {"Weights, SHA-256": "0123abcd"}


def test_the_same_rows_give_the_same_text() -> None:
    rows = generated_rows(84, num_volumes=20)
    texts = {summarise(rows, official_metrics(rows), run=RUN).to_json() for _ in range(2)}
    assert len(texts) == 1


def test_a_long_curve_is_thinned_and_its_area_is_not() -> None:
    rows = [scored(str(i), float(i % 3 > 0), confidence=i / 999) for i in range(1000)]
    summary = summarise(rows, official_metrics(rows), run=RUN)
    assert len(summary.coverage_risk.points) == 200
    assert summary.coverage_risk.points[0].threshold == 1.0
    assert summary.coverage_risk.points[-1].coverage == 1.0
    assert summary.coverage_risk.num_used == 1000


def test_strata_without_a_value_come_last(summary: EvaluationSummary) -> None:
    size = summary.strata[-1]
    assert [group.name for group in size.groups] == ["<= 20 mm", "> 20 mm", "not given"]


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="at least one scored row"):
        summarise([], official_metrics([scored("a")]), run=RUN)


def test_a_question_asked_twice_is_refused() -> None:
    with pytest.raises(DataError, match="question a twice"):
        summarise([scored("a"), scored("a")], official_metrics([scored("a")]), run=RUN)


@pytest.mark.parametrize("part", ["overall", "by_super_type", "by_subtype"])
def test_official_figures_that_lack_a_part_are_refused(part: str) -> None:
    metrics = official_metrics([scored("a")])
    del metrics[part]
    with pytest.raises(DataError, match=part):
        summarise([scored("a")], metrics, run=RUN)


def test_an_official_group_without_a_count_is_refused() -> None:
    metrics: dict[str, Any] = official_metrics([scored("a")])
    metrics["overall"] = {"accuracy": 0.5}
    with pytest.raises(DataError, match="n_total"):
        summarise([scored("a")], metrics, run=RUN)
