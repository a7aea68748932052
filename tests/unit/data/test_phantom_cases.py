"""Cases and the bench: truth of the masks, balance of the answers, seeds never shared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from vol3d.data.phantom_cases import (
    BenchItem,
    balanced_bench,
    make_case,
    training_texts,
)
from vol3d.data.seeds import BENCH_SEEDS_START, TRAIN_SEEDS_START
from vol3d.errors import ConfigError
from vol3d.phantom import ORGAN_NAMES, PhantomConfig
from vol3d.report.sentences import findings_of, parse_findings
from vol3d.vqa import QUESTION_KINDS, answer_question, parse_question

COARSE = PhantomConfig(in_plane_spacing_mm=(4.0, 4.0), slice_spacing_mm=(6.0, 6.0))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bench() -> list[BenchItem]:
    return balanced_bench(10, config=COARSE)


@pytest.mark.parametrize("seed", range(6))
def test_facts_agree_with_what_was_painted(seed: int) -> None:
    case = make_case(seed, COARSE)
    painted = [(one.id, ORGAN_NAMES[one.organ], one.attenuation) for one in case.phantom.lesions]
    assert [(one.id, one.organ, one.attenuation) for one in case.facts.lesions] == painted
    for truth, measured in zip(case.phantom.lesions, case.facts.lesions, strict=True):
        assert measured.longest_axial_diameter_mm == pytest.approx(
            truth.diameter_mm, rel=0.35, abs=4
        )
        assert measured.centroid_ras_mm == pytest.approx(
            truth.centre_ras_mm, abs=0.25 * truth.diameter_mm + 4
        )


@pytest.mark.parametrize("seed", range(6))
def test_questions_and_findings_follow_from_the_facts(seed: int) -> None:
    case = make_case(seed, COARSE)
    assert parse_findings(case.findings) == findings_of(case.facts)
    for question in case.questions:
        parsed = parse_question(question.text)
        assert parsed is not None
        assert answer_question(parsed, case.facts) == question.answer


def test_same_seed_gives_the_same_questions() -> None:
    assert make_case(4, COARSE).questions == make_case(4, COARSE).questions


def test_bench_has_the_asked_number_of_every_type(bench: list[BenchItem]) -> None:
    assert Counter(item.question.kind for item in bench) == dict.fromkeys(QUESTION_KINDS, 10)


@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_bench_answers_are_equally_frequent(bench: list[BenchItem], kind: str) -> None:
    counts = Counter(item.question.answer for item in bench if item.question.kind == kind)
    assert set(counts) == set(QUESTION_KINDS[kind].choices)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_bench_balances_presence_for_every_organ(bench: list[BenchItem]) -> None:
    presence = [item.question for item in bench if item.question.kind == "lesion_presence"]
    cells = Counter((question.slots["organ"], question.answer) for question in presence)
    assert set(cells.values()) == {1}


def test_bench_asks_at_most_three_questions_of_a_phantom(bench: list[BenchItem]) -> None:
    assert max(Counter(item.seed for item in bench).values()) <= 3


def test_bench_seeds_lie_above_every_training_seed(bench: list[BenchItem]) -> None:
    assert min(item.seed for item in bench) >= BENCH_SEEDS_START
    assert BENCH_SEEDS_START - TRAIN_SEEDS_START >= 1_000_000


def test_bench_names_the_answers_that_phantoms_never_show() -> None:
    never = PhantomConfig(
        in_plane_spacing_mm=(4.0, 4.0), slice_spacing_mm=(6.0, 6.0), max_lesions=0
    )
    with pytest.raises(ConfigError, match="lesion_organ"):
        balanced_bench(5, config=never, max_seeds=2)


@pytest.mark.parametrize("seed", range(6))
def test_training_texts_hold_every_word_of_a_case(seed: int) -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"[A-Za-z]+", text))

    known = set().union(*(words(text) for text in training_texts()))
    case = make_case(seed, COARSE)
    for question in case.questions:
        assert words(question.text) | words(question.answer) <= known
    assert words(case.findings) <= known
