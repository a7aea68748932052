"""Answers worked out by hand from the specification of the 42 subtypes, not from the rules."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fact_builders import NUM_SLICES, lesion, make_case, organ

from vol3d.anatomy import structure
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.answerer import answer_subtype

DATA = Path(__file__).parents[2] / "data"
SUPER_TYPES = ("recognition", "measurement", "visual", "medical")
CASES: list[dict[str, Any]] = [
    case
    for name in SUPER_TYPES
    for case in json.loads((DATA / f"vqa_hand_worked_{name}.json").read_text())
]
NUM_SUBTYPES = {"recognition": 9, "measurement": 5, "visual": 16, "medical": 12}
CASE_KEYS = {"organs", "lesions", "annotated", "phase", "kvp"}
LESION_KEYS = {
    *("organ", "type", "volume_cm3", "diameter_mm", "mean", "std", "side", "segments"),
    *("slice_index", "attenuation", "contacts", "vessel_angles_deg"),
}
SLOTS = {"organ", "organ_b", "lesion_type", "segment", "segment_b"}


def _build(case: dict[str, Any]) -> CaseFacts:
    organs = [
        organ(key, value["volume"], value["mean"], value["std"], status=value["status"])
        if isinstance(value, dict)
        else organ(key, *value)
        for key, value in case["organs"].items()
    ]
    lesions = [
        lesion(**{"lesion_type" if key == "type" else key: value for key, value in each.items()})
        for each in case["lesions"]
    ]
    annotated = {key: tuple(types) for key, types in case["annotated"].items()}
    return make_case(organs, lesions, annotated=annotated, phase=case["phase"], kvp=case["kvp"])


def _name(case: dict[str, Any]) -> str:
    return f"{case['subtype']}-{case['why'][:40]}".replace(" ", "_")


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_answer_is_the_one_worked_by_hand(case: dict[str, Any]) -> None:
    answer = answer_subtype(case["subtype"], _build(case["case"]), case["slots"])
    assert answer == case["answer"], case["why"]


@pytest.mark.parametrize("name", SUPER_TYPES)
def test_each_subtype_has_five_cases(name: str) -> None:
    cases = json.loads((DATA / f"vqa_hand_worked_{name}.json").read_text())
    counts = Counter(case["subtype"] for case in cases)
    assert len(counts) == NUM_SUBTYPES[name]
    assert min(counts.values()) >= 5


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_case_is_well_formed(case: dict[str, Any]) -> None:
    assert set(case) == {"subtype", "case", "slots", "answer", "why"}
    assert set(case["case"]) == CASE_KEYS
    assert set(case["slots"]) <= SLOTS
    for each in case["case"]["lesions"]:
        assert set(each) <= LESION_KEYS
        assert 0 <= each.get("slice_index", 50) < NUM_SLICES
        assert each["organ"] != "kidney" or each["side"] in ("left", "right")
    keys = [*case["case"]["organs"], *case["case"]["annotated"]]
    for each in case["case"]["lesions"]:
        keys += [each["organ"], *each.get("vessel_angles_deg", {})]
        keys += [contact[0] for contact in each.get("contacts", [])]
    for key in keys:
        if key != "kidney":
            assert structure(key).key == key
