"""An evaluation: every volume is opened once, all its questions are asked, every answer is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.casebook import hints_of
from vol3d.evaluate.cases import Ablation, Case, shuffled
from vol3d.evaluate.evidence import Facts
from vol3d.evaluate.results import AnswerLog
from vol3d.evaluate.rows import Evidence, Form, ResultRow
from vol3d.evaluate.systems import Asked, Given, System, asked_of_record
from vol3d.vqa.dataset import QaRecord

OnVolume = Callable[[int, int, int], None]
"""Told the number of finished volumes, of all volumes, and of failed questions so far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """What is asked of which system.

    Args:
        benchmark: All questions of the evaluation.
        form: Multiple choice or free form.
        evidence: What facts the system may use.
        facts: Where they come from; ``None`` with evidence ``none``.
        ablation: What is taken away.
        part: Which of how many parts is run.
    """

    benchmark: Benchmark
    form: Form = "mc"
    evidence: Evidence = "none"
    facts: Facts | None = None
    ablation: Ablation | None = None
    part: tuple[int, int] = (0, 1)

    def own(self) -> Benchmark:
        """The questions of this part."""
        return self.benchmark.only(part=self.part)

    def header(self, system: System) -> dict[str, Any]:
        """What was run, for the first line of the answers: the same header, the same answers."""
        from importlib.metadata import version

        own = self.own()
        return {
            "vol3d": version("vol3d"),
            "system": system.name,
            "fingerprint": dict(sorted(system.fingerprint().items())),
            "form": self.form,
            "evidence": self.evidence,
            "facts": {} if self.facts is None else dict(self.facts.fingerprint()),
            "ablation": self.ablation,
            "benchmark_sha256": questions_sha256(self.benchmark.questions),
            "part_id": self.part[0],
            "num_parts": self.part[1],
            "questions_sha256": questions_sha256(own.questions),
            "num_questions": len(own.questions),
        }


def questions_sha256(records: Sequence[QaRecord]) -> str:
    """Hash of questions with their answers, in their order."""
    text = json.dumps([record.model_dump(mode="json") for record in records], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run(
    plan: RunPlan,
    system: System,
    folder: Path,
    *,
    on_volume: OnVolume | None = None,
) -> dict[str, ResultRow]:
    """Answers to all questions of the plan's part, those of earlier runs in the folder included.

    A question that fails is named in ``failures.jsonl`` and has no answer; the rest go on.

    Args:
        plan: What is asked.
        system: Who is asked.
        folder: Of the results.
        on_volume: Told after every volume.

    Raises:
        ConfigError: The folder holds another run's answers.
    """
    own = plan.own()
    others = shuffled(plan.benchmark.image_ids) if plan.ablation == "shuffle" else None
    order = {image: place for place, image in enumerate(own.image_ids)}
    by_image = groupby(
        sorted(own.questions, key=lambda record: order[record.image_id]),
        key=lambda record: record.image_id,
    )
    num_failed = 0
    with AnswerLog(folder, plan.header(system)) as log:
        for number, (_, group) in enumerate(by_image, start=1):
            missing = [record for record in group if record.qid not in log.rows]
            if missing:
                case = _case(plan, missing[0], others)
                num_failed += _ask(plan, system, case, missing, log)
            if on_volume is not None:
                on_volume(number, len(order), num_failed)
        return dict(log.rows)


def _case(plan: RunPlan, record: QaRecord, others: Mapping[str, str] | None) -> Case:
    image = record.image_id if others is None else others[record.image_id]
    return Case(
        place=plan.benchmark.place(image),
        evidence=plan.facts,
        hints=hints_of(record),
        ablation=plan.ablation,
    )


def _ask(
    plan: RunPlan, system: System, case: Case, records: Sequence[QaRecord], log: AnswerLog
) -> int:
    """Asks all questions about one case and keeps the answers; returns how many failed."""
    pairs = [(record, asked_of_record(record, plan.form)) for record in records]
    try:
        seen = system.look(case)
    except Exception as error:  # all of its questions are named as failed
        for record in records:
            log.fail(record.qid, error)
        return len(records)
    return _answer(system, seen, pairs, log)


def _answer(
    system: System, seen: Any, pairs: Sequence[tuple[QaRecord, Asked]], log: AnswerLog
) -> int:
    """Asks questions together, and one by one if that fails, so that one cannot take the others."""
    try:
        answers = system.answer(seen, [asked for _, asked in pairs])
    except Exception as error:  # named as failed, or tried one by one
        if len(pairs) == 1:
            log.fail(pairs[0][0].qid, error)
            return 1
        return sum(_answer(system, seen, [pair], log) for pair in pairs)
    for (record, _), given in zip(pairs, answers, strict=True):
        _keep(record, given or _NOTHING, log)
    return 0


_NOTHING = Given(text="", source="none")
"""The answer of a system that passes a question on: wrong under both scorers."""


def _keep(record: QaRecord, given: Given, log: AnswerLog) -> None:
    log.add(
        ResultRow(
            qid=record.qid,
            image_id=record.image_id,
            question_subtype=record.question_subtype,
            question_type=record.question_type,
            raw_output=given.raw or given.text,
            pred_answer=given.text,
            correct_option=record.correct_option,
            answer=record.answer,
            confidence=None if given.confidence is None else round(given.confidence, 6),
            is_abstention=given.is_abstention,
            source=given.source,
        )
    )
