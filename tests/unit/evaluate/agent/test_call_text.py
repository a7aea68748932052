"""Tool calls in plain text: the common forms are found, other text stays text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.evaluate.agent.call_text import read_call_text
from vol3d.evaluate.agent.chat import ChatReply, ToolCall

CALL = '{"name": "measure", "arguments": {"target": "liver"}}'
MEASURE = ToolCall(name="measure", arguments={"target": "liver"})


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}",
        f"```json\n{CALL}\n```",
        f"```\n[{CALL}]\n```",
        CALL,
        f"[{CALL}]",
        f"[TOOL_CALLS] [{CALL}]",
        '<function=measure>{"target": "liver"}</function>',
        f"<think>maybe {{}}</think><tool_call>{CALL}</tool_call>",
        '{"function": {"name": "measure", "arguments": "{\\"target\\": \\"liver\\"}"}}',
    ],
)
def test_every_form_is_one_call(text: str) -> None:
    assert read_call_text(text) == ChatReply(tool_calls=(MEASURE,))


def test_two_marked_calls_and_the_words_around_them() -> None:
    reply = read_call_text(f"First. <tool_call>{CALL}</tool_call><tool_call>{CALL}</tool_call>")
    assert reply == ChatReply(content="First.", tool_calls=(MEASURE, MEASURE))


@pytest.mark.parametrize("text", ["B", "", '{"answer": "B"}', "```json\n{}\n```", "[1, 2]", "3"])
def test_other_text_is_content(text: str) -> None:
    assert read_call_text(text) == ChatReply(content=text)


def test_broken_json_between_marks_is_a_malformed_call() -> None:
    (call,) = read_call_text('<tool_call>{"name": "measure"</tool_call>').tool_calls
    assert call.problem is not None
    assert "no valid JSON" in call.problem


def test_a_call_in_thoughts_is_not_made() -> None:
    assert read_call_text(f"<think><tool_call>{CALL}</tool_call></think>C") == ChatReply(
        content="C"
    )


@given(st.text(alphabet='<>/tool_cal[]{}":, \nTOOLCALSabn`json=function', max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    reply = read_call_text(text)
    assert isinstance(reply.content, str)
