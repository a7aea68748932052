"""Live tools: what an agent can ask about a scan, answered from facts measured on its masks.

The first three and the two about pictures have the names, arguments and shapes of results of the
DeepTumorVQA agent; the others tell what those cannot: places, neighbours, slices, comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any

from vol3d.evaluate.agent import live_queries as queries
from vol3d.evaluate.agent import live_values as values
from vol3d.evaluate.agent.chat import Schema
from vol3d.evaluate.agent.knowledge import look_up, topics
from vol3d.evaluate.agent.tool_specs import (
    AROUND,
    BY_SEGMENT,
    COMPARE,
    CROP,
    DESCRIBE,
    DETAILS,
    FINDINGS,
    LESIONS,
    LIST_CROPS,
    LOOK_UP,
    MEASURE,
    SEGMENT,
    SLICE,
)
from vol3d.evaluate.agent.toolset import (
    Handler,
    ToolArgumentError,
    ToolResult,
    ToolSpec,
    run_tool,
)
from vol3d.measure.facts import CaseFacts
from vol3d.measure.lesion_rules import counts_by_segment
from vol3d.measure.neighbours import part_names
from vol3d.volume import Volume
from vol3d.vqa.tool_cache import case_tools

FactsOf = Callable[[str], CaseFacts]
ScanOf = Callable[[str], Volume]


def answer_look_up(image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
    """Result of ``lookup_medical_knowledge``; the same with every set of tools."""
    found = look_up(arguments["query"])
    rows = [{"text": topic.text, "source": topic.source} for topic in found]
    if rows:
        return {"results": rows}
    known = ", ".join(topic.id for topic in topics() if topic.subtypes)
    return {"results": [], "note": f"nothing fits; topics are {known}"}


class LiveTools:
    """Tools over the facts of scans.

    Args:
        facts_of: Facts of a scan by its image id: measured on true masks, or on predicted ones.
        scan_of: The scan by its image id, for pictures; without it no pictures are offered.
        name: What the set is called in results.
        only: Names of the tools to offer; all if ``None``.
    """

    def __init__(
        self,
        facts_of: FactsOf,
        *,
        scan_of: ScanOf | None = None,
        name: str = "live",
        only: Collection[str] | None = None,
    ) -> None:
        self.name = name
        self._facts_of = facts_of
        self._scan_of = scan_of
        self._only = only

    @cached_property
    def _tools(self) -> list[tuple[ToolSpec, Handler]]:
        every: list[tuple[ToolSpec, Handler]] = [
            (SEGMENT, self._segment),
            (MEASURE, self._measure),
            (LOOK_UP, answer_look_up),
            (DESCRIBE, lambda image_id, _: values.scan_values(self._facts_of(image_id))),
            (DETAILS, self._details),
            (LESIONS, self._lesions),
            (AROUND, self._around),
            (BY_SEGMENT, self._by_segment),
            (SLICE, self._slice),
            (COMPARE, self._compare),
            (FINDINGS, lambda image_id, _: values.finding_values(self._facts_of(image_id))),
        ]
        if self._scan_of is not None:
            every += [(CROP, self._crop), (LIST_CROPS, self._list_crops)]
        return [pair for pair in every if self._only is None or pair[0].name in self._only]

    def schemas(self) -> list[Schema]:
        """The tools in OpenAI function-calling form."""
        return [spec.schema() for spec, _ in self._tools]

    def call(self, name: str, arguments: Mapping[str, Any], *, image_id: str) -> ToolResult:
        """The result of one call; never raises."""
        return run_tool(self._tools, name, arguments, image_id=image_id)

    def _segment(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        name = arguments["target"]
        cached: Mapping[str, Any] | None = case_tools(facts)["segment"].get(name)
        if cached is not None:
            return cached
        try:
            target = values.find_target(name, facts)
        except ToolArgumentError as error:
            known = list(values.targets(facts))
            return {"mask_found": False, "error": str(error), "available_targets": known}
        if target.keys:
            return queries.segmented(facts, target.keys)
        found = values.chosen_lesions(facts, target)
        if not found and not values.is_known(facts, target.organ, target.lesion_type):
            return {
                "mask_found": False,
                "error": f"{name} was not looked for: no mask is no statement",
                "available_targets": list(values.targets(facts)),
            }
        return {"mask_found": bool(found), "lesions": [each.id for each in found]}

    def _measure(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        target = values.find_target(arguments["target"], facts)
        kind = arguments["measurement_type"]
        table = (
            queries.organ_scalars(facts, target.keys)
            if target.keys
            else queries.lesion_table(facts, target, arguments["target"])
        )
        if kind not in table:
            raise ToolArgumentError(
                f"{kind} of {arguments['target'][:60]} is not known; known are "
                f"{', '.join(table)}. Lesions have targets of their own, such as liver_tumor."
            )
        found: Mapping[str, Any] = table[kind]
        return found

    def _details(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        found = [
            key for key in queries.organ_keys(facts, arguments["organ"]) if key in facts.organs
        ]
        if not found:
            raise ToolArgumentError(f"{arguments['organ'][:60]} has no mask in this case")
        return {"organs": [values.organ_values(facts, key) for key in found]}

    def _lesions(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        found = queries.typed_lesions(facts, arguments)
        return {
            "organ": queries.organ_group(facts, arguments["organ"]),
            "is_complete": values.is_known(
                facts, queries.organ_group(facts, arguments["organ"]), arguments.get("lesion_type")
            ),
            "lesions": [values.lesion_values(each) for each in found],
        }

    def _around(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        for lesion in facts.lesions:
            if lesion.id == arguments["lesion"]:
                return values.around_values(lesion)
        known = ", ".join(lesion.id for lesion in facts.lesions) or "none"
        raise ToolArgumentError(f"no lesion {arguments['lesion'][:40]!r}; there are {known}")

    def _by_segment(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        organ = queries.organ_group(facts, arguments["organ"])
        known = counts_by_segment(facts).get(organ)
        if known is None:
            raise ToolArgumentError(
                f"segments of {organ} are not masked, or its lesions were not looked for; known "
                f"are {', '.join(counts_by_segment(facts)) or 'none'}"
            )
        found = queries.typed_lesions(facts, arguments)
        names = part_names(organ).values()
        return {
            "organ": organ,
            "counts": {name: sum(name in each.segments for each in found) for name in names},
        }

    def _slice(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        target = values.find_target(arguments["target"], facts)
        if target.keys:
            boxes = [o.box_zyx for o in map(facts.organ, target.keys) if o and o.box_zyx]
            if not boxes:
                raise ToolArgumentError(f"{arguments['target'][:60]} is not in the scan")
            first, last = min(box[0] for box in boxes), max(box[3] for box in boxes)
            return values.slice_values(facts, first, last, (first + last) // 2)
        found = values.chosen_lesions(facts, target)
        if not found:
            raise ToolArgumentError(f"no lesion is masked for {arguments['target'][:60]}")
        lesion = found[0]
        return {
            "lesion": lesion.id,
            "slice_index": lesion.slice_index,
            "slice_percent": round(lesion.slice_percent, 3),
            "num_slices": facts.scan.shape_zyx[0],
            "counted_from": "inferior, from 0",
        }

    def _compare(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        names = (arguments["organ"], arguments["organ_b"])
        first, second = (queries.quantity_of(facts, name, arguments["quantity"]) for name in names)
        larger = "equal" if first == second else names[first < second]
        result: dict[str, Any] = {
            "quantity": arguments["quantity"],
            names[0]: round(first, 3),
            names[1]: round(second, 3),
            "larger": larger,
        }
        if arguments["quantity"] != "mean_hu":
            result["sum"] = round(first + second, 3)
        if arguments["quantity"] == "volume_cm3" and not queries.all_whole(facts, names):
            result["note"] = "cut off or partly missing: volumes are lower bounds"
        if second > 0:
            result["ratio"] = round(first / second, 4)
        return result

    def _crop(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        from vol3d.evaluate.agent.crops import draw_crop

        assert self._scan_of is not None
        facts = self._facts_of(image_id)
        values.find_target(arguments["organ"], facts)
        crop = draw_crop(self._scan_of(image_id), facts, arguments["organ"])
        return {"image_path": f"{image_id}_{arguments['organ']}.png", **crop}

    def _list_crops(self, image_id: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        facts = self._facts_of(image_id)
        organs = [key for key, organ in facts.organs.items() if organ.is_measured and organ.box_zyx]
        lesions = [f"{each.organ}_{each.type}" for each in facts.lesions]
        return {"image_id": image_id, "available_organs": [*organs, *dict.fromkeys(lesions)]}
