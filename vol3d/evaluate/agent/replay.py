"""Replaying a saved trajectory against tools: do they still give the same results?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vol3d.evaluate.agent.chat import (
    ChatError,
    ChatReply,
    Message,
    Schema,
    ToolCall,
)
from vol3d.evaluate.agent.loop import AgentOutcome, AgentQuestion, run_question
from vol3d.evaluate.agent.toolset import ToolSet
from vol3d.evaluate.agent.trajectories import Trajectory, differences


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One value that a tool gave back differently.

    Args:
        turn: Of the model, from 1.
        call: Of the turn, from 1.
        tool: Name of the tool.
        path: Of the value in the result, such as ``value`` or ``lesions[0].volume_cm3``.
        recorded: What it was.
        now: What it is; ``None`` where it is missing.
    """

    turn: int
    call: int
    tool: str
    path: str
    recorded: Any
    now: Any

    def __str__(self) -> str:
        place = f"turn {self.turn}, call {self.call} of {self.tool or 'no tool'}"
        return f"{place}, {self.path or 'result'}: was {self.recorded!r}, is {self.now!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What came of a replay."""

    differences: tuple[Difference, ...]
    outcome: AgentOutcome

    @property
    def is_same(self) -> bool:
        """Whether every tool gave back what it had."""
        return not self.differences


class ReplayClient:
    """A client that says what a recorded model said, whatever the tools give back.

    Args:
        trajectory: What was recorded.
    """

    def __init__(self, trajectory: Trajectory) -> None:
        self._turns = trajectory.turns
        self._error = trajectory.error
        self._said = 0
        self.name = trajectory.client

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        """The next recorded turn.

        Raises:
            ChatError: The record ends here.
        """
        if self._said == len(self._turns):
            reason = self._error or "the record holds no further turn"
            raise ChatError(reason.removeprefix("replay: "), kind="replay")
        turn = self._turns[self._said]
        self._said += 1
        return ChatReply(
            content=turn.content,
            tool_calls=tuple(
                ToolCall(name=call.name, arguments=call.arguments, problem=call.problem)
                for call in turn.calls
            ),
        )


def replay(trajectory: Trajectory, tools: ToolSet) -> Replay:
    """The recorded calls made again, and where their results differ.

    Args:
        trajectory: What was recorded.
        tools: The same set of tools, or another one.
    """
    question = AgentQuestion(
        qid=trajectory.qid,
        image_id=trajectory.image_id,
        text=trajectory.text,
        form=trajectory.form,
    )
    outcome = run_question(
        ReplayClient(trajectory), tools, question=question, max_steps=trajectory.max_steps
    )
    found = [
        Difference(turn=t, call=c, tool=was.name, path=path, recorded=old, now=new)
        for t, turns in enumerate(zip(trajectory.turns, outcome.trajectory.turns, strict=True), 1)
        for c, (was, now) in enumerate(zip(turns[0].calls, turns[1].calls, strict=True), 1)
        for path, old, new in differences(was.result, now.result)
    ]
    return Replay(differences=tuple(found), outcome=outcome)
