"""How questions are worded, in English and Chinese; the texts lie in ``wording.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from vol3d.anatomy import Language
from vol3d.vqa.table import ALL_SUBTYPES
from vol3d.vqa.values import (
    Slots,
    abnormality_name,
    organ_name,
    phrase_table,
    segment_name,
    type_name,
)

LANGUAGES: tuple[Language, Language] = ("en", "zh")
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def wordings() -> Mapping[str, Mapping[Language, tuple[str, ...]]]:
    """Texts with places for the slots, by subtype and language."""
    text = (Path(__file__).resolve().parent / "wording.json").read_text(encoding="utf-8")
    return {
        name: {language: tuple(row[language]) for language in LANGUAGES}
        for name, row in json.loads(text).items()
    }


def question_text(subtype: str, slots: Slots, *, language: Language, index: int) -> str:
    """One wording with its slots filled.

    Args:
        subtype: Name of the subtype.
        slots: What the question asks about.
        language: Of the text.
        index: Which wording, modulo their number.
    """
    choices = wordings()[subtype][language]
    return choices[index % len(choices)].format_map(_names(slots, language))


def _names(slots: Slots, language: Language) -> dict[str, str]:
    names = {}
    for slot, value in slots.items():
        if slot in ("organ", "organ_b"):
            names[slot] = organ_name(value, language)
        elif slot == "lesion_type":
            names["type"] = type_name(value, language)
            names["types"] = type_name(value, language, plural=True)
        elif slot == "abnormality":
            names[slot] = abnormality_name(value, language)
        else:
            names[slot] = segment_name(value, language)
    return names


def squeezed(text: str) -> str:
    """Text without what does not matter: case, blanks and punctuation except ``-``, ``^``, ``%``.

    Blanks stay between words of ASCII, where they part words.
    """
    lower = text.casefold().replace("tumour", "tumor").replace("centimeters", "centimetres")
    words = re.sub(r"[^\w^%+-]+", " ", lower)
    parted = re.sub(r"(?<=[^\x00-\x7f]) +| +(?=[^\x00-\x7f])", "", words)
    return parted.strip()


@cache
def patterns() -> tuple[tuple[str, Language, re.Pattern[str]], ...]:
    """One regular expression per wording, for squeezed texts: subtype, language, pattern."""
    return tuple(
        (name, language, _pattern(text, language))
        for name in ALL_SUBTYPES
        for language in LANGUAGES
        for text in wordings()[name][language]
    )


def _pattern(wording: str, language: Language) -> re.Pattern[str]:
    slots = _PLACE.findall(wording)
    marked = _PLACE.sub(lambda match: f"qslot{match.group(1).replace('_', '')}q", wording)
    made = re.escape(squeezed(marked))
    for slot in slots:
        mark = f"qslot{slot.replace('_', '')}q"
        made = made.replace(mark, _alternatives(slot, language), 1)
        made = made.replace(mark, f"(?P={slot})")
    return re.compile(made)


def _alternatives(slot: str, language: Language) -> str:
    names = sorted(_slot_names(slot, language), key=lambda pair: -len(pair[0]))
    return f"(?P<{slot}>{'|'.join(re.escape(name) for name, _ in names)})"


@cache
def slot_value(slot: str, language: Language, name: str) -> str:
    """The slot's value that a squeezed name stands for."""
    return next(value for known, value in _slot_names(slot, language) if known == name)


def _slot_names(slot: str, language: Language) -> Iterator[tuple[str, str]]:
    """Squeezed names and what they stand for."""
    table = phrase_table()["names"]
    if slot in ("organ", "organ_b"):
        for key, row in table["organs"].items():
            yield squeezed(row[language]), key
            if language == "en":
                for other in row["also"]:
                    yield squeezed(other), key
    elif slot == "abnormality":
        for key in table["abnormalities"]:
            yield squeezed(abnormality_name(key, language)), key
    elif slot in ("type", "types"):
        for key in table["types"]:
            yield squeezed(type_name(key, language, plural=slot == "types")), key
    else:
        for key in table["segments"]:
            yield squeezed(segment_name(key, language)), key
