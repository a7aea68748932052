import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_systems import HashSystem, toy_benchmark

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.agent.chat import ChatError
from vol3d.evaluate.results import (
    ANSWERS,
    FAILURES,
    merge_logs,
    read_log,
    read_results,
    write_results,
)
from vol3d.evaluate.run import RunPlan, run

SUPPORT = Path(__file__).resolve().parents[2] / "support"


def finished(folder: Path, plan: RunPlan, system: HashSystem) -> bytes:
    """The official result file of a run."""
    rows = run(plan, system, folder)
    write_results(folder, plan.own().questions, rows, plan.form)
    return (folder / "results.json").read_bytes()


def test_every_volume_is_looked_at_once(tmp_path: Path) -> None:
    system = HashSystem()
    rows = run(RunPlan(benchmark=toy_benchmark()), system, tmp_path)
    assert system.looked == [f"TOY_{image:08d}" for image in range(4)]
    assert len(rows) == 12


def test_results_stand_in_the_order_of_the_questions(tmp_path: Path) -> None:
    finished(tmp_path, RunPlan(benchmark=toy_benchmark()), HashSystem())
    rows = json.loads((tmp_path / "results.json").read_text())["results"]
    assert [row["qid"] for row in rows] == [f"pb_{n:05d}" for n in range(1, 13)]


def test_result_rows_have_the_official_fields(tmp_path: Path) -> None:
    finished(tmp_path, RunPlan(benchmark=toy_benchmark()), HashSystem())
    whole = json.loads((tmp_path / "results.json").read_text())
    assert list(whole)[:3] == ["metrics", "n_processed", "results"]
    assert list(whole["results"][0]) == [
        "qid",
        "image_id",
        "question_subtype",
        "question_type",
        "raw_output",
        "pred_answer",
        "correct_option",
        "answer",
    ]


def test_results_read_back(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    rows = run(plan, HashSystem(), tmp_path)
    write_results(tmp_path, plan.own().questions, rows, "mc")
    assert [row.pred_answer for row in read_results(tmp_path / "results.json")] == [
        rows[record.qid].pred_answer for record in plan.own().questions
    ]


def test_a_finished_run_asks_nothing_again(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    run(plan, HashSystem(), tmp_path)
    again = HashSystem()
    assert len(run(plan, again, tmp_path)) == 12
    assert again.looked == []


def test_a_failed_question_is_named_and_not_scored(tmp_path: Path) -> None:
    rows = run(RunPlan(benchmark=toy_benchmark()), HashSystem(failing=["5"]), tmp_path)
    assert "pb_00005" not in rows
    assert len(rows) == 11
    assert json.loads((tmp_path / FAILURES).read_text()) == {
        "qid": "pb_00005",
        "error": "RuntimeError",
        "message": "",
    }


def test_a_failed_question_is_tried_again(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    run(plan, HashSystem(failing=["5"]), tmp_path)
    second = HashSystem()
    assert len(run(plan, second, tmp_path)) == 12
    assert len(second.asked) == 1


def test_a_volume_that_cannot_be_opened_fails_its_questions_only(tmp_path: Path) -> None:
    rows = run(RunPlan(benchmark=toy_benchmark()), HashSystem(failing=["TOY_00000002"]), tmp_path)
    assert len(rows) == 9
    assert len((tmp_path / FAILURES).read_text().splitlines()) == 3


def test_one_failure_asks_no_question_twice(tmp_path: Path) -> None:
    system = HashSystem(failing=["9"])
    run(RunPlan(benchmark=toy_benchmark()), system, tmp_path)
    assert len(system.asked) == 12


def test_a_server_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    class Gone(HashSystem):
        def answer(self, seen: object, asked: object) -> list[None]:
            raise ChatError("no server", kind="connection")

    with pytest.raises(ChatError, match="no server"):
        run(RunPlan(benchmark=toy_benchmark()), Gone(), tmp_path)
    assert len((tmp_path / FAILURES).read_text().splitlines()) == 10


def test_a_torn_last_line_is_asked_again(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    whole = finished(tmp_path / "whole", plan, HashSystem())
    finished(tmp_path / "torn", plan, HashSystem())
    log = tmp_path / "torn" / ANSWERS
    log.write_bytes(log.read_bytes()[:-9])
    assert finished(tmp_path / "torn", plan, HashSystem()) == whole


def test_answers_of_another_form_are_refused(tmp_path: Path) -> None:
    run(RunPlan(benchmark=toy_benchmark()), HashSystem(), tmp_path)
    with pytest.raises(ConfigError, match="another form"):
        run(RunPlan(benchmark=toy_benchmark(), form="freeform"), HashSystem(), tmp_path)


def test_a_damaged_row_is_refused(tmp_path: Path) -> None:
    run(RunPlan(benchmark=toy_benchmark()), HashSystem(), tmp_path)
    log = tmp_path / ANSWERS
    log.write_text(log.read_text().replace('"pb_00003"', "3"))
    with pytest.raises(DataError, match=r"answers\.jsonl"):
        read_log(tmp_path)


def test_two_parts_merged_equal_one_run(tmp_path: Path) -> None:
    benchmark = toy_benchmark(num_images=5)
    whole = finished(tmp_path / "whole", RunPlan(benchmark=benchmark), HashSystem())
    for part in (0, 1):
        plan = RunPlan(benchmark=benchmark, part=(part, 2))
        run(plan, HashSystem(), tmp_path / str(part))
    _, rows = merge_logs([tmp_path / "0", tmp_path / "1"])
    write_results(tmp_path / "merged", benchmark.questions, rows, "mc")
    assert (tmp_path / "merged" / "results.json").read_bytes() == whole


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    run(RunPlan(benchmark=toy_benchmark(), part=(1, 3)), HashSystem(), tmp_path)
    with pytest.raises(ConfigError, match=r"parts \[1\] of 3"):
        merge_logs([tmp_path])


def test_parts_of_different_runs_are_refused(tmp_path: Path) -> None:
    for part, form in enumerate(("mc", "freeform")):
        plan = RunPlan(benchmark=toy_benchmark(), part=(part, 2), form=form)  # type: ignore[arg-type]
        run(plan, HashSystem(), tmp_path / str(part))
    with pytest.raises(ConfigError, match="another form"):
        merge_logs([tmp_path / "0", tmp_path / "1"])


def test_shuffling_shows_every_volume_another_one(tmp_path: Path) -> None:
    system = HashSystem()
    run(RunPlan(benchmark=toy_benchmark(), ablation="shuffle"), system, tmp_path)
    assert system.looked == [f"TOY_{image:08d}" for image in (1, 2, 3, 0)]


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    class Nosy(HashSystem):
        def look(self, case: object) -> str:
            run(RunPlan(benchmark=toy_benchmark()), HashSystem(), tmp_path)
            return ""

    run(RunPlan(benchmark=toy_benchmark()), Nosy(), tmp_path)
    assert "no other run writes to" in (tmp_path / FAILURES).read_text()


_SLOW_RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from toy_systems import HashSystem, toy_benchmark
from vol3d.evaluate.run import RunPlan, run
class Slow(HashSystem):
    def answer(self, seen, asked):
        time.sleep(0.02)
        return super().answer(seen, asked)
run(RunPlan(benchmark=toy_benchmark(num_images=60)), Slow(), Path(sys.argv[2]))
"""


def test_ten_kills_leave_the_same_results(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark(num_images=60))
    whole = finished(tmp_path / "whole", plan, HashSystem())
    folder, rng = tmp_path / "killed", random.Random(3)
    command = [sys.executable, "-c", _SLOW_RUN, str(SUPPORT), str(folder)]
    num_killed = 0
    while num_killed < 10:
        process = subprocess.Popen(command, env=dict(os.environ))
        before = (folder / ANSWERS).stat().st_size if (folder / ANSWERS).exists() else 0
        while process.poll() is None:
            grown = (folder / ANSWERS).exists() and (folder / ANSWERS).stat().st_size > before
            if grown:
                time.sleep(rng.uniform(0, 0.08))
                break
            time.sleep(0.005)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        num_killed += 1
    assert num_killed == 10
    assert finished(folder, plan, HashSystem()) == whole
