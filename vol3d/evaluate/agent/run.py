"""A whole question file through an agent: append-only, resumable, failures apart from answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vol3d.errors import DataError, explain
from vol3d.evaluate.agent.chat import ChatClient, ChatError
from vol3d.evaluate.agent.loop import MAX_STEPS, AgentOutcome, AgentQuestion, run_question
from vol3d.evaluate.agent.toolset import ToolSet
from vol3d.evaluate.agent.trajectories import (
    Trajectory,
    append_trajectory,
    finished,
    read_trajectories,
)
from vol3d.evaluate.rows import Form, ResultRow
from vol3d.vqa.dataset import QaRecord

ClientOf = Callable[[QaRecord], ChatClient]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSettings:
    """How an agent is run.

    Args:
        form: Of the questions.
        max_steps: Most turns of the model per question.
        most_failures: After so many questions in a row that the model could not be asked, the run
            stops.
    """

    form: Form = "mc"
    max_steps: int = MAX_STEPS
    most_failures: int = 10


_DEFAULT = AgentSettings()


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRun:
    """What came of a run.

    Args:
        rows: One per answered question, in the order of the questions.
        failed: Why a question was not answered, by qid; the next run tries it again.
        num_faults: Exceptions inside tools, over all answered questions.
        num_malformed: Calls that could not be read.
        faulty: First fault by image id: these scans' tools did not work.
    """

    rows: tuple[ResultRow, ...]
    failed: Mapping[str, str]
    num_faults: int
    num_malformed: int
    faulty: Mapping[str, str]


def run_agent(
    records: Iterable[QaRecord],
    client_of: ClientOf,
    *,
    tools: ToolSet,
    out: Path,
    settings: AgentSettings = _DEFAULT,
) -> AgentRun:
    """Answers of an agent to questions; what ``out`` holds already is not asked again.

    Args:
        records: The questions; those of one scan are asked together.
        client_of: The model for a question.
        tools: What it may call.
        out: File of trajectories (JSON lines) to go on with.
        settings: How to run.

    Raises:
        DataError: ``out`` belongs to another run.
        ChatError: The model could not be asked many times in a row.
    """
    records = list(records)
    done = finished(read_trajectories(out))
    failed: dict[str, str] = {}
    in_a_row = 0
    for record in _by_scan(records):
        question = AgentQuestion.from_record(record, settings.form)
        client = client_of(record)
        if record.qid in done:
            _check_same(done[record.qid], question, client, tools, settings)
            continue
        outcome = run_question(client, tools, question=question, max_steps=settings.max_steps)
        append_trajectory(out, outcome.trajectory)
        if outcome.error is None:
            done[record.qid] = outcome.trajectory
            in_a_row = 0
            continue
        failed[record.qid] = outcome.error
        in_a_row += 1
        if in_a_row >= settings.most_failures:
            raise ChatError(
                f"{client.name} could not be asked {in_a_row} times in a row; the last time: "
                f"{outcome.error} Answers so far are kept in {out.name}; run again to go on.",
                kind="stopped",
            )
    answered = [record for record in records if record.qid in done]
    own = [done[record.qid] for record in answered]
    return AgentRun(
        rows=tuple(agent_row(r, t) for r, t in zip(answered, own, strict=True)),
        failed=failed,
        num_faults=sum(each.num_faults for each in own),
        num_malformed=sum(each.num_malformed for each in own),
        faulty=_first_faults(own),
    )


def _first_faults(trajectories: Iterable[Trajectory]) -> dict[str, str]:
    found: dict[str, str] = {}
    for trajectory in trajectories:
        for turn in trajectory.turns:
            for call in turn.calls:
                if call.fault is not None:
                    found.setdefault(trajectory.image_id, f"{call.name}: {call.fault}")
    return found


def _by_scan(records: list[QaRecord]) -> list[QaRecord]:
    """The same records with those of one scan together, scans in their first order."""
    groups: dict[str, list[QaRecord]] = {}
    for record in records:
        groups.setdefault(record.image_id, []).append(record)
    return [record for group in groups.values() for record in group]


def _check_same(
    known: Trajectory,
    question: AgentQuestion,
    client: ChatClient,
    tools: ToolSet,
    settings: AgentSettings,
) -> None:
    now = (client.name, tools.name, settings.form, settings.max_steps, question.text)
    then = (known.client, known.tools, known.form, known.max_steps, known.text)
    if now != then:
        names = ("client", "tools", "form", "max_steps", "prompt")
        other = [name for name, a, b in zip(names, then, now, strict=True) if a != b]
        raise DataError(
            explain(
                expected="trajectories of the same model, tools and questions",
                got=f"another {', '.join(other)}",
                where=f"question {question.qid}",
                remedy="Write to another file.",
            )
        )


def agent_row(record: QaRecord, done: Trajectory | AgentOutcome) -> ResultRow:
    """The row of an answered question.

    Args:
        record: The question.
        done: What the agent did.

    Raises:
        DataError: The question failed: there is no answer to score.
    """
    if done.error is not None:
        raise DataError(
            explain(
                expected="an answer",
                got=f"the failure {done.error}",
                where=f"question {record.qid}",
                remedy="Ask it again.",
            )
        )
    return ResultRow(
        qid=record.qid,
        image_id=record.image_id,
        question_subtype=record.question_subtype,
        question_type=record.question_type,
        raw_output=done.answer,
        pred_answer=done.answer,
        correct_option=record.correct_option,
        answer=record.answer,
        source="agent",
    )
