"""The package's embedded model as an agent: calls planned by rule, the scan seen by the network.

The language model of the embedded checkpoint has a small closed grammar and cannot write function
calls. So this is what does what here:

- By rule: reading the question (``vol3d.vqa.parse``), choosing the calls that its subtype needs,
  and turning their results into the answer, by the rules of ``vol3d.vqa`` on facts rebuilt from
  ``describe_scan``, ``organ_details``, ``list_lesions`` and ``lesion_surroundings``, or by the
  coarser ``scalar_rules`` where there are only the official tools.
- By the network: whether liver, pancreas or kidneys have a lesion, and whether the spleen is
  enlarged, where the tools leave it open. Nothing else of the 42 subtypes is in its grammar.
- By prior: what is still open, from the shipped table of training answers.

It reads nothing but the messages that it is given (and the network the scan).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from pydantic import ValidationError

from vol3d.anatomy import group_members, is_group, structure
from vol3d.errors import Vol3dError
from vol3d.evaluate.agent.chat import ChatError, ChatReply, Message, Schema, ToolCall
from vol3d.evaluate.agent.evidence import facts_told, scalars_told
from vol3d.evaluate.agent.scalar_rules import TARGETS, scalar_value
from vol3d.evaluate.agent.toolset import MEASUREMENTS
from vol3d.evaluate.systems import Asked, Given, asked_of_prompt, shipped_prior
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.staging import staged_lesion
from vol3d.vqa.answerer import answer_parsed, choose_option
from vol3d.vqa.answers import largest_known
from vol3d.vqa.options import LETTERS
from vol3d.vqa.parse import ParsedPrompt
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.values import Value, value_text

Look = Callable[[Asked], Given | None]
"""The network's answer to a question about one scan; ``None`` where it has none."""
Settled = Literal["facts", "scalars", "network", "prior"]

_LIVE = {"describe_scan", "organ_details", "list_lesions", "lesion_surroundings"}
_ALSO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "organ HU ratio": ("spleen",),
        "fatty liver": ("spleen",),
        "hepatic steatosis grading": ("spleen",),
        "pancreatic steatosis": ("spleen",),
        "portal hypertension assessment": ("liver",),
    }
)
"""Organs that a subtype needs beside the one that it names."""
_OF_STAGED = ("pancreatic tumor staging", "pancreatic lesion resectability")


class EmbeddedClient:
    """The embedded model as an agent, for the questions of one scan.

    Args:
        look: The network's view of the scan; without it priors take its place.
        on_settled: Is told what settled each answer.
    """

    name = "vol3d embedded"

    def __init__(
        self,
        look: Look | None = None,
        *,
        on_settled: Callable[[Settled], None] = lambda settled: None,
    ) -> None:
        self._look = look
        self._on_settled = on_settled

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        """The planned calls, or the answer.

        Raises:
            ChatError: A tool result that bears a live tool's name has not its form, or the network
                cannot read the scan.
        """
        asked = asked_of_prompt(next(m["content"] for m in messages if m["role"] == "user"))
        parsed = asked.parsed
        if parsed is None or parsed.subtype not in SUBTYPES:
            return self._guessed(asked)
        try:
            facts = facts_told(messages)
        except (ValidationError, AttributeError, KeyError, TypeError) as error:
            raise ChatError(
                f"{self.name}: got a tool result of another form ({type(error).__name__}); "
                "expected that of vol3d's live tools. Use its own set of tools.",
                kind="evidence",
            ) from None
        names = {tool["function"]["name"] for tool in tools}
        calls = plan_calls(parsed, names, facts, num_turns=_num_turns(messages))
        if calls:
            return ChatReply(tool_calls=tuple(calls))
        ways: tuple[tuple[Settled, Callable[[], Value | None]], ...] = (
            ("facts", lambda: answer_parsed(parsed, facts)),
            ("scalars", lambda: scalar_value(parsed, scalars_told(messages), facts)),
        )
        for settled, way in ways:
            value = way()
            text = None if value is None else _worded(value, parsed)
            if text is not None:
                self._on_settled(settled)
                return ChatReply(content=text)
        return self._seen(asked) or self._guessed(asked)

    def _guessed(self, asked: Asked) -> ChatReply:
        self._on_settled("prior")
        return ChatReply(content=shipped_prior().guess(asked).text)

    def _seen(self, asked: Asked) -> ChatReply | None:
        """The network's answer, where it has one."""
        if self._look is None:
            return None
        try:
            given = self._look(asked)
        except Vol3dError as error:
            raise ChatError(str(error), kind="scan") from error
        if given is None:
            return None
        self._on_settled("network")
        return ChatReply(content=given.text)


def _num_turns(messages: Sequence[Message]) -> int:
    return sum(bool(message.get("tool_calls")) for message in messages)


def _worded(value: Value, parsed: ParsedPrompt) -> str | None:
    """The answer in the form asked for; ``None`` where no option means it."""
    if not parsed.options:
        return value_text(value, parsed.language)
    index = choose_option(value, parsed.options)
    return None if index is None else LETTERS[index]


def plan_calls(
    parsed: ParsedPrompt, names: set[str], facts: CaseFacts, *, num_turns: int
) -> list[ToolCall]:
    """The calls of the next turn; none where there is nothing more to ask.

    Args:
        parsed: The question.
        names: Of the tools on offer.
        facts: What is known so far.
        num_turns: Turns with calls so far.
    """
    if names >= _LIVE:
        if num_turns == 0:
            return _live_calls(parsed)
        lesion = _lesion_to_look_around(parsed, facts) if num_turns == 1 else None
        return [] if lesion is None else [_call("lesion_surroundings", lesion=lesion.id)]
    if num_turns:
        return []
    calls = _scalar_calls(parsed) if {"segment_organ", "measure"} <= names else []
    look_up = "lookup_medical_knowledge"
    if look_up in names and look_up in SUBTYPES[parsed.subtype].requires_tools:
        calls.append(_call(look_up, query=parsed.subtype))
    return calls


def _organs(parsed: ParsedPrompt) -> list[str]:
    """Structures that the question needs."""
    row = SUBTYPES[parsed.subtype]
    named = [parsed.slots.get(key) for key in ("organ", "organ_b")]
    groups = [each for each in named if each] or ([row.organ] if row.organ else [])
    keys = [k for group in groups for k in (group_members(group) if is_group(group) else (group,))]
    return list(dict.fromkeys([*keys, *_ALSO.get(parsed.subtype, ())]))


def _lesion_organs(parsed: ParsedPrompt) -> list[str]:
    if not SUBTYPES[parsed.subtype].is_about_lesions:
        return []
    return list(dict.fromkeys(structure(key).group for key in _organs(parsed)))


def _live_calls(parsed: ParsedPrompt) -> list[ToolCall]:
    calls = [_call("describe_scan")]
    calls += [_call("organ_details", organ=key) for key in _organs(parsed)]
    return calls + [_call("list_lesions", organ=organ) for organ in _lesion_organs(parsed)]


def _lesion_to_look_around(parsed: ParsedPrompt, facts: CaseFacts) -> LesionFacts | None:
    if parsed.subtype in _OF_STAGED:
        return staged_lesion(facts)
    return (
        largest_known(facts, parsed.slots["organ"]) if parsed.subtype == "adjacent organ" else None
    )


def _scalar_calls(parsed: ParsedPrompt) -> list[ToolCall]:
    calls = []
    for key in _organs(parsed):
        calls.append(_call("segment_organ", target=key))
        calls += [_measure(key, kind) for kind in ("volume_cm3", "mean_hu")]
    targets = [
        target for organ in _lesion_organs(parsed) for target in TARGETS.get((organ, "lesion"), ())
    ]
    for target in dict.fromkeys(targets):
        calls.append(_call("segment_organ", target=target))
        calls += [_measure(target, kind) for kind in MEASUREMENTS if kind != "max_diameter_mm"]
    return calls


def _measure(target: str, kind: str) -> ToolCall:
    return _call("measure", target=target, measurement_type=kind)


def _call(name: str, **arguments: str) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)
