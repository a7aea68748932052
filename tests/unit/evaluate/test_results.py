import json
from pathlib import Path

import pytest

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.results import ANSWERS, check_no_run, read_log, read_results
from vol3d.evaluate.rows import ResultRow

ROW = {
    "qid": "bench_00001",
    "image_id": "BDMAP_00000001",
    "question_subtype": "fatty liver",
    "question_type": "medical reasoning",
    "raw_output": "A",
    "pred_answer": "A",
    "correct_option": "A",
    "answer": "Yes",
}


def results(tmp_path: Path, rows: object) -> Path:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"results": rows}))
    return path


def test_an_official_row_reads_back(tmp_path: Path) -> None:
    (row,) = read_results(results(tmp_path, [ROW]))
    assert row.official() == ROW


def test_an_empty_prediction_gives_way_to_the_raw_output(tmp_path: Path) -> None:
    (row,) = read_results(results(tmp_path, [{**ROW, "pred_answer": None, "raw_output": 3}]))
    assert row.pred_answer == "3"


def test_a_repeated_question_is_kept(tmp_path: Path) -> None:
    assert len(read_results(results(tmp_path, [ROW, ROW]))) == 2


@pytest.mark.parametrize("rows", ["x", ["a"], [None], [[1]], [{"answer": "x"}]])
def test_rows_of_another_form_are_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(DataError, match=r"r\.json"):
        read_results(results(tmp_path, rows))


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1: confidence"):
        read_results(results(tmp_path, [{**ROW, "confidence": "high"}]))


def test_a_lone_surrogate_is_replaced() -> None:
    row = ResultRow.model_validate({**ROW, "pred_answer": "B \ud83d", "raw_output": "B \ud83d"})
    assert row.pred_answer == "B ?"
    row.model_dump_json().encode()


@pytest.mark.parametrize("header", ['{"run": []}', '{"run": {}}', "{}", "[", "3"])
def test_a_log_that_does_not_say_what_was_run_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / ANSWERS).write_text(f"{header}\n")
    with pytest.raises(DataError, match=ANSWERS):
        read_log(tmp_path)


def test_figures_do_not_stand_beside_another_runs_answers(tmp_path: Path) -> None:
    check_no_run(tmp_path)
    (tmp_path / ANSWERS).touch()
    with pytest.raises(ConfigError, match="Use another folder"):
        check_no_run(tmp_path)
