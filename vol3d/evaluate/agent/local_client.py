"""A chat model of transformers that lies in a local folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vol3d.errors import CheckpointError, explain
from vol3d.evaluate.agent.call_text import read_call_text
from vol3d.evaluate.agent.chat import ChatError, ChatReply, Message, Schema, without_image

_TOOLS_IN_WORDS = (
    "Tools, as JSON schemas:\n{schemas}\nTo call one, reply with "
    '<tool_call>{{"name": NAME, "arguments": {{...}}}}</tool_call>.'
)


class LocalTransformersClient:
    """A causal language model with a chat template, on this machine; fetches nothing.

    Tools go to the model through its template. A template that ignores them gets them in words in
    the system message. Pictures are left out: the model reads text.

    Args:
        model: A loaded causal language model.
        tokenizer: Its tokenizer, with a chat template.
        name: What the model is called in results.
        max_new_tokens: Of one turn.

    Raises:
        CheckpointError: The tokenizer has no chat template.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str = "local", max_new_tokens: int = 512
    ) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise _unusable(name, "a tokenizer without chat template")
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._max_new_tokens = max_new_tokens

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, device: str = "cpu", max_new_tokens: int = 512
    ) -> LocalTransformersClient:
        """The client of a folder with model and tokenizer.

        Args:
            folder: As transformers saves them; code in it is not run.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            max_new_tokens: Of one turn.

        Raises:
            CheckpointError: It holds no causal language model with a chat template.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        path = Path(folder)
        if not path.is_dir():
            raise _unusable(path.name, "no such folder")
        try:
            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, dtype="auto", use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise _unusable(path.name, f"{type(error).__name__} while loading") from error
        return cls(
            model.to(device).eval(), tokenizer, name=path.name, max_new_tokens=max_new_tokens
        )

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        """The model's next turn, written greedily.

        Raises:
            ChatError: The template refuses the messages, or they are too long for the model.
        """
        import torch

        prompt = self.render(messages, tools)
        batch = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        ids = batch["input_ids"].to(self._model.device)
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and ids.shape[1] + self._max_new_tokens > longest:
            raise ChatError(
                f"model {self.name}: got a prompt of {ids.shape[1]} tokens; expected at most "
                f"{longest - self._max_new_tokens}. Use a model with a longer context.",
                kind="too long",
            )
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self._max_new_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.eos_token_id,
            )
        # tokens such as <tool_call> may be special ones, so only the end marks are taken off
        text = self._tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=False)
        for mark in (self._tokenizer.eos_token, self._tokenizer.pad_token):
            text = text.replace(mark, "") if mark else text
        return read_call_text(text)

    def render(self, messages: Sequence[Message], tools: Sequence[Schema]) -> str:
        """The prompt of a turn.

        Raises:
            ChatError: The template refuses the messages.
        """
        plain = [without_image(message)[0] for message in messages]
        without = self._apply(plain, None)
        if not tools:
            return without
        with_tools = self._apply(plain, list(tools))
        if with_tools != without:
            return with_tools
        schemas = "\n".join(json.dumps(tool["function"]) for tool in tools)
        words = _TOOLS_IN_WORDS.format(schemas=schemas)
        system = {"role": "system", "content": f"{plain[0]['content']}\n\n{words}"}
        return self._apply([system, *plain[1:]], None)

    def _apply(self, messages: list[Message], tools: list[Schema] | None) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self._tokenizer.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise ChatError(
                f"model {self.name}: its chat template refused the messages "
                f"({type(error).__name__}: {error}); expected one that knows the roles system, "
                "user, assistant and tool. Use a model that was made for tools.",
                kind="template",
            ) from None
        return text


def _unusable(name: str, got: str) -> CheckpointError:
    return CheckpointError(
        explain(
            expected="a folder with a causal language model, its tokenizer and a chat template",
            got=got,
            where=f"model {name}",
            remedy="Download the model first; nothing is fetched here.",
        )
    )
