"""vol3d's own checkpoints as systems: every volume is encoded once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vol3d.errors import BudgetError
from vol3d.evaluate.cases import Case
from vol3d.evaluate.evidence import file_stamps
from vol3d.evaluate.systems import Asked, Given
from vol3d.infer.questions import PHANTOM_GRAMMAR
from vol3d.measure.embedded_facts import LESION_ORGANS
from vol3d.vqa.answerer import choose_option
from vol3d.vqa.options import LETTERS
from vol3d.vqa.parse import ParsedPrompt
from vol3d.vqa.questions import QUESTION_KINDS
from vol3d.vqa.values import Phrase, value_text

if TYPE_CHECKING:
    from vol3d.infer.engine import EncodedVolume, Engine

DEFAULT_TEMPLATE = "{prompt}"


class Vol3dSystem:
    """A checkpoint of vol3d.

    A checkpoint with a closed grammar is asked what its grammar can say, and is silent on every
    other question; one that takes free text gets the whole prompt.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        template: str = DEFAULT_TEMPLATE,
        cache_dir: Path | None = None,
    ) -> None:
        self.engine, self.template, self.cache_dir = engine, template, cache_dir

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        return self.engine.card.name

    def fingerprint(self) -> Mapping[str, str]:
        """Weights, preprocessing and prompt."""
        return {
            "weights_sha256": self.engine.weights_sha256,
            "spec_sha256": self.engine.spec.sha256,
            "template": self.template,
        }

    def look(self, case: Case) -> EncodedVolume | None:
        """The encoded scan; ``None`` where there is none, or the model must not be asked about it.

        Raises:
            DataError: The scan is refused.
        """
        if not case.has_scan:
            return None
        kept = self._kept(case)
        if kept is not None and kept.is_file():
            return load_encoding(kept, self.engine.device)
        encoded = self._encode(case)
        if encoded is not None and kept is not None:
            save_encoding(encoded, kept)
        return encoded

    def _encode(self, case: Case) -> EncodedVolume | None:
        from vol3d.infer.claims import why_withheld
        from vol3d.infer.scans import examine_volume
        from vol3d.preprocess.pipeline import blank_like, prepare

        examined = examine_volume(case.scan)
        if why_withheld(examined.scan, self.engine.card) is not None:
            return None
        try:
            prepared = prepare(examined.volume, self.engine.spec, body=examined.body)
            # blank: the same patches without their content, since air alone has no body
            shown = blank_like(prepared) if case.ablation == "blank" else prepared
            return self.engine.encode(shown)
        except BudgetError:  # larger than the model can take: it is silent about this scan
            return None

    def _kept(self, case: Case) -> Path | None:
        """Where the encoding of a case is kept: a name that changes with scan, weights and spec."""
        if self.cache_dir is None:
            return None
        parts = [
            self.engine.weights_sha256,
            self.engine.spec.sha256,
            str(case.ablation),
            case.place.image_id,
            *file_stamps(case.place.scan),
        ]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return self.cache_dir / f"{digest[:32]}.safetensors"

    def answer(self, seen: EncodedVolume | None, asked: Sequence[Asked]) -> list[Given | None]:
        """Answers by log-likelihood of the options, or by generation in free form."""
        if seen is None:
            return [None] * len(asked)
        if self.engine.card.question_grammar == PHANTOM_GRAMMAR:
            return [self._in_grammar(seen, each) for each in asked]
        return [self._in_free_text(seen, each) for each in asked]

    def _in_free_text(self, seen: EncodedVolume, asked: Asked) -> Given:
        prompt = self.template.format(prompt=asked.prompt, facts="")
        if asked.options:
            letters = LETTERS[: len(asked.options)]
            best, shares = self.engine.choose(seen, prompt, letters)
            return Given(text=letters[best], confidence=shares[best])
        text = self.engine.generate(seen, prompt, max_new_tokens=32).strip()
        return Given(text=text)

    def _in_grammar(self, seen: EncodedVolume, asked: Asked) -> Given | None:
        question = None if asked.parsed is None else translate(asked.parsed)
        if question is None:
            return None
        shares = [0.0] * len(question.answers)
        for prompt in question.prompts:
            kind = QUESTION_KINDS[question.kind]
            _, each = self.engine.choose(seen, prompt, kind.choices)
            shares = question.combine(shares, each)
        best = max(range(len(shares)), key=shares.__getitem__)
        return _as_answer(question.answers[best], shares[best], asked)


def save_encoding(encoded: EncodedVolume, path: Path) -> None:
    """Writes what the language model needs of a scan.

    Args:
        encoded: The encoded scan.
        path: A ``.safetensors`` file; its folder is made.
    """
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"embeds": encoded.embeds.cpu().contiguous()}
    if encoded.patch_logits is not None:
        tensors["patch_logits"] = encoded.patch_logits.cpu().contiguous()
    passing = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file(tensors, passing)
    passing.replace(path)


def load_encoding(path: Path, device: str) -> EncodedVolume:
    """What :func:`save_encoding` wrote.

    Args:
        path: The file.
        device: Where the model runs.
    """
    from safetensors.torch import load_file

    from vol3d.infer.engine import EncodedVolume

    tensors = load_file(path, device=device)
    return EncodedVolume(embeds=tensors["embeds"], patch_logits=tensors.get("patch_logits"))


@dataclass(frozen=True, kw_only=True, slots=True)
class GrammarQuestion:
    """A question of DeepTumorVQA in the words of the small grammar.

    Args:
        kind: Row of the grammar.
        prompts: One, or one for each of both organs of a pair.
        answers: What the choices mean as answers.
        combine: Puts the shares of one more prompt to those so far.
    """

    kind: str
    prompts: tuple[str, ...]
    answers: tuple[Phrase, ...]
    combine: Callable[[list[float], list[float]], list[float]]


_YES, _NO = Phrase(key="yes"), Phrase(key="no")


def translate(parsed: ParsedPrompt) -> GrammarQuestion | None:
    """The same question in the small grammar, or ``None`` where the grammar has none.

    Args:
        parsed: The question.
    """
    subtype = parsed.subtype
    answers = (_NO, _YES) if parsed.is_inverted else (_YES, _NO)
    organ = parsed.slots.get("organ")
    if subtype in _PRESENCE:
        organs = _PRESENCE[subtype]
        wording = QUESTION_KINDS["lesion_presence"].wordings[0]
        prompts = tuple(wording.format(organ=each) for each in organs)
        return GrammarQuestion(
            kind="lesion_presence", prompts=prompts, answers=answers, combine=_either
        )
    is_spleen = subtype == "organ enlargement" and organ == "spleen"
    if subtype == "splenomegaly detection" or is_spleen:
        row = QUESTION_KINDS["spleen_enlarged"]
        return GrammarQuestion(
            kind="spleen_enlarged", prompts=row.wordings[:1], answers=answers, combine=_last
        )
    return None


_PRESENCE = {
    "liver lesion existence": ("liver",),
    "pancreatic lesion existence": ("pancreas",),
    "kidney lesion existence": ("left kidney", "right kidney"),
}
"""Existence of any lesion, by the organs of the grammar; it knows no types of lesions."""
assert {organ for organs in _PRESENCE.values() for organ in organs} <= set(LESION_ORGANS)


def _either(so_far: list[float], shares: list[float]) -> list[float]:
    """Yes if either organ says yes, as for independent organs; the first choice is yes."""
    none_before = 1.0 if not any(so_far) else so_far[1]
    no = none_before * shares[1]
    return [1.0 - no, no]


def _last(so_far: list[float], shares: list[float]) -> list[float]:
    return shares


def _as_answer(value: Phrase, share: float, asked: Asked) -> Given | None:
    text = value_text(value, "en" if asked.parsed is None else asked.parsed.language)
    if not asked.options:
        return Given(text=text, confidence=share)
    index = choose_option(value, asked.options)
    if index is None:
        return None
    return Given(text=LETTERS[index], raw=text, confidence=share)
