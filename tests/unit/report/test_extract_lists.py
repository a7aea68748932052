"""Free-style sentences: lists of lesions, ranges, bounds, doubt, and what only stands nearby."""

from __future__ import annotations

import pytest

from vol3d.report.extract import extract_findings

Brief = tuple[str, tuple[float, ...], tuple[str, ...], str | None, int | None]


def brief(text: str) -> list[Brief]:
    """Organ, sizes, location, side and count of each finding."""
    return [(f.organ, f.sizes_mm, f.location, f.side, f.count) for f in extract_findings(text)]


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (
            "Two hepatic metastases, 12 mm in segment 2 and 35 mm in segment 7.",
            [("liver", (12.0,), ("2",), None, 1), ("liver", (35.0,), ("7",), None, 1)],
        ),
        (
            "Cysts in segment 2 (9 mm), segment 4 (12 mm) and segment 7 (3 cm).",
            [
                ("liver", (9.0,), ("2",), None, 1),
                ("liver", (12.0,), ("4",), None, 1),
                ("liver", (30.0,), ("7",), None, 1),
            ],
        ),
        (
            "Three lesions of the spleen, 8, 12 and 20 mm.",
            [("spleen", (mm,), (), None, 1) for mm in (8.0, 12.0, 20.0)],
        ),
        (
            "A 2 cm cyst in the left kidney and a 14 mm lesion in segment 7 of the liver.",
            [("kidney", (20.0,), (), "left", 1), ("liver", (14.0,), ("7",), None, 1)],
        ),
        (
            "A 12 mm and a 25 mm lesion in the liver.",
            [("liver", (12.0,), (), None, 1), ("liver", (25.0,), (), None, 1)],
        ),
        (
            "Renal cysts, 2.1 cm on the right and 1.4 cm on the left.",
            [("kidney", (21.0,), (), "right", 1), ("kidney", (14.0,), (), "left", 1)],
        ),
        (
            "Liver metastases in segments 4 (1.8 cm) and 6 (2.6 cm).",
            [("liver", (18.0,), ("4",), None, 1), ("liver", (26.0,), ("6",), None, 1)],
        ),
        (
            "Liver metastases: segment 4, 17 mm; segment 6, 26 mm.",
            [("liver", (17.0,), ("4",), None, 1), ("liver", (26.0,), ("6",), None, 1)],
        ),
        (
            "Three liver lesions; the largest lies in segment 7 and measures 2.4 cm.",
            [("liver", (24.0,), ("7",), None, 3)],
        ),
        (
            "Three left renal cysts measuring up to 4.0 cm and a 15 mm right renal cyst.",
            [("kidney", (40.0,), (), "left", 3), ("kidney", (15.0,), (), "right", 1)],
        ),
        (
            "No liver metastasis, although a 4 mm cyst lies in segment 6.",
            [("liver", (), (), None, None), ("liver", (4.0,), ("6",), None, 1)],
        ),
        (
            "Bilateral renal cysts, the largest 3.4 cm on the left.",
            [("kidney", (34.0,), (), "left", 1), ("kidney", (), (), "right", 1)],
        ),
        (
            "肝S4段囊肿\uff0c约2.8cm\uff1bS7段囊肿\uff0c约1.2cm。",
            [("liver", (28.0,), ("4",), None, 1), ("liver", (12.0,), ("7",), None, 1)],
        ),
    ],
)
def test_listed_lesions_come_one_by_one(text: str, findings: list[Brief]) -> None:
    assert brief(text) == findings


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ("3.1 x 2.4 cm", (31.0, 24.0)),
        ("31 by 24 mm", (31.0, 24.0)),
        ("3.1 cm x 2.4 cm", (31.0, 24.0)),
        ("2.3-cm", (23.0,)),
        ("23mm", (23.0,)),
        ("1.2 centimeters", (12.0,)),
        ("5-12 mm", (12.0,)),
        ("5 to 12 mm", (12.0,)),
        ("from 0.5 to 1.2 cm", (12.0,)),
        ("between 5 mm and 12 mm", (12.0,)),
        ("2.6 cm, previously 1.9 cm", (26.0,)),
        ("2.6 cm (was 1.9 cm)", (26.0,)),
        ("2.6 cm compared to 1.9 cm", (26.0,)),
        ("2.6 cm, increased from 1.9 cm", (26.0,)),
    ],
)
def test_sizes(words: str, sizes: tuple[float, ...]) -> None:
    assert [f.sizes_mm for f in extract_findings(f"Liver lesion of {words}.")] == [sizes]


@pytest.mark.parametrize(
    ("text", "below_mm"),
    [
        ("Subcentimeter lesion in the liver.", 10.0),
        ("Liver lesion less than 5 mm.", 5.0),
        ("Liver lesion < 1 cm.", 10.0),
        ("Liver lesion of 5 mm.", None),
    ],
)
def test_a_bound_is_no_size(text: str, below_mm: float | None) -> None:
    (found,) = extract_findings(text)
    assert found.below_mm == below_mm
    assert found.sizes_mm == (() if below_mm else (5.0,))


@pytest.mark.parametrize(
    ("text", "presence"),
    [
        ("A 2 cm liver lesion, suspicious for metastasis.", "present"),
        ("Liver lesion, likely a cyst.", "present"),
        ("Likely cyst in the liver.", "uncertain"),
        ("Cannot exclude a lesion in the liver.", "uncertain"),
        ("A liver lesion cannot be entirely excluded.", "uncertain"),
        ("A liver lesion can be excluded.", "absent"),
        ("Without evidence of hepatic metastasis.", "absent"),
        ("No definite liver lesion.", "absent"),
        ("A 2 cm lesion in the liver shows no enhancement.", "present"),
        ("Liver lesion, 2 cm, no washout.", "present"),
        ("Liver lesion with no washout, a haemangioma.", "present"),
        ("A liver lesion which does not enhance and has no calcification.", "present"),
        ("Renal masses: none.", "absent"),
        ("A renal mass is not present.", "absent"),
        ("Interval resolution of the liver lesion.", "absent"),
        ("The liver lesion is not clearly seen.", "absent"),
        ("右肾低密度灶\uff0c考虑囊肿。", "present"),
        ("右肾低密度灶\uff0c增强后未见强化。", "present"),
        ("右肾囊肿本次未见显示。", "absent"),
    ],
)
def test_presence(text: str, presence: str) -> None:
    assert {f.presence for f in extract_findings(text)} == {presence}


@pytest.mark.parametrize(
    ("text", "organs"),
    [
        ("Mass in the pancreatic head abutting the duodenum.", ["pancreas"]),
        ("Pancreatic tail mass invading the spleen.", ["pancreas"]),
        ("Mass encasing the splenic artery in the pancreatic body.", ["pancreas"]),
        ("Metastasis in the liver from colon cancer.", ["liver"]),
        ("Lesion of the splenic flexure.", ["colon"]),
        ("Mass in the hepatic flexure.", ["colon"]),
        ("Cyst in segment 4.", ["liver"]),
        ("Nodule in the RUL.", ["lung"]),
        ("The spleen is normal and there is a lesion in the liver.", ["spleen", "liver"]),
        ("No lesion in the liver, spleen, or pancreas.", ["liver", "spleen", "pancreas"]),
    ],
)
def test_a_lesion_is_in_its_own_organ_only(text: str, organs: list[str]) -> None:
    assert [f.organ for f in extract_findings(text)] == organs


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("In segment 7 there is a mass.", 1),
        ("A LI-RADS 5 lesion in the liver.", 1),
        ("A liver lesion (series 4, image 32).", 1),
        ("A couple of liver lesions.", 2),
        ("Several liver lesions.", None),
        ("A solitary liver metastasis.", 1),
    ],
)
def test_counts(text: str, count: int | None) -> None:
    assert [f.count for f in extract_findings(text)] == [count]


@pytest.mark.parametrize(
    "text",
    [
        "The liver is normal in size.",
        "The spleen is of normal size and density.",
        "Mass effect on the stomach.",
        "Status post resection of a liver metastasis.",
        "liver | number of masses | 2",
        "Lesions take up 12.8 % of the liver.",
        "Tumour thrombus in the portal vein.",
    ],
)
def test_what_is_no_finding(text: str) -> None:
    assert extract_findings(text) == ()


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("Lesion in segments 5-8 of the liver.", ("5", "6", "7", "8")),
        ("Lesion in segment IVa.", ("4",)),
        ("Lesion in segments II and III.", ("2", "3")),
        ("Lesion in the right hepatic lobe.", ("5", "6", "7", "8")),
        ("Lesion of the caudate lobe of the liver.", ("1",)),
        ("Mass in the uncinate process of the pancreas.", ("head",)),
    ],
)
def test_locations(text: str, location: tuple[str, ...]) -> None:
    assert [f.location for f in extract_findings(text)] == [location]


def test_what_a_lesion_may_be_is_no_second_lesion() -> None:
    assert len(extract_findings("Cystic lesion of the pancreas, 9 mm; IPMN favored.")) == 1
    assert len(extract_findings("A 1 cm liver lesion, most compatible with a cyst.")) == 1
    assert len(extract_findings("Pancreatic lesion, 9 mm; likely cyst in the liver.")) == 2


def test_a_normal_abdomen_clears_the_solid_organs() -> None:
    found = extract_findings("The solid abdominal organs are unremarkable.")
    assert {(f.organ, f.presence) for f in found} == {
        (organ, "absent") for organ in ("liver", "spleen", "pancreas", "kidney", "adrenal_gland")
    }
