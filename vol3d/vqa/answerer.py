"""The deterministic answerer: a prompt's text and the facts in, the true answer out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.options import LETTERS
from vol3d.vqa.parse import ParsedPrompt, parse_prompt
from vol3d.vqa.table import answer_value
from vol3d.vqa.values import NO, YES, Number, Slots, Value, means_the_same, value_text
from vol3d.vqa.wording import LANGUAGES

_NUMBER = re.compile(r"-?\d+\.?\d*")


def answer_subtype(
    subtype: str, facts: CaseFacts, slots: Slots, *, language: Language = "en"
) -> str | None:
    """The true answer to a question of a known subtype.

    Args:
        subtype: Name of the subtype.
        facts: The case.
        slots: What the question asks about.
        language: Of phrases.

    Returns:
        ``None`` where the facts do not settle it.
    """
    value = answer_value(subtype, facts, slots)
    return None if value is None else value_text(value, language)


def answer_prompt(text: str, facts: CaseFacts) -> str | None:
    """The answer to a prompt: one letter for multiple choice, else the number or phrase.

    Args:
        text: The prompt.
        facts: The case.

    Returns:
        ``None`` where the prompt is no known question, the facts do not settle it, or no option
        is the answer.
    """
    parsed = parse_prompt(text)
    if parsed is None:
        return None
    value = answer_parsed(parsed, facts)
    if value is None:
        return None
    if not parsed.options:
        return value_text(value, parsed.language)
    index = choose_option(value, parsed.options)
    return None if index is None else LETTERS[index]


def answer_parsed(parsed: ParsedPrompt, facts: CaseFacts) -> Value | None:
    """The true answer to a parsed question, turned round where absence is asked for."""
    value = answer_value(parsed.subtype, facts, parsed.slots)
    if parsed.is_inverted and value in (YES, NO):
        return NO if value == YES else YES
    return value


def choose_option(value: Value, options: Sequence[str]) -> int | None:
    """Index of the option that is the answer: the nearest number, or the same phrase.

    Args:
        value: The true answer.
        options: Texts of the options.
    """
    if isinstance(value, Number):
        numbers = [_number(text) for text in options]
        known = [(abs(n - value.value), i) for i, n in enumerate(numbers) if n is not None]
        return min(known)[1] if known else None
    for language in LANGUAGES:
        wanted = value_text(value, language)
        for index, text in enumerate(options):
            if means_the_same(text, wanted):
                return index
    return None


def _number(text: str) -> float | None:
    match = _NUMBER.search(text.rstrip("%"))
    return None if match is None else float(match.group())
