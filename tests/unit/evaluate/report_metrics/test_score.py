"""All scores of a set of reports, and their JSON form."""

from __future__ import annotations

import json

import pytest
from fact_builders import lesion, make_case, organ, random_case
from phantom_facts import phantom_facts

from vol3d.anatomy import Language
from vol3d.errors import DataError
from vol3d.evaluate.report_metrics import ReportPair, TumourOptions, score_pair, score_reports
from vol3d.measure.facts import CaseFacts
from vol3d.report.compose import compose_report
from vol3d.report.records import Style

FORMS: list[tuple[Language, Style]] = [
    ("en", "structured"),
    ("en", "narrative"),
    ("zh", "structured"),
    ("zh", "narrative"),
]


def pair(reference: str | CaseFacts, prediction: str, case_id: str = "a") -> ReportPair:
    return ReportPair(case_id=case_id, reference=reference, prediction=prediction)


def own_reports(facts: CaseFacts, seed: int) -> list[ReportPair]:
    """Whole reports on facts in every form, with these facts as reference."""
    return [
        ReportPair(
            case_id=f"{facts.case_id}-{language}-{style}",
            reference=facts,
            prediction=compose_report(facts, language=language, style=style, seed=seed).text,
            volume_id=facts.case_id,
        )
        for language, style in FORMS
    ]


@pytest.mark.parametrize("seed", [0, 3])
def test_our_reports_on_phantoms_are_perfect(seed: int) -> None:
    scores = score_reports(own_reports(phantom_facts(seed), seed), with_text=False).tumour
    assert scores.counts["tp"] > 0
    assert scores.f1.value == scores.presence.sensitivity.value == 1.0
    assert scores.presence.specificity.value in (1.0, None)
    assert scores.counts["laterality_errors"] == scores.counts["not_looked_for"] == 0
    assert scores.absolute_size_error_mm.value is not None
    assert scores.absolute_size_error_mm.value <= 0.5


@pytest.mark.parametrize("seed", range(20))
def test_our_reports_on_random_facts_are_perfect(seed: int) -> None:
    for each in own_reports(random_case(seed), seed):
        case = score_pair(each)
        assert (case.fp, case.fn, case.not_looked_for) == (0, 0, 0)
        assert all(is_there == is_said for is_there, is_said in case.presence.values())


def test_a_lesion_where_nobody_looked_is_counted_apart() -> None:
    facts = make_case(
        [organ("liver", 1500.0), organ("spleen", 200.0)], annotated={"liver": ("lesion",)}
    )
    case = score_pair(pair(facts, "1 cm lesion in the spleen. 1 cm lesion in the liver."))
    assert (case.not_looked_for, case.invented, case.fp) == (1, 1, 1)


def test_doubted_predictions_can_be_left_out() -> None:
    doubting = pair("The liver is normal.", "Possible 1 cm lesion in the liver.")
    assert score_pair(doubting).invented == 1
    ignoring = score_pair(doubting, TumourOptions(doubted_predictions="ignore"))
    assert ignoring.invented == 0
    assert ignoring.presence == {"liver": (False, False)}


def test_json_says_what_it_is_for_and_what_was_set() -> None:
    reports = [pair("The liver is normal.", "1 cm lesion in the liver."), pair("", "", "b")]
    found = json.loads(json.dumps(score_reports(reports).to_json()))
    assert found["disclaimer"] == "Research use only, not for clinical use."
    assert found["settings"]["size_tolerance_mm"] == 5.0
    assert found["tumour"]["invented_per_normal"]["value"] == 1.0
    assert found["tumour"]["presence_by_organ"]["liver"]["specificity"]["value"] == 0.0
    assert found["tumour"]["f1"]["value"] == 0.0
    assert found["cases"][0]["presence"] == {"liver": {"reference": False, "prediction": True}}
    assert found["num_empty_predictions"] == 1
    assert found["radeval"] is None
    assert 0 < found["text"]["bleu_1"] < 1


def test_text_scores_leave_out_cases_with_facts() -> None:
    facts = make_case([organ("liver", 1500.0)], annotated={"liver": ("lesion",)})
    both = [pair(facts, "The liver is normal."), pair("No lesion.", "No lesion.", "b")]
    text = score_reports(both).text
    assert text is not None
    assert text.num_texts == 1
    assert score_reports(both[:1]).text is None


def test_intervals_are_clustered_by_scan() -> None:
    texts = [("1 cm lesion in the liver.", "1 cm lesion in the liver.")] * 4
    texts += [("1 cm lesion in the spleen.", "The spleen is normal.")] * 4

    def width(clusters: list[str]) -> float:
        pairs = [
            ReportPair(case_id=str(n), reference=r, prediction=p, volume_id=cluster)
            for n, ((r, p), cluster) in enumerate(zip(texts, clusters, strict=True))
        ]
        recall = score_reports(pairs, with_text=False).tumour.recall
        assert recall.value == 0.5
        assert recall.count == 8
        assert recall.low is not None
        assert recall.high is not None
        return recall.high - recall.low

    assert width(["a"] * 4 + ["b"] * 4) == 1.0
    assert width(list("abcdefgh")) < 1.0


def test_cases_must_differ() -> None:
    with pytest.raises(DataError, match="a twice"):
        score_reports([pair("x", "x"), pair("y", "y")])
    with pytest.raises(DataError, match="at least one pair"):
        score_reports([])


def test_sizes_are_those_of_the_longest_axial_diameter() -> None:
    facts = make_case(
        [organ("liver", 1500.0)],
        [lesion("liver", "lesion", 4.0, diameter_mm=20.0, segments=("4",))],
        annotated={"liver": ("lesion",)},
    )
    assert score_pair(pair(facts, "2.3 cm lesion in segment 4.")).size_errors_mm == (3.0,)
