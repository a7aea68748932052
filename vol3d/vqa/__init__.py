"""Questions and answers over the facts of a case: the embedded model's whole grammar."""

from vol3d.vqa.questions import (
    QUESTION_KINDS,
    ParsedQuestion,
    Question,
    QuestionKind,
    answer_question,
    grammar_texts,
    parse_question,
    questions_for,
)

__all__ = [
    "QUESTION_KINDS",
    "ParsedQuestion",
    "Question",
    "QuestionKind",
    "answer_question",
    "grammar_texts",
    "parse_question",
    "questions_for",
]
