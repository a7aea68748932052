"""Claims of a report: each lesion once, organs cleared, order without effect."""

from __future__ import annotations

import random

import pytest
from fact_builders import lesion, make_case, organ
from hypothesis import given, settings
from hypothesis import strategies as st
from report_pairs import written_pairs

from vol3d.evaluate.report_metrics.claims import (
    LesionClaim,
    claims_of_facts,
    claims_of_text,
)
from vol3d.report.extract_split import split_statements


def brief(text: str) -> list[tuple[str, float | None, str | None, tuple[str, ...]]]:
    """Organ, size, side and location of each claimed lesion."""
    return [(c.organ, c.size_mm, c.side, c.location) for c in claims_of_text(text).lesions]


@pytest.mark.parametrize(
    ("text", "lesions"),
    [
        ("2 cm cyst in segment 4.", [("liver", 20.0, None, ("4",))]),
        (
            "2.1 cm mass in segment 4 of the liver. IMPRESSION: 2 cm hepatic mass.",
            [("liver", 21.0, None, ("4",))],
        ),
        (
            "2.1 cm mass in segment 4 of the liver. 2.6 cm mass in segment 4 of the liver.",
            [("liver", 26.0, None, ("4",)), ("liver", 21.0, None, ("4",))],
        ),
        (
            "Liver cyst, 9 mm. Another cyst in the liver, 9 mm.",
            [("liver", 9.0, None, ()), ("liver", 9.0, None, ())],
        ),
        (
            "12 mm cyst in the left kidney. 12 mm tumour of the left kidney.",
            [("kidney", 12.0, "left", ()), ("kidney", 12.0, "left", ())],
        ),
        (
            "Lesions in segments 2 and 7.",
            [("liver", None, None, ("2",)), ("liver", None, None, ("7",))],
        ),
        ("Bilateral adrenal nodules.", [("adrenal_gland", None, s, ()) for s in ("left", "right")]),
        (
            "Two cysts in the right kidney, each 12 mm.",
            [("kidney", 12.0, "right", ())] * 2,
        ),
        (
            "Two liver lesions. 9 mm lesion in segment 2. Another 9 mm lesion in segment 4. "
            "Impression: 9 mm lesion in segment 4.",
            [("liver", 9.0, None, ("2",)), ("liver", 9.0, None, ("4",))],
        ),
        ("No lesion of the spleen.", []),
        ("Moderate left pleural effusion. Enlarged lymph nodes up to 14 mm. Splenomegaly.", []),
    ],
)
def test_each_lesion_is_claimed_once(
    text: str, lesions: list[tuple[str, float | None, str | None, tuple[str, ...]]]
) -> None:
    assert brief(text) == lesions


def test_an_uncounted_plural_leaves_the_number_open() -> None:
    claims = claims_of_text("Several cysts in the right kidney, the largest 14 mm.")
    assert len(claims.lesions) == 2
    assert claims.open_organs == {"kidney"}
    assert claims_of_text("Three cysts in the right kidney.").open_organs == frozenset()


def test_a_doubted_lesion_settles_nothing_about_its_organ() -> None:
    claims = claims_of_text("Possible lesion of the spleen. The liver is normal.")
    assert claims.presence("spleen") is None
    assert claims.presence("liver") is False
    assert claims.presence("pancreas") is None
    assert not claims.is_normal


def test_doubt_in_one_sentence_ends_where_another_is_certain() -> None:
    claims = claims_of_text("Possible 8 mm nodule in the spleen. 8 mm nodule in the spleen.")
    assert claims.lesions == (LesionClaim(organ="spleen", type="nodule", size_mm=8.0),)


def test_facts_claim_focal_lesions_and_clear_what_was_looked_for() -> None:
    facts = make_case(
        [organ("kidney_left", 150.0), organ("liver", 1500.0), organ("spleen", 200.0)],
        [lesion("kidney", "cyst", 4.0, diameter_mm=20.0, side="left")],
        annotated={"kidney": ("tumor", "cyst", "lesion"), "liver": ("lesion",)},
    )
    claims = claims_of_facts(facts)
    assert claims.lesions == (LesionClaim(organ="kidney", type="cyst", size_mm=20.0, side="left"),)
    assert claims.denied == {"liver"}
    assert claims.scored == {"kidney", "liver"}


STATEMENTS = [
    statement
    for written in written_pairs()
    if written.pair.case_id.startswith("en")
    for statement in split_statements(written.pair.prediction)
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), min_size=2, max_size=8), st.integers(0, 9))
def test_any_statements_in_any_order_make_the_same_claims(statements: list[str], seed: int) -> None:
    moved = statements.copy()
    random.Random(seed).shuffle(moved)
    assert claims_of_text("\n".join(moved)) == claims_of_text("\n".join(statements))


@given(
    st.text(alphabet=st.sampled_from(list("liver no2 cm.肝囊肿S5段\uff0c\u3002:\n;(")), max_size=80)
)
def test_any_text_makes_claims(text: str) -> None:
    for claim in claims_of_text(text).lesions:
        assert claim.side in (None, "left", "right")
