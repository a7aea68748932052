"""Reports cut into statements that can be read alone, and moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.report.extract import extract_findings
from vol3d.report.extract_split import split_statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("No mass. Liver normal.", ["No mass.", "Liver normal."]),
        (
            "A 2.3 cm cyst. Is it new? Yes!",
            ["A 2.3 cm cyst.", "Is it new?", "Yes!"],
        ),
        ("Cyst of approx. 2 cm in seg. 4.", ["Cyst of approx. 2 cm in seg. 4."]),
        ("Pancreas: A mass. It measures 2 cm.", ["Pancreas: A mass. It measures 2 cm."]),
        (
            "A renal mass. It measures 2 cm. No cyst.",
            ["A renal mass. It measures 2 cm.", "No cyst."],
        ),
        ("Liver: normal. No mass.\nSpleen: cyst.", ["Liver: normal. No mass.", "Spleen: cyst."]),
        ("FINDINGS: A mass. No cyst.", ["FINDINGS: A mass.", "No cyst."]),
        ("LIVER:\nNo mass.\n\nNo cyst.", ["LIVER:\nNo mass.", "No cyst."]),
        ("1. Liver mass.\n2. Renal cyst.", ["1.", "Liver mass.", "2.", "Renal cyst."]),
        (
            "No mass. It is not possible to exclude a renal cyst. This is a normal study.",
            ["No mass.", "It is not possible to exclude a renal cyst.", "This is a normal study."],
        ),
        ("肝囊肿。脾正常。", ["肝囊肿。", "脾正常。"]),
        ("", []),
    ],
)
def test_statements(text: str, statements: list[str]) -> None:
    found = [each for each in split_statements(text) if each.strip("0123456789.")]
    assert found == [each for each in statements if each.strip("0123456789.")]


@given(st.text(alphabet=st.sampled_from(list("ab1 .:\n肝。")), max_size=60))
def test_statements_lose_no_word(text: str) -> None:
    words = "".join(text.split())
    assert len("".join("".join(split_statements(text)).split())) <= len(words)
    assert sum(c.isalnum() for c in "".join(split_statements(text))) >= sum(
        c.isalpha() for c in words
    )


def test_a_heading_holds_for_its_line() -> None:
    found = extract_findings("Spleen: Normal in size. Two cysts, up to 9 mm.\nNo lesion.")
    assert [(f.organ, f.presence) for f in found] == [
        ("spleen", "present"),
        ("unspecified", "absent"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "INDICATION: Known liver mass of 4 cm. Rule out metastasis.",
        "CLINICAL HISTORY: pancreatic mass.",
        "COMPARISON: CT with a 2 cm hepatic lesion.",
        "Technique:\n5 mm slices through the liver lesion.",
        "临床病史\uff1a肝脏占位。",
    ],
)
def test_what_is_not_about_the_images_is_no_finding(text: str) -> None:
    assert extract_findings(text) == ()


def test_the_sections_after_an_indication_are_read() -> None:
    found = extract_findings("INDICATION: liver mass.\nFINDINGS: Cyst in segment 4.")
    assert [(f.organ, f.type) for f in found] == [("liver", "cyst")]


@pytest.mark.parametrize(
    ("text", "sizes", "location", "presence"),
    [
        ("A lesion of the pancreas. It measures 2.1 x 1.8 cm.", (21.0, 18.0), (), "present"),
        ("Liver lesion. This lesion lies in segment 4.", (), ("4",), "present"),
        ("Liver lesion, 9 mm. It is not calcified.", (9.0,), (), "present"),
        ("Liver lesion, 9 mm. It has resolved.", (9.0,), (), "absent"),
    ],
)
def test_a_sentence_that_refers_back_adds_to_the_finding(
    text: str, sizes: tuple[float, ...], location: tuple[str, ...], presence: str
) -> None:
    (found,) = extract_findings(text)
    assert (found.sizes_mm, found.location, found.presence) == (sizes, location, presence)
