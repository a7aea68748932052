"""Scored rows with known properties, as if a system had been run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vol3d.evaluate.breakdown import size_stratum
from vol3d.evaluate.paired import compare_paired
from vol3d.evaluate.rows import ScoredRow
from vol3d.evaluate.summary import (
    Beside,
    EvaluationSummary,
    ReferenceRow,
    RunInfo,
    SystemRun,
    summarise,
)
from vol3d.vqa.subtypes import SUBTYPES


def scored(qid: str, score: float = 1.0, **changes: Any) -> ScoredRow:
    """One row that both scorers score alike."""
    row = ScoredRow(
        qid=qid,
        image_id="v1",
        subtype="lesion counting",
        super_type="visual reasoning",
        official=score,
        strict=score,
        chance=0.25,
    )
    return replace(row, **changes)


def generated_rows(
    num: int = 3000, *, num_volumes: int = 400, skill: float = 0.5, seed: int = 0
) -> list[ScoredRow]:
    """Rows over all 42 subtypes whose volumes differ in difficulty.

    Args:
        num: Questions.
        num_volumes: Volumes; questions are dealt to them in turn.
        skill: Chance of knowing an answer; otherwise it is guessed.
        seed: Of everything.
    """
    draw = random.Random(seed)
    ease = [draw.gauss(0, 0.15) for _ in range(num_volumes)]
    kinds = list(SUBTYPES.values())
    rows = []
    for index in range(num):
        kind, volume = kinds[index % len(kinds)], index % num_volumes
        chance = 0.5 if kind.answer_type == "binary" else 0.25
        taste = (hash_of(kind.name) % 100) / 250 - 0.2
        known = min(max(skill + ease[volume] + taste, 0.02), 0.98)
        is_known = draw.random() < known
        right = float(is_known or draw.random() < chance)
        is_answered = draw.random() > 0.01
        is_assessable = draw.random() > 0.03
        is_abstention = is_answered and draw.random() < (0.02 if is_assessable else 0.7)
        confidence = min(max(known + (1 - known) * chance + draw.gauss(0.05, 0.12), 0.0), 1.0)
        strata = {
            "phase": ("arterial", "venous", "unenhanced", "delayed")[volume % 4],
            "scanner": ("GE", "Philips", "Siemens", "Toshiba")[volume // 4 % 4],
        }
        if kind.is_about_lesions:
            strata["size"] = size_stratum(draw.uniform(4, 60))
        rows.append(
            ScoredRow(
                qid=f"q{index:05d}",
                image_id=f"v{volume:04d}",
                subtype=kind.name,
                super_type=kind.super_type,
                official=right,
                strict=right if is_answered and not is_abstention else 0.0,
                chance=chance,
                confidence=confidence if is_answered and index % 50 else None,
                is_answered=is_answered,
                is_abstention=is_abstention,
                is_assessable=is_assessable,
                strata=strata,
            )
        )
    return rows


def hash_of(text: str) -> int:
    """A number that is the same in every run."""
    return sum(ord(letter) * (index + 1) for index, letter in enumerate(text))


def official_metrics(rows: Sequence[ScoredRow]) -> dict[str, Any]:
    """What the official scorer returns for multiple choice."""
    answered = [row for row in rows if row.is_answered]
    subtypes: dict[str, list[ScoredRow]] = {}
    for row in answered:
        subtypes.setdefault(row.subtype, []).append(row)
    scores = {
        name: {
            "metric": "exact_match",
            "accuracy": round(sum(row.official for row in own) / len(own), 4),
            "n_total": len(own),
        }
        for name, own in subtypes.items()
    }
    groups: dict[str, list[str]] = {}
    for name, own in subtypes.items():
        groups.setdefault(own[0].super_type, []).append(name)

    def weighted(names: Sequence[str]) -> dict[str, Any]:
        total = sum(scores[name]["n_total"] for name in names)
        points = sum(scores[name]["accuracy"] * scores[name]["n_total"] for name in names)
        return {"accuracy": round(points / total, 4), "n_total": total}

    return {
        "overall": {**weighted(list(scores)), "n_subtypes": len(scores)},
        "by_super_type": {name: weighted(names) for name, names in groups.items()},
        "by_subtype": scores,
    }


def example_summary(system: str = "tiny", num: int = 420) -> EvaluationSummary:
    """A summary with every part that there may be."""
    rows = generated_rows(num, num_volumes=60)
    blank = generated_rows(num, num_volumes=60, skill=0.1, seed=1)
    rules = generated_rows(num, num_volumes=60, skill=0.2, seed=2)
    return summarise(
        rows,
        official_metrics(rows),
        run=RunInfo(
            title="PhantomBench",
            system=system,
            form="mc",
            evidence="none",
            provenance={"Weights, SHA-256": "0123abcd"},
        ),
        beside=Beside(
            references=REFERENCES,
            references_note="Published on other questions.",
            systems=[
                SystemRun(name="rules alone", rows=rules, metrics=official_metrics(rules)),
                SystemRun(name="blank scans", rows=blank, metrics=official_metrics(blank)),
            ],
            blank=blank,
            comparisons=[compare_paired(rules, rows, names=("rules alone", system))],
        ),
    )


REFERENCES = (
    ReferenceRow(name="Low model", kind="direct", overall=20.0, recognition=30.0),
    ReferenceRow(name="High model", kind="direct", overall=99.0),
    ReferenceRow(name="An agent", kind="agent", overall=98.0),
    ReferenceRow(name="Senior reader", kind="human", overall=54.5, note="200 questions"),
)
