"""What a chat model is to the tool loop: messages in; a text, tool calls or both out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vol3d.errors import Vol3dError

Message = dict[str, Any]
"""``role`` (system, user, assistant, tool) and ``content``; an assistant's ``tool_calls``; the
``name`` and ``tool_call_id`` of a tool's result."""
Schema = dict[str, Any]
"""A tool in OpenAI function-calling form: ``{"type": "function", "function": {...}}``."""
IMAGE_KEY = "image_base64"
"""Key of a tool result under which a PNG stands."""
_SHOWN = 80


class ChatError(Vol3dError):
    """A model that could not be asked: the question has failed and was not answered.

    Args:
        message: In the house form; never holds a key.
        kind: ``time-out``, ``connection``, ``http 500``, ``invalid reply`` and such.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """One call that a model asked for.

    Args:
        name: Of the tool; empty if the model gave none.
        arguments: By name; empty where they could not be read.
        problem: What is wrong with the call, for the model to read; ``None`` if it is well formed.
    """

    name: str
    arguments: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReply:
    """One turn of a model.

    Args:
        content: Its text; empty if it only calls tools.
        tool_calls: In the order in which they are to be made.
    """

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class ChatClient(Protocol):
    """A chat model."""

    @property
    def name(self) -> str:
        """What the model is called in results; holds no address and no key."""
        ...

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        """The model's next turn.

        Args:
            messages: All turns so far.
            tools: What it may call; without tools it has to answer.

        Raises:
            ChatError: The model could not be asked.
        """
        ...


def read_reply(raw: object) -> ChatReply:
    """A reply from a message of an OpenAI-compatible server or of a plug-in.

    Args:
        raw: ``{"content": str | list | None, "tool_calls": [...] | None}``. A call is
            ``{"name", "arguments"}`` or ``{"function": {"name", "arguments"}}``, its arguments an
            object or JSON text. What is malformed becomes a call with a ``problem``.

    Raises:
        ChatError: It is no object.
    """
    if not isinstance(raw, Mapping):
        raise ChatError(
            f"chat reply: got {type(raw).__name__}; expected an object with content or "
            "tool_calls. Check that the server speaks the chat-completions protocol.",
            kind="invalid reply",
        )
    return ChatReply(
        content=_text(raw.get("content")), tool_calls=read_tool_calls(raw.get("tool_calls"))
    )


def _text(content: object) -> str:
    """Text of a content that is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def read_tool_calls(raw: object) -> tuple[ToolCall, ...]:
    """The calls of a reply, whatever they look like; never raises.

    Args:
        raw: A list of calls, one call, or nothing.
    """
    if raw is None:
        return ()
    if isinstance(raw, Mapping):
        raw = [raw]
    if not isinstance(raw, (list, tuple)):
        return (_malformed("", f"tool_calls is {_kind(raw)}; expected a list of calls"),)
    return tuple(read_tool_call(each) for each in raw)


def read_tool_call(raw: object) -> ToolCall:
    """One call, well formed or with what is wrong with it."""
    if not isinstance(raw, Mapping):
        return _malformed("", f"the call is {_kind(raw)}; expected an object with name, arguments")
    inner = raw.get("function")
    call = inner if isinstance(inner, Mapping) else raw
    name = call.get("name")
    if not isinstance(name, str) or not name.strip():
        return _malformed("", "the call has no name; expected the name of a tool")
    name = name.strip()
    arguments = call.get("arguments", call.get("parameters"))
    if arguments is None or arguments == "":
        return ToolCall(name=name, arguments={})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            shown = arguments[:_SHOWN]
            return _malformed(name, f"the arguments are no valid JSON: {shown!r}")
        if arguments is None:
            arguments = {}
    if not isinstance(arguments, Mapping):
        return _malformed(
            name, f"the arguments are {_kind(arguments)}; expected an object of names and values"
        )
    return ToolCall(name=name, arguments={str(key): value for key, value in arguments.items()})


def _malformed(name: str, problem: str) -> ToolCall:
    return ToolCall(name=name, arguments={}, problem=f"malformed tool call: {problem}")


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    return names.get(type(value), f"of type {type(value).__name__}")


def assistant_message(reply: ChatReply, first_id: int) -> Message:
    """A model's turn as a message; its calls are numbered from ``first_id``."""
    message: Message = {"role": "assistant", "content": reply.content}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call_id(first_id + number),
                "type": "function",
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for number, call in enumerate(reply.tool_calls)
        ]
    return message


def tool_message(name: str, content: Mapping[str, Any], number: int) -> Message:
    """A tool's result as a message: the content is JSON text, as DeepTumorVQA's loop has it."""
    text = json.dumps(content, ensure_ascii=False)
    return {"role": "tool", "name": name, "tool_call_id": call_id(number), "content": text}


def call_id(number: int) -> str:
    """Id of a question's call by its number; nine letters and digits, as some servers ask."""
    return f"call{number:05d}"


def tool_results(messages: Sequence[Message]) -> list[tuple[str, Mapping[str, Any], Any]]:
    """Every tool result among messages: name of the tool, arguments of the call, result.

    Results without the id of their call, as the official loop has them, belong to the calls of the
    turn before them in their order.
    """
    found = []
    by_id: dict[str, Mapping[str, Any]] = {}
    in_order: list[Mapping[str, Any]] = []
    for message in messages:
        if message.get("tool_calls"):
            in_order = [read_tool_call(call).arguments for call in message["tool_calls"]]
            ids = [call.get("id") for call in message["tool_calls"]]
            by_id |= {i: given for i, given in zip(ids, in_order, strict=True) if i is not None}
        elif message["role"] == "tool":
            in_place = in_order.pop(0) if in_order else {}
            arguments = by_id.get(message.get("tool_call_id", ""), in_place)
            found.append((message["name"], arguments, json.loads(message["content"])))
    return found


def without_image(message: Message) -> tuple[Message, str | None]:
    """A tool message with a picture as one without it, and the picture (base64 of a PNG)."""
    if message["role"] != "tool" or IMAGE_KEY not in message["content"]:
        return message, None
    result = json.loads(message["content"])
    image = result.pop(IMAGE_KEY, None)
    return {**message, "content": json.dumps(result, ensure_ascii=False)}, image
