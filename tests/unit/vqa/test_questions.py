"""Each question type answered by hand on tiny facts; prompts parsed back; the rest refused."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.measure.embedded_facts import LESION_ORGANS, EmbeddedFacts, LesionFacts, OrganFacts
from vol3d.vqa import (
    QUESTION_KINDS,
    ParsedQuestion,
    answer_question,
    grammar_texts,
    parse_question,
    questions_for,
)

Spot = tuple[str, float, str]  # organ, longest axial diameter in mm, "hypo" or "hyper"


def facts(
    *spots: Spot,
    missing: str | None = None,
    spleen_cm3: float = 200.0,
    annotated: tuple[str, ...] = LESION_ORGANS,
) -> EmbeddedFacts:
    """A whole abdomen with the given lesions, one missing organ and a spleen size."""
    organs = {
        name: OrganFacts(
            name=name,
            is_present=name != missing,
            volume_cm3=0.0 if name == missing else spleen_cm3 if name == "spleen" else 150.0,
            mean_intensity=None if name == missing else 100.0,
            is_truncated=False,
            centroid_ras_mm=None if name == missing else (0.0, 0.0, 0.0),
        )
        for name in LESION_ORGANS
    }
    lesions = tuple(
        LesionFacts(
            id=number + 1,
            organ=organ,
            side="left" if "left" in organ else "right" if "right" in organ else None,
            attenuation="hypoattenuating" if kind == "hypo" else "hyperattenuating",
            volume_cm3=1.0,
            longest_axial_diameter_mm=size,
            mean_intensity=40.0 if kind == "hypo" else 160.0,
            centroid_ras_mm=(0.0, 0.0, 0.0),
        )
        for number, (organ, size, kind) in enumerate(spots)
    )
    return EmbeddedFacts(
        modality="CT",
        unit="HU",
        is_contrast_given=True,
        organs=organs,
        lesions=lesions,
        annotated_lesion_organs=annotated,
        mask_source="annotator",
    )


def ask(text: str, case: EmbeddedFacts) -> str | None:
    parsed = parse_question(text)
    assert parsed is not None
    return answer_question(parsed, case)


ONE = facts(("liver", 30.0, "hypo"))
TWO = facts(("left kidney", 20.0, "hyper"), ("pancreas", 50.0, "hypo"))
NONE = facts()


def test_there_are_eight_types_with_three_wordings_each() -> None:
    assert list(QUESTION_KINDS) == [
        "lesion_presence",
        "lesion_organ",
        "kidney_lesion_side",
        "lesion_attenuation",
        "lesion_size",
        "lesion_count",
        "missing_kidney",
        "spleen_enlarged",
    ]
    assert all(len(set(row.wordings)) == 3 for row in QUESTION_KINDS.values())


def test_lesion_presence() -> None:
    assert ask("Is there a lesion in the liver?", ONE) == "yes"
    assert ask("Is there a lesion in the spleen?", ONE) == "no"


def test_presence_swaps_with_the_side() -> None:
    left, right = (facts((f"{side} kidney", 20.0, "hypo")) for side in ("left", "right"))
    assert ask("Does the left kidney contain a lesion?", left) == "yes"
    assert ask("Does the left kidney contain a lesion?", right) == "no"


def test_presence_is_not_settled_where_nobody_looked_or_nothing_is() -> None:
    unseen = facts(("liver", 30.0, "hypo"), annotated=("liver",))
    assert ask("Can a lesion be seen in the spleen?", unseen) is None
    gone = facts(missing="left kidney")
    assert ask("Can a lesion be seen in the left kidney?", gone) is None


def test_lesion_organ_is_that_of_the_largest() -> None:
    assert ask("Which organ contains the largest lesion?", TWO) == "pancreas"
    assert ask("Which organ contains the largest lesion?", NONE) is None


def test_lesion_organ_is_not_settled_between_two_of_one_size() -> None:
    even = facts(("liver", 30.0, "hypo"), ("spleen", 29.0, "hypo"))
    assert ask("Where is the largest lesion?", even) is None
    assert ask("Is the largest lesion hypoattenuating or hyperattenuating?", even) is not None


def test_kidney_lesion_side_is_asked_only_of_one_kidney() -> None:
    question = "Which kidney contains a lesion?"
    assert ask(question, facts(("left kidney", 20.0, "hypo"))) == "left"
    assert ask(question, facts(("right kidney", 20.0, "hypo"))) == "right"
    both = facts(("left kidney", 20.0, "hypo"), ("right kidney", 20.0, "hypo"))
    assert ask(question, both) is None
    assert ask(question, ONE) is None


def test_lesion_attenuation_is_that_of_the_largest() -> None:
    assert ask("What is the attenuation of the largest lesion?", TWO) == "hypoattenuating"
    bright = facts(("liver", 30.0, "hyper"))
    assert ask("What is the attenuation of the largest lesion?", bright) == "hyperattenuating"


@pytest.mark.parametrize(
    ("size_mm", "expected"),
    [
        (22.9, "under 25 mm"),
        (23.1, None),
        (26.9, None),
        (27.1, "25 to 45 mm"),
        (42.9, "25 to 45 mm"),
        (44.0, None),
        (47.1, "over 45 mm"),
    ],
)
def test_lesion_size_is_not_asked_within_2_mm_of_a_bound(
    size_mm: float, expected: str | None
) -> None:
    assert ask("How large is the largest lesion?", facts(("liver", size_mm, "hypo"))) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, "0"), (1, "1"), (2, "2"), (3, "3"), (4, None)])
def test_lesion_count(count: int, expected: str | None) -> None:
    case = facts(*[("liver", 20.0, "hypo")] * count)
    assert ask("How many lesions are there?", case) == expected


def test_lesions_are_not_counted_where_an_organ_was_not_looked_at() -> None:
    assert ask("How many lesions are there?", facts(annotated=("liver",))) is None


@pytest.mark.parametrize(
    ("missing", "expected"), [("left kidney", "left"), ("right kidney", "right"), (None, "none")]
)
def test_missing_kidney(missing: str | None, expected: str) -> None:
    assert ask("Which kidney is missing?", facts(missing=missing)) == expected


@pytest.mark.parametrize(("cm3", "expected"), [(200.0, "no"), (400.0, None), (600.0, "yes")])
def test_spleen_enlarged(cm3: float, expected: str | None) -> None:
    assert ask("Is the spleen enlarged?", facts(spleen_cm3=cm3)) == expected


noise = st.sampled_from(["", " ", "  ", "?", "!", ", ", "\n", "\t", " - "])


@given(st.sampled_from(sorted(QUESTION_KINDS)), st.integers(0, 2), st.data())
def test_every_wording_parses_back_whatever_its_case_and_punctuation(
    kind: str, wording: int, data: st.DataObject
) -> None:
    row = QUESTION_KINDS[kind]
    slots = {"organ": data.draw(st.sampled_from(LESION_ORGANS))} if row.has_organ else {}
    words = row.wordings[wording].format(**slots).split()
    text = "".join(word + " " + data.draw(noise) for word in words)
    text = data.draw(st.sampled_from([text, text.upper(), text.lower(), data.draw(noise) + text]))
    assert parse_question(text) == ParsedQuestion(kind=kind, choices=row.choices, slots=slots)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "Is there a lesion in the heart?",
        "Is there no lesion in the liver?",
        "Is there a lesion in the kidney?",
        "How many lesions are there in the liver?",
        "Is the spleen enlarged? Is there splenomegaly?",
        "Which lung is missing?",
    ],
)
def test_a_question_outside_of_the_grammar_is_none(text: str) -> None:
    assert parse_question(text) is None


def letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


KNOWN = {letters(text) for text in grammar_texts()}


@given(st.text(max_size=60))
def test_free_text_never_parses_unless_it_is_a_question_of_the_grammar(text: str) -> None:
    parsed = parse_question(text)
    assert (parsed is None) or letters(text) in KNOWN


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("case", [ONE, TWO, NONE, facts(missing="left kidney")])
def test_asked_questions_carry_the_answer_of_their_parsed_text(
    case: EmbeddedFacts, seed: int
) -> None:
    for question in questions_for(case, random.Random(seed)):
        parsed = parse_question(question.text)
        assert parsed is not None
        assert (parsed.kind, dict(parsed.slots)) == (question.kind, dict(question.slots))
        assert answer_question(parsed, case) == question.answer
        assert question.answer in question.choices


def test_only_answerable_types_are_asked() -> None:
    kinds = [question.kind for question in questions_for(NONE, random.Random(0))]
    assert kinds == ["lesion_presence", "lesion_count", "missing_kidney", "spleen_enlarged"]


def test_same_rng_asks_the_same_questions() -> None:
    assert questions_for(TWO, random.Random(5)) == questions_for(TWO, random.Random(5))


def test_presence_is_asked_with_yes_and_no_equally_often() -> None:
    rng = random.Random(0)
    answers: Counter[str] = Counter()
    for _ in range(500):
        for count in range(4):
            case = facts(*[(rng.choice(LESION_ORGANS), 20.0, "hypo") for _ in range(count)])
            answers[questions_for(case, rng)[0].answer] += 1
    assert answers["yes"] / answers.total() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "text",
    [
        "Is the spleen 不 enlarged?",
        "Is the spleen не enlarged?",
        "Is the spleen ≠ enlarged?",
        "Is there a lesion in the liver? 脾臟呢?",
        "Is the spleen enlarged\u202e?",
    ],
)
def test_words_in_another_script_lie_outside_the_grammar(text: str) -> None:
    assert parse_question(text) is None
