"""Systems by the names of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.systems import (
    Cascade,
    PriorSystem,
    PriorTable,
    RulesSystem,
    System,
    prior_of,
    shipped_prior,
)
from vol3d.vqa.dataset import load_questions

Kind = Literal["whole", "rules", "model", "prior"]
"""``whole``: rules on facts, then the model, then priors; or one of these alone."""
SERVER = "openai:"
NO_MODEL = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoice:
    """Which model is asked, and how.

    Args:
        name: ``embedded``, a folder, a hub id, ``openai:NAME`` for a server's model, or ``none``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        template: Wording of the prompt; ``None`` for the model's default.
        api_base: Address of an OpenAI-compatible server.
        num_slices: Axial slices that a server's model is shown.
        cache_dir: Keeps encodings of scans.
        allow_download: Whether a hub id may be fetched.
    """

    name: str = "embedded"
    device: str = "auto"
    template: str | None = None
    api_base: str | None = None
    num_slices: int = 0
    cache_dir: Path | None = None
    allow_download: bool = False


def model_system(choice: ModelChoice) -> System:
    """The model alone.

    Args:
        choice: Which model.

    Raises:
        CheckpointError: It cannot be loaded.
        ConfigError: A server without address, or no model at all.
    """
    from vol3d.evaluate.language_models import DEFAULT_TEMPLATE, LanguageModelSystem

    if choice.name == NO_MODEL:
        raise ConfigError(
            explain(
                expected="a model",
                got="none",
                where="--model",
                remedy="Use --system rules or --system prior without one.",
            )
        )
    if choice.name.startswith(SERVER):
        from vol3d.evaluate.servers import ServerModel

        return LanguageModelSystem(
            ServerModel.connect(choice.api_base, choice.name.removeprefix(SERVER)),
            template=choice.template or DEFAULT_TEMPLATE,
            num_slices=choice.num_slices,
        )
    if _is_own(choice.name, allow_download=choice.allow_download):
        from vol3d.evaluate import network
        from vol3d.infer.engine import Engine

        engine = Engine.load(
            choice.name, device=choice.device, allow_download=choice.allow_download
        )
        return network.Vol3dSystem(
            engine,
            template=choice.template or network.DEFAULT_TEMPLATE,
            cache_dir=choice.cache_dir,
        )
    from vol3d.evaluate.language_models import TransformersModel

    model = TransformersModel.load(
        choice.name, device=choice.device, allow_download=choice.allow_download
    )
    return LanguageModelSystem(model, template=choice.template or DEFAULT_TEMPLATE)


def _is_own(name: str, *, allow_download: bool) -> bool:
    """Whether a checkpoint is one of vol3d."""
    from vol3d.infer.engine import EMBEDDED, resolve_checkpoint
    from vol3d.models.card import CARD_FILE

    if name == EMBEDDED:
        return True
    folder = resolve_checkpoint(name, allow_download=allow_download)
    if (folder / CARD_FILE).is_file():
        return True
    config = folder / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return str(kind.get("model_type", "")).startswith("vol3d")


def systems_of(
    kinds: list[Kind],
    choice: ModelChoice,
    *,
    prior: PriorTable | None = None,
    may_abstain: bool = True,
) -> list[System]:
    """Systems by kind; a model is loaded once for all of them.

    Args:
        kinds: In the order of the rows.
        choice: Which model.
        prior: Table of priors; the shipped one by default.
        may_abstain: Whether rules may say that a question cannot be answered.
    """
    rules = RulesSystem(may_abstain=may_abstain)
    priors = PriorSystem(prior or shipped_prior())
    needs_model = "model" in kinds or ("whole" in kinds and choice.name != NO_MODEL)
    model = model_system(choice) if needs_model else None
    parts = [system for system in (rules, model, priors) if system is not None]
    alone: dict[Kind, System | None] = {"rules": rules, "model": model, "prior": priors}
    found: list[System] = []
    for kind in kinds:
        system = Cascade("whole system", parts) if kind == "whole" else alone[kind]
        if system is None:
            raise model_missing()
        found.append(system)
    return found


def model_missing() -> ConfigError:
    """The error of a row that needs a model where there is none."""
    return ConfigError(
        explain(
            expected="a model for --system model",
            got="--model none",
            where="--system",
            remedy="Name a model, or leave this row out.",
        )
    )


def prior_from(path: Path | None, image_ids: Iterable[str]) -> PriorTable:
    """Priors counted on training questions, or the shipped table.

    Args:
        path: ``train_qa.csv`` or such; ``None`` for the shipped table.
        image_ids: Volumes that are evaluated; questions about them are not counted.

    Raises:
        ConfigError: No question is left.
    """
    if path is None:
        return shipped_prior()
    evaluated = set(image_ids)
    records = load_questions(path)
    kept = [record for record in records if record.image_id not in evaluated]
    if not kept:
        raise ConfigError(
            explain(
                expected="questions about other volumes than those evaluated",
                got=f"{len(records)} questions, all about them",
                where=f"--priors {path.name}",
                remedy="Pass training questions.",
            )
        )
    left_out = len(records) - len(kept)
    return prior_of(kept, origin=f"{path.name}, {left_out} questions about evaluated volumes out")
