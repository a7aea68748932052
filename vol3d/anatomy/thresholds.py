"""Clinical thresholds and rule choices: one data file, each with its source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from vol3d.errors import ConfigError, explain

_FILE = Path(__file__).resolve().parent / "thresholds.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """One number that a rule compares with.

    Args:
        id: Such as ``spleen.enlarged_cm3``.
        value: The number.
        unit: Of the number; empty for ratios and counts.
        meaning: What the rule says beyond it.
        source: Paper, guideline or table.
        status: ``published``; ``benchmark``, as DeepTumorVQA's own knowledge base or report code
            has it; or ``proposed``, our choice where no source says.
        alternatives: Other published values and where they stand.
    """

    id: str
    value: float
    unit: str
    meaning: str
    source: str
    status: Literal["published", "benchmark", "proposed"]
    alternatives: tuple[str, ...] = ()


@cache
def thresholds() -> Mapping[str, Threshold]:
    """All thresholds by id."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["thresholds"]
    table = {
        row["id"]: Threshold(**{**row, "alternatives": tuple(row.get("alternatives", ()))})
        for row in rows
    }
    return MappingProxyType(table)


def threshold(threshold_id: str) -> float:
    """The number of a threshold.

    Raises:
        ConfigError: There is no such threshold.
    """
    found = thresholds().get(threshold_id)
    if found is None:
        raise ConfigError(
            explain(
                expected="the id of a threshold",
                got=repr(threshold_id),
                where=_FILE.name,
                remedy=f"Known are {', '.join(sorted(thresholds()))}.",
            )
        )
    return found.value


@cache
def thresholds_sha256() -> str:
    """Hash of the data file, for the provenance of results."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()
