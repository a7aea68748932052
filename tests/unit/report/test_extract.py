"""Findings read back from hand-written sentences and from our own reports, and reports checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fact_builders import lesion, make_case, organ, random_case
from hypothesis import given
from hypothesis import strategies as st

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import lesion_presence
from vol3d.report.check import check_report
from vol3d.report.compose import compose_report
from vol3d.report.extract import ExtractedFinding, extract_findings

DATA = Path(__file__).parents[2] / "data"
LANGUAGES: tuple[Language, Language] = ("en", "zh")
Key = tuple[Any, ...]


def load(name: str) -> list[dict[str, Any]]:
    text = (DATA / f"report_sentences_{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def key_of(finding: ExtractedFinding | dict[str, Any]) -> Key:
    row = finding if isinstance(finding, dict) else {f: getattr(finding, f) for f in FIELDS}
    count = row["count"] if row["presence"] == "present" else None
    sizes = tuple(float(mm) for mm in row["sizes_mm"])
    rest = (sizes, tuple(row["location"]), count, row["side"], row["change"])
    return (row["organ"], row["presence"], row["type"], *rest)


FIELDS = ("organ", "presence", "type", "sizes_mm", "location", "count", "side", "change")
DEVELOPMENT, HELD_OUT = load("dev"), load("heldout")


def is_read_right(row: dict[str, Any]) -> bool:
    got = extract_findings(row["text"], language=row["language"])
    return sorted(map(key_of, got), key=str) == sorted(map(key_of, row["findings"]), key=str)


@pytest.mark.parametrize("row", DEVELOPMENT, ids=lambda row: row["id"])
def test_sentence_is_read_right(row: dict[str, Any]) -> None:
    got = extract_findings(row["text"], language=row["language"])
    assert sorted(map(key_of, got), key=str) == sorted(map(key_of, row["findings"]), key=str)


def test_nine_in_ten_held_out_sentences_are_read_right() -> None:
    right = [is_read_right(row) for row in HELD_OUT]
    assert sum(right) >= 0.9 * len(right)


def test_files_hold_thirty_sentences_of_each_language() -> None:
    for rows in (DEVELOPMENT, HELD_OUT):
        assert [sum(row["language"] == each for row in rows) for each in LANGUAGES] == [30, 30]
    texts = [row["text"] for row in (*DEVELOPMENT, *HELD_OUT)]
    assert len(set(texts)) == 120


def test_language_is_detected() -> None:
    assert extract_findings("左肾囊肿。")[0].side == "left"
    assert extract_findings("Cyst in the left kidney.")[0].side == "left"


@given(st.text(max_size=200))
def test_any_text_is_read_without_failing(text: str) -> None:
    for finding in extract_findings(text):
        assert finding.presence in ("present", "absent", "uncertain")


def text_of(facts: CaseFacts, language: Language, seed: int) -> tuple[str, set[str]]:
    """Findings of a report, and the lesions that it describes one by one."""
    style = ("structured", "narrative")[seed % 2]
    report = compose_report(facts, language=language, style=style, seed=seed)  # type: ignore[arg-type]
    (findings,) = (each for each in report.sections if each.key == "findings")
    joint = "\n" if style == "structured" else "" if language == "zh" else " "
    shown = {each.lesion_id for each in findings.sentences if each.lesion_id}
    return joint.join(each.text for each in findings.sentences), shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(60))
def test_report_is_read_back(language: Language, seed: int) -> None:
    facts = random_case(seed)
    text, shown = text_of(facts, language, seed)
    got = [
        (f.organ, f.type, f.side, f.sizes_mm, f.location)
        for f in extract_findings(text, language=language)
        if f.presence == "present"
    ]
    for each in facts.lesions:
        if each.id not in shown:
            continue
        sizes = (each.longest_axial_diameter_mm, each.perpendicular_diameter_mm)
        told = tuple(round(float(f"{mm / 10:.1f}") * 10, 3) for mm in sizes)
        place = () if each.organ in ("kidney", "colon") else each.segments
        assert (each.organ, each.type, each.side, told, place) in got


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(60))
def test_what_a_report_denies_is_read_back(language: Language, seed: int) -> None:
    facts = random_case(seed)
    text, _ = text_of(facts, language, seed)
    denied = {
        f.organ
        for f in extract_findings(text, language=language)
        if f.presence == "absent" and f.type == "lesion"
    }
    organs = ("liver", "pancreas", "kidney", "colon")
    assert denied == {each for each in organs if lesion_presence(facts, each) is False}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(40))
def test_our_own_report_agrees_with_the_facts(language: Language, seed: int) -> None:
    facts = random_case(seed)
    text, _ = text_of(facts, language, seed)
    assert check_report(text, facts, language=language) == ()


CASE = make_case(
    [organ("kidney_left", 150.0), organ("kidney_right", 150.0), organ("liver", 1500.0)],
    [lesion("kidney", "cyst", 4.0, diameter_mm=20.0, side="left")],
    annotated={"kidney": ("tumor", "cyst"), "liver": ("lesion",)},
)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Cyst in the left kidney, 2.0 cm.", []),
        ("Cyst in the right kidney, 2.0 cm.", ["side"]),
        ("Cyst in the left kidney, 3.5 cm.", ["size"]),
        ("Tumour of the left kidney, 2.0 cm.", ["invented"]),
        ("The kidneys show no lesion.", ["denied"]),
        ("The left kidney shows no cyst.", ["denied"]),
        ("The right kidney shows no cyst. The left kidney contains a cyst.", []),
        ("Three cysts in the left kidney.", ["count"]),
        ("No lesion in the liver.", ["omitted"]),
        ("Cyst in the left kidney. No lesion of the pancreas.", ["not looked for"]),
        ("Cyst in the left kidney. A liver lesion of 12 mm.", ["invented"]),
        ("右肾囊肿, 2.0 cm。", ["side"]),
        ("双肾未见囊肿。", ["denied"]),
    ],
)
def test_what_a_text_gets_wrong_is_named(text: str, kinds: list[str]) -> None:
    assert [each.kind for each in check_report(text, CASE)] == kinds
