"""The forty written pairs of reports, with their hand-computed scores and their flipped texts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vol3d.evaluate.report_metrics.pairs import ReportPair

_CHOICE = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenPair:
    """One pair: the reference, the same text with every statement flipped, and what is expected."""

    pair: ReportPair
    flipped: str
    expected: dict[str, Any]


def written_pairs(name: str = "report_pairs") -> tuple[WrittenPair, ...]:
    """All pairs of a file; ``{a|b}`` in a reference is ``a`` as written and ``b`` when flipped."""
    path = Path(__file__).parents[1] / "data" / f"{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(
        WrittenPair(
            pair=ReportPair(
                case_id=row["id"],
                reference=_CHOICE.sub(r"\1", row["reference"]),
                prediction=row["prediction"],
            ),
            flipped=_CHOICE.sub(r"\2", row["reference"]),
            expected=row["expected"],
        )
        for row in rows
    )
