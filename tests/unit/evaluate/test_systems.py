from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fact_builders import random_case
from hypothesis import given
from hypothesis import strategies as st
from toy_systems import toy_record

from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.cases import Case
from vol3d.evaluate.network import translate
from vol3d.evaluate.systems import (
    Asked,
    Cascade,
    Given,
    PriorSystem,
    PriorTable,
    RulesSystem,
    asked_of_prompt,
    asked_of_record,
    prior_of,
    shipped_prior,
    why_not_assessable,
)
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.options import LETTERS, KeyBalancer
from vol3d.vqa.parse import parse_prompt

CASE = Case(place=ScanPlace(image_id="A", scan=None, masks=None))
SPLEEN = "What is the volume of the spleen in cm3?"


def cut_spleen(facts: CaseFacts) -> CaseFacts:
    organ = facts.organs["spleen"].model_copy(update={"status": "truncated"})
    return facts.model_copy(update={"organs": {**facts.organs, "spleen": organ}})


def test_a_system_is_not_told_the_answer() -> None:
    record = toy_record(1, image=0, answer="a secret", correct_option="C")
    asked = asked_of_record(record, "freeform")
    assert "secret" not in repr(asked)
    assert not hasattr(asked, "record")


def test_rules_answer_what_the_facts_settle() -> None:
    facts = random_case(0)
    asked = generate_questions(facts, seed=0, balancer=KeyBalancer())
    rules = RulesSystem()
    for question in asked:
        (given,) = rules.answer(facts, [asked_of_prompt(question.mc_question)])
        assert given is not None
        assert given.text == question.correct_option


def test_rules_are_silent_without_facts() -> None:
    assert RulesSystem().answer(None, [asked_of_prompt(SPLEEN)]) == [None]


def test_a_cut_organ_is_not_assessable() -> None:
    (given,) = RulesSystem().answer(cut_spleen(random_case(0)), [asked_of_prompt(SPLEEN)])
    assert given is not None
    assert given.is_abstention
    assert given.raw == "unassessable: spleen: cut off by the field of view"


def test_rules_that_never_abstain_pass_the_question_on() -> None:
    rules = RulesSystem(may_abstain=False)
    assert rules.answer(cut_spleen(random_case(0)), [asked_of_prompt(SPLEEN)]) == [None]


def test_a_whole_organ_is_no_reason_to_abstain() -> None:
    parsed = parse_prompt(SPLEEN)
    assert parsed is not None
    organ = random_case(0).organs["spleen"].model_copy(update={"status": "whole"})
    facts = random_case(0).model_copy(update={"organs": {"spleen": organ}})
    assert why_not_assessable(parsed, facts) is None


def test_confidence_in_a_number_is_its_margin_between_options() -> None:
    facts = random_case(0)
    volume = facts.organs["spleen"].volume_cm3
    near, far = f"{volume + 1:.3f}", f"{volume + 4:.3f}"
    prompt = f"{SPLEEN} A: {near} B: {far}"
    (given,) = RulesSystem().answer(facts, [asked_of_prompt(prompt)])
    assert given is not None
    assert given.text == "A"
    assert given.confidence == pytest.approx(0.8, abs=0.01)


class Fixed:
    """Answers questions that hold a word."""

    def __init__(self, name: str, word: str) -> None:
        self.name, self.word, self.looks = name, word, 0

    def fingerprint(self) -> Mapping[str, str]:
        return {self.name: self.word}

    def look(self, case: Case) -> None:
        self.looks += 1

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        return [Given(text=self.name) if self.word in each.prompt else None for each in asked]


def test_the_first_system_with_an_answer_gives_it() -> None:
    cascade = Cascade("both", [Fixed("one", "spleen"), Fixed("two", "")])
    asked = [asked_of_prompt("the spleen?"), asked_of_prompt("the liver?")]
    given = cascade.answer(cascade.look(CASE), asked)
    assert [each.text for each in given if each is not None] == ["one", "two"]


def test_a_later_system_looks_only_when_it_is_needed() -> None:
    first, second = Fixed("one", ""), Fixed("two", "")
    cascade = Cascade("both", [first, second])
    cascade.answer(cascade.look(CASE), [asked_of_prompt("x")])
    assert (first.looks, second.looks) == (1, 0)


def table() -> PriorTable:
    volume = {"question_subtype": "organ volume measurement", "question": SPLEEN}
    answers = ["right kidney", "right kidney", "the same"]
    records = [toy_record(n, image=0, answer=each) for n, each in enumerate(answers)]
    records += [
        toy_record(9 + n, image=0, answer=f"{v}.0", **volume) for n, v in enumerate((1, 7, 9))
    ]
    return prior_of(records, origin="test")


def test_priors_are_shares_and_medians() -> None:
    found = table()
    assert found.phrases["kidney volume comparison"] == {"right kidney": 0.6667, "the same": 0.3333}
    assert found.medians["organ volume measurement|spleen"] == 7.0


def test_a_prior_chooses_the_likeliest_option() -> None:
    (given,) = PriorSystem(table()).answer(None, [asked_of_record(toy_record(1, image=0), "mc")])
    assert given == Given(text="B", confidence=pytest.approx(0.6667), source="prior")


def test_a_prior_chooses_the_number_nearest_to_the_median() -> None:
    given = table().guess(asked_of_prompt(f"{SPLEEN} A: 100 B: 5 C: 30"))
    assert given.text == "B"


def test_the_shipped_priors_know_every_subtype() -> None:
    from vol3d.vqa.subtypes import SUBTYPES

    shipped = shipped_prior()
    known = set(shipped.phrases) | {key.split("|")[0] for key in shipped.medians}
    assert known == set(SUBTYPES)


@given(st.text(), st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), min_size=2, max_size=4))
def test_a_prior_always_chooses_one_of_the_options(stem: str, options: list[str]) -> None:
    line = " ".join(f"{LETTERS[i]}: {option}" for i, option in enumerate(options))
    given = shipped_prior().guess(asked_of_prompt(f"{' '.join(stem.split())} {line}"))
    assert given.text in LETTERS[: len(options)]


@pytest.mark.parametrize(
    ("question", "kind", "num_prompts"),
    [
        ("Is there a lesion in the liver?", "lesion_presence", 1),
        ("Is there a lesion in the kidneys?", "lesion_presence", 2),
        ("Is the spleen enlarged?", "spleen_enlarged", 1),
    ],
)
def test_questions_of_the_small_grammar(question: str, kind: str, num_prompts: int) -> None:
    parsed = parse_prompt(question)
    assert parsed is not None
    found = translate(parsed)
    assert found is not None
    assert (found.kind, len(found.prompts)) == (kind, num_prompts)


def test_either_kidney_is_enough() -> None:
    parsed = parse_prompt("Is there a lesion in the kidneys?")
    assert parsed is not None
    found = translate(parsed)
    assert found is not None
    both = found.combine(found.combine([0.0, 0.0], [0.5, 0.5]), [0.2, 0.8])
    assert both == pytest.approx([0.6, 0.4])


def test_a_question_beyond_the_small_grammar_is_not_translated() -> None:
    parsed = parse_prompt(SPLEEN)
    assert parsed is not None
    assert translate(parsed) is None


def test_a_case_without_a_file_has_no_scan() -> None:
    assert not CASE.has_scan
    assert not Case(
        place=ScanPlace(image_id="A", scan=Path("ct.nii.gz"), masks=None), ablation="text-only"
    ).has_scan
