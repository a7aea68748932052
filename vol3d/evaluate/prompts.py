"""Prompts by model: the wording that does best on validation questions, never on those evaluated.

A base model's score hangs on the wording as much as on the model; comparing it in another model's
favourite wording is no comparison.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.evidence import write_whole
from vol3d.evaluate.run import RunPlan, questions_sha256, run
from vol3d.evaluate.strict import strict_scores
from vol3d.evaluate.systems import System
from vol3d.report.schema import DISCLAIMER

SystemOf = Callable[[str], System]
"""A system that uses a template."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenPrompt:
    """The template that a model does best with.

    Args:
        template: With the places ``{prompt}`` and, for language models, ``{facts}``.
        name: Of the template.
        scores: Strict mean by template, 0 to 1.
        num_questions: Validation questions.
        validation_sha256: Hash of these questions.
    """

    template: str
    name: str
    scores: Mapping[str, float]
    num_questions: int
    validation_sha256: str


def load_templates(name_or_path: str | Path | None = None) -> dict[str, str]:
    """Templates by name.

    Args:
        name_or_path: YAML file of ``name: template``; default: the shipped ones.

    Raises:
        ConfigError: It cannot be read, or a template lacks its place.
    """
    from vol3d.config import find_config

    path = find_config(str(name_or_path or "evaluate/prompts.yaml"))
    import yaml

    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise _bad(path, type(error).__name__) from None
    if not isinstance(table, dict) or not table:
        raise _bad(path, type(table).__name__)
    templates = {str(name): str(text) for name, text in table.items()}
    for name, text in templates.items():
        check_template(text, where=f"{path.name}, {name}")
    return templates


def check_template(template: str, *, where: str) -> None:
    """Raises unless a template can be filled.

    Args:
        template: Its text.
        where: Names it in the error.

    Raises:
        ConfigError: It has no ``{prompt}``, or another place than ``{prompt}`` and ``{facts}``.
    """
    try:
        filled = template.format(prompt="\0p", facts="\0f")
    except (KeyError, IndexError, ValueError) as error:
        raise _bad_template(where, f"{type(error).__name__}: {error}") from None
    if "\0p" not in filled:
        raise _bad_template(where, "a text without {prompt}")


def _bad_template(where: str, got: str) -> ConfigError:
    return ConfigError(
        explain(
            expected="a text with {prompt}, and {facts} if facts are to be told",
            got=got,
            where=where,
            remedy="Write { as {{ where it is meant itself.",
        )
    )


def _bad(path: Path, got: str) -> ConfigError:
    return ConfigError(
        explain(
            expected="YAML of name: template",
            got=got,
            where=path.name,
            remedy="See configs/evaluate/prompts.yaml.",
        )
    )


def select_prompt(
    system_of: SystemOf, templates: Mapping[str, str], plan: RunPlan, out: Path
) -> ChosenPrompt:
    """The template with the best strict score on validation questions; the first of equals.

    Args:
        system_of: Makes the system that uses a template.
        templates: By name.
        plan: Validation questions; all answers are kept below ``out`` and continued there.
        out: Folder; ``prompt.json`` is written to it.
    """
    records = plan.own().questions
    scores = {}
    for name, template in templates.items():
        rows = run(replace(plan), system_of(template), out / name)
        answers = {qid: row.pred_answer for qid, row in rows.items()}
        scores[name] = strict_scores(records, answers, plan.form).overall
    best = max(scores, key=lambda name: scores[name])
    chosen = ChosenPrompt(
        template=templates[best],
        name=best,
        scores=scores,
        num_questions=len(records),
        validation_sha256=questions_sha256(records),
    )
    whole = {
        "disclaimer": DISCLAIMER,
        "template": chosen.template,
        "name": best,
        "scores": scores,
        "num_questions": len(records),
        "validation_sha256": chosen.validation_sha256,
        "qids": [record.qid for record in records],
        "image_ids": list(plan.own().image_ids),
    }
    write_whole(out / "prompt.json", json.dumps(whole, indent=1))
    return chosen


def read_prompt_choice(path: Path, image_ids: tuple[str, ...]) -> str:
    """The template of a ``prompt.json``.

    Args:
        path: The file.
        image_ids: Volumes that are evaluated: none of them may have helped to choose.

    Raises:
        ConfigError: It is no such file, or was chosen on volumes that are evaluated.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        template, used = str(record["template"]), set(record["image_ids"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _bad(path, type(error).__name__) from None
    shared = used & set(image_ids)
    if shared:
        raise ConfigError(
            explain(
                expected="a prompt chosen on other volumes than those evaluated",
                got=f"{len(shared)} volumes in both, such as {min(shared)}",
                where=path.name,
                remedy="Choose on the validation split.",
            )
        )
    check_template(template, where=path.name)
    return template
