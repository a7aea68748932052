"""The sets of tools by name: live or cached, on true masks or predicted ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vol3d.errors import ConfigError, explain
from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.agent.cases import MeasuredFolder, find_cases, phases_of
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.toolset import ToolSet
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.dataset import QaRecord

ToolKind = Literal["live", "live predicted", "oracle cache", "predicted cache"]
PUBLISHED_CACHES = {
    "oracle cache": "tool_cache/benchmark_oracle_tool_cache.json",
    "predicted cache": "tool_cache/benchmark_totalsegmentator_cache.json",
}
"""Where DeepTumorVQA 2.0 keeps its caches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSources:
    """What tools may rest on.

    Args:
        data_dir: Data set with scans, and with masks for ``live``.
        masks_dir: Masks in folders by image id, where they do not lie beside the scans.
        predicted: Facts by image id from predicted masks, for ``live predicted``.
        cache: A cache file in place of the published one.
        records: The questions; they may tell the contrast phase.
        options: How masks are measured.
        only: Names of the live tools to offer; all if ``None``.
    """

    data_dir: Path
    masks_dir: Path | None = None
    predicted: Callable[[str], CaseFacts] | None = None
    cache: Path | None = None
    records: Iterable[QaRecord] = ()
    options: MeasureOptions = field(default_factory=MeasureOptions)
    only: Collection[str] | None = None


def choose_tools(kind: ToolKind, sources: ToolSources) -> ToolSet:
    """A set of tools.

    ``live predicted`` without ``predicted`` measures the masks in ``masks_dir``.

    Args:
        kind: Which set.
        sources: What it rests on.

    Raises:
        ConfigError: ``live predicted`` has neither facts nor masks to rest on.
        DataError: There is no such data or cache.
    """
    if kind in PUBLISHED_CACHES:
        path = sources.cache or sources.data_dir / PUBLISHED_CACHES[kind]
        return CacheTools.load(path, name=kind)
    if kind == "live predicted" and sources.predicted is None and sources.masks_dir is None:
        raise ConfigError(
            explain(
                expected="predicted facts, or a folder of predicted masks",
                got="neither",
                where="tools live predicted",
                remedy="Pass the segmenter, or the folder in which it wrote its masks.",
            )
        )
    folder = MeasuredFolder(
        cases=find_cases(sources.data_dir, masks_dir=sources.masks_dir),
        options=sources.options,
        phases=phases_of(sources.records),
    )
    predicted = sources.predicted if kind == "live predicted" else None
    facts_of = predicted or folder.facts
    return LiveTools(facts_of, scan_of=folder.scan, name=kind, only=sources.only)
