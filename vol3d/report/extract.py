"""Findings read back from report text, English or Chinese, with negation and laterality.

A text is cut into clauses; each clause is read with tables of terms (``extract_terms.json``): which
organs, which type of lesion or condition, denied or uncertain, how large, where, how many, and what
changed since a prior scan. What the tables do not know is not guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vol3d.anatomy import Language, group_members

Presence = Literal["present", "absent", "uncertain"]
_SENTENCES = {
    "en": re.compile(r"(?<!\d)[.](?=\s|$)|(?<=\d)[.](?=\s|$)|\n"),
    "zh": re.compile("\u3002|\n"),
}
_CJK = re.compile("[\u4e00-\u9fff]")
_SIZE = re.compile(
    r"(\d+(?:[.,]\d+)?(?:\s*(?:mm|cm|毫米|厘米)?\s*[x\u00d7*]\s*\d+(?:[.,]\d+)?){0,2})"
    r"\s*(mm|cm|毫米|厘米)(?![23³²a-z])"
)
_VOLUME = re.compile(r"\d+(?:[.,]\d+)?\s*(?:cm3|cm³|cm\^3|cc)\b")
_SLICE = re.compile(
    r"\(slice \d+ of \d+\)|on slice \d+ of \d+|(?:最大层面)?\uff08第\d+/\d+层\uff09"
)
_BREAKDOWN = re.compile(
    r"[(\uff08][^()\uff08\uff09]*(?:个|mass|cyst|lesion)[^()\uff08\uff09]*[)\uff09]"
)
"""How many lesions of which type, in parentheses after their number."""
_HEADING = re.compile(r"^\s*(?:[\w ]{3,30}|[\u4e00-\u9fff]{1,6})\s*[:\uff1a]\s*")
_LABEL = re.compile(r"^\s*[a-z]\d+\b\s*[:\uff1a]?")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_UNCOUNTED = {
    "effusion",
    "ascites",
    "emphysema",
    "atelectasis",
    "consolidation",
    "opacity",
    "lymph_node",
}
_PART_OWNERS = {
    "pancreas": ("head", "body", "tail"),
    "lung": ("upper_lobe", "middle_lobe", "lower_lobe"),
    "brain": ("frontal", "temporal", "parietal", "occipital"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractedFinding:
    """One finding that a text states or denies.

    Args:
        organ: Organ group, such as ``kidney``; ``unspecified`` where the text names none.
        presence: Whether it is stated, denied, or called uncertain.
        type: Lesion type, or ``enlarged``, ``fatty``, ``atrophic``, ``missing``.
        sizes_mm: Diameters of the (largest) lesion, largest first; sizes of prior scans left out.
        location: Segments, parts or lobes.
        count: Number of lesions, where the text says it.
        side: Of a paired organ.
        change: Since a prior scan.
        sentence: Index of the sentence in the text.
    """

    organ: str
    presence: Presence
    type: str
    sizes_mm: tuple[float, ...] = ()
    location: tuple[str, ...] = ()
    count: int | None = None
    side: str | None = None
    change: str | None = None
    sentence: int = 0


def extract_findings(
    text: str, *, language: Language | None = None
) -> tuple[ExtractedFinding, ...]:
    """The findings of a text in its order.

    Args:
        text: Sentences of a report.
        language: Detected where it is not given.
    """
    language = language or ("zh" if _CJK.search(text) else "en")
    terms = _terms(language)
    found: list[ExtractedFinding] = []
    heading: tuple[str, str | None] | None = None
    for number, sentence in enumerate(_split(text, language)):
        plain = sentence.casefold().strip()
        if not plain or terms.skip.search(plain):
            continue
        heading = _heading(plain, terms, heading)
        context = heading
        for clause in terms.split.split(_BREAKDOWN.sub(" ", plain)):
            made = list(_clause(clause, terms, context, number))
            change = None if made else _first(clause, terms.changes)
            if change is not None and found and found[-1].sentence == number:
                found[-1] = replace(found[-1], change=change)
            named = _organs(clause, terms)
            context = named[-1] if named else context
            if made and not named and made[-1].organ != "unspecified":
                context = (made[-1].organ, None)
            found += made
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Terms:
    language: Language
    organs: tuple[tuple[re.Pattern[str], str, str | None], ...]
    types: tuple[tuple[re.Pattern[str], str], ...]
    conditions: tuple[tuple[re.Pattern[str], str], ...]
    implied: tuple[tuple[re.Pattern[str], str], ...]
    changes: tuple[tuple[re.Pattern[str], str], ...]
    sides: tuple[tuple[re.Pattern[str], str], ...]
    parts: tuple[tuple[re.Pattern[str], str], ...]
    single: dict[str, re.Pattern[str]]
    numbers: dict[str, int]

    @property
    def skip(self) -> re.Pattern[str]:
        return self.single["skip"]

    @property
    def split(self) -> re.Pattern[str]:
        return self.single["split"]


_SINGLE = (
    *("normal", "negation", "resolved", "uncertain", "not_uncertain", "pseudo", "prior", "skip"),
    *("nonlesion", "split", "segments"),
)


@cache
def _terms(language: Language) -> _Terms:
    text = (Path(__file__).resolve().parent / "extract_terms.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)[language]
    edge = r"\b" if language == "en" else ""

    def word(pattern: str) -> re.Pattern[str]:
        return re.compile(f"{edge}(?:{pattern}){edge}")

    def pairs(key: str, *, whole: bool = True) -> tuple[tuple[re.Pattern[str], str], ...]:
        make = word if whole else re.compile
        return tuple((make(pattern), meaning) for pattern, meaning in table[key])

    return _Terms(
        language=language,
        organs=tuple((word(p), organ, side) for p, organ, side in table["organs"]),
        types=pairs("types"),
        conditions=pairs("conditions"),
        implied=pairs("implied"),
        changes=pairs("changes", whole=False),
        sides=pairs("sides", whole=False),
        parts=pairs("parts"),
        single={key: re.compile(table[key]) for key in _SINGLE},
        numbers=table["numbers"],
    )


def _split(text: str, language: Language) -> list[str]:
    return _SENTENCES[language].split(text)


def _heading(
    plain: str, terms: _Terms, before: tuple[str, str | None] | None
) -> tuple[str, str | None] | None:
    """The organ of a heading such as ``liver:``; lines of lesions keep the one before."""
    if _LABEL.match(plain):
        return before
    match = _HEADING.match(plain)
    if match is None:
        return None
    organs = _organs(match.group(), terms)
    return organs[0] if organs else None


def _organs(clause: str, terms: _Terms) -> list[tuple[str, str | None]]:
    """Organs of a clause in its order; a longer name hides a shorter one."""
    taken: list[tuple[int, int, str, str | None]] = []
    for pattern, organ, side in terms.organs:
        for match in pattern.finditer(clause):
            if all(match.end() <= start or match.start() >= end for start, end, _, _ in taken):
                taken.append((match.start(), match.end(), organ, side))
    found: dict[str, str | None] = {}
    for _, _, organ, side in sorted(taken, key=lambda each: each[0]):
        found[organ] = found.get(organ) or side
    return list(found.items())


def _clause(
    clause: str, terms: _Terms, context: tuple[str, str | None] | None, number: int
) -> Iterator[ExtractedFinding]:
    change = _first(clause, terms.changes)
    if terms.single["prior"].search(clause) and change is None:
        change = _compared(clause, terms)
    bare = terms.single["prior"].sub(" ", clause)
    bare = terms.single["pseudo"].sub(" ", _SLICE.sub(" ", _VOLUME.sub(" ", bare)))
    kind, match = _type_of(terms.single["nonlesion"].sub(" ", bare), terms)
    condition = _first(bare, terms.conditions)
    is_normal = bool(terms.single["normal"].search(bare))
    if kind is None and condition is None and not is_normal:
        return
    organs = _organs(bare, terms) or _implied(bare, terms) or ([context] if context else [])
    presence = _presence(bare, terms)
    if condition is not None and (kind is None or condition == "missing"):
        kind, match, presence = condition, None, "present"
    elif is_normal and (kind is None or terms.language == "zh"):
        kind, presence = "lesion", "absent"
    is_resolved = bool(terms.single["resolved"].search(bare)) and presence == "absent"
    finding = ExtractedFinding(
        organ="unspecified",
        presence=presence,
        type=kind or "lesion",
        sizes_mm=() if presence == "absent" else _sizes(bare),
        count=_count(bare, kind, match, terms) if presence == "present" else None,
        change="resolved" if is_resolved else change,
        sentence=number,
    )
    for organ, own_side in organs or [("unspecified", None)]:
        side = _side(bare, organ, own_side, terms)
        is_both = presence == "absent" and side == "bilateral"
        yield replace(
            finding,
            organ=organ,
            location=_location(_SIZE.sub(" ", bare), organ, terms),
            side=None if is_both else side,
        )
    if condition is not None and kind != condition:
        yield replace(
            finding,
            organ=organs[0][0] if organs else "unspecified",
            presence="present",
            type=condition,
            sizes_mm=(),
            count=None,
        )


def _first(clause: str, table: tuple[tuple[re.Pattern[str], str], ...]) -> str | None:
    return next((meaning for pattern, meaning in table if pattern.search(clause)), None)


def _compared(clause: str, terms: _Terms) -> str | None:
    """Larger or smaller, from the prior size that a clause names."""
    prior = terms.single["prior"].search(clause)
    old = _sizes(prior.group()) if prior else ()
    new = _sizes(terms.single["prior"].sub(" ", clause))
    if not old or not new or old[0] == new[0]:
        return None
    return "larger" if new[0] > old[0] else "smaller"


def _type_of(clause: str, terms: _Terms) -> tuple[str | None, re.Match[str] | None]:
    for pattern, kind in terms.types:
        match = pattern.search(clause)
        if match is not None:
            return kind, match
    return None, None


def _implied(clause: str, terms: _Terms) -> list[tuple[str, str | None]]:
    organ = _first(clause, terms.implied)
    return [(organ, None)] if organ else []


def _presence(clause: str, terms: _Terms) -> Presence:
    if terms.single["uncertain"].search(clause) and not terms.single["not_uncertain"].search(
        clause
    ):
        return "uncertain"
    return "absent" if terms.single["negation"].search(clause) else "present"


def _sizes(clause: str) -> tuple[float, ...]:
    """Diameters in mm, those of the largest size group."""
    groups = []
    for match in _SIZE.finditer(clause):
        numbers = [float(n.replace(",", ".")) for n in re.findall(r"\d+(?:[.,]\d+)?", match[1])]
        scale = 10.0 if match[2] in ("cm", "厘米") else 1.0
        groups.append(tuple(sorted((round(n * scale, 3) for n in numbers), reverse=True)))
    return max(groups, default=())


def _location(clause: str, organ: str, terms: _Terms) -> tuple[str, ...]:
    if organ == "liver":
        found = []
        for match in terms.single["segments"].finditer(clause):
            for piece in re.findall(r"\d|[iv]+", match.group(1)):
                found.append(_ROMAN.get(piece, piece))
        return tuple(sorted(dict.fromkeys(found)))
    owners = _PART_OWNERS.get(organ, ())
    names = [name for pattern, name in terms.parts if pattern.search(clause) and name in owners]
    return tuple(dict.fromkeys(names))


def _side(clause: str, organ: str, own: str | None, terms: _Terms) -> str | None:
    is_paired = len(group_members(organ)) == 2 or organ in ("lung", "brain")
    if not is_paired:
        return None
    if own is not None:
        return own
    return _first(clause, terms.sides)


def _count(clause: str, kind: str | None, match: re.Match[str] | None, terms: _Terms) -> int | None:
    """How many lesions a clause speaks of."""
    if kind is None or match is None or kind in _UNCOUNTED:
        return None
    if terms.language == "zh":
        return _count_zh(clause, match, terms)
    words = re.findall(r"[a-z]+|\b\d+\b", _SIZE.sub(" ", clause[: match.end()]))
    each = re.search(r"one (?:lesion|cyst|mass|nodule) each", clause)
    if each:
        return max(len(_location(clause, "liver", terms)), 2)
    for word in reversed(words[-6:]):
        if word in terms.numbers:
            return terms.numbers[word]
        if word.isdigit():
            return int(word)
    noun = match.group().split()[0] if "annotated" in match.group() else match.group()
    is_plural = noun.endswith(("s", "ses")) and noun not in ("mass", "metastasis", "focus")
    is_plural = is_plural or noun in ("metastases", "masses", "foci")
    return None if is_plural or "multiple" in clause else 1


def _count_zh(clause: str, match: re.Match[str], terms: _Terms) -> int | None:
    number = re.search(r"(\d+|[一两二三四五六七八九十])个", clause)
    if number is not None:
        text = number.group(1)
        count = int(text) if text.isdigit() else terms.numbers[text]
        if "各见" in clause:
            return count * max(len(_location(clause, "liver", terms)), 1)
        return count
    if "多发" in clause or "数个" in clause or "双肾" in clause:
        return None
    return 1
