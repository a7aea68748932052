"""Rules on facts: missing kidney, enlarged spleen, largest lesion, side."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vol3d.measure.embedded_facts import (
    EmbeddedFacts,
    LesionFacts,
    OrganFacts,
    is_spleen_enlarged,
    largest_lesion,
    missing_kidney,
    organ_side,
)


def organ(name: str, volume_cm3: float = 150.0, *, is_truncated: bool = False) -> OrganFacts:
    return OrganFacts(
        name=name,
        is_present=volume_cm3 > 0,
        volume_cm3=volume_cm3,
        mean_intensity=100.0 if volume_cm3 else None,
        is_truncated=is_truncated,
        centroid_ras_mm=(0.0, 0.0, 0.0) if volume_cm3 else None,
    )


def lesion(number: int, diameter: float) -> LesionFacts:
    return LesionFacts(
        id=number,
        organ="liver",
        side=None,
        attenuation="hypoattenuating",
        volume_cm3=1.0,
        longest_axial_diameter_mm=diameter,
        mean_intensity=20.0,
        centroid_ras_mm=(0.0, 0.0, 0.0),
    )


def case(*organs: OrganFacts, lesions: tuple[LesionFacts, ...] = ()) -> EmbeddedFacts:
    return EmbeddedFacts(
        modality="CT",
        unit="HU",
        is_contrast_given=True,
        organs={o.name: o for o in organs},
        lesions=lesions,
        annotated_lesion_organs=("liver",),
        mask_source="annotator",
    )


def test_left_kidney_without_volume_is_missing_on_the_left() -> None:
    assert missing_kidney(case(organ("left kidney", 0), organ("right kidney"))) == "left"


def test_right_kidney_without_volume_is_missing_on_the_right() -> None:
    assert missing_kidney(case(organ("left kidney"), organ("right kidney", 0))) == "right"


def test_two_kidneys_mean_that_none_is_missing() -> None:
    assert missing_kidney(case(organ("left kidney"), organ("right kidney"))) == "none"


def test_nothing_is_said_if_the_scan_cuts_the_other_kidney() -> None:
    cut = organ("right kidney", is_truncated=True)
    assert missing_kidney(case(organ("left kidney", 0), cut)) is None


def test_nothing_is_said_without_a_mask_of_both_kidneys() -> None:
    assert missing_kidney(case(organ("left kidney"))) is None
    assert missing_kidney(case(organ("left kidney", 0), organ("right kidney", 0))) is None


@pytest.mark.parametrize(
    ("volume_cm3", "expected"),
    [(300.0, False), (301.0, None), (449.0, None), (450.0, True), (0.0, None)],
)
def test_spleen_is_enlarged_from_450_cm3_and_normal_up_to_300(
    volume_cm3: float, expected: bool | None
) -> None:
    assert is_spleen_enlarged(case(organ("spleen", volume_cm3))) is expected


def test_a_small_piece_of_a_spleen_is_not_called_normal() -> None:
    assert is_spleen_enlarged(case(organ("spleen", 200.0, is_truncated=True))) is None
    assert is_spleen_enlarged(case(organ("spleen", 500.0, is_truncated=True))) is True


def test_largest_lesion_is_that_with_the_longest_diameter() -> None:
    facts = case(organ("liver"), lesions=(lesion(1, 10.0), lesion(2, 30.0), lesion(3, 20.0)))
    largest = largest_lesion(facts)
    assert largest is not None
    assert largest.id == 2
    assert [one.id for one in facts.lesions_of("liver")] == [2, 3, 1]
    assert largest_lesion(case(organ("liver"))) is None


@pytest.mark.parametrize(
    ("name", "offset_mm", "side"),
    [
        ("left kidney", 50.0, "left"),  # the name wins
        ("right kidney", -50.0, "right"),
        ("kidneys", 50.0, "right"),
        ("kidney", -50.0, "left"),
        ("liver", 50.0, None),
    ],
)
def test_side_comes_from_the_name_or_from_the_place(
    name: str, offset_mm: float, side: str | None
) -> None:
    assert organ_side(name, offset_mm) == side


def test_facts_survive_json_and_cannot_be_changed() -> None:
    facts = case(organ("liver"), lesions=(lesion(1, 10.0),))
    assert EmbeddedFacts.model_validate_json(facts.model_dump_json()) == facts
    with pytest.raises(ValidationError):
        facts.unit = "arbitrary"  # type: ignore[misc]
