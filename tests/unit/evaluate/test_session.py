import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_systems import HashSystem, toy_benchmark, toy_record

from vol3d.errors import ConfigError
from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.run import RunPlan, run
from vol3d.evaluate.session import (
    EvaluationRow,
    Session,
    is_whole_benchmark,
    merge_parts,
    run_session,
    true_facts,
)


def session(**fields: object) -> Session:
    system = HashSystem()
    return Session(
        title="toys",
        plan=RunPlan(benchmark=toy_benchmark(), **fields),  # type: ignore[arg-type]
        rows=[EvaluationRow(system=system), EvaluationRow(system=system, ablation="shuffle")],
    )


def test_rows_have_their_own_files_and_one_summary(tmp_path: Path) -> None:
    summary = run_session(session(), tmp_path)
    assert summary is not None
    assert [each.name for each in summary.systems] == ["hash", "hash, shuffle"]
    assert (tmp_path / "results.json").is_file()
    assert (tmp_path / "rows" / "hash--shuffle" / "results.json").is_file()


def test_summary_and_page_say_research_use_only(tmp_path: Path) -> None:
    run_session(session(), tmp_path)
    for name in ("results.json", "summary.json", "evaluation.html"):
        assert "Research use only" in (tmp_path / name).read_text()


def test_official_and_strict_stand_in_the_summary(tmp_path: Path) -> None:
    run_session(session(), tmp_path)
    overall = json.loads((tmp_path / "summary.json").read_text())["overall"]
    metrics = json.loads((tmp_path / "results.json").read_text())["metrics"]
    assert overall["official"]["accuracy"] == metrics["overall"]["accuracy"]
    assert overall["scores"]["strict"]["mean"] == pytest.approx(
        metrics["overall"]["accuracy"], abs=1e-4
    )


def test_other_questions_have_no_place_among_published_rows(tmp_path: Path) -> None:
    summary = run_session(session(), tmp_path)
    assert summary is not None
    assert summary.placement is None
    assert "no place among them" in summary.references_note


def test_the_whole_benchmark_is_known_by_its_ids() -> None:
    whole = [toy_record(1, image=0, qid=f"bench_{n:05d}") for n in range(10_000)]
    assert is_whole_benchmark(whole)
    assert not is_whole_benchmark(whole[:-1])
    assert not is_whole_benchmark([toy_record(1, image=0)] * 10_000)


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    rows = [EvaluationRow(system=HashSystem()), EvaluationRow(system=HashSystem())]
    with pytest.raises(ConfigError, match="different names"):
        run_session(Session(title="toys", plan=plan, rows=rows), tmp_path)


def test_merged_parts_write_the_same_results_as_one_run(tmp_path: Path) -> None:
    benchmark = toy_benchmark(num_images=5)
    rows = [EvaluationRow(system=HashSystem())]
    whole = Session(title="toys", plan=RunPlan(benchmark=benchmark), rows=rows)
    run_session(whole, tmp_path / "whole")
    for part in (0, 1):
        run(RunPlan(benchmark=benchmark, part=(part, 2)), HashSystem(), tmp_path / f"part{part}")
    folders = [tmp_path / "part0", tmp_path / "part1"]
    merge_parts(folders, tmp_path / "merged", benchmark=benchmark, title="toys")
    one, other = (tmp_path / name / "results.json" for name in ("whole", "merged"))
    assert one.read_bytes() == other.read_bytes()


def test_parts_of_other_questions_are_refused(tmp_path: Path) -> None:
    run(RunPlan(benchmark=toy_benchmark()), HashSystem(), tmp_path / "part")
    with pytest.raises(ConfigError, match="other questions"):
        merge_parts(
            [tmp_path / "part"], tmp_path / "out", benchmark=toy_benchmark(num_images=2), title="x"
        )


def test_merged_parts_keep_their_other_rows(tmp_path: Path) -> None:
    benchmark = toy_benchmark(num_images=5)
    for part in (0, 1):
        plan = RunPlan(benchmark=benchmark, part=(part, 2))
        run_session(replace(session(), plan=plan), tmp_path / str(part))
    folders = [tmp_path / "0", tmp_path / "1"]
    summary = merge_parts(folders, tmp_path / "out", benchmark=benchmark, title="toys")
    assert [each.name for each in summary.systems] == ["hash", "hash, shuffle"]


def test_a_part_alone_has_no_summary(tmp_path: Path) -> None:
    assert run_session(session(part=(0, 2)), tmp_path) is None
    assert not (tmp_path / "summary.json").exists()


def test_a_question_to_abstain_from_is_kept_from_the_official_scorer(tmp_path: Path) -> None:
    records = (
        toy_record(1, image=0),
        toy_record(2, image=0, is_assessable=False, correct_option="", answer="not assessable"),
    )
    benchmark = Benchmark(root=Path("nowhere"), questions=records, file=Path("test_qa.json"))
    rows = [EvaluationRow(system=HashSystem())]
    run_session(Session(title="toys", plan=RunPlan(benchmark=benchmark), rows=rows), tmp_path)
    metrics = json.loads((tmp_path / "results.json").read_text())["metrics"]
    assert metrics["overall"]["n_total"] == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}'])
def test_a_damaged_facts_file_leaves_the_strata_out(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "benchmark" / "ct" / "TOY_00000000"
    folder.mkdir(parents=True)
    (folder / "ct.nii.gz").touch()
    (folder / "facts.json").write_text(content)
    facts_of = true_facts(replace(toy_benchmark(), root=tmp_path))
    assert facts_of("TOY_00000000") is None
    assert "no stratum by size" in caplog.text
    assert facts_of("TOY_00000001") is None
