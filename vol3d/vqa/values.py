"""What an answer is before it is worded: a number with its decimals, or the key of a phrase."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vol3d.anatomy import Language, structure

Slots = Mapping[str, str]
"""What a question leaves open: ``organ``, ``organ_b``, ``lesion_type``, ``segment``,
``segment_b``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A number and how many decimals it is told with."""

    value: float
    decimals: int = 1

    def text(self) -> str:
        """Plain ASCII, without unit and without thousands separators."""
        shown = f"{self.value:.{self.decimals}f}"
        return shown.removeprefix("-") if float(shown) == 0 else shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A category by its key in ``phrases.json``, an organ key, or a list of segments."""

    key: str
    kind: str = "phrase"


Value = Number | Phrase
_CLOSING = " .,;\u3002\uff0c\uff1b"
"""Blanks and closing punctuation, also the Chinese one."""
YES, NO = Phrase(key="yes"), Phrase(key="no")


def yes_no(value: bool | None) -> Phrase | None:
    """A truth value as an answer."""
    return None if value is None else YES if value else NO


@cache
def phrase_table() -> dict[str, Any]:
    """The data file of phrases and names."""
    text = (Path(__file__).resolve().parent / "phrases.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def organ_name(key: str, language: Language) -> str:
    """An organ as questions name it: ``kidneys`` for both."""
    names = phrase_table()["names"]
    return str((names["places"].get(key) or names["organs"][key])[language])


def segment_name(segment: str, language: Language) -> str:
    """A part as questions name it: ``segment 4``, ``the head``."""
    return str(phrase_table()["names"]["segments"][segment][language])


def abnormality_name(word: str, language: Language) -> str:
    """An abnormality word of CT-RATE as questions name it."""
    return str(phrase_table()["names"]["abnormalities"][word][language])


def type_name(lesion_type: str, language: Language, *, plural: bool = False) -> str:
    """A lesion type as questions name it."""
    row = phrase_table()["names"]["types"][lesion_type]
    return str(row["plural_en"] if plural and language == "en" else row[language])


def value_text(value: Value, language: Language = "en") -> str:
    """An answer's text.

    Args:
        value: The answer.
        language: Of phrases; numbers are the same in all.
    """
    if isinstance(value, Number):
        return value.text()
    if value.kind == "organ":
        row = phrase_table()["names"]["organs"][value.key]
        return str(row.get(f"answer_{language}", row[language]))
    if value.kind == "segment":
        return segment_name(value.key, language)
    if value.kind == "part":
        return structure(value.key).name(language)
    if value.kind == "segments":
        return _segments_text(value.key, language)
    return str(phrase_table()["phrases"][value.key][language])


def _segments_text(key: str, language: Language) -> str:
    """``4/8``, ``body/tail``, ``left``; in Chinese ``4/8段``, ``体部/尾部``."""
    if language == "en":
        return key
    parts = key.split("/")
    if parts[0].isdigit():
        return f"{key}段"
    return "/".join(segment_name(part, language) for part in parts)


@cache
def synonyms() -> Mapping[str, frozenset[str]]:
    """Normalised texts that mean the same, by normalised text of either language."""
    table: dict[str, set[str]] = {}
    rows = [{row["en"], row["zh"], *row["synonyms"]} for row in phrase_table()["phrases"].values()]
    rows += [
        {row["en"], row["zh"], *row["also"]} for row in phrase_table()["names"]["organs"].values()
    ]
    rows += [{row["en"], row["zh"]} for row in phrase_table()["names"]["segments"].values()]
    for row in rows:
        texts = {plain(text) for text in row}
        for text in texts:
            table.setdefault(text, set()).update(texts)
    return {text: frozenset(same) for text, same in table.items()}


def plain(text: str) -> str:
    """Lower case, one blank for blanks, without closing punctuation."""
    return " ".join(text.casefold().split()).strip(_CLOSING)


def means_the_same(first: str, second: str) -> bool:
    """Whether two answer texts are equal but for case, blanks, language and synonyms."""
    one, other = plain(first), plain(second)
    return one == other or other in synonyms().get(one, frozenset())
