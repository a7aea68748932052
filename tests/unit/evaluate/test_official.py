import json
import os
import random
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.evaluate import official
from vol3d.vqa.subtypes import SUBTYPES

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("VOL3D_TEST_DATA", ROOT.parent / "shared"))
VECTORS = DATA / "vectors" / "deeptumorvqa_scorer.json"
NAMES = {"_mra": "relative_accuracy", "_rel_err": "relative_error"}


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.is_file():
        return []
    return list(json.loads(VECTORS.read_text(encoding="utf-8")))


def run(vector: dict[str, Any]) -> Any:
    function = getattr(official, NAMES.get(vector["fn"], vector["fn"]))
    given_input = vector["input"]
    if vector["fn"] in NAMES:
        return function(*given_input)
    if vector["fn"] == "aggregate":
        return function(**given_input)
    return function(given_input)


@pytest.mark.skipif(not VECTORS.is_file(), reason="no published vectors beside the project")
def test_there_are_120_published_vectors() -> None:
    assert len(vectors()) == 120


@pytest.mark.parametrize("vector", vectors(), ids=lambda v: f"{v['fn']}:{str(v['input'])[:40]!a}")
def test_published_vector(vector: dict[str, Any]) -> None:
    expected = float("inf") if vector["expected"] == "__inf__" else vector["expected"]
    assert run(vector) == expected
    assert type(run(vector)) is type(expected)


def generated(fmt: str) -> tuple[list[dict[str, str]], dict[str, dict[str, str]]]:
    """2,000 questions over the 42 subtypes, two in five answered wrong, some not at all."""
    rng = random.Random(7)
    names = list(SUBTYPES)
    index, rows = {}, []
    for number in range(2000):
        name = rng.choice(names)
        kind = official.answer_type(name)
        key = {"numeric": f"{rng.uniform(1, 900):.1f}", "binary": rng.choice(["Yes", "No"])}.get(
            kind, rng.choice(["T1", "left kidney"])
        )
        qid = f"bench_{number:05d}"
        index[qid] = {
            "qid": qid,
            "question_subtype": name,
            "question_type": SUBTYPES[name].super_type,
            "answer": key,
            "correct_option": rng.choice("ABCD"),
        }
        truth = index[qid]["correct_option" if fmt == "mc" else "answer"]
        said = truth if rng.random() < 0.6 else rng.choice(["A", "no idea", "12.5", ""])
        if rng.random() < 0.95:
            rows.append({"qid": qid, "pred_answer": said})
    return rows, index


@pytest.mark.parametrize("fmt", ["mc", "freeform"])
def test_overall_is_weighted_by_questions_from_rounded_subtypes(fmt: str) -> None:
    rows, index = generated(fmt)
    found = official.aggregate(rows, index, fmt)
    points: dict[str, Fraction] = defaultdict(Fraction)
    counts: dict[str, int] = defaultdict(int)
    for name, score in found["by_subtype"].items():
        value = Fraction(str(score.get("mean_mra", score.get("accuracy"))))
        for group in ("overall", SUBTYPES[name].super_type):
            points[group] += value * score["n_total"]
            counts[group] += score["n_total"]
    assert counts["overall"] == len(rows)
    assert found["overall"]["accuracy"] == round(float(points["overall"] / counts["overall"]), 4)
    for group, score in found["by_super_type"].items():
        assert score == {
            "accuracy": round(float(points[group] / counts[group]), 4),
            "n_total": counts[group],
        }


@pytest.mark.parametrize("fmt", ["mc", "freeform"])
def test_a_subtype_is_the_rounded_mean_of_its_rows(fmt: str) -> None:
    rows, index = generated(fmt)
    found = official.aggregate(rows, index, fmt)
    own: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        question = index[row["qid"]]
        key = question["correct_option" if fmt == "mc" else "answer"]
        name = question["question_subtype"]
        own[name].append(official.row_score(row["pred_answer"], subtype=name, key=key, fmt=fmt))
    for name, score in found["by_subtype"].items():
        value = score.get("mean_mra", score.get("accuracy"))
        assert value == pytest.approx(sum(own[name]) / len(own[name]), abs=5.1e-5)


def test_a_question_answered_twice_counts_twice() -> None:
    index = {"b_1": {"question_subtype": "fatty liver", "question_type": "x", "answer": "Yes"}}
    index["b_1"]["correct_option"] = "A"
    rows = [{"qid": "b_1", "pred_answer": "A"}, {"qid": "b_1", "pred_answer": "B"}]
    assert official.aggregate(rows, index, "mc")["overall"] == {
        "accuracy": 0.5,
        "n_total": 2,
        "n_subtypes": 1,
    }


def test_the_42_subtypes_have_11_numeric_15_binary_16_categorical() -> None:
    kinds = [official.answer_type(name) for name in SUBTYPES]
    assert [kinds.count(kind) for kind in ("numeric", "binary", "categorical")] == [11, 15, 16]


@given(st.text())
def test_a_letter_is_one_of_four_or_nothing(text: str) -> None:
    assert official.extract_letter(text) in ("", "A", "B", "C", "D")


@given(st.text())
def test_a_binary_answer_is_yes_no_or_nothing(text: str) -> None:
    assert official.extract_binary(text) in ("", "yes", "no")


@given(st.floats(-1e6, 1e6).map(lambda x: round(x, 1)))
def test_a_plain_decimal_is_read_exactly(value: float) -> None:
    assert official.extract_number(f"{value:.1f}") == value


@given(st.text())
def test_a_thought_never_survives(text: str) -> None:
    assert "<think>" not in official.strip_think(f"{text}<think>{text}")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e9, 1e9))
def test_relative_accuracy_lies_between_0_and_1(predicted: float, truth: float) -> None:
    assert 0.0 <= official.relative_accuracy(predicted, truth) <= 1.0
