"""``vol3d evaluate`` on two small cases of PhantomBench, from files to the page."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server, says

from vol3d.cli.main import run
from vol3d.cli.outcome import OK, REFUSED, SOME_FAILED, USAGE
from vol3d.data.phantom_bench import make_phantom_bench

SHAPE = (64, 80, 80)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    make_phantom_bench(folder, num_cases=2, shape_zyx=SHAPE)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def evaluate(bench: Path, out: Path, cache: Path, *options: str) -> int:
    """Exit code of a run without a model; facts are measured once for all tests."""
    start = ["evaluate", "deeptumorvqa", str(bench), "-o", str(out), "-q", "--model", "none"]
    return run([*start, "--cache-dir", str(cache), *options])


def summary(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "summary.json").read_text()))


@pytest.mark.parametrize("form", ["mc", "freeform"])
def test_true_masks_settle_every_question(
    bench: Path, cache: Path, tmp_path: Path, form: str
) -> None:
    assert evaluate(bench, tmp_path, cache, "--evidence", "masks", "--format", form) == OK
    found = summary(tmp_path)
    assert found["overall"]["official"]["accuracy"] == 1.0
    assert found["overall"]["scores"]["strict"]["mean"] == 1.0


def test_without_evidence_nothing_but_priors_is_left(
    bench: Path, cache: Path, tmp_path: Path
) -> None:
    assert evaluate(bench, tmp_path, cache) == OK
    rows = (tmp_path / "answers.jsonl").read_text().splitlines()[1:]
    assert {json.loads(row)["source"] for row in rows} == {"prior"}


def test_degraded_masks_lie_between(bench: Path, cache: Path, tmp_path: Path) -> None:
    options = ("--evidence", "predicted", "--degrade", "3,0.3")
    assert evaluate(bench, tmp_path, cache, *options) == OK
    accuracy = summary(tmp_path)["overall"]["scores"]["strict"]["mean"]
    assert 0.4 < accuracy < 0.99


def test_predicted_masks_need_a_source(bench: Path, cache: Path, tmp_path: Path) -> None:
    assert evaluate(bench, tmp_path, cache, "--evidence", "predicted") == USAGE


def test_systems_and_ablations_stand_side_by_side(bench: Path, cache: Path, tmp_path: Path) -> None:
    options = (
        "--evidence",
        "masks",
        "--system",
        "whole",
        "--system",
        "prior",
        "--ablate",
        "shuffle",
    )
    assert evaluate(bench, tmp_path, cache, *options) == OK
    found = {
        row["name"]: row["overall"]["scores"]["strict"]["mean"]
        for row in summary(tmp_path)["systems"]
    }
    assert list(found) == ["whole system", "prior", "whole system, shuffle"]
    assert found["whole system"] > max(found["prior"], found["whole system, shuffle"])


def test_the_same_command_goes_on(bench: Path, cache: Path, tmp_path: Path) -> None:
    evaluate(bench, tmp_path / "whole", cache, "--evidence", "masks")
    evaluate(bench, tmp_path / "torn", cache, "--evidence", "masks")
    log = tmp_path / "torn" / "answers.jsonl"
    log.write_bytes(log.read_bytes()[:2000])
    evaluate(bench, tmp_path / "torn", cache, "--evidence", "masks")
    one, other = (tmp_path / name / "results.json" for name in ("whole", "torn"))
    assert one.read_bytes() == other.read_bytes()


def test_another_run_in_the_same_folder_is_refused(
    bench: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(bench, tmp_path, cache)
    assert evaluate(bench, tmp_path, cache, "--format", "freeform") == USAGE
    assert "another form" in capsys.readouterr().err


def test_two_parts_merge_to_one_run(bench: Path, cache: Path, tmp_path: Path) -> None:
    options = ("--evidence", "masks")
    evaluate(bench, tmp_path / "whole", cache, *options)
    parts = [str(tmp_path / f"part{part}") for part in (0, 1)]
    for place, part in enumerate(parts):
        evaluate(bench, Path(part), cache, *options, "--num-parts", "2", "--part-id", str(place))
    out = str(tmp_path / "merged")
    assert run(["evaluate", "merge-parts", str(bench), *parts, "-o", out, "-q"]) == OK
    one, other = (tmp_path / name / "results.json" for name in ("whole", "merged"))
    assert one.read_bytes() == other.read_bytes()


def test_result_files_are_scored_and_compared(bench: Path, cache: Path, tmp_path: Path) -> None:
    evaluate(bench, tmp_path / "a", cache, "--evidence", "masks")
    evaluate(bench, tmp_path / "b", cache)
    files = [str(tmp_path / name / "results.json") for name in ("a", "b")]
    out = tmp_path / "scored"
    assert run(["evaluate", "score", str(bench), *files, "-o", str(out), "-q"]) == OK
    (comparison,) = summary(out)["comparisons"]
    assert comparison["overall"]["difference"]["mean"] > 0.2


def test_a_missing_scan_fails_its_questions_alone(bench: Path, tmp_path: Path, cache: Path) -> None:
    questions = json.loads((bench / "benchmark" / "test_qa.json").read_text())
    lost = questions["questions"][0]["image_id"]
    for record in questions["questions"]:
        if record["image_id"] == lost:
            record["image_id"] = "PHANTOM_00000000"
    (tmp_path / "test_qa.json").write_text(json.dumps(questions))
    options = ("--evidence", "masks", "--questions", str(tmp_path / "test_qa.json"))
    assert evaluate(bench, tmp_path / "out", cache, *options) == SOME_FAILED
    found = summary(tmp_path / "out")
    num_lost = sum(r["image_id"] == "PHANTOM_00000000" for r in questions["questions"])
    assert found["num_failed"] == num_lost
    failures = (tmp_path / "out" / "failures.jsonl").read_text()
    assert "PHANTOM_00000000" in failures


def test_shared_training_cases_are_told(bench: Path, cache: Path, tmp_path: Path) -> None:
    training = ("--training", str(bench / "benchmark" / "test_qa.json"))
    assert evaluate(bench, tmp_path, cache, *training) == OK
    told = summary(tmp_path)["run"]["provenance"]["training"]
    assert told.startswith("NOT CLEAN")
    assert "image_id: 2" in told


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    command = ["evaluate", "deeptumorvqa", str(tmp_path), "-o", str(tmp_path / "out"), "-q"]
    assert run(command) == REFUSED


def test_the_embedded_model_answers_and_knows_its_confidence(
    bench: Path, cache: Path, tmp_path: Path
) -> None:
    command = ["evaluate", "deeptumorvqa", str(bench), "-o", str(tmp_path), "-q"]
    options = ["--subtype", "liver lesion existence", "--cache-dir", str(cache), "--device", "cpu"]
    assert run([*command, *options]) == OK
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()[1:]]
    assert {row["source"] for row in rows} == {"model"}
    assert all(0.5 <= row["confidence"] <= 1.0 for row in rows)


@pytest.mark.slow
def test_ten_kills_of_the_embedded_model_leave_the_same_file(bench: Path, tmp_path: Path) -> None:
    rng = random.Random(0)

    def command(out: Path) -> list[str]:
        start = [sys.executable, "-m", "vol3d", "evaluate", "deeptumorvqa", str(bench)]
        return [*start, "-o", str(out), "-q", "--evidence", "masks", "--device", "cpu"]

    started = time.monotonic()
    subprocess.run(command(tmp_path / "whole"), check=True)
    seconds = time.monotonic() - started
    for _ in range(10):
        process = subprocess.Popen(command(tmp_path / "killed"), env=dict(os.environ))
        time.sleep(rng.uniform(0.3, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(tmp_path / "killed"), check=True)
    one, other = (tmp_path / name / "results.json" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_a_server_is_asked_in_direct_mode_with_facts_and_slices(
    bench: Path, cache: Path, tmp_path: Path
) -> None:
    with chat_server([says("The answer is B \ud83d")] * 4) as server:
        options = ("--evidence", "masks", "--system", "model", "--slices", "2", "--limit", "4")
        command = ["evaluate", "deeptumorvqa", str(bench), "-o", str(tmp_path), "-q"]
        models = ["--model", "openai:stub", "--api-base", server.base_url]
        assert run([*command, *models, "--cache-dir", str(cache), *options]) == OK
    content = server.requests[0]["messages"][1]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    assert "organs.liver.volume_cm3" in content[2]["text"]
    assert len(server.requests) == 4
    assert json.loads((tmp_path / "results.json").read_text())["n_processed"] == 4


@pytest.mark.parametrize(
    "options",
    [
        ("--evidence", "predicted", "--degrade", "inf,0"),
        ("--evidence", "predicted", "--degrade", "nan,0"),
        ("--evidence", "predicted", "--degrade", "2"),
        ("--evidence", "predicted", "--degrade", "2,1.5"),
        ("--evidence", "masks", "--degrade", "2,0.2"),
        ("--masks-dir", "."),
        ("--evidence", "masks", "--masks-dir", "nowhere"),
        ("--part-id", "2"),
        ("--subtype", "organ colour"),
    ],
)
def test_options_without_sense_are_refused_before_any_work(
    bench: Path, cache: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert evaluate(bench, tmp_path / "out", cache, *options) == USAGE
    assert not (tmp_path / "out" / "answers.jsonl").exists()


def test_figures_of_files_do_not_replace_those_of_a_run(
    bench: Path, cache: Path, tmp_path: Path
) -> None:
    evaluate(bench, tmp_path / "run", cache)
    before = (tmp_path / "run" / "summary.json").read_bytes()
    file = str(tmp_path / "run" / "results.json")
    command = ["evaluate", "score", str(bench), file, "-o", str(tmp_path / "run"), "-q"]
    assert run(command) == USAGE
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_a_question_answered_twice_counts_twice_officially(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = json.loads((bench / "benchmark" / "test_qa.json").read_text())["questions"]
    first = questions[0]
    wrong = "B" if first["correct_option"] == "A" else "A"
    rows = [
        {**first, "pred_answer": letter, "raw_output": ""}
        for letter in (wrong, first["correct_option"])
    ]
    (tmp_path / "r.json").write_text(json.dumps({"results": rows}))
    command = ["evaluate", "score", str(bench), str(tmp_path / "r.json"), "--limit", "1"]
    assert run([*command, "-o", str(tmp_path / "out")]) == OK
    found = summary(tmp_path / "out")["overall"]
    assert found["official"]["accuracy"] == 0.5
    assert found["scores"]["strict"]["mean"] == 0.0
    assert "answers 1 questions again" in capsys.readouterr().err
