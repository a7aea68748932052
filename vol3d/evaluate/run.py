"""An evaluation: every volume is opened once, all its questions are asked, every answer is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from vol3d.evaluate.agent.chat import ChatError
from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.casebook import hints_of
from vol3d.evaluate.cases import Ablation, Case, shuffled
from vol3d.evaluate.evidence import Facts
from vol3d.evaluate.results import AnswerLog
from vol3d.evaluate.rows import Evidence, Form, ResultRow
from vol3d.evaluate.systems import Given, System, asked_of_record
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
        """What was run, for the first line of the answers: the same header, the same answers.

        Args:
            system: Who is asked.
        """
        return {
            **self.common_header(),
            "system": system.name,
            "fingerprint": dict(sorted(system.fingerprint().items())),
            "evidence": self.evidence,
            "ablation": self.ablation,
        }

    def common_header(self) -> dict[str, Any]:
        """What was asked on what evidence, whoever is asked."""
        from importlib.metadata import version

        own = self.own()
        return {
            "vol3d": version("vol3d"),
            "form": self.form,
            "facts": self._facts(),
            "benchmark_sha256": questions_sha256(self.benchmark.questions),
            "part_id": self.part[0],
            "num_parts": self.part[1],
            "questions_sha256": questions_sha256(own.questions),
            "num_questions": len(own.questions),
        }

    def _facts(self) -> dict[str, str]:
        if self.facts is None:
            return {}
        places = [self.benchmark.place(image) for image in self.benchmark.image_ids]
        return {
            **self.facts.fingerprint(),
            "mask_files_sha256": self.facts.masks_sha256(places),
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
        ChatError: A server did not answer many questions in a row.
    """
    own = plan.own()
    others = shuffled(plan.benchmark.image_ids) if plan.ablation == "shuffle" else None
    order = {image: place for place, image in enumerate(own.image_ids)}
    by_image = groupby(
        sorted(own.questions, key=lambda record: order[record.image_id]),
        key=lambda record: record.image_id,
    )
    with AnswerLog(folder, plan.header(system)) as log:
        asking = _Asking(plan.form, system, log)
        for number, (_, group) in enumerate(by_image, start=1):
            missing = [record for record in group if record.qid not in log.rows]
            if missing:
                asking.ask(_case(plan, missing[0], others), missing)
            if on_volume is not None:
                on_volume(number, len(order), asking.num_failed)
        return dict(log.rows)


def _case(plan: RunPlan, record: QaRecord, others: Mapping[str, str] | None) -> Case:
    image = record.image_id if others is None else others[record.image_id]
    return Case(
        place=plan.benchmark.place(image),
        evidence=plan.facts,
        hints=hints_of(record),
        ablation=plan.ablation,
    )


class _Asking:
    """Asks questions case by case, keeps every answer as it comes, and names what fails."""

    def __init__(self, form: Form, system: System, log: AnswerLog) -> None:
        self.form, self.system, self.log = form, system, log
        self.num_failed = 0
        self.failed_in_a_row = 0

    def ask(self, case: Case, records: Sequence[QaRecord]) -> None:
        """Asks all questions about one case; a case that cannot be opened fails all of them.

        Args:
            case: What is shown.
            records: The questions.
        """
        try:
            seen = self.system.look(case)
        except Exception as error:  # all of its questions are named as failed
            for record in records:
                self._fail(record, error)
            return
        for record in records:
            try:
                given = self.system.answer(seen, [asked_of_record(record, self.form)])[0]
            except Exception as error:  # named as failed; the next question is asked
                self._fail(record, error)
                continue
            self.failed_in_a_row = 0
            _keep(record, given or _NOTHING, self.log)

    def _fail(self, record: QaRecord, error: Exception) -> None:
        """Names a failure; a server that is gone ends the run, since it fails every question."""
        self.log.fail(record.qid, error)
        self.num_failed += 1
        self.failed_in_a_row += isinstance(error, ChatError)
        if self.failed_in_a_row >= MOST_FAILURES:
            raise error


MOST_FAILURES = 10
"""Questions in a row that a server does not answer before the run ends."""
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
