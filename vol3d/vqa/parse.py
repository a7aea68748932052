"""Reading a question back: subtype, slots and options from the prompt's text alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vol3d.anatomy import Language
from vol3d.vqa.router import route
from vol3d.vqa.wording import patterns, slot_value, squeezed

_MARKER = re.compile(r"(?<!\w)([A-D]):\s")
_FIXED_PARTS = (
    re.compile(r"^\s*patient\s*:", re.IGNORECASE),
    re.compile(r"^\s*voxel spacing", re.IGNORECASE),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedPrompt:
    """What a prompt asks.

    Args:
        subtype: Name of the subtype.
        slots: What it asks about.
        options: Texts of the options; empty for a free-form question.
        stem: The question without its options.
        language: Of the wording.
        is_inverted: Whether it asks for the absence of what the subtype asks for.
    """

    subtype: str
    slots: Mapping[str, str]
    options: tuple[str, ...]
    stem: str
    language: Language
    is_inverted: bool = False


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Stem and options of a multiple-choice line.

    The last run of markers ``A: B: ...`` counts that starts with ``A:`` and goes up letter by
    letter; a stem may hold such text of its own.

    Args:
        text: One line; without markers all of it is the stem.
    """
    markers = list(_MARKER.finditer(text if text.endswith(" ") else f"{text} "))
    run: list[re.Match[str]] = []
    for marker in markers:
        if marker.group(1) == "A":
            run = [marker]
        elif run and marker.group(1) == chr(ord(run[-1].group(1)) + 1):
            run.append(marker)
    if len(run) < 2:
        return text.strip(), ()
    ends = [*(marker.start() for marker in run[1:]), len(text)]
    options = tuple(text[m.end() : end].strip() for m, end in zip(run, ends, strict=True))
    return text[: run[0].start()].strip(), options


def parse_prompt(text: str) -> ParsedPrompt | None:
    """What a prompt asks, or ``None`` if it is no question of the 42 subtypes.

    Args:
        text: A question in either form, alone or within the official prompt (modality, patient,
            spacing, question, instruction, one per line).
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    candidates = [line for line in lines if not any(part.match(line) for part in _FIXED_PARTS)]
    for line in reversed(candidates):
        parsed = _exact(line)
        if parsed is not None:
            return parsed
    for line in reversed(candidates):
        parsed = _routed(line)
        if parsed is not None:
            return parsed
    return None


def _exact(line: str) -> ParsedPrompt | None:
    """A question in one of our own wordings."""
    stem, options = split_options(line)
    plain = squeezed(stem)
    for subtype, language, pattern in patterns():
        match = pattern.fullmatch(plain)
        if match is None:
            continue
        slots = {}
        for slot, name in match.groupdict().items():
            key = "lesion_type" if slot in ("type", "types") else slot
            slots[key] = slot_value(slot, language, name)
        return ParsedPrompt(
            subtype=subtype, slots=slots, options=options, stem=stem, language=language
        )
    return None


def _routed(line: str) -> ParsedPrompt | None:
    """A question in other words, as far as its keywords leave no doubt."""
    stem, options = split_options(line)
    found = route(stem, options)
    if found is None:
        return None
    return ParsedPrompt(
        subtype=found.subtype,
        slots=found.slots,
        options=options,
        stem=stem,
        language="en",
        is_inverted=found.is_inverted,
    )
