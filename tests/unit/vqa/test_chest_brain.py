"""Questions about chest and brain: answers by hand, and every one read back from its text."""

from __future__ import annotations

from typing import Any

import pytest
from fact_builders import lesion, make_case, organ

from vol3d.measure.facts import BrainFacts, CaseFacts, ChestFacts
from vol3d.vqa.answerer import answer_prompt, answer_subtype
from vol3d.vqa.chest_brain import CHEST_BRAIN_SUBTYPES
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.wording import LANGUAGES, wordings


def chest_case(**changes: Any) -> CaseFacts:
    lobes = [f"lung_{n}_lobe_{s}" for s in ("left", "right") for n in ("upper", "lower")]
    facts = make_case(
        [organ(key, 2000) for key in ("lung_left", "lung_right", "heart", *lobes)],
        [
            lesion("lung", "nodule", 0.5, side="left", segments=("upper_lobe",)),
            lesion("lung", "nodule", 0.1, side="right", segments=("lower_lobe",)),
            lesion("pleura", "effusion", 200, side="right"),
        ],
        annotated={"lung": ("nodule",), "pleura": ("effusion",)},
    )
    chest = ChestFacts(
        lung_volume_cm3=4000.0,
        emphysema_index_percent=12.0,
        cardiothoracic_ratio=0.43,
        abnormalities={"Emphysema": True, "Cardiomegaly": False, "Pleural effusion": True},
    )
    return facts.model_copy(update={"chest": chest, **changes})


def brain_case(shift_mm: float | None = 7.0) -> CaseFacts:
    facts = make_case(
        [organ(key, 100) for key in ("brain", "frontal_lobe_left", "temporal_lobe_left")],
        [lesion("brain", "lesion", 14.0, side="left", segments=("frontal_lobe",))],
        modality="MR",
        phase=None,
    )
    brain = None if shift_mm is None else BrainFacts(midline_shift_mm=shift_mm)
    return facts.model_copy(update={"brain": brain})


@pytest.mark.parametrize(
    ("subtype", "slots", "expected"),
    [
        ("chest abnormality existence", {"abnormality": "Emphysema"}, "Yes"),
        ("chest abnormality existence", {"abnormality": "Cardiomegaly"}, "No"),
        ("chest abnormality existence", {"abnormality": "Bronchiectasis"}, None),
        ("lung volume measurement", {}, "4000.0"),
        ("emphysema index", {}, "12.0"),
        ("cardiothoracic ratio", {}, "0.43"),
        ("lung nodule counting", {}, "2"),
        ("largest lung nodule lobe", {}, "left upper lobe"),
        ("pleural effusion side", {}, "right"),
        ("midline shift measurement", {}, None),
    ],
)
def test_chest_answers(subtype: str, slots: dict[str, str], expected: str | None) -> None:
    assert answer_subtype(subtype, chest_case(), slots) == expected


@pytest.mark.parametrize(
    ("subtype", "expected"),
    [
        ("brain lesion existence", "Yes"),
        ("brain lesion counting", "1"),
        ("brain lesion side", "left"),
        ("largest brain lesion volume", "14.0"),
        ("largest brain lesion region", "left frontal lobe"),
        ("midline shift measurement", "7.0"),
        ("midline shift direction", "right"),
        ("midline shift of 5 mm", "Yes"),
        ("lung volume measurement", None),
    ],
)
def test_brain_answers(subtype: str, expected: str | None) -> None:
    assert answer_subtype(subtype, brain_case(), {}) == expected


def test_shift_to_the_left_is_negative_in_the_facts() -> None:
    assert answer_subtype("midline shift direction", brain_case(-4.0), {}) == "left"
    assert answer_subtype("midline shift measurement", brain_case(-4.0), {}) == "4.0"


def test_an_abdomen_has_no_questions_of_chest_and_brain() -> None:
    facts = make_case(
        [organ("liver", 1500), organ("spleen", 200)], annotated={"liver": ("lesion",)}
    )
    asked = {question.subtype for question in generate_questions(facts, seed=0)}
    assert asked
    assert not asked & set(CHEST_BRAIN_SUBTYPES)


def test_nodules_of_cut_lungs_are_not_counted() -> None:
    facts = chest_case()
    cut = facts.organs["lung_left"].model_copy(update={"status": "truncated"})
    facts = facts.model_copy(update={"organs": {**facts.organs, "lung_left": cut}})
    assert answer_subtype("lung nodule counting", facts, {}) is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("make", [chest_case, brain_case])
def test_every_question_is_read_back_and_answered(language: Any, make: Any) -> None:
    facts = make()
    questions = [
        question
        for seed in range(12)
        for question in generate_questions(facts, seed=seed, language=language, per_subtype=3)
    ]
    assert questions
    for question in questions:
        assert answer_prompt(question.question, facts) == question.answer, question
        assert answer_prompt(question.mc_question, facts) == question.correct_option, question


def test_every_row_is_asked_of_one_of_both() -> None:
    asked = {
        question.subtype
        for facts in (chest_case(), brain_case())
        for question in generate_questions(facts, seed=1)
    }
    assert asked >= set(CHEST_BRAIN_SUBTYPES)


def test_every_row_has_two_wordings_in_both_languages() -> None:
    for name in CHEST_BRAIN_SUBTYPES:
        assert all(len(set(wordings()[name][language])) >= 2 for language in LANGUAGES)


def test_half_a_threshold_is_not_asked() -> None:
    asked = {q.subtype for q in generate_questions(brain_case(5.05), seed=0)}
    assert "midline shift of 5 mm" not in asked
    assert "midline shift measurement" in asked


def test_a_calcified_aorta_makes_an_abdomen_no_chest() -> None:
    facts = make_case([organ("liver", 1500), organ("aorta", 80)], annotated={})
    chest = ChestFacts(abnormalities={"Arterial wall calcification": True})
    facts = facts.model_copy(update={"chest": chest})
    slots = {"abnormality": "Arterial wall calcification"}
    assert answer_subtype("chest abnormality existence", facts, slots) is None
    scan = facts.scan.model_copy(update={"regions": ("chest",)})
    shown = facts.model_copy(update={"scan": scan})
    assert answer_subtype("chest abnormality existence", shown, slots) == "Yes"
