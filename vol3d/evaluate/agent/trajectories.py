"""What an agent did, turn by turn: saved as JSON lines, read back, and compared with a replay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from vol3d.errors import DataError, explain
from vol3d.evaluate.agent.chat import IMAGE_KEY
from vol3d.evaluate.agent.jsonl import append_row, read_rows
from vol3d.evaluate.rows import Form
from vol3d.report import DISCLAIMER


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoggedCall(_Frozen):
    """One call with its result.

    Args:
        name: Of the tool, as the model wrote it.
        arguments: As the model gave them.
        problem: What was wrong with the call itself.
        result: Of the tool; a picture is replaced by its hash.
        fault: Exception inside the tool.
    """

    name: str
    arguments: dict[str, Any] = {}
    problem: str | None = None
    result: dict[str, Any]
    fault: str | None = None


class LoggedTurn(_Frozen):
    """One turn of the model and what its calls gave back."""

    content: str = ""
    calls: tuple[LoggedCall, ...] = ()


class Trajectory(_Frozen):
    """One question from the first message to the answer, or to the failure.

    Args:
        client: Name of the model.
        tools: Name of the set of tools.
        max_steps: Most turns of the model.
        text: The question's prompt.
        answer: The model's last words, as they are scored; empty if it said none.
        error: Why the model could not be asked; such a question was not answered.
    """

    schema_version: Literal[1] = 1
    disclaimer: str = DISCLAIMER
    qid: str
    image_id: str
    form: Form
    client: str
    tools: str
    max_steps: int
    text: str
    turns: tuple[LoggedTurn, ...] = ()
    answer: str = ""
    error: str | None = None

    @property
    def num_faults(self) -> int:
        """Exceptions inside tools."""
        return sum(call.fault is not None for turn in self.turns for call in turn.calls)

    @property
    def num_malformed(self) -> int:
        """Calls that could not be read."""
        return sum(call.problem is not None for turn in self.turns for call in turn.calls)


def logged_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as it is saved: a picture is replaced by its hash."""
    told = dict(result)
    if IMAGE_KEY in told:
        image = str(told.pop(IMAGE_KEY)).encode("ascii", "replace")
        told["image_sha256"] = hashlib.sha256(image).hexdigest()
    return told


def append_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Adds a trajectory to a file of JSON lines."""
    append_row(path, trajectory.model_dump(mode="json"))


def read_trajectories(path: Path) -> tuple[Trajectory, ...]:
    """All trajectories of a file, failed ones too, in their order.

    Args:
        path: Of the file; a missing one holds none.

    Raises:
        DataError: A line is no trajectory.
    """
    found = []
    for number, row in enumerate(read_rows(path), start=1):
        try:
            found.append(Trajectory.model_validate(row))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                explain(
                    expected="a trajectory",
                    got=f"{place}: {first['msg']}",
                    where=f"{path.name}, line {number}",
                    remedy="Delete the line, or start a new file.",
                )
            ) from None
    return tuple(found)


def finished(trajectories: tuple[Trajectory, ...]) -> dict[str, Trajectory]:
    """The last trajectory without an error, by qid."""
    return {each.qid: each for each in trajectories if each.error is None}


def differences(recorded: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ: path, recorded value, value now; ``None`` where one is missing.

    Args:
        recorded: First value.
        now: Second value.
        path: Of both within a larger value.
    """
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*recorded, *now]):
            yield from differences(recorded.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for number, pair in enumerate(zip(recorded, now, strict=True)):
            yield from differences(*pair, f"{path}[{number}]")
    elif recorded != now or type(recorded) is not type(now):
        yield path, recorded, now
