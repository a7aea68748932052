"""The embedded model as an agent: it knows what the tools told it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from agent_cases import liver_case, spleen_record
from fact_builders import random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.agent.embedded_client import EmbeddedClient
from vol3d.evaluate.agent.evidence import facts_told
from vol3d.evaluate.agent.loop import AgentOutcome, AgentQuestion, run_question
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.toolset import OFFICIAL_TOOLS, ToolSet
from vol3d.evaluate.rows import Form
from vol3d.evaluate.systems import Asked, Given
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.dataset import QaRecord, qa_record
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.options import LETTERS
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.tool_cache import case_tools
from vol3d.vqa.values import means_the_same

CASES = {facts.case_id: facts for facts in map(random_case, range(12))}


def questions(cases: Iterable[CaseFacts]) -> list[QaRecord]:
    made: list[QaRecord] = []
    for number, facts in enumerate(cases):
        for each in generate_questions(facts, seed=number, per_subtype=1):
            if each.subtype in SUBTYPES:
                made.append(qa_record(each, facts, qid=f"v3d_{len(made) + 1:05d}"))
    return made


RECORDS = questions(CASES.values())


def run(record: QaRecord, tools: ToolSet, form: Form = "mc") -> AgentOutcome:
    question = AgentQuestion.from_record(record, form)
    return run_question(EmbeddedClient(), tools, question=question)


def is_same(answer: str, key: str) -> bool:
    """Equal; numbers to 0.1, as tools tell rounded ones and a sum may be rounded again."""
    try:
        return abs(float(answer) - float(key)) < 0.1001
    except ValueError:
        return means_the_same(answer, key)


def share_right(tools: ToolSet) -> float:
    outcomes = [run(record, tools) for record in RECORDS]
    assert not any(outcome.num_faults for outcome in outcomes)
    right = [o.answer == r.correct_option for o, r in zip(outcomes, RECORDS, strict=True)]
    return sum(right) / len(right)


def test_the_questions_cover_nearly_all_subtypes() -> None:
    assert len({record.question_subtype for record in RECORDS}) >= 38


@pytest.mark.parametrize("form", ["mc", "freeform"])
def test_live_tools_settle_every_question_that_the_facts_settle(form: Form) -> None:
    tools = LiveTools(CASES.__getitem__)
    for record in RECORDS:
        outcome = run(record, tools, form)
        key = record.correct_option if form == "mc" else record.answer
        assert is_same(outcome.answer, key), record
        assert outcome.num_faults == 0


def test_scalars_settle_less_and_nothing_settles_least() -> None:
    cache = {case_id: case_tools(facts) for case_id, facts in CASES.items()}
    live = share_right(LiveTools(CASES.__getitem__))
    scalar = share_right(CacheTools(cache))
    nothing = share_right(CacheTools({}))
    assert live > scalar + 0.1 > nothing + 0.2


def test_official_tools_live_answer_as_the_cache_does() -> None:
    cache = CacheTools({case_id: case_tools(facts) for case_id, facts in CASES.items()})
    live = LiveTools(CASES.__getitem__, only=OFFICIAL_TOOLS)
    for record in RECORDS[::7]:
        assert run(record, live).answer == run(record, cache).answer


def test_answers_hang_on_the_results_and_not_on_the_case() -> None:
    tools = LiveTools(lambda image_id: liver_case(spleen_cm3=350.0))
    other = LiveTools(lambda image_id: liver_case(spleen_cm3=200.0))
    assert run(spleen_record(), tools).answer == "A"
    assert run(spleen_record(), other).answer == "B"


def test_the_facts_told_hold_only_what_was_asked() -> None:
    outcome = run(spleen_record(), LiveTools(lambda image_id: liver_case()))
    asked = {call.name for turn in outcome.trajectory.turns for call in turn.calls}
    assert asked == {"describe_scan", "organ_details"}
    assert facts_told([{"role": "user", "content": "x"}]).organs == {}


def ask_network(text: str | None) -> tuple[str, list[str]]:
    seen: list[str] = []

    def look(asked: Asked) -> Given | None:
        seen.append(asked.prompt)
        return None if text is None else Given(text=text)

    question = AgentQuestion.from_record(spleen_record(), "mc")
    outcome = run_question(EmbeddedClient(look), CacheTools({}), question=question)
    return outcome.answer, seen


def test_the_network_is_asked_where_tools_leave_it_open() -> None:
    answer, seen = ask_network("A")
    assert answer == "A"
    assert "Is the spleen enlarged" in seen[0]


def test_a_network_without_an_answer_leaves_it_to_the_prior() -> None:
    assert ask_network(None)[0] in LETTERS


def test_the_network_is_not_asked_where_tools_settle_it() -> None:
    def look(asked: Asked) -> Given | None:
        raise AssertionError(asked)

    question = AgentQuestion.from_record(spleen_record(), "mc")
    tools = LiveTools(lambda image_id: liver_case())
    assert run_question(EmbeddedClient(look), tools, question=question).answer == "A"


def test_a_scan_that_cannot_be_read_fails_the_question() -> None:
    def look(asked: Asked) -> Given | None:
        raise DataError("ct.nii.gz: got half a file")

    question = AgentQuestion.from_record(spleen_record(), "mc")
    outcome = run_question(EmbeddedClient(look), CacheTools({}), question=question)
    assert outcome.error is not None
    assert outcome.error.startswith("scan: ct.nii.gz")


def test_a_result_of_another_form_fails_the_question() -> None:
    class OddTools(LiveTools):
        def call(self, name, arguments, *, image_id):  # type: ignore[no-untyped-def]
            result = super().call(name, arguments, image_id=image_id)
            return type(result)(content={"organs": 3}, fault=None)

    outcome = run(spleen_record(), OddTools(lambda image_id: liver_case()))
    assert outcome.error is not None
    assert outcome.error.startswith("evidence:")


def test_what_settled_an_answer_is_told() -> None:
    told: list[str] = []
    question = AgentQuestion.from_record(spleen_record(), "mc")
    for tools in (LiveTools(lambda image_id: liver_case()), CacheTools({})):
        run_question(EmbeddedClient(on_settled=told.append), tools, question=question)
    assert told == ["facts", "prior"]


@pytest.mark.parametrize("prompt", ["", "What is the meaning of this? A: x B: y", "Hello"])
def test_an_unknown_question_gets_a_prior(prompt: str) -> None:
    question = AgentQuestion(qid="q", image_id="i", text=prompt, form="mc")
    outcome = run_question(EmbeddedClient(), CacheTools({}), question=question)
    assert outcome.error is None
    assert outcome.answer in ("A", "B", "1", "no", "unknown")


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.builds(
        "{}{}{}".format,
        st.sampled_from([record.mc_question for record in RECORDS]),
        st.sampled_from([" ", "\n", " A: ", " C: x"]),
        st.text(max_size=20),
    )
)
def test_no_prompt_breaks_it(prompt: str) -> None:
    question = AgentQuestion(qid="q", image_id="BDMAP_00000001", text=prompt, form="mc")
    outcome = run_question(EmbeddedClient(), LiveTools(CASES.__getitem__), question=question)
    assert outcome.error is None
    assert outcome.num_faults == 0
