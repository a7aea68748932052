"""Files of predictions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_set_files import write_lines, write_table

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.predictions import check_known, read_probabilities, read_words


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    table = write_table(tmp_path / "p.csv", ["qid", "prediction"], [["q1", "A"], ["q2", ""]])
    lines = write_lines(
        tmp_path / "p.jsonl",
        [{"qid": "q1", "prediction": "A"}, {"qid": "q2", "prediction": ""}],
    )
    assert read_words(table, key="qid") == read_words(lines, key="qid") == {"q1": "A", "q2": ""}


@given(st.dictionaries(st.integers(0, 99).map(str), st.text().map(str.strip), max_size=5))
def test_all_words_come_back(tmp_path_factory: pytest.TempPathFactory, words: dict) -> None:
    path = tmp_path_factory.mktemp("p") / "p.jsonl"
    write_lines(path, [{"qid": qid, "prediction": said} for qid, said in words.items()])
    assert read_words(path, key="qid") == words


@pytest.mark.parametrize("line", ["{", "[]", '{"qid": "q1"}', '{"qid": 1, "prediction": "A"}'])
def test_a_line_that_is_no_prediction_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"qid": "q1", "prediction": "A"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"p\.jsonl, (row|line) 2"):
        read_words(path, key="qid")


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "p.csv", ["qid", "prediction"], [["q1", "A"], ["q1", "B"]])
    with pytest.raises(DataError, match="row 2: got 'q1' again"):
        read_words(table, key="qid")


def test_probabilities_come_in_the_order_asked_for(tmp_path: Path) -> None:
    table = write_table(tmp_path / "p.csv", ["b", "image_id", "a"], [["0.2", "x.nii.gz", "1"]])
    assert read_probabilities(table, ["a", "b"]) == {"x": (1.0, 0.2)}


@pytest.mark.parametrize("value", ["1.01", "-0.1", "nan", "", "high"])
def test_what_is_no_probability_is_refused(tmp_path: Path, value: str) -> None:
    table = write_table(tmp_path / "p.csv", ["image_id", "a"], [["x", value]])
    with pytest.raises(DataError, match=r"p\.csv, row 1"):
        read_probabilities(table, ["a"])


def test_predictions_for_another_set_are_refused() -> None:
    with pytest.raises(DataError, match="1 others, such as 'z'"):
        check_known(["a", "z"], ["a", "b"], where="p.csv")
