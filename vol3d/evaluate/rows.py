"""Rows of an evaluation: what a system answered to one question, and what that was worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

Form = Literal["mc", "freeform"]
Evidence = Literal["none", "predicted", "masks"]
Source = Literal["rule", "model", "prior", "agent", "none"]

OFFICIAL_FIELDS = (
    "qid",
    "image_id",
    "question_subtype",
    "question_type",
    "raw_output",
    "pred_answer",
    "correct_option",
    "answer",
)
"""Fields of a row in the result files of DeepTumorVQA, in their order."""


def whole_text(text: Any) -> Any:
    """A text whose lone surrogates, which no file can hold, are replaced; other values as they are.

    Args:
        text: What a model said.
    """
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(whole_text)]


class ResultRow(BaseModel):
    """One answered question: the official fields first, then ours.

    Args:
        raw_output: All that the system said.
        pred_answer: What is scored: a letter, a number, a word or a phrase.
        confidence: The system's probability that ``pred_answer`` is right, 0 to 1, if it has one.
        is_abstention: Whether the system said that the question cannot be answered on this scan.
        source: What settled the answer: rules on facts, the model, a prior without the scan, or
            an agent; ``none`` where the system passed the question on, with an empty answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    qid: str
    image_id: str
    question_subtype: str
    question_type: str
    raw_output: Text
    pred_answer: Text
    correct_option: str
    answer: str
    confidence: float | None = None
    is_abstention: bool = False
    source: Source = "model"

    def official(self) -> dict[str, Any]:
        """The row as the official evaluator writes it."""
        return {name: getattr(self, name) for name in OFFICIAL_FIELDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredRow:
    """What one question is worth under both scorers.

    Args:
        qid: Id of the question.
        image_id: Its volume: the cluster of every interval.
        subtype: One of the 42 names.
        super_type: Group of subtypes.
        official: Score by the official scorer, 0 to 1.
        strict: Score by the strict scorer, 0 to 1; 0 for a question without an answer.
        chance: Score of guessing among the options, 0 to 1; 0 in free form.
        confidence: Of the answer, 0 to 1, if known.
        is_answered: Whether there is an answer at all.
        is_abstention: Whether the system said that the question cannot be answered.
        is_assessable: Whether the scan allows an answer.
        strata: What breakdowns go by, such as ``{"phase": "venous", "size": "<= 20 mm"}``.
    """

    qid: str
    image_id: str
    subtype: str
    super_type: str
    official: float
    strict: float
    chance: float
    confidence: float | None = None
    is_answered: bool = True
    is_abstention: bool = False
    is_assessable: bool = True
    strata: Mapping[str, str] = field(default_factory=dict)
