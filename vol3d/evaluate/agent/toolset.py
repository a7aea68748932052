"""What a set of tools is to the tool loop, and how their arguments are declared and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vol3d.errors import Vol3dError
from vol3d.evaluate.agent.chat import Schema

OFFICIAL_TOOLS = ("segment_organ", "measure", "lookup_medical_knowledge")
VISION_TOOLS = ("crop_organ", "list_available_crops", "lookup_medical_knowledge")
MEASUREMENTS = (
    "volume_cm3",
    "mean_hu",
    "max_diameter_mm",
    "lesion_count",
    "largest_lesion_volume_cm3",
    "largest_lesion_diameter_cm",
)


class ToolArgumentError(Vol3dError):
    """A call that the model has to correct; its message tells what is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolResult:
    """What a tool gave back.

    Args:
        content: A JSON object; ``{"error": ...}`` where the call failed.
        fault: ``Type: message`` of an exception inside the tool, which is not the model's doing.
    """

    content: Mapping[str, Any]
    fault: str | None = None


class ToolSet(Protocol):
    """Tools about one scan at a time."""

    @property
    def name(self) -> str:
        """What the set is called in results: ``live``, ``oracle cache`` ..."""
        ...

    def schemas(self) -> list[Schema]:
        """The tools in OpenAI function-calling form."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any], *, image_id: str) -> ToolResult:
        """The result of one call; never raises.

        Args:
            name: Of the tool.
            arguments: As the model gave them.
            image_id: Of the scan; the model does not say it.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One argument of a tool; all are texts.

    Args:
        name: As the model gives it.
        meaning: For the model.
        values: What is allowed; any text if empty.
        is_required: Whether the call fails without it.
        alias: Another name under which it is taken.
    """

    name: str
    meaning: str
    values: tuple[str, ...] = ()
    is_required: bool = True
    alias: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """Name, meaning and parameters of a tool."""

    name: str
    meaning: str
    parameters: tuple[Parameter, ...] = ()

    def schema(self) -> Schema:
        """The tool in OpenAI function-calling form."""
        properties = {}
        for each in self.parameters:
            properties[each.name] = {"type": "string", "description": each.meaning}
            if each.values:
                properties[each.name]["enum"] = list(each.values)  # type: ignore[assignment]
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.meaning,
                "parameters": {
                    "type": "object",
                    "properties": properties,
                    "required": [each.name for each in self.parameters if each.is_required],
                },
            },
        }

    def read(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """The arguments by name, checked.

        Raises:
            ToolArgumentError: One is missing, unknown, no text, or none of the allowed values.
        """
        given = dict(arguments)
        found = {}
        for each in self.parameters:
            value = given.pop(each.name, None)
            other = given.pop(each.alias, None) if each.alias else None
            value = other if value is None else value
            if value is None or value == "":
                if each.is_required:
                    raise ToolArgumentError(f"{self.name} needs {self._shown(each)}")
                continue
            if not isinstance(value, str):
                raise ToolArgumentError(
                    f"{each.name} is of type {type(value).__name__}; {self.name} needs "
                    f"{self._shown(each)}"
                )
            if each.values and value not in each.values:
                raise ToolArgumentError(
                    f"{each.name} is {value[:60]!r}; allowed are {', '.join(each.values)}"
                )
            found[each.name] = value
        if given:
            allowed = ", ".join(each.name for each in self.parameters) or "none"
            raise ToolArgumentError(
                f"{self.name} has no argument {', '.join(sorted(given))[:60]}; it takes {allowed}"
            )
        return found

    def _shown(self, parameter: Parameter) -> str:
        if parameter.values:
            return f"{parameter.name}, one of {', '.join(parameter.values)}"
        return f"{parameter.name}: a text, {parameter.meaning}"


Handler = Callable[[str, Mapping[str, str]], Mapping[str, Any]]
"""Answers one call: image id and checked arguments in, a JSON object out."""


def run_tool(
    tools: Sequence[tuple[ToolSpec, Handler]],
    name: str,
    arguments: Mapping[str, Any],
    *,
    image_id: str,
) -> ToolResult:
    """The result of one call.

    An unknown tool and wrong arguments are errors of the model; any other exception is a fault.

    Args:
        tools: What there is.
        name: Of the tool that is called.
        arguments: As the model gave them.
        image_id: Of the scan.
    """
    for spec, handler in tools:
        if spec.name != name:
            continue
        try:
            content = handler(image_id, spec.read(arguments))
            # what is sent and logged is what JSON makes of it
            return ToolResult(content=json.loads(json.dumps(content, allow_nan=False)))
        except ToolArgumentError as error:
            return ToolResult(content={"error": str(error)})
        except Exception as error:  # the loop goes on; the fault is counted and logged
            message = f"{type(error).__name__}: {error}"
            return ToolResult(content={"error": message}, fault=message)
    known = ", ".join(spec.name for spec, _ in tools)
    return ToolResult(content={"error": f"unknown tool {name[:60]!r}; there are {known}"})
