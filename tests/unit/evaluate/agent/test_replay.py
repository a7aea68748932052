"""A saved trajectory is replayed; a tool that gives back another result is found out."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_cases import ScriptedClient, answers, asks, liver_case, spleen_question

from vol3d.errors import DataError
from vol3d.evaluate.agent.chat import ChatError, ChatReply, read_tool_calls
from vol3d.evaluate.agent.loop import run_question
from vol3d.evaluate.agent.replay import replay
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.trajectories import (
    Trajectory,
    append_trajectory,
    differences,
    read_trajectories,
)


def tools(spleen_cm3: float = 350.0) -> LiveTools:
    return LiveTools(lambda image_id: liver_case(spleen_cm3=spleen_cm3))


@pytest.fixture
def recorded(tmp_path: Path) -> Trajectory:
    """Saved and read back: a malformed call, a measurement, a list, an answer."""
    client = ScriptedClient(
        ChatReply(tool_calls=read_tool_calls([{"name": "measure", "arguments": "{"}])),
        asks("measure", target="spleen", measurement_type="volume_cm3"),
        asks("list_lesions", organ="liver"),
        answers("The answer is A"),
    )
    outcome = run_question(client, tools(), question=spleen_question())
    append_trajectory(tmp_path / "t.jsonl", outcome.trajectory)
    (read,) = read_trajectories(tmp_path / "t.jsonl")
    assert read == outcome.trajectory
    return read


def test_the_same_tools_give_the_same(recorded: Trajectory) -> None:
    again = replay(recorded, tools())
    assert again.is_same
    assert again.outcome.trajectory == recorded


def test_a_changed_result_is_named_with_its_place(recorded: Trajectory) -> None:
    again = replay(recorded, tools(spleen_cm3=351.5))
    (found,) = again.differences
    assert (found.turn, found.call, found.tool, found.path) == (2, 1, "measure", "value")
    assert str(found) == "turn 2, call 1 of measure, value: was 350.0, is 351.5"


def test_a_changed_lesion_is_named_within_the_list(recorded: Trajectory) -> None:
    facts = liver_case()
    small = facts.lesions[1].model_copy(update={"type": "tumor"})
    changed = facts.model_copy(update={"lesions": (facts.lesions[0], small)})
    again = replay(recorded, LiveTools(lambda image_id: changed))
    assert [each.path for each in again.differences] == ["lesions[1].type"]


def test_a_failed_question_is_replayed_up_to_its_failure() -> None:
    client = ScriptedClient(asks("describe_scan"), ChatError("gone", kind="time-out"))
    outcome = run_question(client, tools(), question=spleen_question())
    again = replay(outcome.trajectory, tools())
    assert again.is_same
    assert again.outcome.error is not None


def test_a_line_that_is_no_trajectory_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"qid": "x"}\n')
    with pytest.raises(DataError, match="line 1"):
        read_trajectories(tmp_path / "t.jsonl")


def test_trajectories_say_what_they_are_for(recorded: Trajectory) -> None:
    assert "Research use only" in recorded.model_dump()["disclaimer"]


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["a.b[1]"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": True}, {"a": 1}, ["a"]),
    ],
)
def test_differences(old: object, new: object, paths: list[str]) -> None:
    assert [path for path, _, _ in differences(old, new)] == paths
