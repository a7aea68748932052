"""English questions in unknown words: subtype and slots by keywords, or nothing.

The published stems are not known here word by word. A question whose keywords fit no subtype, or
whose slots stay open, is not guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.wording import squeezed


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """A subtype with its slots; ``is_inverted`` where absence is asked for."""

    subtype: str
    slots: Mapping[str, str]
    is_inverted: bool = False


_PRESENCE = re.compile(
    r"\b(?:is there|are there|does|do|is|are|can|any|contain|present|evidence|free of|show)\b"
)
_INVERTED = re.compile(r"\b(?:free of|without|absence of|no|lack)\b")
_EXISTENCE = {
    ("liver", "lesion"): "liver lesion existence",
    ("kidney", "lesion"): "kidney lesion existence",
    ("kidney", "tumor"): "kidney tumor existence",
    ("kidney", "cyst"): "kidney cyst existence",
    ("pancreas", "lesion"): "pancreatic lesion existence",
    ("pancreas", "pdac"): "PDAC existence",
    ("pancreas", "pnet"): "PNET existence",
    ("colon", "lesion"): "colon lesion existence",
    (None, "pdac"): "PDAC existence",
    (None, "pnet"): "PNET existence",
}


@cache
def _keywords() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """The data file: patterns of rules, organs and types, each with what it means."""
    text = (Path(__file__).resolve().parent / "keywords.json").read_text(encoding="utf-8")
    table = json.loads(text)
    return {key: tuple((p, m) for p, m in table[key]) for key in ("rules", "organs", "types")}


def route(stem: str, options: Sequence[str] = ()) -> Routed | None:
    """Subtype and slots of a question in unknown words.

    Args:
        stem: The question without options.
        options: Texts of the options; two of them, yes and no, make a question of presence.

    Returns:
        ``None`` where the keywords leave a doubt.
    """
    text = squeezed(stem)
    organs, types, segments = _organs(text), _found(text, _keywords()["types"]), _segments(text)
    for pattern, subtype in _keywords()["rules"]:
        if re.search(pattern, text):
            slots = _fill(subtype, organs, types, segments)
            return None if slots is None else Routed(subtype=subtype, slots=slots)
    if not _PRESENCE.search(text) or not types:
        return None
    organ = organs[0].removesuffix("_left").removesuffix("_right") if organs else None
    subtype = _EXISTENCE.get((organ, types[0]), "")
    if not subtype:
        return None
    return Routed(subtype=subtype, slots={}, is_inverted=bool(_INVERTED.search(text)))


def _found(text: str, table: Sequence[tuple[str, str]]) -> list[str]:
    """Keys in the order in which they stand in the text; a longer name hides a shorter one."""
    taken: list[tuple[int, int, str]] = []
    for pattern, key in table:
        for match in re.finditer(rf"\b(?:{pattern})\b", text):
            if all(match.end() <= start or match.start() >= end for start, end, _ in taken):
                taken.append((match.start(), match.end(), key))
    return list(dict.fromkeys(key for _, _, key in sorted(taken)))


def _organs(text: str) -> list[str]:
    both = re.sub(r"\b(?:left and right|both|bilateral) kidneys?\b", "kidneys", text)
    return _found(both, _keywords()["organs"])


def _segments(text: str) -> list[str]:
    found = re.findall(r"\bsegments? (\d)(?: (?:and|or|versus|vs) (\d))?", text)
    numbers = [each for pair in found for each in pair if each]
    parts = re.findall(r"\b(head|body|tail)\b", text)
    return list(dict.fromkeys([*numbers, *parts]))


def _fill(
    subtype: str, organs: list[str], types: list[str], segments: list[str]
) -> dict[str, str] | None:
    """The slots of a subtype, or None where one of them is open."""
    slots: dict[str, str] = {}
    for slot in SUBTYPES[subtype].slots:
        value: str | None
        if slot == "organ":
            value = (
                organs[0] if organs else ("liver" if segments and segments[0].isdigit() else None)
            )
        elif slot == "organ_b":
            value = organs[1] if len(organs) > 1 else None
        elif slot == "lesion_type":
            value = types[0] if types else "lesion"
        elif slot == "segment":
            value = segments[0] if segments else _side(organs)
        else:
            value = segments[1] if len(segments) > 1 else None
        if value is None:
            return None
        slots[slot] = value
    if "segment" in slots and slots["segment"] in ("left", "right"):
        slots["organ"] = "kidney"
    return slots


def _side(organs: list[str]) -> str | None:
    for side in ("left", "right"):
        if organs and organs[0] == f"kidney_{side}":
            return side
    return None
