"""Reading a choice from words, and accuracy over closed questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.evaluate.closed_vqa import published_is_right, read_choice, score_closed
from vol3d.evaluate.public_sets.records import PublicImage, PublicQuestion

ORGANS = {"A": "Liver", "B": "Lung", "C": "Left lung", "D": "Bone"}
YES_NO = {"A": "Yes", "B": "No"}


def question(number: int, letter: str | None, *, patient: str = "p1") -> PublicQuestion:
    image = PublicImage(image_id="i", patient_id=patient, path=None, geometry="unknown")
    return PublicQuestion(
        qid=f"q{number}",
        image=image,
        task="task" if number < 3 else "other",
        row=number,
        question="?",
        choices=YES_NO if letter else {},
        answer="Yes",
        answer_letter=letter,
    )


@pytest.mark.parametrize(
    "said",
    [
        *("B", "b", "(B)", "B.", " B) ", "B. Lung", "B: the lung", "Lung", "lung.", "B Lung"),
        *("The answer is B", "Answer: (B)", "I choose option B because of air.", "B - Lung"),
    ],
)
def test_one_way_to_choose(said: str) -> None:
    assert read_choice(said, ORGANS) == "B"


@pytest.mark.parametrize(
    "said",
    [
        *("", "E", "No idea", "A. Liver B. Lung", "The answer is B or the answer is C", "Lungs"),
        *("The answer is a cyst", "The answer is A cyst", "Both lungs", "Answer: E"),
    ],
)
def test_no_single_choice(said: str) -> None:
    assert read_choice(said, ORGANS) is None


@pytest.mark.parametrize(
    ("said", "letter"),
    [("Yes, there is.", "A"), ("no", "B"), ("No evidence of it.", "B"), ("Not seen", None)],
)
def test_yes_and_no_as_first_word(said: str, letter: str | None) -> None:
    assert read_choice(said, YES_NO) == letter


def test_yes_is_no_choice_among_organs() -> None:
    assert read_choice("Yes", ORGANS) is None


@given(st.text())
def test_any_words_give_a_letter_or_none(said: str) -> None:
    assert read_choice(said, ORGANS) in {*ORGANS, None}


def test_the_published_rule_accepts_words_that_name_every_letter() -> None:
    assert published_is_right("A. B. C. D.", "C")
    assert not published_is_right("C", "C")


def test_accuracy_by_hand() -> None:
    questions = [question(1, "A"), question(2, "B"), question(3, "A", patient="p2")]
    scores = score_closed(questions, {"q1": "A.", "q2": "no", "q3": "perhaps"})
    assert scores.strict.mean == pytest.approx(2 / 3)
    assert scores.published.mean == pytest.approx(1 / 3)
    assert (scores.unanswered, scores.unreadable, scores.patients) == (0, 1, 2)
    assert scores.chance == 0.5
    assert scores.tasks["task"] == {"questions": 2, "strict": 1.0, "published": 0.5}


def test_a_question_without_answer_is_wrong_and_stays_in() -> None:
    scores = score_closed([question(1, "A"), question(2, "A")], {"q1": "A"})
    assert (scores.questions, scores.unanswered, scores.strict.mean) == (2, 1, 0.5)


def test_open_questions_alone_are_refused() -> None:
    with pytest.raises(DataError, match="at least one closed question"):
        score_closed([question(1, None)], {})
