"""Live tools: values, shapes, errors that help, faults that are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent_cases import IMAGE, liver_case
from fact_builders import make_case, organ, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.toolset import OFFICIAL_TOOLS, VISION_TOOLS
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.tool_cache import case_tools

FACTS = liver_case()
TOOLS = LiveTools(lambda image_id: FACTS)


def call(name: str, facts: CaseFacts = FACTS, **arguments: Any) -> dict[str, Any]:
    result = LiveTools(lambda image_id: facts).call(name, arguments, image_id=IMAGE)
    assert result.fault is None
    return dict(result.content)


def test_schemas_are_in_function_calling_form() -> None:
    for schema in TOOLS.schemas():
        function = schema["function"]
        assert schema["type"] == "function"
        assert function["description"]
        assert set(function["parameters"]["required"]) <= set(function["parameters"]["properties"])
        json.dumps(schema)


def test_the_official_tools_have_their_names_and_arguments() -> None:
    by_name = {s["function"]["name"]: s["function"]["parameters"] for s in TOOLS.schemas()}
    assert by_name["segment_organ"]["required"] == ["target"]
    assert by_name["measure"]["required"] == ["target", "measurement_type"]
    assert "lesion_count" in by_name["measure"]["properties"]["measurement_type"]["enum"]
    assert by_name["lookup_medical_knowledge"]["required"] == ["query"]


@pytest.mark.parametrize("only", [OFFICIAL_TOOLS, VISION_TOOLS])
def test_a_set_may_be_narrowed(only: tuple[str, ...]) -> None:
    tools = LiveTools(lambda i: FACTS, scan_of=lambda i: None, only=only)  # type: ignore[arg-type, return-value]
    assert {s["function"]["name"] for s in tools.schemas()} == set(only)
    assert "unknown tool" in tools.call("describe_scan", {}, image_id=IMAGE).content["error"]


def test_no_pictures_without_scans() -> None:
    assert "crop_organ" not in {s["function"]["name"] for s in TOOLS.schemas()}


@pytest.mark.parametrize("seed", range(5))
def test_official_tools_answer_as_the_cache_of_the_same_facts(seed: int) -> None:
    facts = random_case(seed)
    cache = case_tools(facts)
    for target, value in cache["segment"].items():
        assert call("segment_organ", facts, target=target) == value
    for target, table in cache["measure"].items():
        for kind, value in table.items():
            told = call("measure", facts, target=target, measurement_type=kind)
            assert {k: told[k] for k in ("value", "unit")} == value


def test_measure_takes_the_other_name_of_its_argument() -> None:
    assert call("measure", target="spleen", measurement="volume_cm3")["value"] == 350.0


@pytest.mark.parametrize(
    ("target", "kind", "value"),
    [
        ("kidneys", "volume_cm3", 320.0),
        ("left kidney", "volume_cm3", 150.0),
        ("liver_lesion", "lesion_count", 2),
        ("liver_tumor", "lesion_count", 2),
        ("liver_cyst", "lesion_count", 1),
        ("liver_cyst", "mean_hu", 5.0),
        ("kidney_cyst", "lesion_count", 0),
        ("liver_tumor", "largest_lesion_diameter_cm", 2.6),
        ("liver_segment_4", "volume_cm3", 200.0),
    ],
)
def test_measurements_of_more_targets(target: str, kind: str, value: float) -> None:
    assert call("measure", target=target, measurement_type=kind)["value"] == value


def test_a_cut_off_organ_is_a_lower_bound() -> None:
    assert "lower bound" in call("measure", target="kidneys", measurement_type="volume_cm3")["note"]
    assert "note" not in call("measure", target="liver", measurement_type="volume_cm3")


def test_a_type_that_nobody_looked_for_is_no_zero() -> None:
    told = call("measure", target="pancreas_tumor", measurement_type="lesion_count")
    assert "not looked for" in told["error"]
    assert call("segment_organ", target="colon_tumor")["mask_found"] is False
    assert "not looked for" in call("segment_organ", target="colon_tumor")["error"]


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("measure", {"target": "spleen"}, "volume_cm3, mean_hu"),
        ("measure", {"target": "spleen", "measurement_type": "mass"}, "allowed are volume_cm3"),
        ("measure", {"target": "moon", "measurement_type": "volume_cm3"}, "liver_tumor"),
        ("measure", {"target": 3, "measurement_type": "volume_cm3"}, "type int"),
        ("measure", {"target": "liver", "measurement_type": "lesion_count"}, "liver_tumor"),
        ("segment_organ", {}, "needs target"),
        ("segment_organ", {"target": "liver", "x": "y"}, "no argument x"),
        ("list_lesions", {"organ": "liver", "lesion_type": "spots"}, "allowed are"),
        ("lesion_surroundings", {"lesion": "liver-9"}, "liver-1, liver-2"),
        ("count_lesions_by_segment", {"organ": "pancreas"}, "liver"),
        ("compare_organs", {"organ": "liver", "organ_b": "spleen"}, "quantity"),
        ("fly", {}, "there are segment_organ"),
    ],
)
def test_wrong_calls_tell_what_is_allowed(name: str, arguments: dict[str, Any], part: str) -> None:
    result = TOOLS.call(name, arguments, image_id=IMAGE)
    assert part in result.content["error"]
    assert result.fault is None


def test_an_unknown_target_of_segment_organ_lists_the_known_ones() -> None:
    told = call("segment_organ", target="moon")
    assert told["mask_found"] is False
    assert {"liver", "spleen", "liver_tumor"} <= set(told["available_targets"])


def test_a_case_that_cannot_be_measured_is_a_fault() -> None:
    def refuse(image_id: str) -> CaseFacts:
        raise DataError("case x: got nothing; expected masks.")

    result = LiveTools(refuse).call("describe_scan", {}, image_id=IMAGE)
    assert result.content == {"error": "DataError: case x: got nothing; expected masks."}
    assert result.fault == "DataError: case x: got nothing; expected masks."


def test_describe_scan() -> None:
    told = call("describe_scan")
    assert told["phase"] == "venous"
    assert told["organs"]["kidney_right"] == {"status": "truncated", "volume_cm3": 170.0}
    assert told["lesion_types_looked_for"]["liver"] == ["tumor", "cyst"]


def test_list_lesions_of_a_type() -> None:
    told = call("list_lesions", organ="liver", lesion_type="cyst")
    assert [each["id"] for each in told["lesions"]] == ["liver-2"]
    assert told["is_complete"] is True
    assert told["lesions"][0]["segments"] == ["6"]


def test_an_empty_list_is_complete_only_where_somebody_looked() -> None:
    assert call("list_lesions", organ="kidney")["is_complete"] is True
    assert call("list_lesions", organ="pancreas")["is_complete"] is False


def test_surroundings_counts_slices() -> None:
    around = call("lesion_surroundings", lesion="liver-1")
    assert around["contacts"][0] == {"structure": "stomach", "gap_mm": 2.0, "near_voxels": 120}
    counts = call("count_lesions_by_segment", organ="liver")["counts"]
    assert (counts["4"], counts["6"], counts["1"]) == (1, 1, 0)
    assert call("slice_position", target="liver_tumor")["slice_index"] == 40
    assert call("slice_position", target="liver_cyst")["slice_percent"] == 50.0


def test_compare_organs() -> None:
    told = call("compare_organs", organ="liver", organ_b="spleen", quantity="volume_cm3")
    assert told["larger"] == "liver"
    assert told["sum"] == 1850.0
    assert told["ratio"] == 4.2857
    burden = call(
        "compare_organs", organ="liver", organ_b="kidney", quantity="lesion_burden_percent"
    )
    assert "error" in burden  # the right kidney is cut off


def test_rule_findings_tell_what_is_settled_and_what_not() -> None:
    told = call("rule_findings")
    assert told["findings"]["spleen_grade"] == "mild"
    assert told["findings"]["is_enlarged"]["spleen"] is True
    assert "is_fatty_liver" in told["not_settled"]


def test_organ_details_hold_parts() -> None:
    (liver,) = call("organ_details", organ="liver")["organs"]
    assert set(liver["parts"]) == {"liver_segment_4", "liver_segment_6"}


def test_mr_has_no_hounsfield_units() -> None:
    facts = make_case([organ("liver", 1500.0)], modality="MR")
    assert "mean_hu" in call("measure", facts, target="liver", measurement_type="mean_hu")["error"]


NAMES = [schema["function"]["name"] for schema in TOOLS.schemas()]
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "liver",
        "kidney",
        "kidneys",
        "left kidney",
        "liver_tumor",
        "colon",
        "liver-1",
        "aorta",
        "head",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.dictionaries(
        st.sampled_from(
            ["target", "organ", "organ_b", "lesion", "query", "quantity", "lesion_type"]
        ),
        TEXTS | st.sampled_from(["volume_cm3", "mean_hu", "lesion_count", "lesion_burden_percent"]),
    ),
)
def test_no_arguments_make_a_fault(name: str, arguments: dict[str, str]) -> None:
    result = TOOLS.call(name, arguments, image_id=IMAGE)
    assert result.fault is None
    json.dumps(result.content)
