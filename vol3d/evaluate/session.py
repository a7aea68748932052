"""A whole evaluation: systems and ablations on the same questions, and one summary of all."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.cases import Ablation
from vol3d.evaluate.evidence import write_whole
from vol3d.evaluate.figures import (
    Beside,
    EvaluationSummary,
    ReferenceRow,
    RowKind,
    RunInfo,
    SystemRun,
)
from vol3d.evaluate.leaderboard import published_rows
from vol3d.evaluate.page import render_evaluation
from vol3d.evaluate.paired import compare_paired
from vol3d.evaluate.results import merge_logs, write_results
from vol3d.evaluate.rows import Evidence, Form, ResultRow
from vol3d.evaluate.run import OnVolume, RunPlan, questions_sha256, run
from vol3d.evaluate.scored import FactsOf, scored_rows
from vol3d.evaluate.summary import summarise
from vol3d.evaluate.systems import System
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.dataset import QaRecord

log = logging.getLogger(__name__)
_COMPARABLE = (
    "Published rows are those of DeepTumorVQA 2.0. This run asked all its 10,000 questions, so "
    "that they are comparable."
)
_NOT_COMPARABLE = (
    "Published rows are of the 10,000 questions of DeepTumorVQA 2.0. This run asked other or fewer "
    "questions, so it has no place among them."
)
SUMMARY, PAGE, ROWS = "summary.json", "evaluation.html", "rows"
_NOTES: dict[Ablation, str] = {
    "blank": "scans of one value, no facts",
    "shuffle": "the scan and facts of another case",
    "text-only": "neither scan nor facts",
}


def row_name(system: str, ablation: Ablation | None) -> str:
    """How results call a system under a condition."""
    return f"{system}, {ablation}" if ablation else system


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRow:
    """One system under one condition: a row of the table of systems.

    Args:
        system: What is asked.
        ablation: What is taken away.
    """

    system: System
    ablation: Ablation | None = None

    @property
    def name(self) -> str:
        """Of the system, and of what is taken away."""
        return row_name(self.system.name, self.ablation)

    @property
    def slug(self) -> str:
        """The name as a folder's name."""
        return "".join(c if c.isalnum() else "-" for c in self.name.lower())


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What is evaluated on what.

    Args:
        title: Of the benchmark.
        plan: Questions, form, evidence and part; its ablation is that of each row.
        rows: The first is the main one.
        kind: In which family results are placed.
        provenance: Versions, hashes and options for the page.
    """

    title: str
    plan: RunPlan
    rows: Sequence[EvaluationRow]
    kind: RowKind = "direct"
    provenance: Mapping[str, str] = field(default_factory=dict)

    def folder(self, out: Path, row: EvaluationRow) -> Path:
        """Where the answers of a row lie: those of the main row in ``out`` itself."""
        return out if row is self.rows[0] else out / ROWS / row.slug


def run_session(
    session: Session, out: Path, *, on_volume: Callable[[str], OnVolume] | None = None
) -> EvaluationSummary | None:
    """Answers to all questions by all rows, and the summary; ``None`` for a part of several.

    Args:
        session: What is evaluated.
        out: Folder of the results.
        on_volume: Given a row's name, what is told after every volume.

    Raises:
        ConfigError: Two rows of one name, or a folder with other answers.
    """
    names = [row.name for row in session.rows]
    if len(set(names)) < len(names):
        raise ConfigError(
            explain(
                expected="rows of different names",
                got=", ".join(names),
                where="systems and ablations",
                remedy="Name each of them once.",
            )
        )
    found = {}
    for row in session.rows:
        plan = replace(session.plan, ablation=row.ablation)
        told = None if on_volume is None else on_volume(row.name)
        found[row.name] = run(plan, row.system, session.folder(out, row), on_volume=told)
    if session.plan.part[1] > 1:
        return None
    main = session.rows[0].system.name
    answered = [
        _answered(
            row.system.name,
            row.ablation,
            found[row.name],
            session.folder(out, row),
            main=main,
        )
        for row in session.rows
    ]
    return finish(
        answered,
        out,
        benchmark=session.plan.own(),
        run_info=RunInfo(
            title=session.title,
            system=names[0],
            form=session.plan.form,
            evidence=session.plan.evidence,
            kind=session.kind,
            provenance=session.provenance,
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """Answers of one row.

    Args:
        name: Of the row.
        answers: By question id.
        folder: Where its ``results.json`` goes.
        note: What differs from the main row.
        is_blank: Whether it is the main system on blank scans.
        official_rows: What the official scorer is given in place of ``answers``.
    """

    name: str
    answers: Mapping[str, ResultRow]
    folder: Path
    note: str = ""
    is_blank: bool = False
    official_rows: Sequence[Mapping[str, Any]] | None = None


def finish(
    answered: Sequence[Answered], out: Path, *, benchmark: Benchmark, run_info: RunInfo
) -> EvaluationSummary:
    """Writes result files of all rows, ``summary.json`` and ``evaluation.html``.

    Args:
        answered: The main row first.
        out: Folder of the results.
        benchmark: The questions.
        run_info: What was run.
    """
    records, form = benchmark.questions, run_info.form
    facts_of, is_whole = true_facts(benchmark), is_whole_benchmark(records)
    runs: list[SystemRun] = []
    for each in answered:
        metrics = write_results(
            each.folder, records, each.answers, form, as_given=each.official_rows
        )
        scored = scored_rows(records, each.answers, form, facts_of=facts_of)
        runs.append(SystemRun(name=each.name, rows=scored, metrics=metrics, note=each.note))
    blank = [run.rows for run, each in zip(runs, answered, strict=True) if each.is_blank]
    main, others = runs[0], runs[1:]
    summary = summarise(
        main.rows,
        main.metrics,
        run=run_info,
        beside=Beside(
            references=references(form),
            references_note=_COMPARABLE if is_whole else _NOT_COMPARABLE,
            is_comparable=is_whole,
            systems=others,
            blank=blank[0] if blank else None,
            comparisons=[
                compare_paired(each.rows, main.rows, names=(each.name, main.name))
                for each in others
            ],
        ),
    )
    write_whole(out / SUMMARY, summary.to_json().rstrip("\n"))
    write_whole(out / PAGE, render_evaluation(summary).rstrip("\n"))
    return summary


def merge_parts(
    folders: Sequence[Path], out: Path, *, benchmark: Benchmark, title: str
) -> EvaluationSummary:
    """The summary of an evaluation that ran in parts, with all its rows.

    Args:
        folders: One of each part.
        out: Folder of the results.
        benchmark: All questions, as the parts had them.
        title: Of the benchmark.

    Raises:
        ConfigError: Parts or rows are missing, or belong to different evaluations or questions.
    """
    merged = [merge_logs(folders)]
    slugs = sorted({path.name for folder in folders for path in (folder / ROWS).glob("*")})
    merged += [merge_logs([folder / ROWS / slug for folder in folders]) for slug in slugs]
    for header, _ in merged:
        if header["benchmark_sha256"] != questions_sha256(benchmark.questions):
            raise ConfigError(
                explain(
                    expected="the questions that the parts were asked",
                    got="other questions",
                    where="merge-parts",
                    remedy="Pass the same data set, split, subtypes and limit.",
                )
            )
    first = merged[0][0]
    form: Form = first["form"]
    evidence: Evidence = first["evidence"]
    targets = [out, *(out / ROWS / slug for slug in slugs)]
    answered = [
        _answered(header["system"], header["ablation"], answers, target, main=first["system"])
        for (header, answers), target in zip(merged, targets, strict=True)
    ]
    info = RunInfo(
        title=title,
        system=answered[0].name,
        form=form,
        evidence=evidence,
        provenance=provenance_of(first),
    )
    return finish(answered, out, benchmark=benchmark, run_info=info)


def _answered(
    system: str,
    ablation: Ablation | None,
    answers: Mapping[str, ResultRow],
    folder: Path,
    *,
    main: str,
) -> Answered:
    return Answered(
        name=row_name(system, ablation),
        answers=answers,
        folder=folder,
        note="" if ablation is None else _NOTES[ablation],
        is_blank=ablation == "blank" and system == main,
    )


def provenance_of(header: Mapping[str, Any]) -> dict[str, str]:
    """What was run, as texts for the page.

    Args:
        header: First line of the answers.
    """
    flat: dict[str, str] = {}
    for name, value in header.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": str(part) for key, part in value.items()}
        elif value is not None:
            flat[name] = str(value)
    return flat


def references(form: Form) -> list[ReferenceRow]:
    """The published rows of one form."""
    return [
        ReferenceRow(
            name=row.name,
            kind=row.family,
            overall=row.overall,
            recognition=row.by_super_type["recognition"],
            measurement=row.by_super_type["measurement"],
            visual=row.by_super_type["visual reasoning"],
            medical=row.by_super_type["medical reasoning"],
        )
        for row in published_rows()
        if row.form == form
    ]


def is_whole_benchmark(records: Sequence[QaRecord]) -> bool:
    """Whether these are all 10,000 questions of DeepTumorVQA 2.0, by number and ids."""
    return len(records) == 10_000 and all(r.qid.startswith("bench_") for r in records)


def true_facts(benchmark: Benchmark) -> FactsOf:
    """True facts of a case, where they lie beside the scan as for synthetic cases."""

    @lru_cache(maxsize=8)
    def facts_of(image_id: str) -> CaseFacts | None:
        scan = benchmark.place(image_id).scan
        path = None if scan is None else scan.parent / "facts.json"
        if path is None or not path.is_file():
            return None
        try:
            record = json.loads(path.read_bytes())
            record.pop("disclaimer", None)
            return CaseFacts.model_validate(record)
        except (ValueError, TypeError, RecursionError) as error:
            log.warning("facts.json of %s: %s; no stratum by size", image_id, type(error).__name__)
            return None

    return facts_of
