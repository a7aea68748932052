"""A model behind an OpenAI-compatible server, asked directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.agent.openai_client import OpenAiClient, OpenAiOptions
from vol3d.evaluate.language_models import Message


class ServerModel:
    """A server's model; it is sent prompts, facts and slices, and nothing else."""

    def __init__(self, client: OpenAiClient) -> None:
        self.client = client

    @classmethod
    def connect(cls, api_base: str | None, model: str) -> ServerModel:
        """The model of a server.

        Args:
            api_base: Such as ``http://localhost:8000/v1``.
            model: Name of the model there.

        Raises:
            ConfigError: No address or no name.
        """
        if not api_base or not model:
            raise ConfigError(
                explain(
                    expected="--model openai:NAME with --api-base http://HOST:PORT/v1",
                    got="no address" if not api_base else "no name",
                    where="--api-base" if not api_base else "--model",
                    remedy="Start a server such as vLLM's and name its address.",
                )
            )
        return cls(OpenAiClient(OpenAiOptions(base_url=api_base, model=model)))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.client.name

    def fingerprint(self) -> Mapping[str, str]:
        """The model's name and the settings that are sent; what runs behind it is not known."""
        options = self.client.options
        return {
            "server_model": options.model,
            "temperature": str(options.temperature),
            "max_tokens": str(options.max_tokens),
            "seed": str(options.seed),
        }

    def complete(self, messages: Sequence[Message], *, max_new_tokens: int) -> str:
        """The model's text.

        Args:
            messages: Text, or text and pictures.
            max_new_tokens: Not sent: a model that thinks aloud needs its own room.

        Raises:
            ChatError: The server gave no usable reply.
        """
        return self.client.complete(messages)

    def letter_shares(self, messages: Sequence[Message], letters: Sequence[str]) -> None:
        """Servers tell no probabilities in a common form."""
