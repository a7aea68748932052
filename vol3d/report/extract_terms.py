"""The tables by which report text is read, compiled once for each language."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vol3d.anatomy import Language

Meanings = tuple[tuple[re.Pattern[str], str], ...]
SINGLE = (
    *(
        "normal",
        "negation",
        "gone",
        "resolved",
        "uncertain",
        "not_uncertain",
        "existence",
        "pseudo",
    ),
    *("prior", "skip", "skip_heading", "nonlesion", "nonorgan", "relation", "history", "split"),
    *("segments", "anaphor", "plural", "solid_organs", "each_sized", "scores", "nature", "largest"),
)
"""Keys of the tables that hold one pattern each."""


@dataclass(frozen=True, slots=True)
class Terms:
    """All tables of one language; ``single`` holds the patterns of ``SINGLE`` by key."""

    language: Language
    organs: tuple[tuple[re.Pattern[str], str, str | None], ...]
    types: Meanings
    conditions: Meanings
    implied: Meanings
    changes: Meanings
    sides: Meanings
    parts: Meanings
    lobes: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]
    single: dict[str, re.Pattern[str]]
    numbers: dict[str, int]

    def has(self, key: str, text: str) -> bool:
        """Whether the single pattern of a key occurs in a text."""
        return self.single[key].search(text) is not None

    def without(self, key: str, text: str) -> str:
        """The text without what the single pattern of a key matches."""
        return self.single[key].sub(" ", text)


@cache
def terms_of(language: Language) -> Terms:
    """The tables of a language, from ``extract_terms.json``."""
    text = (Path(__file__).resolve().parent / "extract_terms.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)[language]
    edge = r"\b" if language == "en" else ""

    def word(pattern: str) -> re.Pattern[str]:
        return re.compile(f"{edge}(?:{pattern}){edge}")

    def pairs(key: str, *, whole: bool = True) -> Meanings:
        make = word if whole else re.compile
        return tuple((make(pattern), meaning) for pattern, meaning in table[key])

    return Terms(
        language=language,
        organs=tuple((word(p), organ, side) for p, organ, side in table["organs"]),
        types=pairs("types"),
        conditions=pairs("conditions"),
        implied=pairs("implied"),
        changes=pairs("changes", whole=False),
        sides=pairs("sides", whole=False),
        parts=pairs("parts"),
        lobes=tuple((word(p), tuple(segments)) for p, segments in table["lobes"]),
        single={key: re.compile(table[key]) for key in SINGLE},
        numbers=table["numbers"],
    )


def first_meaning(text: str, table: Meanings) -> str | None:
    """The meaning of the first row of a table that occurs in a text."""
    return next((meaning for pattern, meaning in table if pattern.search(text)), None)


def organs_in(clause: str, terms: Terms) -> list[tuple[str, str | None]]:
    """Organs of a clause in its order, with the side of a paired one where its name holds it.

    A longer name hides a shorter one, and a vessel hides the organ it is named after. The organs
    that a "solid abdominal organs" stands for follow.
    """
    bare = terms.without("nonorgan", clause)
    taken: list[tuple[int, int, str, str | None]] = []
    for pattern, organ, side in terms.organs:
        for match in pattern.finditer(bare):
            if all(match.end() <= start or match.start() >= end for start, end, _, _ in taken):
                taken.append((match.start(), match.end(), organ, side))
    found: dict[str, str | None] = {}
    for _, _, organ, side in sorted(taken, key=lambda each: each[0]):
        found[organ] = found.get(organ) or side
    if terms.has("solid_organs", bare):
        found.update({organ: None for organ in SOLID_ORGANS if organ not in found})
    return list(found.items())


SOLID_ORGANS = ("liver", "spleen", "pancreas", "kidney", "adrenal_gland")
