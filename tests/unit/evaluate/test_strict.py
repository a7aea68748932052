import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.evaluate.official import row_score
from vol3d.evaluate.strict import (
    chance_score,
    is_not_assessable,
    read_binary,
    read_letter,
    read_number,
    strict_score,
    strict_scores,
)
from vol3d.vqa.dataset import UNASSESSABLE, QaRecord

SIDES = ("left kidney", "right kidney", "the same")


def record(subtype: str = "kidney volume comparison", **fields: object) -> QaRecord:
    base: dict[str, object] = {
        "qid": "pb_00001",
        "image_id": "VOL3D_00000001",
        "spacing": "[1 1 1]",
        "shape": "(9, 9, 9)",
        "question": "Which kidney is larger?",
        "answer": "right kidney",
        "mc_question": "Which kidney is larger? A: left kidney B: right kidney C: the same",
        "correct_option": "B",
        "organ": "kidney",
        "lesion": False,
        "question_type": "visual reasoning",
        "question_subtype": subtype,
    }
    return QaRecord.model_validate({**base, **fields})


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("B", "B"),
        (" (b) ", "B"),
        ("**C**", "C"),
        ("B) right kidney", "B"),
        ("Answer: C", "C"),
        ("The correct option is B.", "B"),
        ('{"final_answer": "C"}', "C"),
        ("$\\boxed{A}$", "A"),
        ("<THINK>A</THINK>C", "C"),
        ("\u9009B", "B"),
        ("right kidney", "B"),
        ("The right kidney is larger.", "B"),
        ("I think a cyst, so B", "B"),
        ("I'd choose C", "C"),
        ("not A, but B", "B"),
        ("B. No, not A. Actually the answer is C", "C"),
        ("Answer: A lesion in the liver, so B", "B"),
        ("A: left kidney B: right kidney C: the same", None),
        ("A, C", None),
        ("Answer: A or B", None),
        ("B, the left kidney", None),
        ("D", None),  # there are three options
        ("Definitely", None),
        ("A or B", None),
        ("left kidney and right kidney", None),
        ("[ERROR] ValueError: a bad header", None),
        ("", None),
    ],
)
def test_letter(said: str, letter: str | None) -> None:
    assert read_letter(said, SIDES) == letter


def test_a_number_chooses_its_option() -> None:
    assert read_letter("287.4 cm3", ("241.8", "287.4", "330.1")) == "B"


def test_an_option_within_another_loses() -> None:
    options = ("resectable", "borderline resectable", "unresectable")
    assert read_letter("It is borderline resectable.", options) == "B"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("1,234.5", 1234.5),
        ("1\u202f234", 1234.0),
        ("100 200", None),
        (".5", 0.5),
        ("-.5", -0.5),
        ("\u221212", -12.0),
        ("1e3", 1000.0),
        ("cm3: 20", 20.0),
        ("20 cm^3", 20.0),
        ("HU -30", -30.0),
        ("48.20%", 48.2),
        ("Left 120, right 130; the total is 250", 250.0),
        ("<think>5</think>7", 7.0),
        ("10-20", None),
        ("3/4", None),
        ("T2", None),
        ("[ERROR] 7", None),
        ("none", None),
    ],
)
def test_number(said: str, number: float | None) -> None:
    assert read_number(said) == number


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Yes.", "yes"),
        ("no", "no"),
        ("Yes, there is no doubt", "yes"),
        ("The answer is no", "no"),
        ("There is yes", "yes"),
        ("Normal", None),
        ("None", None),
        ("Not sure", None),
        ("no lesion; yes?", None),
    ],
)
def test_binary(said: str, word: str | None) -> None:
    assert read_binary(said) == word


@pytest.mark.parametrize(
    ("subtype", "answer", "said", "score"),
    [
        ("pancreatic tumor staging", "T1", "T1c", 1.0),
        ("pancreatic tumor staging", "T1", "stage T2", 0.0),
        ("largest lesion location", "4/8", "8, 4", 1.0),
        ("largest lesion location", "4/8", "4", 0.0),
        ("kidney volume comparison", "left kidney", "The left kidney.", 1.0),
        ("largest lesion attenuation", "hypoattenuating", "hypodense", 1.0),
        ("organ volume measurement", "100", "90", 0.9),
        ("organ volume measurement", "1203.4", "1,203.4", 1.0),
        ("organ enlargement", "Yes", "maybe", 0.0),
    ],
)
def test_free_form(subtype: str, answer: str, said: str, score: float) -> None:
    asked = record(subtype, answer=answer)
    assert strict_score(said, asked, "freeform") == pytest.approx(score)


def test_no_answer_is_worth_nothing() -> None:
    assert strict_score(None, record(), "mc") == 0.0


def test_abstaining_is_wrong_on_an_assessable_question() -> None:
    assert strict_score("not assessable", record(), "mc") == 0.0


@pytest.mark.parametrize(("said", "score"), [("Not assessable.", 1.0), ("B", 0.0)])
def test_abstaining_is_right_where_the_scan_does_not_settle_it(said: str, score: float) -> None:
    asked = record(is_assessable=False, correct_option="", answer="not assessable")
    assert strict_score(said, asked, "mc") == score


@pytest.mark.parametrize("form", ["mc", "freeform"])
@pytest.mark.parametrize(
    "key", ["A", "B", "C", "D", "Yes", "No", "0", "12.5", "None", "Normal (no splenomegaly)", "T1"]
)
def test_our_abstention_earns_nothing_from_the_official_scorer(form: str, key: str) -> None:
    for subtype in ("fatty liver", "organ enlargement", "organ volume measurement"):
        if form == "mc" and len(key) > 1:
            continue
        for said in (UNASSESSABLE, f"{UNASSESSABLE}: spleen: cut off by the field of view"):
            assert row_score(said, subtype=subtype, key=key, fmt=form) == 0.0


def test_our_abstention_is_one_for_the_strict_scorer() -> None:
    assert is_not_assessable(UNASSESSABLE)


def test_unanswered_questions_stay_in_the_denominator() -> None:
    asked = [record(), record(qid="pb_00002"), record("fatty liver", qid="pb_00003")]
    scores = strict_scores(asked, {"pb_00001": "B", "pb_00003": "A"}, "mc")
    assert scores.overall == pytest.approx(1 / 3)
    assert scores.by_subtype == {"kidney volume comparison": 0.5, "fatty liver": 0.0}
    assert scores.macro == 0.25
    assert scores.num_answered == 2


def test_chance_is_one_of_the_options() -> None:
    assert chance_score(record(), "mc") == pytest.approx(1 / 3)
    assert chance_score(record(), "freeform") == 0.0


def test_a_question_without_a_key_must_say_so() -> None:
    with pytest.raises(ValueError, match="no correct option"):
        record(correct_option="")


@given(st.text(), st.lists(st.text(min_size=1), min_size=2, max_size=4))
def test_a_letter_is_one_of_the_options(text: str, options: list[str]) -> None:
    assert read_letter(text, options) in {None, *"ABCD"[: len(options)]}


@given(st.text())
def test_readers_take_any_text(text: str) -> None:
    read_number(text)
    assert read_binary(text) in (None, "yes", "no")
    assert is_not_assessable(text) in (True, False)


@given(st.floats(-1e7, 1e7).map(lambda x: round(x, 1)))
def test_thousands_separators_change_no_number(value: float) -> None:
    assert read_number(f"{value:,.1f} cm3") == value
