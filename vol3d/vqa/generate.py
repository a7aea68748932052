"""Questions about a case, with options and keys."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.options import (
    LETTERS,
    KeyBalancer,
    make_distractors,
    mc_text,
    option_texts,
)
from vol3d.vqa.slots import possible_slots
from vol3d.vqa.subtypes import Subtype
from vol3d.vqa.table import ALL_SUBTYPES, is_clear
from vol3d.vqa.values import Phrase, Slots, Value, organ_name, value_text
from vol3d.vqa.wording import question_text


@dataclass(frozen=True, kw_only=True, slots=True)
class VqaQuestion:
    """One question in both forms with its true answer.

    Args:
        subtype: Name of the subtype.
        slots: What it asks about.
        language: Of all texts.
        question: The free-form text.
        answer: Its answer.
        options: Texts of the options in their order.
        correct_option: Letter of the right one.
        organ: The organ asked about, in words.
    """

    subtype: str
    slots: Slots
    language: Language
    question: str
    answer: str
    options: tuple[str, ...]
    correct_option: str
    organ: str

    @property
    def mc_question(self) -> str:
        """The multiple-choice text."""
        return mc_text(self.question, list(self.options))

    @property
    def row(self) -> Subtype:
        """The subtype's row of the table."""
        return ALL_SUBTYPES[self.subtype]


def generate_questions(
    facts: CaseFacts,
    *,
    seed: int,
    balancer: KeyBalancer | None = None,
    language: Language = "en",
    per_subtype: int = 1,
) -> list[VqaQuestion]:
    """Questions of every subtype that the facts settle clearly.

    Args:
        facts: The case.
        seed: Chooses slots, wordings and distractors; the same seed gives the same questions.
        balancer: Places the right letters; share one over a data set to balance it as a whole.
        language: Of all texts.
        per_subtype: Most questions of one subtype.
    """
    rng = random.Random(f"{seed}/{facts.case_id}/{language}")
    balancer = balancer or KeyBalancer()
    questions = []
    for name in ALL_SUBTYPES:
        asked = 0
        for slots, value in _askable(name, facts, rng):
            if asked == per_subtype:
                break
            made = _make(name, facts, slots, value, (rng, balancer, language))
            if made is not None:
                questions.append(made)
                asked += 1
    return questions


def _askable(subtype: str, facts: CaseFacts, rng: random.Random) -> list[tuple[Slots, Value]]:
    """Fillings with clear answers, rare answers as likely to come first as frequent ones."""
    row = ALL_SUBTYPES[subtype]
    by_answer: dict[str, list[tuple[Slots, Value]]] = {}
    for slots in possible_slots(subtype, facts):
        value = row.answer(facts, slots)
        if value is not None and is_clear(subtype, facts, slots):
            by_answer.setdefault(_kind_of_answer(value, slots), []).append((slots, value))
    groups = list(by_answer.values())
    for group in groups:
        rng.shuffle(group)
    rng.shuffle(groups)
    longest = max((len(group) for group in groups), default=0)
    return [group[i] for i in range(longest) for group in groups if i < len(group)]


def _kind_of_answer(value: Value, slots: Slots) -> str:
    """What answers are balanced over: phrases as such, numbers by organ and type."""
    if isinstance(value, Phrase):
        return value.key
    return "/".join([slots.get("organ", ""), slots.get("lesion_type", "")])


def _make(
    subtype: str,
    facts: CaseFacts,
    slots: Slots,
    value: Value,
    tools: tuple[random.Random, KeyBalancer, Language],
) -> VqaQuestion | None:
    rng, balancer, language = tools
    stem = question_text(subtype, slots, language=language, index=rng.randrange(1000))
    wrong = make_distractors(subtype, facts, slots, value, rng)
    if wrong is None:
        return None
    rng.shuffle(wrong)
    index = balancer.place(subtype, len(wrong) + 1, rng)
    options = option_texts([*wrong[:index], value, *wrong[index:]], language)
    organ = slots.get("organ", ALL_SUBTYPES[subtype].organ) or ""
    return VqaQuestion(
        subtype=subtype,
        slots=slots,
        language=language,
        question=stem,
        answer=value_text(value, language),
        options=tuple(options),
        correct_option=LETTERS[index],
        organ=organ_name(organ, language),
    )
