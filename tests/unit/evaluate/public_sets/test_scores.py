"""Scores of predictions on whole public sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from public_set_files import (
    make_3d_rad,
    make_ct_rate,
    make_m3d,
    make_merlin,
    write_lines,
    write_table,
)

from vol3d.anatomy.ct_rate import CT_RATE_ABNORMALITIES
from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.public_sets.merlin import MERLIN_FINDINGS
from vol3d.evaluate.public_sets.scores import PUBLIC_SETS, ScoreOptions, evaluate_predictions


def probabilities(path: Path, rows: dict[str, float], *, names: Sequence[str]) -> Path:
    cells = [[image_id, *[str(value)] * len(names)] for image_id, value in rows.items()]
    return write_table(path, ["image_id", *names], cells)


VALID = {"valid_1_a_1": 0.4, "valid_1_a_2": 0.3, "valid_2_a_1": 0.1}
"""The first two have everything, the last has nothing: in order, but all below 0.5."""


@pytest.fixture
def ct_rate(tmp_path: Path) -> Path:
    return make_ct_rate(tmp_path / "set")


def ct_rate_scores(root: Path, rows: dict[str, float], **options: Any) -> dict[str, Any]:
    path = probabilities(root.parent / "valid.csv", rows, names=CT_RATE_ABNORMALITIES)
    told = evaluate_predictions("ct-rate", root, path, options=ScoreOptions(**options))
    return told["scores"]  # type: ignore[no-any-return]


def test_m3d_vqa_accuracy(tmp_path: Path) -> None:
    root = make_m3d(tmp_path)
    said = {"1": "A. Axial", "2": "lung", "3": "No"}
    lines = [{"qid": f"m3d-vqa-test:00000{n}", "prediction": text} for n, text in said.items()]
    told = evaluate_predictions("m3d-vqa", root, write_lines(tmp_path / "p.jsonl", lines))
    closed = told["scores"]["closed"]
    assert closed["strict"]["value"] == pytest.approx(2 / 3)
    assert closed["published"]["value"] == pytest.approx(1 / 3)
    assert closed["tasks"]["organ"] == {"questions": 1, "strict": 1.0, "published": 0.0}
    assert "open" not in told["scores"]


def test_3d_rad_open_questions_are_counted_without_metrics(tmp_path: Path) -> None:
    root = make_3d_rad(tmp_path)
    lines = [{"qid": "3d-rad-4-Lung_nodule:000001", "prediction": "B"}]
    told = evaluate_predictions("3d-rad", root, write_lines(tmp_path / "p.jsonl", lines))
    assert told["scores"]["open"] == {"texts": 1, "unanswered": 1, "metrics": None}
    assert told["scores"]["closed"]["strict"]["value"] == 0.5
    assert told["scores"]["closed"]["unanswered"] == 1


def test_open_questions_go_to_the_given_metrics_with_empty_words(tmp_path: Path) -> None:
    root = make_3d_rad(tmp_path)
    path = write_lines(tmp_path / "p.jsonl", [])

    def metrics(references: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
        return {"seen": [list(references), list(words)]}

    told = evaluate_predictions("3d-rad", root, path, options=ScoreOptions(text_metrics=metrics))
    assert told["scores"]["open"]["metrics"] == {"seen": [["5x3 mm"], [""]]}


def test_reports_go_to_the_given_metrics(tmp_path: Path) -> None:
    root = make_merlin(tmp_path)
    lines = [{"image_id": "AC02", "prediction": "A cyst."}]

    def metrics(references: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
        return {"pairs": list(zip(references, words, strict=True))}

    told = evaluate_predictions(
        "merlin-reports",
        root,
        write_lines(tmp_path / "p.jsonl", lines),
        options=ScoreOptions(text_metrics=metrics),
    )
    assert told["scores"]["metrics"]["pairs"] == [
        ("Liver: normal.", ""),
        ("Kidneys: a cyst.", "A cyst."),
    ]


def test_labels_get_an_auroc_and_thresholds_of_one_half(ct_rate: Path) -> None:
    scores = ct_rate_scores(ct_rate, VALID)
    assert scores["macro_auroc"]["value"] == 1.0
    assert scores["macro_f1"] == 0.0
    assert (scores["images"], scores["macro_auroc_findings"]) == (3, 18)


def test_thresholds_come_from_another_split(ct_rate: Path) -> None:
    train = {"train_1_a_1": 0.2, "train_2_b_1": 0.1}
    path = probabilities(ct_rate.parent / "train.csv", train, names=CT_RATE_ABNORMALITIES)
    scores = ct_rate_scores(ct_rate, VALID, threshold_predictions=path, threshold_split="train")
    assert scores["findings"][0]["threshold"] == 0.2
    assert scores["macro_f1"] == 1.0
    assert scores["threshold_source"] == "other cases for 18 findings, 0.5 for 0"


@pytest.mark.parametrize("split", [None, "valid"])
def test_thresholds_from_the_scored_split_are_refused(ct_rate: Path, split: str | None) -> None:
    path = probabilities(ct_rate.parent / "t.csv", VALID, names=CT_RATE_ABNORMALITIES)
    with pytest.raises(ConfigError, match="another split than 'valid'"):
        ct_rate_scores(ct_rate, VALID, threshold_predictions=path, threshold_split=split)


def test_thresholds_from_patients_of_the_test_are_refused(ct_rate: Path) -> None:
    labels = ct_rate / "dataset/multi_abnormality_labels"
    text = (labels / "valid_predicted_labels.csv").read_text()
    (labels / "train_predicted_labels.csv").write_text(text)
    path = probabilities(ct_rate.parent / "t.csv", VALID, names=CT_RATE_ABNORMALITIES)
    with pytest.raises(ConfigError, match="3 shared, such as 'valid_1_a_1'"):
        ct_rate_scores(ct_rate, VALID, threshold_predictions=path, threshold_split="train")


def test_missing_probabilities_are_named(ct_rate: Path) -> None:
    with pytest.raises(DataError, match=r"1 missing, such as \['valid_2_a_1'\]"):
        ct_rate_scores(ct_rate, {"valid_1_a_1": 0.4, "valid_1_a_2": 0.3})


def test_merlin_findings_that_no_report_mentions_have_no_score(tmp_path: Path) -> None:
    root = make_merlin(tmp_path)
    path = probabilities(tmp_path / "p.csv", {"AC01": 0.9, "AC02": 0.1}, names=MERLIN_FINDINGS)
    scores = evaluate_predictions("merlin", root, path)["scores"]
    assert scores["macro_auroc"]["value"] == 1.0
    assert scores["macro_auroc_findings"] == 1
    assert scores["findings"][1]["unknown"] == 2


@pytest.mark.parametrize("name", sorted(PUBLIC_SETS))
def test_every_set_gives_json_with_the_disclaimer(tmp_path: Path, name: str) -> None:
    make = {"m3d": make_m3d, "3d": make_3d_rad, "ct": make_ct_rate, "merlin": make_merlin}
    root = make[name.split("-")[0]](tmp_path / "set")
    if PUBLIC_SETS[name] != "labels":
        path = write_lines(tmp_path / "p.jsonl", [])
    elif name == "ct-rate":
        path = probabilities(tmp_path / "p.csv", VALID, names=CT_RATE_ABNORMALITIES)
    else:
        names = MERLIN_FINDINGS if name == "merlin" else ["disease"]
        path = probabilities(tmp_path / "p.csv", {"AC01": 0.9, "AC02": 0.1}, names=names)
    told = json.loads(json.dumps(evaluate_predictions(name, root, path), allow_nan=False))
    assert told["disclaimer"].startswith("Research use only, not for clinical use")
    assert told["set"] == name


def test_an_unknown_set_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of m3d-vqa"):
        evaluate_predictions("mimic", tmp_path, tmp_path / "p.csv")


def test_an_unknown_split_of_ct_rate_is_refused(ct_rate: Path) -> None:
    with pytest.raises(ConfigError, match="'train' or 'valid'"):
        ct_rate_scores(ct_rate, VALID, split="test")
