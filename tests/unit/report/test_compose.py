"""Reports from facts: exact sentences, the evidence behind them, and what may not be said."""

from __future__ import annotations

import re

import pytest
from fact_builders import lesion, make_case, organ, random_case

from vol3d.anatomy import Language
from vol3d.measure.facts import BrainFacts, CaseFacts, ChestFacts, fact_value
from vol3d.report.compose import compose_report
from vol3d.report.records import FindingsReport, Style
from vol3d.report.schema import DISCLAIMER

FORMS: list[tuple[Language, Style]] = [
    ("en", "structured"),
    ("en", "narrative"),
    ("zh", "structured"),
    ("zh", "narrative"),
]


def case(**kwargs: object) -> CaseFacts:
    return make_case(
        [
            organ("liver", 1500.0, 100.0, 20.0),
            organ("kidney_left", 150.0),
            organ("kidney_right", 160.0),
            organ("spleen", 200.0),
        ],
        [
            lesion("liver", "cyst", 2.0, segments=("7",), mean=5.0),
            lesion("kidney", "tumor", 8.0, side="left", mean=60.0),
        ],
        annotated={"liver": ("cyst", "tumor"), "kidney": ("tumor", "cyst")},
        **kwargs,  # type: ignore[arg-type]
    )


def english(facts: CaseFacts, style: Style = "structured") -> FindingsReport:
    return compose_report(facts, language="en", style=style)


def sentences(report: FindingsReport, section: str) -> list[str]:
    return [
        each.text.strip()
        for part in report.sections
        if part.key == section
        for each in part.sentences
    ]


def test_organ_sentence_gives_volume_and_attenuation() -> None:
    assert "Spleen: 200.0 cm3, not enlarged; 100.0 +/- 20.0 HU." in sentences(
        english(case()), "findings"
    )


def test_lesion_line_gives_place_size_slice_and_volume() -> None:
    line = next(each for each in sentences(english(case()), "findings") if each.startswith("K1"))
    assert line.startswith("K1: mass annotated as tumour, left kidney, 2.5 x 2.0 cm")
    assert "(slice 51 of 101)" in line
    assert "8.0 cm3" in line


def test_left_is_left_in_chinese() -> None:
    report = compose_report(case(), language="zh", style="structured")
    line = next(each for each in sentences(report, "findings") if each.startswith("K1"))
    assert "左肾" in line
    assert "右" not in line


@pytest.mark.parametrize(("language", "style"), FORMS)
def test_side_of_a_lesion_follows_the_facts(language: Language, style: Style) -> None:
    texts = []
    for side in ("left", "right"):
        facts = make_case(
            [organ("kidney_left", 150.0), organ("kidney_right", 150.0)],
            [lesion("kidney", "tumor", 8.0, side=side)],
        )
        report = compose_report(facts, language=language, style=style)
        about = [s for part in report.sections for s in part.sentences if s.lesion_id == "kidney-1"]
        texts.append(" ".join(each.text for each in about))
    words = {"en": ("left", "right"), "zh": ("左", "右")}[language]
    assert words[0] in texts[0]
    assert words[1] not in texts[0]
    assert words[1] in texts[1]
    assert words[0] not in texts[1]


def test_no_lesion_is_said_only_where_it_was_looked_for() -> None:
    organs = [organ("liver", 1500.0), organ("spleen", 200.0)]
    looked = english(make_case(organs, annotated={"liver": ("lesion",)}))
    assert "Liver: no lesion." in sentences(looked, "findings")
    silent = english(make_case(organs, annotated={}))
    assert not [s for s in sentences(silent, "findings") if "no " in s and "lesion" in s]
    assert "Lesions were not part of the masks." in sentences(silent, "not_assessed")


def test_one_type_that_was_looked_for_denies_this_type_alone() -> None:
    report = english(make_case([organ("liver", 1500.0)], annotated={"liver": ("cyst",)}))
    assert "Liver: no cyst." in sentences(report, "findings")
    assert "Liver: no lesion." not in sentences(report, "findings")


def test_a_cut_organ_is_a_lower_bound() -> None:
    report = english(make_case([organ("liver", 900.0, status="truncated")], annotated={}))
    assert "Liver: at least 900.0 cm3; cut off by the field of view." in sentences(
        report, "findings"
    )


def test_an_absent_kidney_is_told_apart_from_one_not_seen() -> None:
    def said(status: str) -> str:
        facts = make_case(
            [organ("kidney_left", 0.0, status=status), organ("kidney_right", 160.0)], annotated={}
        )
        return english(facts).text

    assert "absent" in said("absent")
    assert "absent" not in said("not_seen")


@pytest.mark.parametrize(("language", "style"), FORMS)
def test_mr_never_speaks_of_hu(language: Language, style: Style) -> None:
    facts = make_case(
        [organ("brain", 1300.0)],
        [lesion("brain", "lesion", 14.0, side="left", attenuation=None)],
        modality="MR",
        phase=None,
    )
    report = compose_report(facts, language=language, style=style)
    assert "HU" not in report.text
    assert "CT值" not in report.text


@pytest.mark.parametrize(("language", "style"), FORMS)
@pytest.mark.parametrize("seed", range(15))
def test_every_sentence_and_row_names_facts_that_exist(
    language: Language, style: Style, seed: int
) -> None:
    facts = random_case(seed)
    report = compose_report(facts, language=language, style=style, seed=seed)
    ids = [each for part in report.sections for s in part.sentences for each in s.fact_ids]
    for fact_id in (*ids, *(row.fact_id for row in report.table)):
        assert fact_value(facts, fact_id) is not None


@pytest.mark.parametrize("seed", range(15))
def test_every_volume_in_a_sentence_is_a_fact_it_cites(seed: int) -> None:
    facts = random_case(seed)
    for part in english(facts).sections:
        for sentence in part.sentences:
            ids = [each for each in sentence.fact_ids if "volume" in each]
            numbers = [float(fact_value(facts, each)) for each in ids]
            for text in re.findall(r"(\d+\.\d) cm3", sentence.text):
                sums = [*numbers, sum(numbers)]
                assert any(abs(float(text) - value) <= 0.0501 for value in sums), sentence


@pytest.mark.parametrize(("language", "style"), FORMS)
def test_disclaimer_is_in_every_form(language: Language, style: Style) -> None:
    text = compose_report(case(), language=language, style=style).text
    assert DISCLAIMER in text


def test_seed_changes_the_wording_and_not_the_facts_cited() -> None:
    first, second = (
        compose_report(case(), language="en", style="narrative", seed=seed) for seed in (0, 3)
    )
    assert first.text != second.text
    cited = [
        {each for part in report.sections for s in part.sentences for each in s.fact_ids}
        for report in (first, second)
    ]
    assert cited[0] == cited[1]


def test_chest_and_brain_measurements_are_said() -> None:
    chest = ChestFacts(
        lung_volume_cm3=4100.0,
        emphysema_index_percent=11.0,
        cardiothoracic_ratio=0.56,
        abnormalities={"Emphysema": True, "Cardiomegaly": True},
    )
    brain = BrainFacts(midline_shift_mm=-6.2, has_mass_effect=True)
    facts = case().model_copy(update={"chest": chest, "brain": brain})
    said = sentences(english(facts), "findings")
    assert "Lungs: emphysema, index 11.0 %." in said
    assert "Heart: cardiomegaly, cardiothoracic ratio 0.56." in said
    assert any("6.2 mm" in each and "left" in each for each in said)


def test_an_emphysema_index_alone_is_no_emphysema() -> None:
    chest = ChestFacts(emphysema_index_percent=1.0, abnormalities={"Emphysema": False})
    said = sentences(english(case().model_copy(update={"chest": chest})), "findings")
    assert "Lungs: emphysema index 1.0 %." in said
    assert not any("emphysema," in each for each in said)
