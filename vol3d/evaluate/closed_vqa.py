"""Closed questions of public sets: reading a choice from words, and accuracy with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.records import PublicQuestion
from vol3d.evaluate.statistics import Interval, clustered_interval
from vol3d.evaluate.strict import read_binary, read_letter
from vol3d.vqa.values import plain


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedScores:
    """Accuracy over closed questions, 0 to 1, clustered by patient.

    Args:
        strict: By :func:`read_choice`; a question without an answer counts as wrong.
        published: By the rule of M3D-Bench and 3D-RAD: the right letter and a full stop occur
            somewhere in the words.
        chance: Mean of 1 / options: what guessing gets.
        unanswered: Questions without words.
        unreadable: Questions with words in which no single choice can be read.
        tasks: Task to number of questions and both accuracies.
    """

    questions: int
    patients: int
    strict: Interval
    published: Interval
    chance: float
    unanswered: int
    unreadable: int
    tasks: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """The scores with JSON types."""
        values = {name: getattr(self, name) for name in self.__slots__}
        for name in ("strict", "published"):
            interval: Interval = values[name]
            values[name] = {"value": interval.mean, "low": interval.low, "high": interval.high}
        return values | {"tasks": {task: dict(row) for task, row in self.tasks.items()}}


def read_choice(said: str, choices: Mapping[str, str]) -> str | None:
    """The letter that an answer chooses; ``None`` unless exactly one can be read.

    As ``vol3d.evaluate.strict.read_letter``, and yes or no as the first word where these are the
    options.

    Args:
        said: The model's words.
        choices: Letter to text, ``A`` first.

    >>> read_choice("The answer is (B).", {"A": "Yes", "B": "No"})
    'B'
    """
    return read_letter(said, list(choices.values())) or _yes_or_no(said, choices)


def _yes_or_no(said: str, choices: Mapping[str, str]) -> str | None:
    word = read_binary(said)
    own = [letter for letter, text in choices.items() if plain(text) == word]
    return own[0] if len(own) == 1 else None


def published_is_right(said: str, letter: str) -> bool:
    """Whether the right letter and a full stop occur in the words.

    Source: BAAI-DCAI/M3D, ``Bench/eval/eval_vqa.py``; 3D-RAD's evaluation does the same. It also
        accepts words that name every letter.
    """
    return f"{letter}." in said


def score_closed(questions: Sequence[PublicQuestion], said: Mapping[str, str]) -> ClosedScores:
    """Accuracy of the closed ones among the questions.

    Args:
        questions: Open ones are left out.
        said: Question id to the model's words; a question that is not there, or whose words are
            blank, is wrong under both rules.

    Raises:
        DataError: There is no closed question.
    """
    closed = [each for each in questions if each.answer_letter is not None]
    if not closed:
        raise DataError(
            explain(
                expected="at least one closed question",
                got=f"{len(questions)} open ones",
                where="accuracy of closed questions",
                remedy="Score open questions with text metrics.",
            )
        )
    words = [said.get(each.qid, "") for each in closed]
    chosen = [read_choice(text, each.choices) for each, text in zip(closed, words, strict=True)]
    strict = [float(one == each.answer_letter) for one, each in zip(chosen, closed, strict=True)]
    published = [
        float(published_is_right(text, each.answer_letter or ""))
        for each, text in zip(closed, words, strict=True)
    ]
    clusters = [each.image.cluster for each in closed]
    unanswered = sum(not text.strip() for text in words)
    return ClosedScores(
        questions=len(closed),
        patients=len(set(clusters)),
        strict=clustered_interval(strict, clusters),
        published=clustered_interval(published, clusters),
        chance=sum(1 / len(each.choices) for each in closed) / len(closed),
        unanswered=unanswered,
        unreadable=sum(one is None for one in chosen) - unanswered,
        tasks=_by_task(closed, strict, published),
    )


def _by_task(
    closed: Sequence[PublicQuestion], strict: Sequence[float], published: Sequence[float]
) -> dict[str, dict[str, float]]:
    tasks = {}
    for task in sorted({each.task for each in closed}):
        rows = [number for number, each in enumerate(closed) if each.task == task]
        tasks[task] = {
            "questions": len(rows),
            "strict": sum(strict[row] for row in rows) / len(rows),
            "published": sum(published[row] for row in rows) / len(rows),
        }
    return tasks
