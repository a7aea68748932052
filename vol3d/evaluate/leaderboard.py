"""The published table of DeepTumorVQA, and where a result stands in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vol3d.evaluate.rows import Form

Family = Literal["direct", "agent", "human"]
SUPER_TYPES = ("recognition", "measurement", "visual reasoning", "medical reasoning")


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRow:
    """One published result; scores are percent of the official scorer.

    Args:
        name: Model and how it was used.
        family: Direct answers, an agent with tools, or people.
        input: What it was shown; empty where the table does not say.
        form: Multiple choice or free form.
        overall: All questions together.
        by_super_type: By group of subtypes.
    """

    name: str
    family: Family
    input: str
    form: Form
    overall: float
    by_super_type: Mapping[str, float]


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All published rows, best first within a form and family.

    Source: DeepTumorVQA 2.0, ``metadata/leaderboard.csv`` and ``leaderboard_freeform.csv``.
    """
    path = Path(__file__).resolve().parent / "leaderboard.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        PublishedRow(
            name=row["name"],
            family=row["family"],
            input=row["input"],
            form=row["form"],
            overall=row["overall"],
            by_super_type={name: row[name.replace(" ", "_")] for name in SUPER_TYPES},
        )
        for row in table["rows"]
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a result stands among published ones.

    Args:
        rank: 1 for the best; ties rank after published rows.
        total: Number of published rows and this one.
        above: The next better published row, if there is one.
        below: The next worse or equal published row, if there is one.
    """

    rank: int
    total: int
    above: PublishedRow | None
    below: PublishedRow | None


def placement(overall_percent: float, *, form: Form, family: Family = "direct") -> Placement:
    """Where a result stands, beside rows of its form and family; people stand with direct answers.

    Args:
        overall_percent: The official overall score of all 10,000 questions.
        form: Multiple choice or free form.
        family: ``direct`` or ``agent``.
    """
    families = ("direct", "human") if family == "direct" else (family,)
    rows = [r for r in published_rows() if r.form == form and r.family in families]
    rows.sort(key=lambda row: -row.overall)
    better = [row for row in rows if row.overall >= overall_percent]
    worse = [row for row in rows if row.overall < overall_percent]
    return Placement(
        rank=len(better) + 1,
        total=len(rows) + 1,
        above=better[-1] if better else None,
        below=worse[0] if worse else None,
    )


def super_type_percent(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Official scores by group in percent; 0 for a group without questions, as published.

    Args:
        metrics: As the official scorer aggregates them.
    """
    groups = metrics["by_super_type"]
    return {
        name: round(100 * groups.get(name, {"accuracy": 0.0})["accuracy"], 2)
        for name in SUPER_TYPES
    }
