"""Language models as systems: a local transformers model, or an OpenAI-compatible server.

A text model is told the question and, with evidence, the facts; a server may be shown slices too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vol3d.errors import CheckpointError, explain
from vol3d.evaluate.cases import Case
from vol3d.evaluate.facts_text import facts_text
from vol3d.evaluate.systems import Asked, Given
from vol3d.vqa.options import LETTERS

SYSTEM_TEXT = (
    "You answer questions about an abdominal CT scan. Use the facts, if any are given. "
    "Follow the instruction about the form of the answer exactly."
)
DEFAULT_TEMPLATE = "{facts}{prompt}"
Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a language model is told of a case.

    Args:
        facts: Lines of facts; empty without evidence.
        pictures: PNG files of slices, from inferior to superior.
    """

    facts: str = ""
    pictures: tuple[bytes, ...] = ()


class LanguageModel(Protocol):
    """A model that answers messages."""

    @property
    def name(self) -> str:
        """How results call it."""
        ...

    def fingerprint(self) -> Mapping[str, str]:
        """What changes its answers."""
        ...

    def complete(self, messages: Sequence[Message], *, max_new_tokens: int) -> str:
        """The model's next text."""
        ...

    def letter_shares(
        self, messages: Sequence[Message], letters: Sequence[str]
    ) -> list[float] | None:
        """Probabilities of letters as the answer; ``None`` where the model does not tell them."""
        ...


class LanguageModelSystem:
    """A language model that is asked in the official prompts."""

    def __init__(
        self,
        model: LanguageModel,
        *,
        template: str = DEFAULT_TEMPLATE,
        num_slices: int = 0,
        max_new_tokens: int = 64,
    ) -> None:
        self.model, self.template = model, template
        self.num_slices, self.max_new_tokens = num_slices, max_new_tokens

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    def fingerprint(self) -> Mapping[str, str]:
        """The model, the prompt, and how many slices it is shown."""
        return {
            **self.model.fingerprint(),
            "template": self.template,
            "slices": str(self.num_slices),
        }

    def look(self, case: Case) -> Shown:
        """Facts and slices of a case."""
        facts = case.facts
        pictures: tuple[bytes, ...] = ()
        if self.num_slices and case.has_scan:
            from vol3d.evaluate.pictures import axial_pictures

            pictures = axial_pictures(case.shown, self.num_slices)
        return Shown(facts="" if facts is None else facts_text(facts), pictures=pictures)

    def answer(self, seen: Shown, asked: Sequence[Asked]) -> list[Given | None]:
        """By the probabilities of the letters where the model tells them, else by its text."""
        return [self._one(seen, each) for each in asked]

    def _one(self, seen: Shown, asked: Asked) -> Given:
        messages = self.messages(seen, asked)
        letters = LETTERS[: len(asked.options)]
        shares = self.model.letter_shares(messages, letters) if letters else None
        if shares is not None:
            best = max(range(len(shares)), key=shares.__getitem__)
            return Given(text=letters[best], confidence=shares[best])
        text = self.model.complete(messages, max_new_tokens=self.max_new_tokens).strip()
        return Given(text=text)

    def messages(self, seen: Shown, asked: Asked) -> list[Message]:
        """The messages of one question; pictures stand as data URLs before the text.

        Args:
            seen: What is told of the case.
            asked: The question.
        """
        facts = f"Facts measured on the scan:\n{seen.facts}\n\n" if seen.facts else ""
        text = self.template.format(facts=facts, prompt=asked.prompt)
        content: Any = text
        if seen.pictures:
            from vol3d.evaluate.pictures import data_url

            parts = [
                {"type": "image_url", "image_url": {"url": data_url(png)}} for png in seen.pictures
            ]
            content = [*parts, {"type": "text", "text": text}]
        return [{"role": "system", "content": SYSTEM_TEXT}, {"role": "user", "content": content}]


class TransformersModel:
    """A causal language model of transformers from a local folder or the hub's cache."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str, weights_sha256: str) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self._name, self._sha256 = name, weights_sha256

    @classmethod
    def load(
        cls, name_or_path: str | Path, *, device: str = "auto", allow_download: bool = False
    ) -> TransformersModel:
        """The model of a folder or hub id; code in checkpoints is never run.

        Args:
            name_or_path: Folder with safetensors weights, or a hub id.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            allow_download: Whether the hub may be asked.

        Raises:
            CheckpointError: It cannot be loaded.
            ConfigError: There is no such device.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from vol3d.infer.engine import choose_device, resolve_checkpoint

        folder = resolve_checkpoint(name_or_path, allow_download=allow_download)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="auto"
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise CheckpointError(
                explain(
                    expected="a causal language model of transformers with its tokenizer",
                    got=type(error).__name__,
                    where=f"--model {folder.name}",
                    remedy="Pass a folder with config.json, tokenizer and *.safetensors.",
                )
            ) from error
        return cls(
            model.to(choose_device(device)),
            tokenizer,
            name=folder.name,
            weights_sha256=weights_sha256(folder),
        )

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self._name

    def fingerprint(self) -> Mapping[str, str]:
        """Its weights."""
        return {"weights_sha256": self._sha256}

    def complete(self, messages: Sequence[Message], *, max_new_tokens: int) -> str:
        """Greedy text.

        Args:
            messages: Text only.
            max_new_tokens: Longest answer.
        """
        import torch

        ids = self._ids(messages)
        with torch.inference_mode():
            found = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
            )
        text: str = self.tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True)
        return text

    def letter_shares(self, messages: Sequence[Message], letters: Sequence[str]) -> list[float]:
        """Probabilities of the next token among the letters.

        Args:
            messages: Text only.
            letters: Such as ``A`` to ``D``.
        """
        import torch

        ids = self._ids(messages)
        tokens = [self._letter_token(letter) for letter in letters]
        with torch.inference_mode():
            logits = self.model(input_ids=ids).logits[0, -1].float()
        shares: list[float] = torch.softmax(logits[tokens], dim=0).tolist()
        return shares

    def _letter_token(self, letter: str) -> int:
        found = self.tokenizer.encode(letter, add_special_tokens=False)
        return int(found[-1])

    def _ids(self, messages: Sequence[Message]) -> Any:
        import torch

        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            ids = self.tokenizer.encode(text, add_special_tokens=False)
        else:
            text = "\n".join(str(message["content"]) for message in messages) + "\n"
            ids = self.tokenizer.encode(text)
        return torch.tensor([ids], device=self.model.device)


def weights_sha256(folder: Path) -> str:
    """One hash over all weight files of a folder.

    Args:
        folder: With ``*.safetensors``.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
