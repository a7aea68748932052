"""Prompts in the form of DeepTumorVQA: modality, patient, spacing, question, instruction.

The structure, one part per line, is that of the released evaluation code; the sentences are ours,
but for the two lines of facts, whose form readers of prompts rely on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vol3d.evaluate.official import answer_type
from vol3d.evaluate.rows import Form
from vol3d.measure.facts import Phase
from vol3d.vqa.dataset import QaRecord
from vol3d.vqa.parse import split_options

View = Literal["3d_volume", "2d_image", "text"]
_VIEWS: dict[View, str] = {
    "3d_volume": "You are given a whole abdominal CT volume (NIfTI, native spacing).",
    "2d_image": "You are asked about an abdominal CT volume.",
    "text": "",
}
LETTER_INSTRUCTION = "Answer with nothing but a single letter (A, B, C, or D)."
_INSTRUCTIONS = {
    "numeric": "Answer with nothing but a single number.",
    "binary": "Answer with nothing but 'yes' or 'no'.",
    "categorical": "Answer with nothing but a short phrase.",
}
_PATIENT = re.compile(r"^Patient\s*:\s*(?P<fields>.*?)\.?\s*$", re.IGNORECASE)
_FIELD = re.compile(r"(sex|age|scanner|contrast)\s*=\s*([^,=]+?)\s*(?=,|$)", re.IGNORECASE)
_SPACING = re.compile(r"^Voxel spacing \(mm\)\s*:\s*(.*?)\.\s+Volume shape\s*:", re.IGNORECASE)
_PHASES: dict[str, Phase] = {
    "non-contrast": "unenhanced",
    "noncontrast": "unenhanced",
    "plain": "unenhanced",
    "unenhanced": "unenhanced",
    "arterial": "arterial",
    "venous": "venous",
    "portal venous": "venous",
    "delay": "delayed",
    "delayed": "delayed",
}
"""Spellings of phases in the public tables."""


def direct_prompt(record: QaRecord, form: Form, *, view: View = "3d_volume") -> str:
    """The prompt of one question.

    Args:
        record: The question.
        form: Multiple choice or free form.
        view: What the system is shown beside the text.
    """
    kind = answer_type(record.question_subtype)
    lines = [
        _VIEWS[view],
        _patient_line(record),
        f"Voxel spacing (mm): {record.spacing}.  Volume shape: {record.shape}."
        if kind == "numeric"
        else "",
        record.mc_question if form == "mc" else record.question,
        LETTER_INSTRUCTION if form == "mc" else _INSTRUCTIONS[kind],
    ]
    return "\n".join(line for line in lines if line)


def _patient_line(record: QaRecord) -> str:
    fields = [
        f"{name}={value}"
        for name in ("sex", "age", "scanner", "contrast")
        if (value := getattr(record, name))
    ]
    return f"Patient: {', '.join(fields)}." if fields else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPrompt:
    """What can be read from a prompt of which nothing else is known.

    Args:
        question: The line with the question.
        options: Texts of its options; empty in free form.
        form: Multiple choice or free form.
        kind: ``numeric``, ``binary`` or ``categorical``, as far as the prompt tells.
        sex: ``F`` or ``M``, if told.
        age_years: If told.
        phase: Contrast phase, if told.
    """

    question: str
    options: tuple[str, ...]
    form: Form
    kind: Literal["numeric", "binary", "categorical", "unknown"]
    sex: Literal["F", "M"] | None = None
    age_years: float | None = None
    phase: Phase | None = None


def read_prompt(text: str) -> ReadPrompt:
    """What a prompt asks for; any text is read, as far as it goes.

    Args:
        text: The prompt.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    instruction = lines[-1].lower() if lines else ""
    facts = next((m for line in lines if (m := _PATIENT.match(line))), None)
    has_spacing = any(_SPACING.match(line) for line in lines)
    fixed = [line for line in lines if _PATIENT.match(line) or _SPACING.match(line)]
    candidates = [line for line in lines if line not in fixed]
    with_options = [line for line in candidates if split_options(line)[1]]
    question = (
        with_options[-1] if with_options else candidates[-2] if len(candidates) > 1 else ""
    ) or (candidates[-1] if candidates else "")
    options = split_options(question)[1]
    fields = dict(_fields(facts.group("fields"))) if facts else {}
    return ReadPrompt(
        question=question,
        options=options,
        form="mc" if options else "freeform",
        kind=_kind(instruction, options=options, has_spacing=has_spacing),
        sex=_sex(fields.get("sex", "")),
        age_years=_age(fields.get("age", "")),
        phase=phase_named(fields.get("contrast")),
    )


def _fields(text: str) -> list[tuple[str, str]]:
    return [(name.lower(), value.strip()) for name, value in _FIELD.findall(text)]


def _kind(
    instruction: str, *, options: tuple[str, ...], has_spacing: bool
) -> Literal["numeric", "binary", "categorical", "unknown"]:
    if has_spacing or "number" in instruction:
        return "numeric"
    if "'yes'" in instruction or {o.lower() for o in options} == {"yes", "no"}:
        return "binary"
    return "categorical" if "phrase" in instruction else "unknown"


def _sex(text: str) -> Literal["F", "M"] | None:
    letter = text.strip().upper()[:1]
    return "F" if letter == "F" else "M" if letter == "M" else None


def _age(text: str) -> float | None:
    match = re.match(r"\d{1,3}(?:\.\d+)?", text.strip())
    return float(match.group()) if match else None


def phase_named(contrast: str | None) -> Phase | None:
    """The phase that a word of the public tables names; ``None`` for none or another word."""
    return _PHASES.get((contrast or "").strip().lower())


def phase_of_record(record: QaRecord) -> Phase | None:
    """The contrast phase that a question's record tells, if it tells one."""
    return phase_named(record.contrast)


def sex_of_record(record: QaRecord) -> Literal["F", "M"] | None:
    """The sex that a question's record tells, if it tells one."""
    return _sex(record.sex or "")


def age_of_record(record: QaRecord) -> float | None:
    """The age in years that a question's record tells, if it tells one."""
    return _age(record.age or "")
