"""The published table of DeepTumorVQA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

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
