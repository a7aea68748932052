"""Samples to one training batch. The processor is given; this module imports none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vol3d.data.phantom_samples import PhantomSample, jitter
from vol3d.report.sentences import findings_text
from vol3d.vqa.questions import questions_for

REPORT_PROMPT = "Describe the findings."
IGNORED = -100


@dataclass(kw_only=True)
class PhantomCollator:
    """Packs samples, asks questions about each, and masks everything but the answers.

    Args:
        processor: Has ``build_prompt``, ``__call__`` with ``volume_slots`` and ``tokenizer``.
        questions_per_volume: Prompts per volume; 0 gives the vision inputs and dense targets alone.
        report_probability: How often one of them is the report prompt.
        noise_hu: Standard deviation of added noise.
        shift_hu: Largest added constant.
        seed: Seed of questions, order and noise; the draws of a batch depend on it, the
            samples and their visits alone, not on which worker process makes the batch.
        encodings: What a frozen encoder made of each case, (patches, width) by seed; batches then
            hold it as ``encoded`` in place of the voxels, and no dense targets. None for voxels.
    """

    processor: Any
    questions_per_volume: int
    report_probability: float
    noise_hu: float
    shift_hu: float
    seed: int
    encodings: Mapping[int, torch.Tensor] | None = None

    def __call__(self, samples: Sequence[PhantomSample]) -> dict[str, torch.Tensor]:
        """Model inputs with ``patch_targets`` and, if questions are asked, ``labels``."""
        rngs = [random.Random(f"{self.seed}/{s.seed}/{s.visit}") for s in samples]
        volumes = [s.prepared for s in samples]
        if self.encodings is None:
            volumes = [
                jitter(volume, rng, noise_hu=self.noise_hu, shift_hu=self.shift_hu)
                for volume, rng in zip(volumes, rngs, strict=True)
            ]
        if self.questions_per_volume == 0:
            packed, _ = self.processor.feature_extractor(volumes)
            return {**packed, "patch_targets": _targets(samples)}
        texts: list[str] = []
        slots: list[int] = []
        for number, sample in enumerate(samples):
            for question, answer in self._dialogue(sample, rngs[number]):
                texts.append(self.processor.build_prompt(question) + self._closed(answer))
                slots.append(number)
        batch = self.processor(texts, volumes, volume_slots=slots)
        labels = answer_labels(batch["input_ids"], batch["attention_mask"], self._assistant_id())
        if self.encodings is None:
            return {**batch, "labels": labels, "patch_targets": _targets(samples)}
        del batch["voxels"]
        encoded = torch.cat([self.encodings[sample.seed] for sample in samples])
        return {**batch, "labels": labels, "encoded": encoded}

    def _dialogue(self, sample: PhantomSample, rng: random.Random) -> list[tuple[str, str]]:
        questions = questions_for(sample.facts, rng)
        rng.shuffle(questions)
        pairs = [(q.text, q.answer) for q in questions]
        if rng.random() < self.report_probability:
            pairs.insert(0, (REPORT_PROMPT, findings_text(sample.facts)))
        return pairs[: self.questions_per_volume]

    def _closed(self, answer: str) -> str:
        return f"{answer}{self.processor.tokenizer.eos_token}"

    def _assistant_id(self) -> int:
        tokenizer = self.processor.tokenizer
        return int(tokenizer.convert_tokens_to_ids(tokenizer.assistant_token))


def _targets(samples: Sequence[PhantomSample]) -> torch.Tensor:
    return torch.cat([sample.patch_targets for sample in samples])


def answer_labels(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, assistant_id: int
) -> torch.Tensor:
    """Labels (B, L): the tokens after the last assistant mark, -100 everywhere else."""
    place = torch.arange(input_ids.shape[1]).expand_as(input_ids)
    marks = torch.where(input_ids == assistant_id, place, -1)
    wanted = (place > marks.amax(dim=1, keepdim=True)) & attention_mask.bool()
    return torch.where(wanted, input_ids, IGNORED)
