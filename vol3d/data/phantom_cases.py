"""Phantoms as training cases, and the held-out benchmark of balanced questions on them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vol3d.data.seeds import BENCH_SEEDS_START
from vol3d.errors import ConfigError, explain
from vol3d.measure.case import measure_case
from vol3d.measure.embedded_facts import LESION_ORGANS, EmbeddedFacts
from vol3d.phantom import ORGAN_NAMES, Phantom, PhantomConfig, make_phantom
from vol3d.report.sentences import findings_text, findings_vocabulary
from vol3d.vqa import QUESTION_KINDS, Question, grammar_texts, questions_for

_DEFAULT = PhantomConfig()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhantomCase:
    """A phantom with its measured facts, questions and findings text."""

    phantom: Phantom
    facts: EmbeddedFacts
    questions: tuple[Question, ...]
    findings: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchItem:
    """One benchmark question and the seed of the phantom it is asked about."""

    seed: int
    question: Question


def make_case(seed: int, config: PhantomConfig = _DEFAULT) -> PhantomCase:
    """The case of one seed; facts are measured on its masks, questions are drawn by the seed."""
    phantom = make_phantom(seed, config)
    facts = measure_case(
        phantom.volume,
        phantom.organs_zyx,
        phantom.lesions_zyx,
        organ_names=ORGAN_NAMES,
        lesion_organs=LESION_ORGANS,
        mask_source="phantom",
    )
    return PhantomCase(
        phantom=phantom,
        facts=facts,
        questions=tuple(questions_for(facts, random.Random(seed))),
        findings=findings_text(facts),
    )


def balanced_bench(
    num_per_type: int,
    *,
    seeds_start: int = BENCH_SEEDS_START,
    max_per_volume: int = 3,
    config: PhantomConfig = _DEFAULT,
    max_seeds: int | None = None,
) -> list[BenchItem]:
    """Held-out questions, ``num_per_type`` of every type, with equally frequent answers.

    Walks the seeds upwards and keeps a question while its answer is still wanted. Within a type
    the numbers of two answers differ by at most one; ``lesion_presence`` is balanced for every
    organ by itself. The same arguments give the same list.

    Args:
        num_per_type: Questions of each of the eight types.
        seeds_start: First seed.
        max_per_volume: Most questions on one phantom; fewer spread the bench over more phantoms.
        config: How the phantoms are drawn.
        max_seeds: Phantoms to make before giving up; 40 per question of a type by default.

    Raises:
        ConfigError: The phantoms of this config never show one of the answers.
    """
    wanted = _quotas(num_per_type)
    items: list[BenchItem] = []
    limit = 40 * num_per_type + 40 if max_seeds is None else max_seeds
    for seed in range(seeds_start, seeds_start + limit):
        if not +wanted:
            return items
        items += _pick(seed, make_case(seed, config), wanted, max_per_volume)
    if not +wanted:
        return items
    raise ConfigError(
        explain(
            expected="phantoms that show every answer",
            got=f"none within {limit} seeds for {dict(+wanted)}",
            where="balanced_bench",
            remedy="Use a PhantomConfig whose probabilities leave room for every answer.",
        )
    )


Cell = tuple[str, str, str]  # type, organ slot or "", answer


def _cell(question: Question) -> Cell:
    return question.kind, question.slots.get("organ", ""), question.answer


def _quotas(num_per_type: int) -> Counter[Cell]:
    quotas: Counter[Cell] = Counter()
    for kind, row in QUESTION_KINDS.items():
        organs = LESION_ORGANS if row.has_organ else ("",)
        cells = [(kind, organ, answer) for organ in organs for answer in row.choices]
        for index, cell in enumerate(cells):
            quotas[cell] = num_per_type // len(cells) + (index < num_per_type % len(cells))
    return quotas


def _pick(
    seed: int, case: PhantomCase, wanted: Counter[Cell], max_per_volume: int
) -> Iterator[BenchItem]:
    """Takes up to ``max_per_volume`` questions, those first of which most are still wanted."""
    fitting = [q for q in case.questions if wanted[_cell(q)] > 0]
    fitting.sort(key=lambda q: (-_open(wanted, q.kind), q.kind))
    for question in fitting[:max_per_volume]:
        wanted[_cell(question)] -= 1
        yield BenchItem(seed=seed, question=question)


def _open(wanted: Counter[Cell], kind: str) -> int:
    return sum(count for cell, count in wanted.items() if cell[0] == kind)


def training_texts() -> tuple[str, ...]:
    """Every question, answer and kind of findings sentence: all words a tokenizer must know."""
    return tuple(dict.fromkeys((*grammar_texts(), *findings_vocabulary())))
