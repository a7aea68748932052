"""Tool caches of DeepTumorVQA: read as tools, and written from masks of our own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vol3d.anatomy import thresholds_sha256
from vol3d.errors import DataError, Vol3dError, explain
from vol3d.evaluate.agent.cases import CasePaths, measure_paths_of
from vol3d.evaluate.agent.chat import Schema
from vol3d.evaluate.agent.jsonl import append_row, read_rows
from vol3d.evaluate.agent.tool_specs import LOOK_UP, MEASURE, SEGMENT
from vol3d.evaluate.agent.tools import answer_look_up
from vol3d.evaluate.agent.toolset import Handler, ToolResult, ToolSpec, run_tool
from vol3d.evaluate.evidence import file_stamps, write_whole
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import Phase
from vol3d.report import DISCLAIMER
from vol3d.vqa.tool_cache import case_tools

Cache = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""``{image_id: {"segment": {target: {...}}, "measure": {target: {measurement: {...}}}}}``"""


PUBLISHED_CACHES = {
    "oracle cache": "tool_cache/benchmark_oracle_tool_cache.json",
    "predicted cache": "tool_cache/benchmark_totalsegmentator_cache.json",
}
"""Where DeepTumorVQA 2.0 keeps its caches."""


class CacheTools:
    """The official tools over a cache: exact look-ups, as the published agent makes them.

    Args:
        cache: By image id.
        name: What the set is called in results: ``oracle cache``, ``predicted cache``.
    """

    def __init__(self, cache: Cache, *, name: str = "oracle cache") -> None:
        self.name = name
        self._cache = cache
        self._tools: list[tuple[ToolSpec, Handler]] = [
            (SEGMENT, self._segment),
            (MEASURE, self._measure),
            (LOOK_UP, answer_look_up),
        ]

    @classmethod
    def load(cls, path: Path, *, name: str = "oracle cache") -> CacheTools:
        """Tools over a cache file.

        Args:
            path: JSON in the published layout, with or without the ``cache`` wrapper.
            name: As for the class.

        Raises:
            DataError: It cannot be read, or has another layout.
        """
        return cls(load_tool_cache(path), name=name)

    def schemas(self) -> list[Schema]:
        """The tools in OpenAI function-calling form."""
        return [spec.schema() for spec, _ in self._tools]

    def call(self, name: str, arguments: Mapping[str, Any], *, image_id: str) -> ToolResult:
        """The result of one call; never raises."""
        return run_tool(self._tools, name, arguments, image_id=image_id)

    def _segment(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        known = self._cache.get(image_id, {}).get("segment", {})
        target = arguments["target"]
        found: Mapping[str, Any] | None = known.get(target)
        if found is not None:
            return found
        error = f"no mask of {target[:60]!r} in the cache"
        return {"mask_found": False, "error": error, "available_targets": list(known)}

    def _measure(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        known = self._cache.get(image_id, {}).get("measure", {})
        target, kind = arguments["target"], arguments["measurement_type"]
        if target not in known:
            return {"error": f"no target {target[:60]!r}; there are {', '.join(known) or 'none'}"}
        found: Mapping[str, Any] | None = known[target].get(kind)
        if found is None:
            return {"error": f"no {kind} of {target}; there are {', '.join(known[target])}"}
        return found


def load_tool_cache(path: Path) -> Cache:
    """The cache of a file, by image id.

    Args:
        path: As ``CacheTools.load``.

    Raises:
        DataError: As ``CacheTools.load``.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong(path, f"content that cannot be read ({type(error).__name__})") from None
    cache = record.get("cache", record) if isinstance(record, dict) else record
    if not isinstance(cache, dict):
        raise _wrong(path, "no object of image ids")
    for image_id, tools in cache.items():
        if not isinstance(tools, dict) or not tools.keys() <= {"segment", "measure"}:
            raise _wrong(path, f"no segment and measure for {image_id[:60]!r}")
        measured = tools.get("measure", {})
        tables = [*tools.values(), *(measured.values() if isinstance(measured, dict) else ())]
        leaves = [leaf for table in tables if isinstance(table, dict) for leaf in table.values()]
        if not all(isinstance(each, dict) for each in [*tables, *leaves]):
            raise _wrong(path, f"a table of {image_id[:60]!r} that is no object")
    return cache


def _wrong(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected='{"cache": {image_id: {"segment": {...}, "measure": {...}}}}',
            got=got,
            where=path.name,
            remedy="Fetch the file again, or write one with `vol3d evaluate make-tool-cache`.",
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeCache:
    """What ``make_tool_cache`` did.

    Args:
        num_cases: In the written cache.
        num_new: Measured in this run; the others were there.
        failed: Why a case is not in the cache, by image id.
    """

    num_cases: int
    num_new: int
    failed: Mapping[str, str]


def make_tool_cache(
    cases: Mapping[str, CasePaths],
    out: Path,
    *,
    options: MeasureOptions | None = None,
    phases: Mapping[str, Phase] | None = None,
    on_case: Callable[[str], None] = lambda image_id: None,
) -> MadeCache:
    """Writes a tool cache measured on the masks of cases.

    Finished cases are kept line by line beside ``out`` (``.cases.jsonl``), so that a run that was
    broken off goes on. A case that cannot be measured is named, left out, and tried again by the
    next run.

    Args:
        cases: From ``find_cases``.
        out: The JSON file to write.
        options: How to measure.
        phases: Phase by image id, where it is known.
        on_case: Is told of every case that was measured or failed.

    Raises:
        DataError: The finished cases beside ``out`` were measured in another way.
    """
    options, phases = options or MeasureOptions(), phases or {}
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = out.with_suffix(".cases.jsonl")
    done = _finished(journal, _settings(options))
    failed, num_new = {}, 0
    for image_id, paths in cases.items():
        stamp = _stamp(paths, phases.get(image_id))
        if image_id in done and done[image_id].get("stamp") == stamp:
            continue
        try:
            own = replace(options, phase=phases.get(image_id, options.phase))
            tools = case_tools(measure_paths_of(paths, own).facts)
        except Vol3dError as error:
            failed[image_id] = f"{type(error).__name__}: {error}"
        else:
            done[image_id] = {**tools, "stamp": stamp}
            append_row(journal, {"image_id": image_id, **done[image_id]})
            num_new += 1
        on_case(image_id)
    kept = {
        image_id: {key: done[image_id][key] for key in ("segment", "measure")}
        for image_id in cases
        if image_id in done and image_id not in failed
    }
    record = {"disclaimer": DISCLAIMER, "settings": _settings(options), "cache": kept}
    write_whole(out, json.dumps(record, indent=1))
    return MadeCache(num_cases=len(kept), num_new=num_new, failed=failed)


def _stamp(paths: CasePaths, phase: Phase | None) -> str:
    """Changes with the files of a case: then it is measured again."""
    stamps = [*file_stamps(paths.scan), *file_stamps(paths.masks), str(phase)]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()


def _settings(options: MeasureOptions) -> dict[str, Any]:
    """What a measurement depends on besides the case."""
    told = asdict(options)
    del told["case_id"]
    told["regions"] = list(options.regions)
    return {**told, "vol3d_version": version("vol3d"), "rules_sha256": thresholds_sha256()}


def _finished(journal: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    rows = read_rows(journal)
    if not rows:
        append_row(journal, {"settings": settings})
        return {}
    if rows[0].get("settings") != settings:
        raise DataError(
            explain(
                expected="finished cases that were measured with the same settings",
                got="other settings",
                where=journal.name,
                remedy="Write to another file, or delete this one to measure all cases again.",
            )
        )
    return {row["image_id"]: row for row in rows[1:]}
