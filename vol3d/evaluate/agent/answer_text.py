"""The bare answer in a model's last words: a letter, a number, a word or a phrase."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vol3d.evaluate.rows import Form
from vol3d.vqa.options import LETTERS
from vol3d.vqa.values import means_the_same

_THINK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.IGNORECASE | re.DOTALL)
_LETTER = r"\s*[:=]?\s*[*_(\[\"'`]*([A-D])(?![A-Za-z])"
_SAID = re.compile(rf"(?i:\banswer\b(?:\s+is)?){_LETTER}")
_NAMED = re.compile(rf"(?i:\b(?:option|choice)\b){_LETTER}")
_ALONE = re.compile(r"^[\s*_(\[\"'`]*([A-Da-d])[\s*_)\]\"'`.]*$")
_FIRST = re.compile(r"^[\s*_(\[\"'`]*([A-D])[)\].:*](?:\s|$)|^([A-D]),\s+(?![A-D]\b)")
_WORD = re.compile(r"(?<![A-Za-z'])([B-D]|A(?!\s+(?!or\b|and\b)[a-z]))(?![A-Za-z'])")
_PREFIX = re.compile(r"^.*\banswer\b(?:\s+is)?\s*:?\s*(?=\S)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w^.])[-\u2212]?\d+(?:,\d{3})*(?:\.\d+)?")
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
    cut = _PREFIX.match(told)
    words = told[cut.end() :] if cut is not None else told
    if is_number:
        return _number(words, is_first=cut is not None)
    lines = words.strip(_EDGES).splitlines()
    return lines[0 if cut is not None else -1].strip(_EDGES) if lines else ""


def _number(text: str, *, is_first: bool) -> str:
    """The first number after the word answer or at the text's begin, else the last one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return ""
    is_first = is_first or not text[: found[0].start()].strip(_EDGES)
    return found[0 if is_first else -1].group().replace(",", "").replace("\u2212", "-")


def _letter(text: str, options: Sequence[str]) -> str:
    alone = _ALONE.match(text)
    if alone is not None:
        return alone.group(1).upper()
    said = _SAID.findall(text)
    if said:
        return str(said[-1])
    first = _FIRST.match(text)
    if first is not None:
        return first.group(1) or first.group(2)
    same = [n for n, option in enumerate(options) if means_the_same(text, option)]
    if len(same) == 1:
        return LETTERS[same[0]]
    for pattern in (_NAMED, _WORD):
        letters = set(pattern.findall(text))
        if letters:
            return str(letters.pop()) if len(letters) == 1 else ""
    return ""
