"""The deterministic answerer: a prompt's text and the facts in, the true answer out."""

from __future__ import annotations

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.subtypes import answer_value
from vol3d.vqa.values import Slots, value_text


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
