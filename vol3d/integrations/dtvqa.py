"""Plug-in for the official evaluator of DeepTumorVQA.

``deeptumorvqa-eval --backend custom --custom-module vol3d.integrations.dtvqa --input 3d_volume
--label NAME`` calls :func:`build_evaluator`. Options come from the environment:

- ``VOL3D_DTVQA_MODEL``: ``embedded``, a checkpoint folder, or ``none`` for rules and priors alone.
- ``VOL3D_DTVQA_EVIDENCE``: ``none``, ``masks`` or ``predicted``.
- ``VOL3D_DTVQA_MASKS``: folder of masks by image id, for ``masks`` and ``predicted``.
- ``VOL3D_DTVQA_PROFILE``: ``radgpt`` (as the answers were made) or ``native``.
- ``VOL3D_DTVQA_CACHE``: folder that keeps encodings and facts between runs.
- ``VOL3D_DTVQA_DEVICE``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
- ``VOL3D_DTVQA_TOOL_CACHE``: with ``--mode agent``, a cache in place of the data set's own.

In agent mode the calls of the official tools are planned by rule from the question; the answer
rests on what the tools say, and on priors where they leave it open.

Research use only, not for clinical use.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.cases import Case
from vol3d.evaluate.evidence import Facts, FolderSegmenter, PatientHints, Segmenter, TrueMasks
from vol3d.evaluate.rows import Evidence
from vol3d.evaluate.systems import (
    Asked,
    Cascade,
    PriorSystem,
    RulesSystem,
    System,
    asked_of_prompt,
    shipped_prior,
)
from vol3d.measure.facts import Profile

log = logging.getLogger(__name__)
_PREFIX = "VOL3D_DTVQA_"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginOptions:
    """What the plug-in is told by the environment.

    Args:
        model: ``embedded``, a folder, or ``none``.
        evidence: What facts are used.
        masks: Folder of masks by image id.
        profile: Conventions of measuring.
        cache: Keeps encodings and facts.
        device: For the model.
        tool_cache: For agent mode, in place of the data set's own.
    """

    model: str = "embedded"
    evidence: Evidence = "none"
    masks: Path | None = None
    profile: Profile = "radgpt"
    cache: Path | None = None
    device: str = "auto"
    tool_cache: Path | None = None


_NAMES = ("MODEL", "EVIDENCE", "MASKS", "PROFILE", "CACHE", "DEVICE", "TOOL_CACHE")


def options_from(environment: Mapping[str, str]) -> PluginOptions:
    """The options that the environment holds.

    Args:
        environment: Such as ``os.environ``.

    Raises:
        ConfigError: An unknown name or value.
    """
    given = {k.removeprefix(_PREFIX): v for k, v in environment.items() if k.startswith(_PREFIX)}
    unknown = sorted(set(given) - set(_NAMES))
    if unknown:
        raise _wrong(unknown[0], f"one of {', '.join(_NAMES)}", "another name")
    for name, allowed in (("EVIDENCE", get_args(Evidence)), ("PROFILE", get_args(Profile))):
        if name in given and given[name] not in allowed:
            raise _wrong(name, " or ".join(allowed), given[name])
    if given.get("EVIDENCE") == "predicted" and "MASKS" not in given:
        raise _wrong("MASKS", "a folder of predicted masks", "none")
    defaults = PluginOptions()
    return PluginOptions(
        model=given.get("MODEL", defaults.model),
        evidence=cast(Evidence, given.get("EVIDENCE", defaults.evidence)),
        masks=Path(given["MASKS"]) if "MASKS" in given else None,
        profile=cast(Profile, given.get("PROFILE", defaults.profile)),
        cache=Path(given["CACHE"]) if "CACHE" in given else None,
        device=given.get("DEVICE", defaults.device),
        tool_cache=Path(given["TOOL_CACHE"]) if "TOOL_CACHE" in given else None,
    )


def _wrong(name: str, expected: str, got: str) -> ConfigError:
    return ConfigError(
        explain(
            expected=expected,
            got=got,
            where=f"{_PREFIX}{name}",
            remedy="See the plug-in's documentation.",
        )
    )


def direct_system(options: PluginOptions) -> Cascade:
    """Rules on facts, then the model, then priors; it always has an answer, and never abstains.

    Args:
        options: What is used.
    """
    systems: list[System] = []
    if options.evidence != "none":
        systems.append(RulesSystem(may_abstain=False))
    if options.model != "none":
        from vol3d.evaluate.network import Vol3dSystem
        from vol3d.infer.engine import Engine

        engine = Engine.load(options.model, device=options.device)
        kept = None if options.cache is None else options.cache / "encodings"
        systems.append(Vol3dSystem(engine, cache_dir=kept))
    return Cascade("vol3d", [*systems, PriorSystem(shipped_prior())])


def facts_source(options: PluginOptions) -> Facts | None:
    """Where facts come from; ``None`` without evidence.

    Args:
        options: What is used.
    """
    if options.evidence == "none":
        return None
    segmenter: Segmenter = TrueMasks()
    if options.masks is not None:
        segmenter = FolderSegmenter(options.masks)
    return Facts(
        segmenter,
        profile=options.profile,
        mask_source="annotator" if options.evidence == "masks" else "segmenter",
        cache_dir=None if options.cache is None else options.cache / "facts",
    )


class Answerer:
    """Answers prompts one at a time; never raises, and counts what went wrong inside."""

    def __init__(self, system: System, facts: Facts | None) -> None:
        self.system, self.facts = system, facts
        self.num_faults = 0
        self._opened: tuple[str, Case, Any] | None = None

    def answer(self, prompt: str, video_path: str | None) -> str:
        """A bare letter, number, word or phrase.

        Args:
            prompt: The official prompt.
            video_path: Path of ``ct.nii.gz``, or ``None`` where there is no scan.
        """
        try:
            asked = asked_of_prompt(prompt)
            return self._answer(asked, video_path)
        except Exception as error:  # the evaluator would score the text of an error
            self._count(error)
            return _last_resort(prompt)

    def _answer(self, asked: Asked, video_path: str | None) -> str:
        try:
            seen = self._look(asked, video_path)
            given = self.system.answer(seen, [asked])[0]
        except Exception as error:  # a scan or model that fails leaves the words of the question
            self._count(error)
            given = None
        if given is None or not given.text:
            given = shipped_prior().guess(asked)
        return given.text

    def _look(self, asked: Asked, video_path: str | None) -> Any:
        """The opened case: the last one is kept, since the evaluator asks image by image."""
        key = f"{video_path} {asked.read.phase}"
        if self._opened is None or self._opened[0] != key:
            case = _case_of(asked, video_path, self.facts)
            self._opened = (key, case, self.system.look(case))
        return self._opened[2]

    def _count(self, error: Exception) -> None:
        self.num_faults += 1
        log.error("vol3d plug-in: fault %d: %s", self.num_faults, type(error).__name__)


def _case_of(asked: Asked, video_path: str | None, facts: Facts | None) -> Case:
    scan = None if video_path is None else Path(video_path)
    if scan is None or not scan.exists():
        place = ScanPlace(image_id="unknown", scan=None, masks=None)
        return Case(place=place, ablation="text-only")
    beside = scan.parent / "segmentations"
    place = ScanPlace(
        image_id=scan.parent.name, scan=scan, masks=beside if beside.is_dir() else None
    )
    read = asked.read
    hints = PatientHints(phase=read.phase, sex=read.sex, age_years=read.age_years)
    return Case(place=place, evidence=facts, hints=hints)


def _last_resort(prompt: object) -> str:
    """An answer that needs no parser."""
    text = prompt if isinstance(prompt, str) else ""
    if " A: " in text or "A, B, C" in text:
        return "A"
    return "1" if "number" in text else "no"


def build_evaluator(args: Any) -> Any:
    """The evaluator that ``deeptumorvqa-eval`` runs.

    Args:
        args: Its arguments; ``mode``, ``model``, ``agent_mode`` and ``max_steps`` are read.

    Raises:
        ConfigError: The official package is not installed, or a wrong option.
    """
    options = options_from(os.environ)
    if getattr(args, "mode", "vqa") == "agent":
        return _agent_evaluator(args, options)
    return _direct_evaluator(args, options)


def _official(module: str, name: str) -> Any:
    """A class of the official package."""
    from importlib import import_module

    try:
        return getattr(import_module(f"deeptumorvqa.eval.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            explain(
                expected=f"the official package with deeptumorvqa.eval.{module}.{name}",
                got=type(error).__name__,
                where="deeptumorvqa",
                remedy="Install DeepTumorVQA 2.0 in this environment.",
            )
        ) from None


def _direct_evaluator(args: Any, options: PluginOptions) -> Any:
    base = _official("vqa_evaluator", "HFVLMEvaluator")

    class Vol3dEvaluator(base):  # type: ignore[misc, valid-type]  # known at run time only
        """Answers the official prompts about a volume."""

        def __init__(self) -> None:
            super().__init__(model_id=getattr(args, "model", "vol3d"), device=options.device)
            self.answerer = Answerer(direct_system(options), facts_source(options))

        @property
        def num_faults(self) -> int:
            """Internal faults so far; 0 on well-formed prompts."""
            return self.answerer.num_faults

        def generate(
            self,
            prompt: str,
            images: list[Any] | None = None,
            video_path: str | None = None,
        ) -> str:
            """A bare answer to one prompt."""
            return self.answerer.answer(prompt, video_path)

    return Vol3dEvaluator()


class AgentAnswerer:
    """The turns of an agent whose calls are planned by rule; never raises, and counts faults."""

    def __init__(self) -> None:
        from vol3d.evaluate.agent.embedded_client import EmbeddedClient

        self.client = EmbeddedClient()
        self.num_faults = 0

    def turn(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The next turn: calls, or the answer.

        Args:
            messages: All turns so far.
            tools: What may be called; none in the last turn.
        """
        try:
            reply = self.client.chat([dict(each) for each in messages], [dict(t) for t in tools])
            calls = [{"name": c.name, "arguments": dict(c.arguments)} for c in reply.tool_calls]
            return {"content": reply.content, "tool_calls": calls}
        except Exception as error:  # the evaluator would score the text of an error
            self.num_faults += 1
            log.error("vol3d plug-in: fault %d: %s", self.num_faults, type(error).__name__)
            prompt = next((m.get("content") for m in messages if m.get("role") == "user"), "")
            return {"content": _last_resort(prompt), "tool_calls": []}


def _agent_evaluator(args: Any, options: PluginOptions) -> Any:
    base = _official("agent_evaluator", "AgentEvaluator")

    class Vol3dAgentEvaluator(base):  # type: ignore[misc, valid-type]  # known at run time only
        """Plans the official tools' calls by rule and answers from their results."""

        def __init__(self) -> None:
            super().__init__(
                model_id=getattr(args, "model", "vol3d"),
                mode=getattr(args, "agent_mode", "oracle"),
                max_steps=getattr(args, "max_steps", 5),
                tool_cache_path_override=options.tool_cache,
            )
            self.answerer = AgentAnswerer()

        @property
        def num_faults(self) -> int:
            """Internal faults so far; 0 on well-formed prompts."""
            return self.answerer.num_faults

        def chat(
            self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
        ) -> dict[str, Any]:
            """The next turn of the conversation."""
            return self.answerer.turn(messages, tools)

    return Vol3dAgentEvaluator()
