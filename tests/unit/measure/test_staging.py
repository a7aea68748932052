"""T stage and resectability of pancreatic lesions, at and around every limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fact_builders import lesion, make_case, organ

from vol3d.measure.facts import CaseFacts, DerivedFacts

SMA, CA, CHA = "superior_mesenteric_artery", "celiac_trunk", "common_hepatic_artery"
VEIN = "portal_vein_and_splenic_vein"
FREE = {SMA: 0.0, CA: 0.0, CHA: 0.0, VEIN: 0.0}
NEIGHBOURS = (
    "stomach",
    "spleen",
    "colon",
    "adrenal_gland_left",
    "kidney_left",
    "duodenum",
    "common_bile_duct",
)
ORGANS = [organ(key, 100) for key in ("pancreas", *NEIGHBOURS)]


def tumour(
    lesion_type: str = "pdac",
    mm: float = 30.0,
    angles: Mapping[str, float] = FREE,
    touching: str | None = None,
    volume_cm3: float = 5.0,
) -> dict[str, Any]:
    return lesion(
        "pancreas",
        lesion_type,
        volume_cm3,
        diameter_mm=mm,
        vessel_angles_deg=angles,
        contacts=[(touching, 0.0, 12)] if touching else [],
    )


def derived(*lesions: Any, organs: Any = ORGANS) -> DerivedFacts:
    facts: CaseFacts = make_case(organs, lesions)
    return facts.derived


def reason(facts: DerivedFacts, rule: str) -> str:
    return next((gate.reason for gate in facts.gates if gate.rule == rule), "")


@pytest.mark.parametrize(
    ("mm", "stage"), [(20.0, "T1"), (20.1, "T2"), (40.0, "T2"), (40.1, "T3"), (200.0, "T3")]
)
def test_stage_of_an_adenocarcinoma_goes_by_its_longest_diameter(mm: float, stage: str) -> None:
    assert derived(tumour("pdac", mm)).t_stage == stage


@pytest.mark.parametrize(("mm", "stage"), [(19.9, "T1"), (20.0, "T2"), (40.0, "T2"), (40.1, "T3")])
def test_stage_of_a_neuroendocrine_tumour_goes_by_its_longest_diameter(
    mm: float, stage: str
) -> None:
    assert derived(tumour("pnet", mm)).t_stage == stage


@pytest.mark.parametrize("artery", [SMA, CA, CHA])
@pytest.mark.parametrize("lesion_type", ["pdac", "pnet", "tumor", "lesion"])
def test_encased_artery_is_t4(artery: str, lesion_type: str) -> None:
    assert derived(tumour(lesion_type, 10, {**FREE, artery: 180.0})).t_stage == "T4"
    assert derived(tumour(lesion_type, 10, {**FREE, artery: 179.9})).t_stage == "T1"


def test_encased_vein_is_not_t4() -> None:
    assert derived(tumour("pdac", 10, {**FREE, VEIN: 360.0})).t_stage == "T1"


@pytest.mark.parametrize("neighbour", ["duodenum", "common_bile_duct"])
def test_neuroendocrine_tumour_at_duodenum_or_bile_duct_is_t3(neighbour: str) -> None:
    assert derived(tumour("pnet", 10, touching=neighbour)).t_stage == "T3"
    assert derived(tumour("pdac", 10, touching=neighbour)).t_stage == "T1"


@pytest.mark.parametrize(
    "neighbour", ["stomach", "spleen", "colon", "adrenal_gland_left", "kidney_left"]
)
def test_neuroendocrine_tumour_at_other_organs_is_t4(neighbour: str) -> None:
    assert derived(tumour("pnet", 10, touching=neighbour)).t_stage == "T4"


@pytest.mark.parametrize("neighbour", ["kidney_right", "adrenal_gland_right"])
def test_organs_of_the_right_side_do_not_make_t4(neighbour: str) -> None:
    assert derived(tumour("pnet", 10, touching=neighbour)).t_stage == "T1"


def test_a_neighbour_beyond_reach_is_no_contact() -> None:
    far = tumour("pnet", 10) | {"contacts": lesion("x", contacts=[("spleen", 9.0, 0)])["contacts"]}
    assert derived(far).t_stage == "T1"


def test_neuroendocrine_tumour_has_no_stage_without_masks_of_its_neighbours() -> None:
    without_spleen = [each for each in ORGANS if each.key != "spleen"]
    found = derived(tumour("pnet", 10), organs=without_spleen)
    assert found.t_stage is None
    assert "spleen" in reason(found, "t_stage")
    without_duct = [each for each in ORGANS if each.key != "common_bile_duct"]
    assert derived(tumour("pnet", 10), organs=without_duct).t_stage is None
    assert derived(tumour("pnet", 50), organs=without_duct).t_stage == "T3"


@pytest.mark.parametrize("missing", [SMA, CA])
def test_unmeasured_artery_leaves_stage_and_resectability_open(missing: str) -> None:
    angles = {key: angle for key, angle in FREE.items() if key != missing}
    found = derived(tumour("pdac", 10, angles))
    assert (found.t_stage, found.resectability) == (None, None)
    assert missing in reason(found, "t_stage")
    assert missing in reason(found, "resectability")


def test_one_encased_artery_settles_both_whatever_else_was_measured() -> None:
    found = derived(tumour("pdac", 10, {SMA: 200.0}))
    assert (found.t_stage, found.resectability) == ("T4", "unresectable")


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ({}, "resectable"),
        ({SMA: 0.1}, "borderline resectable"),
        ({SMA: 180.0}, "borderline resectable"),
        ({SMA: 180.1}, "unresectable"),
        ({CA: 180.0}, "borderline resectable"),
        ({CA: 180.1}, "unresectable"),
        ({CHA: 181.0}, "unresectable"),
        ({VEIN: 300.0}, "borderline resectable"),
        ({"superior_mesenteric_vein": 1.0}, "borderline resectable"),
        ({"inferior_vena_cava": 90.0}, "resectable"),
    ],
)
def test_resectability_goes_by_vessel_contact(angles: dict[str, float], expected: str) -> None:
    assert derived(tumour(angles={**FREE, **angles})).resectability == expected


def test_resectable_needs_a_measured_vein() -> None:
    found = derived(tumour(angles={SMA: 0.0, CA: 0.0}))
    assert found.resectability is None
    assert "vein" in reason(found, "resectability")


def test_cysts_are_not_staged() -> None:
    found = derived(tumour("cyst", 60, {**FREE, SMA: 200.0}, volume_cm3=50.0))
    assert (found.t_stage, found.resectability) == (None, None)
    assert derived(tumour("cyst", 60, volume_cm3=50.0), tumour("pdac", 10)).t_stage == "T1"


def test_the_largest_tumour_is_staged() -> None:
    small = tumour("pdac", 10, {**FREE, SMA: 300.0}, volume_cm3=0.5)
    assert derived(small, tumour("pdac", 30, volume_cm3=9.0)).t_stage == "T2"


def test_cut_off_tumour_is_at_most_known_to_be_t4() -> None:
    cut = tumour("pdac", 30) | {"is_truncated": True}
    encased = tumour("pdac", 30, {**FREE, SMA: 200.0}) | {"is_truncated": True}
    assert (derived(cut).t_stage, derived(cut).resectability) == (None, None)
    assert (derived(encased).t_stage, derived(encased).resectability) == ("T4", "unresectable")


def test_no_lesion_no_stage_and_no_gate() -> None:
    found = derived()
    assert (found.t_stage, found.resectability) == (None, None)
    assert {"t_stage", "resectability"}.isdisjoint(gate.rule for gate in found.gates)
