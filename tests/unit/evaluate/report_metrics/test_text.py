"""Overlap of words against values worked out by hand."""

from __future__ import annotations

import builtins
import math
import sys
from typing import Any

import pytest

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.report_metrics.text import (
    bleu,
    cider,
    meteor_without_synonyms,
    rouge,
    score_texts,
    tokens,
)

pytest.importorskip("sacrebleu")
CAT = [tokens("The cat sat on the mat.")]


def test_tokens_are_words_numbers_and_chinese_characters() -> None:
    assert tokens("A 2.3 cm cyst, S4.") == ["a", "2.3", "cm", "cyst", "s", "4"]
    assert tokens("肝S5段1,4cm") == ["肝", "s", "5", "段", "1,4", "cm"]


def test_equal_texts_have_the_highest_scores() -> None:
    texts = ["No focal lesion in the liver.", "A 2 cm cyst in the left kidney."]
    scores = score_texts(texts, texts)
    assert set(scores.bleu.values()) == {1.0}
    assert set(scores.rouge.values()) == {1.0}
    assert scores.cider == pytest.approx(10.0)
    # one chunk: the penalty is 0.5 * (1 / matches) ** 3, for 6 and 8 words
    assert scores.meteor_without_synonyms == pytest.approx(1 - 0.25 * (1 / 6**3 + 1 / 8**3))


def test_bleu_1_counts_each_word_as_often_as_the_reference_has_it() -> None:
    # "the" stands twice in the reference: 2 of 7 words
    assert bleu(CAT, [["the"] * 7], order=1) == pytest.approx(2 / 7)


def test_bleu_pays_for_brevity() -> None:
    # 3 of 3 words right, 3 words short of 6: exp(1 - 6 / 3)
    assert bleu(CAT, [["the", "cat", "sat"]], order=1) == pytest.approx(math.exp(-1))


def test_bleu_2_is_the_geometric_mean_of_words_and_pairs() -> None:
    # the cat lay on the mat: 5 of 6 words, 3 of 5 pairs
    found = bleu(CAT, [tokens("the cat lay on the mat")], order=2)
    assert found == pytest.approx(math.sqrt(5 / 6 * 3 / 5))


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence() -> None:
    # cat sat mat: all 3 of 3 in order, of 6: F1 = 2 * 1 * 0.5 / 1.5
    scores = rouge(CAT, [["cat", "sat", "mat"]])
    assert scores["rouge_l"] == pytest.approx(2 / 3)
    # pairs: "cat sat" of 2, of 5: F1 = 2 * 0.5 * 0.2 / 0.7
    assert scores["rouge_2"] == pytest.approx(2 / 7)


def test_meteor_by_hand() -> None:
    # 2 of 6 words: P = 1, R = 1/3, F = P R / (0.9 P + 0.1 R)
    mean = (1 / 3) / (0.9 + 0.1 / 3)
    # one chunk of two matches, then two chunks
    one, two = (meteor_without_synonyms(CAT, [words]) for words in (["cat", "sat"], ["mat", "cat"]))
    assert one == pytest.approx(mean * (1 - 0.5 * (1 / 2) ** 3))
    assert two == pytest.approx(mean * (1 - 0.5))


def test_meteor_matches_stems_and_no_synonyms() -> None:
    assert meteor_without_synonyms([["lesions"]], [["lesion"]]) == pytest.approx(0.5)
    assert meteor_without_synonyms([["kidney"]], [["renal"]]) == 0.0


def test_cider_by_hand() -> None:
    # Two texts without a shared word; the first prediction holds half of its reference's words.
    references, predictions = [["a", "b"], ["c", "d"]], [["a"], ["c", "d"]]
    # words: a of (a, b): cosine 1 / sqrt(2); no pair of words in the first, so 0 for n = 2, 3, 4;
    # lengths as the package counts them (pairs of words): 0 against 1
    first = 10 / 4 * (1 / math.sqrt(2)) * math.exp(-1 / 72)
    second = 10 / 4 * 2  # words and pairs agree; there are no longer n-grams
    assert cider(references, predictions) == pytest.approx((first + second) / 2)


def test_cider_of_one_text_is_zero() -> None:
    assert cider(CAT, CAT) == 0.0


def test_chinese_texts_are_compared_by_character() -> None:
    scores = score_texts(["肝脏未见异常。"], ["肝脏未见病灶。"])
    assert scores.bleu[1] == pytest.approx(4 / 6)
    assert scores.rouge["rouge_l"] == pytest.approx(4 / 6)


def test_empty_predictions_score_zero() -> None:
    scores = score_texts(["No lesion."], [""])
    assert scores.bleu[1] == scores.rouge["rouge_l"] == scores.meteor_without_synonyms == 0.0


def test_unpaired_texts_are_refused() -> None:
    with pytest.raises(DataError, match="2 references and 1 predictions"):
        score_texts(["a", "b"], ["a"])
    with pytest.raises(DataError, match="0 references"):
        score_texts([], [])


@pytest.mark.parametrize("name", ["sacrebleu", "rouge_score", "nltk", "pycocoevalcap"])
def test_a_missing_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install vol3d\[evaluate\]"):
        score_texts(["a b"], ["a b"])


def test_the_packages_start_no_java_and_open_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import subprocess

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("no process and no connection")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    assert builtins.len(score_texts(["a b c", "d e"], ["a b", "d e"]).bleu) == 4
