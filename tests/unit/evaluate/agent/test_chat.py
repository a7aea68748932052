"""Replies and tool calls are read whatever form they have; malformed ones become errors to tell."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.evaluate.agent.chat import (
    ChatError,
    ChatReply,
    ToolCall,
    assistant_message,
    read_reply,
    read_tool_call,
    read_tool_calls,
    tool_message,
    tool_results,
    without_image,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
LIVER = ToolCall(name="segment_organ", arguments={"target": "liver"})


@pytest.mark.parametrize(
    "raw",
    [
        {"name": "segment_organ", "arguments": {"target": "liver"}},
        {"name": "segment_organ", "arguments": '{"target": "liver"}'},
        {"function": {"name": "segment_organ", "arguments": {"target": "liver"}}},
        {
            "id": "1",
            "type": "function",
            "function": {"name": " segment_organ ", "arguments": '{"target": "liver"}'},
        },
        {"name": "segment_organ", "parameters": {"target": "liver"}},
    ],
)
def test_every_form_of_a_call_is_read(raw: object) -> None:
    assert read_tool_call(raw) == LIVER


@pytest.mark.parametrize("arguments", [None, "", {}, "{}", "null"])
def test_a_call_may_have_no_arguments(arguments: object) -> None:
    assert read_tool_call({"name": "x", "arguments": arguments}) == ToolCall(name="x", arguments={})


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"name": "measure", "arguments": '{"target": '}, "no valid JSON"),
        ({"name": "measure", "arguments": ["liver"]}, "a list"),
        ({"name": "measure", "arguments": "[1]"}, "a list"),
        ({"name": "measure", "arguments": "3"}, "a number"),
        ({"arguments": {}}, "no name"),
        ({"function": {"arguments": "{}"}}, "no name"),
        ({"name": 3, "arguments": {}}, "no name"),
        ("measure", "a text"),
        (None, "NoneType"),
    ],
)
def test_a_malformed_call_says_what_is_wrong(raw: object, problem: str) -> None:
    call = read_tool_call(raw)
    assert call.problem is not None
    assert problem in call.problem
    assert call.arguments == {}


@given(JSON)
def test_no_json_value_breaks_the_reader_of_calls(raw: object) -> None:
    for call in read_tool_calls(raw):
        assert call.problem is not None or call.name


def test_content_may_be_a_list_of_parts() -> None:
    parts = [{"type": "text", "text": "B"}, {"type": "refusal"}, {"type": "text", "text": "."}]
    assert read_reply({"content": parts}) == ChatReply(content="B.")


def test_no_content_is_an_empty_text() -> None:
    assert read_reply({"content": None}) == ChatReply()


def test_a_reply_that_is_no_object_is_an_error() -> None:
    with pytest.raises(ChatError, match="chat-completions") as caught:
        read_reply([1])
    assert caught.value.kind == "invalid reply"


def test_results_are_found_beside_the_arguments_of_their_calls() -> None:
    reply = ChatReply(tool_calls=(LIVER, ToolCall(name="measure", arguments={"target": "spleen"})))
    messages = [
        assistant_message(reply, 0),
        tool_message("segment_organ", {"mask_found": True}, 0),
        tool_message("measure", {"value": 3}, 1),
    ]
    assert tool_results(messages) == [
        ("segment_organ", {"target": "liver"}, {"mask_found": True}),
        ("measure", {"target": "spleen"}, {"value": 3}),
    ]


def test_a_picture_is_taken_out_of_a_result() -> None:
    message = tool_message("crop_organ", {"image_base64": "QUJD", "note": "n"}, 0)
    plain, image = without_image(message)
    assert image == "QUJD"
    assert json.loads(plain["content"]) == {"note": "n"}
