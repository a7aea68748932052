"""A chat model behind an OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.agent.chat import (
    ChatError,
    ChatReply,
    Message,
    Schema,
    read_reply,
    without_image,
)
from vol3d.evaluate.agent.http_json import HttpError, post_json

LONGEST_WAIT_S = 60.0
"""Between two tries, whatever the server asks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAiOptions:
    """How a server is asked.

    Args:
        base_url: Such as ``http://localhost:8000/v1``.
        model: Name of the model on the server.
        key_variable: Environment variable that holds the key; without it none is sent.
        timeout_s: For one whole reply.
        num_retries: After a time-out, a broken connection or reply, 408, 429 and 5xx.
        first_wait_s: Before the first retry; doubles with each.
        max_tokens: Of a reply.
        tokens_field: Name of that limit in a request; newer models of OpenAI take only
            ``max_completion_tokens``.
        temperature: 0 is greedy; ``None`` sends none, for models that refuse one.
        seed: Of the server's sampling; ``None`` sends none.
    """

    base_url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    timeout_s: float = 120.0
    num_retries: int = 4
    first_wait_s: float = 1.0
    max_tokens: int = 1024
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = 0.0
    seed: int | None = 42


def _is_address(url: str) -> bool:
    """Whether a URL names a server, without a user."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0  # raises for no number, or one too large
    except ValueError:
        return False
    is_http = parts.scheme in ("http", "https")
    return has_port and is_http and bool(parts.hostname) and not parts.username


class OpenAiClient:
    """A chat model behind ``/chat/completions``; sends questions and tool results, nothing else.

    The key comes from an environment variable, is read for each request, and stands in no message,
    log or result. Pictures go as data URLs in a user message after the tools' results.

    Args:
        options: Server and model.
        sleep: Waits between tries.

    Raises:
        ConfigError: The address is none.
    """

    def __init__(
        self, options: OpenAiOptions, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not _is_address(options.base_url):
            raise ConfigError(
                explain(
                    expected="an address such as http://localhost:8000/v1, without a user's name",
                    got="another text",
                    where="base_url",
                    remedy="Give the server's address up to /v1.",
                )
            )
        self.options = options
        self._sleep = sleep

    @property
    def name(self) -> str:
        """Name of the model; not the server's."""
        return self.options.model

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        """The model's next turn.

        Raises:
            ChatError: The server gave no usable reply, after all retries.
        """
        body: dict[str, Any] = {"messages": wire_messages(messages)}
        if tools:
            body["tools"] = list(tools)
        return read_reply(self._ask(body))

    def complete(self, messages: Sequence[Message]) -> str:
        """The model's text for messages without tools, for direct mode.

        Args:
            messages: A user's content may be a list of text and ``image_url`` parts.

        Raises:
            ChatError: As ``chat``.
        """
        return read_reply(self._ask({"messages": list(messages)})).content

    def _ask(self, body: Mapping[str, Any]) -> Any:
        """The message of the first choice."""
        reply = self._post({**self._settings(), **body})
        choices = reply.get("choices") if isinstance(reply, Mapping) else None
        first = choices[0] if isinstance(choices, list) and choices else None
        message = first.get("message") if isinstance(first, Mapping) else None
        if not isinstance(message, Mapping):
            raise self._error(
                HttpError(kind="invalid reply", detail="no choices[0].message", can_retry=False),
                1,
            )
        return message

    def _settings(self) -> dict[str, Any]:
        options = self.options
        settings = {
            "model": options.model,
            "temperature": options.temperature,
            options.tokens_field: options.max_tokens,
            "seed": options.seed,
        }
        return {name: value for name, value in settings.items() if value is not None}

    def _post(self, body: Mapping[str, Any]) -> Any:
        url = f"{self.options.base_url.rstrip('/')}/chat/completions"
        tries = self.options.num_retries + 1
        for number in range(1, tries + 1):
            try:
                return post_json(
                    url, body, headers=self._headers(), timeout_s=self.options.timeout_s
                )
            except HttpError as failure:
                if not failure.can_retry or number == tries:
                    raise self._error(failure, number) from None
                wait_s = self.options.first_wait_s * 2 ** (number - 1)
                self._sleep(min(max(wait_s, failure.wait_s or 0.0), LONGEST_WAIT_S))
        raise AssertionError(url)

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(self.options.key_variable, "")
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _error(self, failure: HttpError, tries: int) -> ChatError:
        """The failure in words; a key that the server repeats is taken out."""
        key = os.environ.get(self.options.key_variable, "")
        detail = failure.detail.replace(key, "***") if key else failure.detail
        message = explain(
            expected="a chat completion",
            got=f"{failure.kind} ({detail}) after {tries} {'try' if tries == 1 else 'tries'}",
            where=f"model {self.options.model}",
            remedy="Check that the server runs and knows the model; run again to go on.",
        )
        return ChatError(message, kind=failure.kind)


def wire_messages(messages: Iterable[Message]) -> list[Message]:
    """Messages as a server takes them: arguments as JSON text, pictures in a user message."""
    wired: list[Message] = []
    images: list[tuple[str, str]] = []
    for message in messages:
        if message["role"] != "tool" and images:
            wired.append(_picture_message(images))
            images = []
        plain, image = without_image(message)
        if image is not None:
            images.append((message["name"], image))
        wired.append(_with_text_arguments(plain))
    if images:
        wired.append(_picture_message(images))
    return wired


def _with_text_arguments(message: Message) -> Message:
    if "tool_calls" not in message:
        return message
    calls = [
        {
            **call,
            "function": {
                "name": call["function"]["name"] or "unnamed",
                "arguments": json.dumps(call["function"]["arguments"]),
            },
        }
        for call in message["tool_calls"]
    ]
    return {**message, "content": message["content"] or None, "tool_calls": calls}


def _picture_message(images: Sequence[tuple[str, str]]) -> Message:
    parts: list[dict[str, Any]] = [{"type": "text", "text": "The pictures of the tool results."}]
    parts += [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
        for _, image in images
    ]
    return {"role": "user", "content": parts}
