"""A run over many questions: goes on where it stopped, and keeps failures apart from answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_cases import ScriptedClient, answers, asks, liver_case, spleen_record

from vol3d.errors import DataError
from vol3d.evaluate.agent.chat import ChatError
from vol3d.evaluate.agent.run import AgentSettings, run_agent
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.trajectories import read_trajectories

TOOLS = LiveTools(lambda image_id: liver_case())
RECORDS = [spleen_record(f"bench_{number:05d}") for number in range(1, 5)]
GONE = ChatError("gone", kind="time-out")


def test_rows_are_in_the_order_of_the_questions(tmp_path: Path) -> None:
    images = ["BDMAP_00000001", "BDMAP_00000002", "BDMAP_00000001"]
    records = [spleen_record(f"bench_0000{n}", image_id=i) for n, i in enumerate(images)]
    asked: list[str] = []

    def client_of(record: object) -> ScriptedClient:
        asked.append(record.image_id)  # type: ignore[attr-defined]
        return ScriptedClient(answers("A"))

    run = run_agent(records, client_of, tools=TOOLS, out=tmp_path / "t.jsonl")
    assert [row.qid for row in run.rows] == [record.qid for record in records]
    assert asked == [images[0], images[0], images[1]]


def test_answered_questions_are_not_asked_again(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    run_agent(RECORDS[:2], lambda r: ScriptedClient(answers("A")), tools=TOOLS, out=out)
    late = ScriptedClient(answers("B"))
    run = run_agent(RECORDS, lambda r: late, tools=TOOLS, out=out)
    assert [row.pred_answer for row in run.rows] == ["A", "A", "B", "B"]
    assert len(late.messages) == 2


def test_a_failed_question_is_no_row_and_is_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    clients = {r.qid: ScriptedClient(answers("A")) for r in RECORDS}
    clients["bench_00002"] = ScriptedClient(GONE)
    run = run_agent(RECORDS, lambda r: clients[r.qid], tools=TOOLS, out=out)
    assert run.failed == {"bench_00002": "time-out: gone"}
    assert "bench_00002" not in {row.qid for row in run.rows}
    again = run_agent(RECORDS, lambda r: ScriptedClient(answers("B")), tools=TOOLS, out=out)
    assert [row.pred_answer for row in again.rows] == ["A", "B", "A", "A"]
    assert again.failed == {}
    assert len(read_trajectories(out)) == 5


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    run_agent(RECORDS, lambda r: ScriptedClient(answers("A")), tools=TOOLS, out=out)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) - 40])
    run = run_agent(RECORDS, lambda r: ScriptedClient(answers("A")), tools=TOOLS, out=out)
    assert len(run.rows) == 4
    assert out.read_bytes() == whole


def test_another_model_in_the_same_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    run_agent(RECORDS, lambda r: ScriptedClient(answers("A")), tools=TOOLS, out=out)
    with pytest.raises(DataError, match="another client"):
        run_agent(RECORDS, lambda r: ScriptedClient(answers("A"), name="x"), tools=TOOLS, out=out)


def test_another_form_in_the_same_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    run_agent(RECORDS, lambda r: ScriptedClient(answers("A")), tools=TOOLS, out=out)
    with pytest.raises(DataError, match="form, prompt"):
        run_agent(
            RECORDS,
            lambda r: ScriptedClient(answers("A")),
            tools=TOOLS,
            out=out,
            settings=AgentSettings(form="freeform"),
        )


def test_many_failures_in_a_row_stop_the_run(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    with pytest.raises(ChatError, match="3 times in a row"):
        run_agent(
            RECORDS,
            lambda r: ScriptedClient(GONE),
            tools=TOOLS,
            out=out,
            settings=AgentSettings(most_failures=3),
        )
    assert len(read_trajectories(out)) == 3


def test_faults_and_malformed_calls_are_counted(tmp_path: Path) -> None:
    def broken(image_id: str) -> None:
        raise KeyError(image_id)

    tools = LiveTools(broken)  # type: ignore[arg-type]
    run = run_agent(
        RECORDS[:2],
        lambda r: ScriptedClient(asks("describe_scan"), answers("A")),
        tools=tools,
        out=tmp_path / "t.jsonl",
    )
    assert run.num_faults == 2
    assert run.num_malformed == 0
    assert run.faulty == {"BDMAP_00000001": "describe_scan: KeyError: 'BDMAP_00000001'"}
    assert len(run.rows) == 2
