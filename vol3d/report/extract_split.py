"""Report text in statements: the pieces that keep their meaning when they are moved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from vol3d.anatomy import Language
from vol3d.report.extract_terms import Terms, organs_in, terms_of

_CJK = re.compile("[\u4e00-\u9fff]")
_ABBREVIATIONS = "".join(
    f"(?<!\\b{short})" for short in ("approx", "seg", "ca", "vs", "cf", "max", "dia", "incl")
)
_SENTENCES = {
    "en": re.compile(rf"{_ABBREVIATIONS}[.?!](?=\s|$)|\n", re.IGNORECASE),
    "zh": re.compile("[\u3002\uff01\uff1f]|\n"),
}
_BULLET = re.compile(r"^\s*(?:[-*\u2022]\s+|\(?\d+[.)\u3001](?!\d)\s*)")
_HEADING = re.compile(r"^\s*(?:[\w /&,]{3,30}|[\u4e00-\u9fff]{1,6})\s*[:\uff1a]\s*")
_LABEL = re.compile(r"^\s*[a-z]\d+\b\s*[:\uff1a]?")


@dataclass(frozen=True, slots=True)
class SplitSentence:
    """One sentence in lower case.

    Args:
        number: Index in the text.
        text: Without its full stop.
        context: Organ and side of the heading that it stands under.
        is_joined: Whether it only makes sense after the sentence before it.
        is_skipped: Whether it speaks of anything but the images: indication, technique.
    """

    number: int
    text: str
    context: tuple[str, str | None] | None
    is_joined: bool
    is_skipped: bool


def detect_language(text: str) -> Language:
    """Chinese if the text holds a Chinese character, else English."""
    return "zh" if _CJK.search(text) else "en"


def split_statements(text: str, *, language: Language | None = None) -> tuple[str, ...]:
    """The statements of a text in its order: each can be read without the others.

    A statement is a sentence; sentences that refer back ("It measures 2 cm.") stay with what they
    refer to, and what stands under a heading that names an organ stays with its heading.

    Args:
        text: A report.
        language: Detected where it is not given.
    """
    language = language or detect_language(text)
    made: list[str] = []
    for sentence, start, end in _spans(text, language):
        piece = text[start:end].strip()
        if sentence.is_joined and made:
            gap = "\n" if "\n" in text[start:end] or text[start - 1 : start] == "\n" else " "
            made[-1] += gap + piece
        elif piece:
            made.append(piece)
    return tuple(made)


def split_sentences(text: str, language: Language) -> Iterator[SplitSentence]:
    """The sentences of a text in its order, empty ones left out."""
    for sentence, _, _ in _spans(text, language):
        yield sentence


def _spans(text: str, language: Language) -> Iterator[tuple[SplitSentence, int, int]]:
    terms = terms_of(language)
    under: _Heading | None = None
    start = number = 0
    for end, after in _ends(text, language):
        is_new_line = number == 0 or text[start - 1 : start] == "\n"
        plain = _BULLET.sub("", text[start:end].casefold()).strip()
        if plain:
            own = _heading(plain, terms)
            is_label = _LABEL.match(plain) is not None
            keeps = is_label or not is_new_line or (under is not None and under.is_open)
            is_joined = own is None and keeps and under is not None
            is_joined = is_joined or (own is None and _refers_back(plain, terms))
            under = own or (under if keeps else None)
            if under is not None and not under.is_binding:
                under = None
            elif under is not None and own is None and is_new_line:
                under = replace(under, is_open=False)
            yield (
                SplitSentence(
                    number=number,
                    text=plain,
                    context=under.organ if under else None,
                    is_joined=is_joined,
                    is_skipped=under is not None and under.is_skipped,
                ),
                start,
                after,
            )
        start, number = after, number + 1


@dataclass(frozen=True, slots=True)
class _Heading:
    organ: tuple[str, str | None] | None
    is_skipped: bool
    is_open: bool
    """Nothing follows it on its own line: it heads the next one."""

    @property
    def is_binding(self) -> bool:
        """Whether sentences under it cannot be read without it."""
        return self.is_skipped or self.organ is not None


def _ends(text: str, language: Language) -> Iterator[tuple[int, int]]:
    for match in _SENTENCES[language].finditer(text):
        yield match.start(), match.end()
    yield len(text), len(text)


def _heading(plain: str, terms: Terms) -> _Heading | None:
    """The heading of a sentence such as ``liver:`` or ``indication:``; other ones end these."""
    if _LABEL.match(plain):
        return None
    match = _HEADING.match(plain)
    if match is None:
        return None
    organs = organs_in(match.group(), terms)
    return _Heading(
        organ=organs[0] if organs else None,
        is_skipped=terms.single["skip_heading"].match(plain) is not None,
        is_open=match.end() == len(plain),
    )


def _refers_back(plain: str, terms: Terms) -> bool:
    return terms.single["anaphor"].match(plain) is not None and not organs_in(plain, terms)
