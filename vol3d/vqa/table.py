"""Every kind of question: DeepTumorVQA's 42 subtypes, and those about chest and brain."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vol3d.measure.facts import CaseFacts
from vol3d.vqa import clear
from vol3d.vqa.chest_brain import CHEST_BRAIN_SUBTYPES, is_clear_here
from vol3d.vqa.subtypes import SUBTYPES, Subtype
from vol3d.vqa.values import Slots, Value

ALL_SUBTYPES: Mapping[str, Subtype] = MappingProxyType({**SUBTYPES, **CHEST_BRAIN_SUBTYPES})
"""Rows by name, the 42 first."""


def answer_value(subtype: str, facts: CaseFacts, slots: Slots) -> Value | None:
    """The true answer before it is worded; ``None`` where the facts do not settle it."""
    return ALL_SUBTYPES[subtype].answer(facts, slots)


def is_clear(subtype: str, facts: CaseFacts, slots: Slots) -> bool:
    """Whether a question of any table may be asked; its answer must be known.

    Args:
        subtype: Name of the subtype.
        facts: The case.
        slots: What the question asks about.
    """
    rule = is_clear_here if subtype in CHEST_BRAIN_SUBTYPES else clear.is_clear
    return rule(subtype, facts, slots)
