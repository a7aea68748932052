"""Tool calls in the plain text of a local model, in the forms that are common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from vol3d.evaluate.agent.chat import ChatReply, ToolCall, read_tool_call
from vol3d.evaluate.strict import without_thought

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.-]+)>\s*(\{.*?\})\s*</function>", re.DOTALL)
_LISTED = re.compile(r"\[TOOL_CALLS\]\s*(\[.*\])", re.DOTALL)
_FENCED = re.compile(r"```(?:json|tool_call|tool_code)?\s*\n(.*?)\n?\s*```", re.DOTALL)


def read_call_text(text: str) -> ChatReply:
    """The reply that a model's text stands for.

    Known are ``<tool_call>{...}</tool_call>``, also without the end mark; ``[TOOL_CALLS] [...]``;
    ``<function=name>{...}</function>``; fenced blocks of JSON; and text that is nothing but JSON.
    The last two count as calls only if they name a tool. Thoughts between think marks are left
    out. What remains of the text is the content.

    Args:
        text: As the model wrote it, without its end mark.
    """
    told = without_thought(text)
    tagged = _TAGGED.findall(told)
    if tagged:
        calls = [call for block in tagged for call in _calls(block, is_marked=True)]
        return ChatReply(content=_TAGGED.sub("", told).strip(), tool_calls=tuple(calls))
    listed = _LISTED.search(told)
    if listed is not None:
        calls = _calls(listed.group(1), is_marked=True)
        return ChatReply(content=told[: listed.start()].strip(), tool_calls=tuple(calls))
    functions = _FUNCTION.findall(told)
    if functions:
        calls = [read_tool_call({"name": name, "arguments": body}) for name, body in functions]
        return ChatReply(content=_FUNCTION.sub("", told).strip(), tool_calls=tuple(calls))
    fenced = [call for block in _FENCED.findall(told) for call in _calls(block, is_marked=False)]
    if fenced:
        return ChatReply(content=_FENCED.sub("", told).strip(), tool_calls=tuple(fenced))
    bare = _calls(told, is_marked=False)
    return ChatReply(content="", tool_calls=tuple(bare)) if bare else ChatReply(content=told)


def _calls(block: str, *, is_marked: bool) -> list[ToolCall]:
    """Calls of a block of JSON; a block that is not marked as a call must name a tool."""
    try:
        value = json.loads(block)
    except (ValueError, RecursionError):
        if not is_marked:
            return []
        problem = f"malformed tool call: no valid JSON: {block[:80]!r}"
        return [ToolCall(name="", arguments={}, problem=problem)]
    values = value if isinstance(value, list) else [value]
    if not is_marked and not (values and all(_names_tool(each) for each in values)):
        return []
    return [read_tool_call(each) for each in values]


def _names_tool(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    inner = value.get("function", value)
    inner = inner if isinstance(inner, Mapping) else value
    return isinstance(inner.get("name"), str) and bool({"arguments", "parameters"} & set(inner))
