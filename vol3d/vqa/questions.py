"""Eight question types over the facts of a case: wording, answers, and parsing of prompts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vol3d.measure.embedded_facts import (
    LESION_ORGANS,
    EmbeddedFacts,
    is_spleen_enlarged,
    largest_lesion,
    missing_kidney,
)

YES_NO = ("yes", "no")
SIZE_BOUNDS_MM = (25.0, 45.0)
SIZE_CHOICES = ("under 25 mm", "25 to 45 mm", "over 45 mm")
SIZE_MARGIN_MM = 2.0
"""Nothing is asked about a diameter this close to a bound between two answers."""
LARGEST_MARGIN = 0.9
"""Nothing is asked about the largest lesion if another of nearly its size answers otherwise."""
_MAX_COUNT = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question with its true answer; ``slots`` fills the places of the wording."""

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...]
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedQuestion:
    """What a prompt asks for: the question type and its slots."""

    kind: str
    choices: tuple[str, ...]
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionKind:
    """One row of the grammar.

    Args:
        wordings: Texts; ``{organ}`` is the only slot a text may have.
        choices: Every possible answer.
        answer: The true answer from facts and slots; ``None`` where the facts do not settle it.
    """

    wordings: tuple[str, str, str]
    choices: tuple[str, ...]
    answer: Callable[[EmbeddedFacts, Mapping[str, str]], str | None]

    @property
    def has_organ(self) -> bool:
        """Whether the wordings name an organ."""
        return "{organ}" in self.wordings[0]


def _yes_no(value: bool | None) -> str | None:
    return None if value is None else YES_NO[0] if value else YES_NO[1]


def _all_annotated(facts: EmbeddedFacts) -> bool:
    present = [o for o in LESION_ORGANS if o in facts.organs and facts.organs[o].is_present]
    return bool(present) and all(o in facts.annotated_lesion_organs for o in present)


def _lesion_presence(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    organ = facts.organs.get(slots["organ"])
    if organ is None or not organ.is_present:
        return None
    if organ.name not in facts.annotated_lesion_organs:
        return None
    return _yes_no(bool(facts.lesions_of(organ.name)))


def _of_largest(
    facts: EmbeddedFacts, value: Callable[[EmbeddedFacts, int], str | None]
) -> str | None:
    """The value of the largest lesion if every lesion of nearly its size agrees."""
    largest = largest_lesion(facts)
    if largest is None or not _all_annotated(facts):
        return None
    limit = LARGEST_MARGIN * largest.longest_axial_diameter_mm
    rivals = [i for i, o in enumerate(facts.lesions) if o.longest_axial_diameter_mm > limit]
    answers = {value(facts, i) for i in rivals}
    return answers.pop() if len(answers) == 1 else None


def _lesion_organ(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    answer = _of_largest(facts, lambda f, i: f.lesions[i].organ)
    return answer if answer in LESION_ORGANS else None


def _lesion_attenuation(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    return _of_largest(facts, lambda f, i: f.lesions[i].attenuation)


def _kidney_lesion_side(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    if not {"left kidney", "right kidney"} <= set(facts.annotated_lesion_organs):
        return None
    sides = {s for s in ("left", "right") if facts.lesions_of(f"{s} kidney")}
    return sides.pop() if len(sides) == 1 else None


def _lesion_size(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    largest = largest_lesion(facts)
    if largest is None or not _all_annotated(facts):
        return None
    size = largest.longest_axial_diameter_mm
    if any(abs(size - bound) < SIZE_MARGIN_MM for bound in SIZE_BOUNDS_MM):
        return None
    return SIZE_CHOICES[sum(size > bound for bound in SIZE_BOUNDS_MM)]


def _lesion_count(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    count = len(facts.lesions)
    return str(count) if count <= _MAX_COUNT and _all_annotated(facts) else None


def _missing_kidney(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    return missing_kidney(facts)


def _spleen_enlarged(facts: EmbeddedFacts, slots: Mapping[str, str]) -> str | None:
    return _yes_no(is_spleen_enlarged(facts))


QUESTION_KINDS: dict[str, QuestionKind] = {
    "lesion_presence": QuestionKind(
        wordings=(
            "Is there a lesion in the {organ}?",
            "Does the {organ} contain a lesion?",
            "Can a lesion be seen in the {organ}?",
        ),
        choices=YES_NO,
        answer=_lesion_presence,
    ),
    "lesion_organ": QuestionKind(
        wordings=(
            "Which organ contains the largest lesion?",
            "In which organ is the largest lesion?",
            "Where is the largest lesion?",
        ),
        choices=LESION_ORGANS,
        answer=_lesion_organ,
    ),
    "kidney_lesion_side": QuestionKind(
        wordings=(
            "Which kidney contains a lesion?",
            "On which side is the kidney lesion?",
            "Is the kidney lesion on the left or the right?",
        ),
        choices=("left", "right"),
        answer=_kidney_lesion_side,
    ),
    "lesion_attenuation": QuestionKind(
        wordings=(
            "Is the largest lesion hypoattenuating or hyperattenuating?",
            "What is the attenuation of the largest lesion?",
            "How does the largest lesion attenuate compared with its organ?",
        ),
        choices=("hypoattenuating", "hyperattenuating"),
        answer=_lesion_attenuation,
    ),
    "lesion_size": QuestionKind(
        wordings=(
            "How large is the largest lesion?",
            "What is the longest axial diameter of the largest lesion?",
            "What size is the largest lesion?",
        ),
        choices=SIZE_CHOICES,
        answer=_lesion_size,
    ),
    "lesion_count": QuestionKind(
        wordings=(
            "How many lesions are there?",
            "How many lesions can be seen?",
            "What is the number of lesions?",
        ),
        choices=tuple(str(n) for n in range(_MAX_COUNT + 1)),
        answer=_lesion_count,
    ),
    "missing_kidney": QuestionKind(
        wordings=(
            "Which kidney is missing?",
            "Is a kidney missing, and on which side?",
            "Has a kidney been removed, and which one?",
        ),
        choices=("left", "right", "none"),
        answer=_missing_kidney,
    ),
    "spleen_enlarged": QuestionKind(
        wordings=(
            "Is the spleen enlarged?",
            "Is there splenomegaly?",
            "Is the spleen larger than normal?",
        ),
        choices=YES_NO,
        answer=_spleen_enlarged,
    ),
}
"""The whole grammar: question types by name."""


def questions_for(facts: EmbeddedFacts, rng: random.Random) -> list[Question]:
    """One question of every type that the facts can answer, worded at random.

    The organ of ``lesion_presence`` is chosen so that, over cases with 0 to 3 lesions each equally
    likely, yes and no are equally frequent; otherwise it is uniform.
    """
    questions = []
    for kind, row in QUESTION_KINDS.items():
        slots: dict[str, str] = {}
        if row.has_organ:
            organ = _presence_organ(facts, rng)
            if organ is None:
                continue
            slots = {"organ": organ}
        answer = row.answer(facts, slots)
        text = rng.choice(row.wordings).format(**slots)
        if answer is not None:
            questions.append(
                Question(kind=kind, text=text, answer=answer, choices=row.choices, slots=slots)
            )
    return questions


def _presence_organ(facts: EmbeddedFacts, rng: random.Random) -> str | None:
    """An organ to ask about; of the three cases in four with lesions, two get the answer yes."""
    answers = {organ: _lesion_presence(facts, {"organ": organ}) for organ in LESION_ORGANS}
    wanted = "yes" if rng.random() < 2 / 3 else "no"
    known = [organ for organ, answer in answers.items() if answer is not None]
    fitting = [organ for organ in known if answers[organ] == wanted] or known
    # kidneys are there in fewer cases: asked twice as often, "no" is as frequent as "yes" for them
    weights = [2 if organ.endswith("kidney") and answers[organ] == "no" else 1 for organ in fitting]
    return rng.choices(fitting, weights)[0] if fitting else None


def _normalise(text: str) -> str:
    """Lower case, ASCII punctuation as blanks; everything else stays and so fits no wording."""
    return " ".join(re.sub(r"[\s!-/:-@\[-`{-~]+", " ", text.casefold()).split())


def _grammar() -> dict[str, ParsedQuestion]:
    table = {}
    for kind, row in QUESTION_KINDS.items():
        for wording in row.wordings:
            for organ in LESION_ORGANS if row.has_organ else ("",):
                slots = {"organ": organ} if organ else {}
                parsed = ParsedQuestion(kind=kind, choices=row.choices, slots=slots)
                table[_normalise(wording.format(organ=organ))] = parsed
    return table


_GRAMMAR = _grammar()


def parse_question(text: str) -> ParsedQuestion | None:
    """What a prompt asks for, or ``None`` if it lies outside the grammar.

    Case, punctuation and spaces do not matter; a word more or less does: such a prompt is to be
    refused and never guessed.
    """
    return _GRAMMAR.get(_normalise(text))


def answer_question(parsed: ParsedQuestion, facts: EmbeddedFacts) -> str | None:
    """The true answer, or ``None`` where the facts do not settle it."""
    return QUESTION_KINDS[parsed.kind].answer(facts, parsed.slots)


def grammar_texts() -> tuple[str, ...]:
    """Every question text and every answer of the grammar, without repeats, in a fixed order."""
    texts: dict[str, None] = {}
    for row in QUESTION_KINDS.values():
        for wording in row.wordings:
            for organ in LESION_ORGANS if row.has_organ else ("",):
                texts[wording.format(organ=organ)] = None
        texts |= dict.fromkeys(row.choices)
    return tuple(texts)
