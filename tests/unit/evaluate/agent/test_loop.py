"""The tool loop of one question."""

from __future__ import annotations

import json

import pytest
from agent_cases import (
    IMAGE,
    ScriptedClient,
    answers,
    asks,
    liver_case,
    spleen_question,
    spleen_record,
)

from vol3d.errors import DataError
from vol3d.evaluate.agent.chat import ChatError, ChatReply, read_tool_calls
from vol3d.evaluate.agent.loop import MOST_CALLS, question_text, run_question
from vol3d.evaluate.agent.run import agent_row
from vol3d.evaluate.agent.tools import LiveTools

TOOLS = LiveTools(lambda image_id: liver_case())


def test_a_result_reaches_the_model_and_its_answer_counts() -> None:
    client = ScriptedClient(
        asks("measure", target="spleen", measurement_type="volume_cm3"), answers("A")
    )
    outcome = run_question(client, TOOLS, question=spleen_question())
    assert outcome.answer == "A"
    assert outcome.num_steps == 2
    assert outcome.num_faults == 0
    told = client.messages[1][-1]
    assert told["role"] == "tool"
    assert json.loads(told["content"]) == {"value": 350.0, "unit": "cm3"}


def test_messages_start_with_system_and_question() -> None:
    client = ScriptedClient(answers("A"))
    run_question(client, TOOLS, question=spleen_question())
    assert [message["role"] for message in client.messages[0]] == ["system", "user"]
    assert "A: Yes B: No" in client.messages[0][1]["content"]


def test_the_model_is_not_told_the_image_id() -> None:
    client = ScriptedClient(asks("describe_scan"), answers("A"))
    run_question(client, TOOLS, question=spleen_question())
    assert IMAGE not in json.dumps(client.messages)


def test_the_last_step_has_no_tools_and_its_calls_are_not_made() -> None:
    client = ScriptedClient(
        asks("describe_scan"),
        asks("describe_scan"),
        ChatReply(content="B", tool_calls=asks("describe_scan").tool_calls),
    )
    outcome = run_question(client, TOOLS, question=spleen_question(), max_steps=3)
    assert [bool(tools) for tools in client.tools] == [True, True, False]
    assert outcome.answer == "B"
    assert outcome.num_steps == 3
    assert "error" in outcome.trajectory.turns[-1].calls[0].result


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"name": "measure", "arguments": "{broken"}, "no valid JSON"),
        ({"name": "measure", "arguments": ["spleen"]}, "a list"),
        ({"arguments": {}}, "no name"),
        ({"name": "fly", "arguments": {}}, "unknown tool 'fly'"),
        ({"name": "measure", "arguments": {"target": "spleen"}}, "needs measurement_type"),
    ],
)
def test_a_bad_call_is_told_to_the_model_and_is_no_fault(raw: object, told: str) -> None:
    client = ScriptedClient(ChatReply(tool_calls=read_tool_calls([raw])), answers("B"))
    outcome = run_question(client, TOOLS, question=spleen_question())
    assert told in json.loads(client.messages[1][-1]["content"])["error"]
    assert outcome.num_faults == 0
    assert outcome.answer == "B"


def test_an_exception_in_a_tool_is_told_and_counted() -> None:
    def broken(image_id: str) -> None:
        raise ZeroDivisionError("inside")

    client = ScriptedClient(asks("describe_scan"), answers("A"))
    tools = LiveTools(broken)  # type: ignore[arg-type]
    outcome = run_question(client, tools, question=spleen_question())
    assert outcome.num_faults == 1
    assert outcome.error is None
    told = json.loads(client.messages[1][-1]["content"])
    assert told == {"error": "ZeroDivisionError: inside"}


def test_calls_beyond_the_limit_of_a_turn_are_refused() -> None:
    many = ChatReply(tool_calls=asks("list_available_crops").tool_calls * (MOST_CALLS + 1))
    outcome = run_question(ScriptedClient(many, answers("A")), TOOLS, question=spleen_question())
    assert "more than" in outcome.trajectory.turns[0].calls[-1].result["error"]


def test_an_empty_reply_is_an_answer_without_a_letter() -> None:
    outcome = run_question(ScriptedClient(answers("")), TOOLS, question=spleen_question())
    assert outcome.error is None
    assert outcome.answer == ""


def test_a_model_that_fails_gives_no_answer_and_no_row() -> None:
    client = ScriptedClient(asks("describe_scan"), ChatError("gone", kind="time-out"))
    outcome = run_question(client, TOOLS, question=spleen_question())
    assert outcome.error == "time-out: gone"
    assert outcome.answer == ""
    with pytest.raises(DataError, match="time-out"):
        agent_row(spleen_record(), outcome)


def test_a_row_has_the_official_fields() -> None:
    outcome = run_question(ScriptedClient(answers("(A)")), TOOLS, question=spleen_question())
    row = agent_row(spleen_record(), outcome)
    assert (row.pred_answer, row.raw_output, row.correct_option) == ("(A)", "(A)", "A")
    assert row.source == "agent"


def test_prompt_lines() -> None:
    lines = question_text(spleen_record(), "mc").splitlines()
    assert lines[1] == "Patient: sex=F, contrast=Venous."
    assert lines[-2] == "Is the spleen enlarged by volume? A: Yes B: No"
    assert "A, B, C, or D" in lines[-1]
    assert not any(line.startswith("Voxel spacing") for line in lines)


def test_numeric_questions_tell_the_spacing() -> None:
    record = spleen_record().model_copy(update={"question_subtype": "organ volume measurement"})
    text = question_text(record, "freeform")
    assert "Voxel spacing (mm): [0.8 0.8 2.5].  Volume shape: (512, 512, 101)." in text
    assert text.endswith("nothing but a single number.")
