"""The bare answer in a model's last words: a letter, a number, a word or a phrase."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vol3d.evaluate.rows import Form
from vol3d.vqa.options import LETTERS
from vol3d.vqa.values import means_the_same

_THINK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.IGNORECASE | re.DOTALL)
_SAID = re.compile(
    r"(?:\banswer|\boption|\bchoice)\b(?:\s+is)?\s*[:=]?\s*[*_(\[\"'`]*([A-D])(?![A-Za-z])"
)
_SAID_ANY = re.compile(r"(?i:\banswer\b(?:\s+is)?)\s*[:=]?\s*[*_(\[\"'`]*([A-D])(?![A-Za-z])")
_ALONE = re.compile(r"^[\s*_(\[\"'`]*([A-Da-d])[\s*_)\]\"'`.]*$")
_FIRST = re.compile(r"^[\s*_(\[\"'`]*([A-D])[)\].:*](?:\s|$)")
_WORD = re.compile(r"(?<![A-Za-z'])([B-D])(?![A-Za-z'])")
_PREFIX = re.compile(r"^.*?\b(?:final answer|answer)\b(?:\s+is)?\s*:?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[-\u2212]?\d+(?:,\d{3})*(?:\.\d+)?")
_EDGES = " \t\r\n*_`\"'."


def without_thoughts(text: str) -> str:
    """A text without what stands between think marks, in any spelling of case."""
    return _THINK.sub("", text).strip()


def bare_answer(
    text: str, form: Form, *, options: Sequence[str] = (), is_number: bool = False
) -> str:
    """The bare answer; empty where the words do not say one.

    Args:
        text: The model's last words.
        form: Of the question.
        options: Texts of the options of a multiple-choice question.
        is_number: Whether a free-form answer is a number.
    """
    told = without_thoughts(text)
    if form == "mc":
        return _letter(told, options)
    words = _PREFIX.sub("", told, count=1).strip(_EDGES) if told.count("\n") == 0 else told
    if not is_number:
        return words.splitlines()[-1].strip(_EDGES) if words else ""
    numbers = _NUMBER.findall(words)
    if not numbers:
        return ""
    return (
        str(numbers[0] if len(numbers) == 1 else numbers[-1])
        .replace(",", "")
        .replace("\u2212", "-")
    )


def _letter(text: str, options: Sequence[str]) -> str:
    alone = _ALONE.match(text)
    if alone is not None:
        return alone.group(1).upper()
    said = [*_SAID.finditer(text), *_SAID_ANY.finditer(text)]
    if said:
        return max(said, key=lambda match: match.end()).group(1)
    first = _FIRST.match(text)
    if first is not None:
        return first.group(1)
    same = [n for n, option in enumerate(options) if means_the_same(text, option)]
    if len(same) == 1:
        return LETTERS[same[0]]
    words = set(_WORD.findall(text))
    return words.pop() if len(words) == 1 else ""
