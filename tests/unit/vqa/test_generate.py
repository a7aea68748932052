"""Generated questions are read back, answered right, and have one right option."""

from __future__ import annotations

from collections import Counter

import pytest
from fact_builders import lesion, make_case, organ, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.anatomy import Language
from vol3d.vqa.answerer import answer_prompt
from vol3d.vqa.generate import VqaQuestion, generate_questions
from vol3d.vqa.options import KeyBalancer
from vol3d.vqa.parse import parse_prompt, split_options
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.values import means_the_same
from vol3d.vqa.wording import patterns, question_text, squeezed, wordings

LANGUAGES: tuple[Language, Language] = ("en", "zh")


@pytest.fixture(scope="module", params=LANGUAGES)
def questions(request: pytest.FixtureRequest) -> list[tuple[int, VqaQuestion]]:
    balancer = KeyBalancer()
    return [
        (seed, question)
        for seed in range(250)
        for question in generate_questions(
            random_case(seed), seed=seed, balancer=balancer, language=request.param
        )
    ]


def test_table_is_the_published_one() -> None:
    groups = Counter(row.super_type for row in SUBTYPES.values())
    answers = Counter(row.answer_type for row in SUBTYPES.values())
    assert groups == {
        "recognition": 9,
        "measurement": 5,
        "visual reasoning": 16,
        "medical reasoning": 12,
    }
    assert answers == {"numeric": 11, "binary": 15, "categorical": 16}


def test_every_subtype_is_asked(questions: list[tuple[int, VqaQuestion]]) -> None:
    assert {question.subtype for _, question in questions} == set(SUBTYPES)


def test_every_question_is_read_back(questions: list[tuple[int, VqaQuestion]]) -> None:
    for _, question in questions:
        parsed = parse_prompt(question.mc_question)
        assert parsed is not None, question.mc_question
        assert parsed.subtype == question.subtype
        assert dict(parsed.slots) == dict(question.slots)
        assert parsed.options == question.options
        assert parsed.stem == question.question


def test_every_question_is_answered_right(questions: list[tuple[int, VqaQuestion]]) -> None:
    for seed, question in questions:
        facts = random_case(seed)
        assert answer_prompt(question.mc_question, facts) == question.correct_option
        assert answer_prompt(question.question, facts) == question.answer


def test_keys_are_balanced(questions: list[tuple[int, VqaQuestion]]) -> None:
    for subtype in SUBTYPES:
        own = [q for _, q in questions if q.subtype == subtype]
        for size in {len(q.options) for q in own}:
            letters = Counter(q.correct_option for q in own if len(q.options) == size)
            counts = [letters["ABCD"[index]] for index in range(size)]
            assert max(counts) - min(counts) <= 1, subtype


def test_the_right_number_is_as_often_small_as_large(
    questions: list[tuple[int, VqaQuestion]],
) -> None:
    ranks = Counter(
        sorted(question.options, key=float).index(question.answer)
        for _, question in questions
        if question.subtype in ("organ volume measurement", "organ HU measurement")
    )
    total = sum(ranks.values())
    assert all(0.15 * total < ranks[rank] < 0.35 * total for rank in range(4))


@settings(max_examples=150, deadline=None)
@given(st.integers(1000, 10**6), st.sampled_from(LANGUAGES))
def test_no_question_has_two_right_options(seed: int, language: Language) -> None:
    facts = random_case(seed)
    for question in generate_questions(facts, seed=seed, language=language, per_subtype=2):
        right = [
            text
            for text in question.options
            if means_the_same(text, question.answer) or _is_close(question, text)
        ]
        assert len(right) == 1, question.mc_question
        assert len(set(question.options)) == len(question.options)
        key = question.options["ABCD".index(question.correct_option)]
        assert key == question.answer


def _is_close(question: VqaQuestion, text: str) -> bool:
    """Whether an option is as good as the true number: within half of the least distance."""
    if question.row.answer_type != "numeric":
        return False
    truth, value = float(question.answer), float(text)
    return abs(value - truth) <= 0.025 * abs(truth)


def test_no_wording_means_two_subtypes() -> None:
    slots = {
        "organ": "liver",
        "organ_b": "spleen",
        "lesion_type": "cyst",
        "segment": "2",
        "segment_b": "5",
    }
    for name in SUBTYPES:
        for language in LANGUAGES:
            for index in range(len(wordings()[name][language])):
                text = squeezed(question_text(name, slots, language=language, index=index))
                found = {subtype for subtype, _, p in patterns() if p.fullmatch(text)}
                assert found == {name}, text


OFFICIAL = (
    "This is a CT volume.\nPatient: sex=F, age=63\n"
    "Voxel spacing (mm): [0.8 0.8 2.5].  Volume shape: (512, 512, 101).\n{}\n"
    "Answer with a single letter among A, B, C, D."
)


def test_question_is_found_within_the_official_prompt() -> None:
    facts = make_case([organ("spleen", 287.4)])
    text = "State the volume of the spleen in cm^3. A: 241.8 B: 287.4 C: 330.1 D: 402.6"
    assert answer_prompt(OFFICIAL.format(text), facts) == "B"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Determine the volume of the left kidney.", "150.0"),
        ("What is the mean HU value of the liver?", "100.0"),
        ("Does the colon contain a lesion? A: Yes B: No", "B"),
        ("Is the colon free of lesions? A: Yes B: No", "A"),
        ("How many liver cysts are there?", "2"),
        ("Number of lesions in liver segment 6?", "1"),
        ("What is the combined volume of the liver and spleen?", "1700.0"),
    ],
)
def test_unknown_wording_is_routed_by_keywords(text: str, answer: str) -> None:
    facts = make_case(
        [organ("liver", 1500.0), organ("spleen", 200.0), organ("kidney_left", 150.0)],
        [
            lesion("liver", "cyst", 2.0, segments=("6",)),
            lesion("liver", "cyst", 1.0, segments=("7",)),
        ],
        annotated={"liver": ("tumor", "cyst"), "colon": ("lesion",)},
    )
    assert answer_prompt(text, facts) == answer


@pytest.mark.parametrize("text", ["", "What is the weather?", "Describe the scan.", "liver"])
def test_what_is_no_question_is_not_guessed(text: str) -> None:
    assert answer_prompt(text, make_case([organ("liver", 1500.0)])) is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    parsed = parse_prompt(text)
    assert parsed is None or parsed.subtype in SUBTYPES


def test_left_and_right_kidney_give_their_own_volumes() -> None:
    facts = make_case([organ("kidney_left", 150.0), organ("kidney_right", 250.0)])
    assert answer_prompt("How large is the left kidney, in cm^3?", facts) == "150.0"
    assert answer_prompt("右肾的体积是多少立方厘米", facts) == "250.0"
    assert answer_prompt("Which kidney is bigger?", facts) == "right kidney"


def test_last_run_of_markers_counts() -> None:
    stem, options = split_options("Grade A: or B: what? A: Yes B: No")
    assert (stem, options) == ("Grade A: or B: what?", ("Yes", "No"))


def test_same_seed_gives_the_same_questions() -> None:
    facts = random_case(3)
    assert generate_questions(facts, seed=1) == generate_questions(facts, seed=1)
    assert generate_questions(facts, seed=1) != generate_questions(facts, seed=2)
