"""The bare answer in a model's last words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.evaluate.agent.answer_text import bare_answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        (" b ", "B"),
        ("(C)", "C"),
        ("**D**", "D"),
        ("B: 287.4", "B"),
        ("C. the left one", "C"),
        ("Answer: D", "D"),
        ("The answer is B.", "B"),
        ("I first thought the answer is A. Now the final answer: (C)", "C"),
        ("Definitely B", "B"),
        ("<think>A or D?</think>C", "C"),
        ("<THINK>A</THINK>C", "C"),
        ("<think>A, never closed", ""),
        ("I think a cyst, so B", "B"),
        ("I'd choose C", "C"),
        ("Cannot determine", ""),
        ("B, because option A is too large", "B"),
        ("A, B", ""),
        ("A or D", ""),
        ("Option C fits best", "C"),
        ("Option A or option C", ""),
        ("I cannot answer", ""),
        ("B or C", ""),
        ("", ""),
        ("right kidney", "A"),
        ("\u9009B", "B"),
    ],
)
def test_letter(text: str, letter: str) -> None:
    assert bare_answer(text, "mc", options=("right kidney", "left kidney")) == letter


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("287.4", "287.4"),
        ("The volume is 1,234.5", "1234.5"),
        ("Answer: 12 cm", "12"),
        ("\u22123.5", "-3.5"),
        ("I do not know", ""),
        ("The spleen has 350.0 cm3", "350.0"),
        ("350.0 cm^3 (normal up to 314.5)", "350.0"),
        ("Liver 1500, spleen 350, together 1850", "1850"),
        ("First 3 steps.\nFinal answer: 12.5 of 100", "12.5"),
        ("T2", ""),
    ],
)
def test_number(text: str, number: str) -> None:
    assert bare_answer(text, "freeform", is_number=True) == number


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Yes.", "Yes"),
        ("The answer is T2.", "T2"),
        ("Reasons first.\nMild splenomegaly", "Mild splenomegaly"),
        ("Reasons first.\nFinal answer: **4/8**\nDone.", "4/8"),
        ("<think>no</think> yes", "yes"),
        ("", ""),
    ],
)
def test_phrase(text: str, phrase: str) -> None:
    assert bare_answer(text, "freeform") == phrase


@given(st.text(), st.sampled_from(["mc", "freeform"]), st.booleans())
def test_no_text_breaks_it(text: str, form: str, is_number: bool) -> None:
    answer = bare_answer(text, form, options=("x",), is_number=is_number)  # type: ignore[arg-type]
    assert form != "mc" or answer in ("", "A", "B", "C", "D")
