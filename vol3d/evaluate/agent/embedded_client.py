"""The package's embedded model as an agent: calls planned by rule, the scan seen by the network.

The language model of the embedded checkpoint has a small closed grammar and cannot write function
calls. So this is what does what here:

- By rule: reading the question (``vol3d.vqa.parse``), choosing the calls that its subtype needs,
  and turning their results into the answer, by the rules of ``vol3d.vqa`` on facts rebuilt from
  ``describe_scan``, ``organ_details``, ``list_lesions`` and ``lesion_surroundings``, or by the
  coarser ``scalar_rules`` where there are only the official tools.
- By the network: whether liver, pancreas or kidneys have a lesion, and whether the spleen is
  enlarged, where the tools leave it open. Nothing else of the 42 subtypes is in its grammar.
- By prior: what is still open, from ``PRIORS`` or the middle one of the options.

It reads nothing but the messages that it is given (and the network the scan).
"""

from __future__ import annotations

import math
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
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.staging import staged_lesion
from vol3d.vqa.answerer import answer_parsed, choose_option
from vol3d.vqa.answers import largest_known
from vol3d.vqa.options import LETTERS
from vol3d.vqa.parse import ParsedPrompt, parse_prompt, split_options
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.values import NO, YES, Phrase, Value, value_text, yes_no

Look = Callable[[str, tuple[str, str]], float | None]
"""What the network sees: question and two choices in, probability of the first out; ``None`` where
it must not be asked."""
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
_SEEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "liver lesion existence": ("Is there a lesion in the liver?",),
        "pancreatic lesion existence": ("Is there a lesion in the pancreas?",),
        "kidney lesion existence": (
            "Is there a lesion in the left kidney?",
            "Is there a lesion in the right kidney?",
        ),
        "splenomegaly detection": ("Is the spleen enlarged?",),
    }
)
"""Questions of the network's grammar whose answers, joined by or, settle a subtype."""
PRIORS: Mapping[str, str] = MappingProxyType(
    {
        "largest lesion attenuation": "hypoattenuating",
        "inter-segment comparison": "equal",
        "liver lesion clustering": "somewhat clustered",
        "kidney volume comparison": "left kidney",
        "bilateral kidney asymmetry": "symmetric",
        "multi-organ lesion burden comparison": "equal",
        "splenomegaly grading": "normal spleen",
        "PDAC vs PNET classification": "pdac",
        "pancreatic tumor staging": "T2",
        "pancreatic lesion resectability": "resectable",
        "hepatic steatosis grading": "G0",
        "lesion type classification": "cyst",
        "renal mass characterization": "simple cyst",
    }
)
"""Our guesses of what is common; fitted to nothing. Yes or no is no."""


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
        prompt = next(m["content"] for m in messages if m["role"] == "user")
        parsed = parse_prompt(prompt)
        if parsed is None or parsed.subtype not in SUBTYPES:
            self._on_settled("prior")
            return ChatReply(content=_guess_unread(prompt))
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
        return ChatReply(content=self._answer(parsed, facts, messages))

    def _answer(self, parsed: ParsedPrompt, facts: CaseFacts, messages: Sequence[Message]) -> str:
        ways: tuple[tuple[Settled, Callable[[], Value | None]], ...] = (
            ("facts", lambda: answer_parsed(parsed, facts)),
            ("scalars", lambda: scalar_value(parsed, scalars_told(messages), facts)),
            ("network", lambda: self._seen(parsed)),
        )
        for settled, way in ways:
            value = way()
            text = None if value is None else _worded(value, parsed)
            if text is not None:
                self._on_settled(settled)
                return text
        self._on_settled("prior")
        return guess(parsed)

    def _seen(self, parsed: ParsedPrompt) -> Value | None:
        questions = _SEEN.get(parsed.subtype)
        if parsed.subtype == "organ enlargement" and parsed.slots["organ"] == "spleen":
            questions = _SEEN["splenomegaly detection"]
        if questions is None or self._look is None:
            return None
        try:
            seen = [self._look(question, ("yes", "no")) for question in questions]
        except Vol3dError as error:
            raise ChatError(str(error), kind="scan") from error
        known = [each for each in seen if each is not None]
        if len(known) < len(seen):
            return None
        is_there = 1.0 - math.prod(1.0 - each for each in known) >= 0.5
        return yes_no(is_there != parsed.is_inverted)


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


def guess(parsed: ParsedPrompt) -> str:
    """The prior answer to a question, without any look at its scan.

    No to yes-or-no questions; the middle one of numbers, 1 in free form; ``PRIORS``; else the
    first option.

    Args:
        parsed: The question.
    """
    row = SUBTYPES[parsed.subtype]
    if row.answer_type == "numeric":
        return _middle(parsed.options) if parsed.options else "1"
    value = Phrase(key=PRIORS[parsed.subtype]) if parsed.subtype in PRIORS else NO
    if parsed.is_inverted:
        value = YES
    text = _worded(value, parsed)
    return text if text is not None else LETTERS[0]


def _middle(options: Sequence[str]) -> str:
    """Letter of the lower middle number."""
    ranked = sorted(range(len(options)), key=lambda i: (_value(options[i]), i))
    return LETTERS[ranked[(len(ranked) - 1) // 2]]


def _value(option: str) -> float:
    try:
        return float(option.rstrip("%"))
    except ValueError:
        return math.inf


def _guess_unread(prompt: str) -> str:
    """A prior for a question that cannot be read: the first letter, or no."""
    has_options = any(split_options(line)[1] for line in prompt.splitlines())
    return LETTERS[0] if has_options else "no"
