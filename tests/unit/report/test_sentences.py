"""Findings text: worded as promised, silent where nobody looked, and read back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.measure.embedded_facts import (
    LESION_ORGANS,
    Attenuation,
    EmbeddedFacts,
    LesionFacts,
    OrganFacts,
)
from vol3d.report.sentences import (
    OrganFinding,
    findings_of,
    findings_text,
    findings_vocabulary,
    parse_findings,
    sentence,
)

Spot = tuple[str, float, Attenuation]


def facts(
    *spots: Spot,
    missing: tuple[str, ...] = (),
    spleen_cm3: float = 200.0,
    annotated: tuple[str, ...] = LESION_ORGANS,
    organs: tuple[str, ...] = LESION_ORGANS,
) -> EmbeddedFacts:
    return EmbeddedFacts(
        modality="CT",
        unit="HU",
        is_contrast_given=None,
        organs={
            name: OrganFacts(
                name=name,
                is_present=name not in missing,
                volume_cm3=0.0 if name in missing else spleen_cm3,
                mean_intensity=None if name in missing else 100.0,
                is_truncated=False,
                centroid_ras_mm=None,
            )
            for name in organs
        },
        lesions=tuple(
            LesionFacts(
                id=number + 1,
                organ=organ,
                side=None,
                attenuation=attenuation,
                volume_cm3=1.0,
                longest_axial_diameter_mm=size,
                mean_intensity=0.0,
                centroid_ras_mm=(0.0, 0.0, 0.0),
            )
            for number, (organ, size, attenuation) in enumerate(spots)
        ),
        annotated_lesion_organs=annotated,
        mask_source="annotator",
    )


def test_text_is_worded_as_documented() -> None:
    case = facts(
        ("liver", 12.0, "hyperattenuating"),
        ("liver", 34.0, "hypoattenuating"),
        ("right kidney", 21.0, "hyperattenuating"),
        missing=("left kidney",),
        spleen_cm3=600.0,
    )
    assert findings_text(case) == (
        "Liver: 2 lesions, largest 35 mm, hypoattenuating. Spleen: enlarged, no lesion. "
        "Pancreas: no lesion. Left kidney: absent. Right kidney: 1 lesion, 20 mm, hyperattenuating."
    )


def test_lesion_moves_to_the_other_kidney_when_sides_are_swapped() -> None:
    left = findings_text(facts(("left kidney", 20.0, "hypoattenuating")))
    right = findings_text(facts(("right kidney", 20.0, "hypoattenuating")))
    assert "Left kidney: 1 lesion" in left
    assert "Right kidney: no lesion" in left
    assert "Left kidney: no lesion" in right


def test_no_lesion_is_said_only_where_lesions_were_looked_for() -> None:
    text = findings_text(facts(annotated=("liver",), spleen_cm3=600.0))
    assert text == "Liver: no lesion. Spleen: enlarged."


def test_organ_without_a_mask_is_not_mentioned() -> None:
    assert findings_text(facts(organs=("liver",))) == "Liver: no lesion."
    assert findings_text(facts(organs=())) == ""


def test_two_missing_kidneys_are_not_called_absent() -> None:
    text = findings_text(facts(missing=("left kidney", "right kidney")))
    assert "kidney" not in text


def test_spleen_between_the_bounds_is_not_called_enlarged() -> None:
    assert "enlarged" not in findings_text(facts(spleen_cm3=400.0))


@pytest.mark.parametrize(("size", "told"), [(1.0, 5), (12.4, 10), (12.6, 15), (68.0, 70)])
def test_diameter_is_rounded_to_5_mm_and_never_to_0(size: float, told: int) -> None:
    finding = findings_of(facts(("liver", size, "hypoattenuating")))[0]
    assert finding.largest_mm == told


attenuations = st.sampled_from(["hypoattenuating", "hyperattenuating"])
spots = st.lists(
    st.tuples(st.sampled_from(LESION_ORGANS), st.floats(5.0, 120.0), attenuations), max_size=12
)


@given(
    spots,
    st.sampled_from([(), ("left kidney",), ("right kidney",)]),
    st.sampled_from([200.0, 400.0, 600.0]),
    st.sets(st.sampled_from(LESION_ORGANS)),
)
def test_text_reads_back_to_the_same_findings(
    lesions: list[Spot], missing: tuple[str, ...], spleen_cm3: float, annotated: set[str]
) -> None:
    here = [spot for spot in lesions if spot[0] not in missing]
    case = facts(*here, missing=missing, spleen_cm3=spleen_cm3, annotated=tuple(annotated))
    assert parse_findings(findings_text(case)) == findings_of(case)


@given(st.sampled_from(LESION_ORGANS), st.integers(1, 25), st.integers(1, 40))
def test_lesion_of_unknown_attenuation_reads_back(organ: str, count: int, fives: int) -> None:
    finding = OrganFinding(organ=organ, num_lesions=count, largest_mm=5 * fives)
    assert parse_findings(sentence(finding)) == (finding,)


@pytest.mark.parametrize(
    "text",
    [
        "The liver is normal.",
        "Liver: no lesion",
        "Heart: no lesion.",
        "Liver: 2 lesion, 20 mm.",
        "Liver: no lesion. And so on.",
    ],
)
def test_other_text_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(DataError, match="findings text, character"):
        parse_findings(text)


def test_vocabulary_reads_back_and_names_every_organ() -> None:
    findings = [one for text in findings_vocabulary() for one in parse_findings(text)]
    assert {finding.organ for finding in findings} == set(LESION_ORGANS)
    assert {finding.num_lesions for finding in findings} == {None, 0, 1, 2, 3}
