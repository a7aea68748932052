"""Which questions a model is asked: a small model refuses what is outside of its grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vol3d.errors import CheckpointError, ConfigError, explain
from vol3d.measure.embedded_facts import LESION_ORGANS
from vol3d.vqa.questions import QUESTION_KINDS, parse_question

PHANTOM_GRAMMAR = "phantom-v1"
_CONTROL = re.compile(r"<volume>|<\|.*?\|>", re.IGNORECASE | re.DOTALL)
"""Marks that structure a prompt; a user's text must not hold any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedQuestion:
    """A question that may be asked, or why not.

    Args:
        prompt: What the model is asked; empty if refused.
        choices: The possible answers in the model's spelling: those asked for, in their order, or
            all of a closed grammar; empty where any text may be the answer.
        refused_reason: ``None`` if the question may be asked.
    """

    prompt: str
    choices: tuple[str, ...] = ()
    refused_reason: str | None = None


def check_question(question: str, choices: Sequence[str], grammar: str | None) -> CheckedQuestion:
    """Whether a model may be asked this question, and in which words.

    Inside a grammar the prompt is the first wording of the question's kind, so that all wordings
    of one question get one answer. Case and surrounding spaces of choices do not matter there.
    Text that holds ``<volume>`` or a ``<|...|>`` mark is refused for every model.

    Args:
        question: As typed.
        choices: What the answer is chosen from; empty for a free answer.
        grammar: Of the model's card; ``None`` for a model that takes any text.

    Raises:
        ConfigError: The question is empty.
        CheckpointError: This version does not know the grammar.
    """
    text = " ".join(question.split())
    if not text:
        raise ConfigError(
            explain(
                expected="a question",
                got="an empty text",
                where="question",
                remedy='Ask for example "Is the spleen enlarged?".',
            )
        )
    if any(_CONTROL.search(given) for given in (question, *choices)):
        return _refused(
            "The text holds <volume> or a mark such as <|user|>, which only the program may write "
            "into a prompt. Ask in plain words."
        )
    if grammar is None:
        return CheckedQuestion(prompt=text, choices=tuple(choices))
    if grammar != PHANTOM_GRAMMAR:
        raise CheckpointError(
            explain(
                expected=f"question_grammar {PHANTOM_GRAMMAR!r} or null",
                got=repr(grammar),
                where="model card",
                remedy="Use a version of vol3d that knows this grammar.",
            )
        )
    parsed = parse_question(text)
    if parsed is None:
        return _refused(
            "The question is outside of what this model was trained on, so it is not guessed. "
            "What can be asked: " + " ".join(example_questions())
        )
    found = {choice: find_choice(choice, parsed.choices) for choice in choices}
    strange = [choice for choice, known in found.items() if known is None]
    if strange:
        return _refused(
            f"The model never learned the choices {', '.join(map(repr, strange))} for this "
            f"question. It can choose among: {', '.join(parsed.choices)}."
        )
    return CheckedQuestion(
        prompt=QUESTION_KINDS[parsed.kind].wordings[0].format(**parsed.slots),
        choices=tuple(known for known in found.values() if known) or parsed.choices,
    )


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice that a text spells, whatever its case, outer spaces and last full stop."""
    return {_spelling(choice): choice for choice in choices}.get(_spelling(text))


def example_questions() -> tuple[str, ...]:
    """One wording of every kind of question in the phantom grammar."""
    organ = LESION_ORGANS[0]
    return tuple(kind.wordings[0].format(organ=organ) for kind in QUESTION_KINDS.values())


def _refused(reason: str) -> CheckedQuestion:
    return CheckedQuestion(prompt="", refused_reason=reason)


def check_choices(choices: Sequence[str] | None) -> tuple[str, ...]:
    """The choices without surrounding spaces; empty if none were given.

    Raises:
        ConfigError: There is only one, two differ at most in case or a full stop, or one is empty.
    """
    options = tuple(choice.strip() for choice in choices or ())
    num_different = len({_spelling(option) for option in options})
    if options and (len(options) < 2 or num_different < len(options) or not all(options)):
        raise ConfigError(
            explain(
                expected="at least two different choices, none of them empty",
                got=repr(list(options)),
                where="choices",
                remedy='Give them as --choices "yes|no" or as --choice yes --choice no.',
            )
        )
    return options


def _spelling(text: str) -> str:
    return text.strip().removesuffix(".").rstrip().casefold()
