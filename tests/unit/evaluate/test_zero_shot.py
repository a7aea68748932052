"""AUROC, thresholds and scores of findings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from vol3d.errors import DataError
from vol3d.evaluate.zero_shot import (
    LabelTable,
    auroc,
    choose_threshold,
    choose_thresholds,
    score_findings,
)


def table(truth: list[list[int]], scores: list[list[float]]) -> LabelTable:
    return LabelTable(
        names=("nodule", "effusion")[: len(truth[0])],
        truth=np.array(truth, dtype=np.int8),
        scores=np.array(scores),
        clusters=tuple(range(len(truth))),
    )


def test_auroc_by_hand() -> None:
    # positives 0.8 and 0.3, negatives 0.5 and 0.1: 3 of 4 pairs are in order
    assert auroc([1, 1, 0, 0], [0.8, 0.3, 0.5, 0.1]) == 0.75


def test_a_tie_counts_half() -> None:
    # positives 0.5 and 0.5, negatives 0.5 and 0.1: (0.5 + 1 + 0.5 + 1) / 4
    assert auroc([1, 1, 0, 0], [0.5, 0.5, 0.5, 0.1]) == 0.75


def test_equal_scores_are_chance() -> None:
    assert auroc([1, 0, 0], [0.2, 0.2, 0.2]) == 0.5


def test_one_class_has_no_auroc() -> None:
    assert auroc([1, 1], [0.1, 0.2]) is None


CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30).filter(
    lambda rows: len({positive for positive, _ in rows}) == 2
)


@given(CASES)
def test_auroc_is_the_mann_whitney_statistic(rows: list[tuple[bool, int]]) -> None:
    positives = [score for is_positive, score in rows if is_positive]
    negatives = [score for is_positive, score in rows if not is_positive]
    known = mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives))
    assert auroc(*zip(*rows, strict=True)) == pytest.approx(known)


@given(CASES, st.integers(0, 3))
def test_a_weight_is_as_many_copies(rows: list[tuple[bool, int]], extra: int) -> None:
    truth, scores = zip(*rows, strict=True)
    weights = [1 + extra, *[1] * (len(rows) - 1)]
    copied = auroc([*[truth[0]] * extra, *truth], [*[scores[0]] * extra, *scores])
    assert auroc(truth, scores, weights) == pytest.approx(copied)


def test_threshold_of_best_f1_by_hand() -> None:
    # from 0.9: 2/3; 0.6: 1/2; 0.5: 4/5; 0.1: 2/3
    assert choose_threshold([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1]) == 0.5


def test_threshold_of_best_youden_by_hand() -> None:
    # from 0.9: 1/2; 0.6: 0; 0.5: 1/2; the largest of equally good ones
    assert choose_threshold([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1], rule="youden") == 0.9


def test_equal_scores_are_never_parted_by_a_threshold() -> None:
    assert choose_threshold([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.2]) == 0.2


@pytest.mark.parametrize(("truth", "rule"), [([0, 0], "f1"), ([1, 1], "youden")])
def test_one_class_has_no_threshold(truth: list[int], rule: str) -> None:
    with pytest.raises(DataError, match="one class"):
        choose_threshold(truth, [0.1, 0.2], rule=rule)  # type: ignore[arg-type]


def test_a_finding_with_one_class_gets_no_threshold() -> None:
    assert set(choose_thresholds(table([[1, 1], [0, 1]], [[0.9, 0.9], [0.1, 0.1]]))) == {"nodule"}


def test_scores_by_hand() -> None:
    own = table([[1], [1], [0], [0], [-1]], [[0.9], [0.2], [0.7], [0.1], [0.99]])
    (row,) = score_findings(own, num_resamples=50).findings
    assert (row.positives, row.negatives, row.unknown) == (2, 2, 1)
    assert (row.sensitivity, row.specificity, row.accuracy, row.f1) == (0.5, 0.5, 0.5, 0.5)
    assert row.auroc is not None
    assert row.auroc.mean == 0.75


def test_a_threshold_from_elsewhere_is_used_and_told() -> None:
    own = table([[1, 1], [0, 0]], [[0.4, 0.4], [0.1, 0.1]])
    scores = score_findings(own, thresholds={"nodule": 0.4}, num_resamples=10)
    assert [row.sensitivity for row in scores.findings] == [1.0, 0.0]
    assert scores.threshold_source == "other cases for 1 findings, 0.5 for 1"


def test_macro_figures_leave_out_findings_without_one() -> None:
    own = table([[1, 1], [0, 1], [1, 1], [0, 1]], [[0.9, 0.9], [0.1, 0.9], [0.8, 0.9], [0.2, 0.9]])
    told = score_findings(own, num_resamples=50).to_json()
    assert told["macro_auroc"]["value"] == 1.0
    assert (told["macro_auroc_findings"], told["macro_f1_findings"]) == (1, 2)
    assert told["findings"][1]["auroc"] is None


@pytest.mark.parametrize(("truth", "score"), [(2, 0.5), (1, float("nan"))])
def test_a_table_of_other_values_is_refused(truth: int, score: float) -> None:
    with pytest.raises(DataError, match="scores of findings"):
        table([[truth]], [[score]])
