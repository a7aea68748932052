import json
from pathlib import Path

import pytest

from vol3d.data.abstention_bench import abstention_questions, make_abstention_bench
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.answerer import answer_prompt
from vol3d.vqa.dataset import QaRecord, load_questions


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("abstention")
    make_abstention_bench(folder, num_cases=2, shape_zyx=(48, 64, 64))
    return folder


def records(bench: Path) -> tuple[QaRecord, ...]:
    return load_questions(bench / "benchmark" / "test_qa.json")


def facts_of(bench: Path, image_id: str) -> CaseFacts:
    text = (bench / "benchmark" / "ct" / image_id / "facts.json").read_text()
    record = json.loads(text)
    del record["disclaimer"]
    return CaseFacts.model_validate(record)


def test_half_of_the_questions_are_not_assessable(bench: Path) -> None:
    found = [record.is_assessable for record in records(bench)]
    assert len(found) > 0
    assert found.count(False) == found.count(True)


def test_a_question_that_is_not_assessable_has_no_key(bench: Path) -> None:
    for record in records(bench):
        if not record.is_assessable:
            assert (record.answer, record.correct_option) == ("not assessable", "")


def test_every_question_has_options(bench: Path) -> None:
    assert all(" A: " in record.mc_question for record in records(bench))


def test_the_true_masks_settle_just_the_assessable_ones(bench: Path) -> None:
    for record in records(bench):
        said = answer_prompt(record.mc_question, facts_of(bench, record.image_id))
        assert said == (record.correct_option or None)


def test_the_second_case_lacks_its_left_kidney(bench: Path) -> None:
    image_id = records(bench)[-1].image_id
    assert facts_of(bench, image_id).organs["kidney_left"].status == "absent"


def test_the_same_seed_asks_the_same(bench: Path) -> None:
    facts = facts_of(bench, records(bench)[0].image_id)
    first, second = (list(abstention_questions(facts, seed=1)) for _ in range(2))
    assert first == second
