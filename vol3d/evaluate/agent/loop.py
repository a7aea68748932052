"""The tool loop: a question goes to a model, its calls to tools, until it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vol3d.evaluate.agent.chat import (
    ChatClient,
    ChatError,
    ChatReply,
    Message,
    ToolCall,
    assistant_message,
    tool_message,
)
from vol3d.evaluate.agent.toolset import ToolResult, ToolSet
from vol3d.evaluate.agent.trajectories import LoggedCall, LoggedTurn, Trajectory, logged_result
from vol3d.evaluate.prompt import direct_prompt
from vol3d.evaluate.rows import Form
from vol3d.vqa.dataset import QaRecord

MAX_STEPS = 5
"""Default of the official command line."""
MOST_CALLS = 32
"""Calls of one turn beyond it are refused."""
SYSTEM = (
    "You answer one question about an abdominal CT scan. Tools measure the scan for you; you do "
    "not see it. Call the tools that the question needs, then reply with nothing but the answer "
    "in the form asked for. Research use only, not for clinical use."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentQuestion:
    """One question as the loop needs it.

    Args:
        qid: Its id.
        image_id: Its scan; tools are told, the model is not.
        text: The prompt.
        form: How it is to be answered.
    """

    qid: str
    image_id: str
    text: str
    form: Form

    @classmethod
    def from_record(cls, record: QaRecord, form: Form) -> AgentQuestion:
        """The question of a record in one form."""
        return cls(
            qid=record.qid,
            image_id=record.image_id,
            text=question_text(record, form),
            form=form,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentOutcome:
    """What came of one question.

    Args:
        answer: The model's last words, as they are scored; empty if it said none.
        trajectory: Every turn.
        num_faults: Exceptions inside tools.
        num_steps: Turns of the model.
        error: Why the model could not be asked; such a question must never be scored.
    """

    answer: str
    trajectory: Trajectory
    num_faults: int
    num_steps: int
    error: str | None = None


def question_text(record: QaRecord, form: Form) -> str:
    """The prompt of a question for an agent: lines as the official 2-D prompt has them.

    Modality; patient, with what is known; spacing and shape, for numeric subtypes only; the
    question; how to answer.

    Args:
        record: The question.
        form: Multiple choice or free form.
    """
    return direct_prompt(record, form, view="2d_image")


def run_question(
    client: ChatClient,
    tools: ToolSet,
    *,
    question: AgentQuestion,
    max_steps: int = MAX_STEPS,
) -> AgentOutcome:
    """What a model with tools makes of one question; never raises for what model or tools do.

    In each step the model is asked with the tools, in the last one without. A reply without calls
    ends the loop. Calls are made one after the other; malformed ones and unknown tools are told
    to the model as errors. Calls in the last step are not made; the text beside them counts.

    Args:
        client: The model.
        tools: What it may call.
        question: What it is asked.
        max_steps: Most turns of the model, at least 1.
    """
    loop = _Loop(client, tools, question)
    error = None
    try:
        for step in range(1, max_steps + 1):
            if loop.step(is_last=step == max_steps):
                break
    except ChatError as failure:
        error = f"{failure.kind}: {failure}"
    return loop.outcome(max_steps, error)


class _Loop:
    """Messages and log of one question."""

    def __init__(self, client: ChatClient, tools: ToolSet, question: AgentQuestion) -> None:
        self.client, self.tools, self.question = client, tools, question
        self.messages: list[Message] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question.text},
        ]
        self.turns: list[LoggedTurn] = []
        self.num_calls = 0

    def step(self, *, is_last: bool) -> bool:
        """One turn of the model and its calls; whether the loop is over."""
        reply = self.client.chat(self.messages, [] if is_last else self.tools.schemas())
        if is_last or not reply.tool_calls:
            self.turns.append(LoggedTurn(content=reply.content, calls=_not_made(reply)))
            return True
        self.messages.append(assistant_message(reply, self.num_calls))
        made = [self._make(call, place) for place, call in enumerate(reply.tool_calls)]
        self.turns.append(LoggedTurn(content=reply.content, calls=tuple(made)))
        return False

    def _make(self, call: ToolCall, place: int) -> LoggedCall:
        result = self._result(call, place)
        self.messages.append(tool_message(call.name, result.content, self.num_calls))
        self.num_calls += 1
        return LoggedCall(
            name=call.name,
            arguments=dict(call.arguments),
            problem=call.problem,
            result=logged_result(result.content),
            fault=result.fault,
        )

    def _result(self, call: ToolCall, place: int) -> ToolResult:
        if place >= MOST_CALLS:
            return ToolResult(content={"error": f"more than {MOST_CALLS} calls in one turn"})
        if call.problem is not None:
            return ToolResult(content={"error": call.problem})
        return self.tools.call(call.name, call.arguments, image_id=self.question.image_id)

    def outcome(self, max_steps: int, error: str | None) -> AgentOutcome:
        answer = self.turns[-1].content.strip() if self.turns and error is None else ""
        asked = self.question
        trajectory = Trajectory(
            qid=asked.qid,
            image_id=asked.image_id,
            form=asked.form,
            client=self.client.name,
            tools=self.tools.name,
            max_steps=max_steps,
            text=asked.text,
            turns=tuple(self.turns),
            answer=answer,
            error=error,
        )
        return AgentOutcome(
            answer=answer,
            trajectory=trajectory,
            num_faults=trajectory.num_faults,
            num_steps=len(self.turns),
            error=error,
        )


def _not_made(reply: ChatReply) -> tuple[LoggedCall, ...]:
    """Calls of the last turn, which are logged but not made."""
    calls: Sequence[ToolCall] = reply.tool_calls
    refused = {"error": "no tools in the last step"}
    return tuple(
        LoggedCall(
            name=call.name, arguments=dict(call.arguments), problem=call.problem, result=refused
        )
        for call in calls
    )
