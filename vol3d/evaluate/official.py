"""The official scorer of DeepTumorVQA 2.0, to the last digit and with all its quirks.

Only for figures that stand beside the published ones; ``vol3d.evaluate.strict`` reads answers as a
reader would. What the quirks do: ``Answer: D`` scores as A, ``1,234`` as 1, ``None`` as no, and
questions without an answer are left out of every mean.

Source: behaviour of the released evaluation code (DeepTumorVQA, commit 1df7460), restated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from vol3d.vqa.subtypes import SUBTYPES

AnswerType = Literal["numeric", "binary", "categorical"]
BANDS_PERCENT = (5, 10, 20, 50)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_OPEN_THOUGHT = re.compile(r"<think>.*", re.DOTALL)
_LONE_LETTER = re.compile(r"\b([A-D])\b")
_NUMBER = re.compile(r"-?\d+\.?\d*")
_NO_WORD = re.compile(r"[^\w\s-]")
_BLANKS = re.compile(r"\s+")
_DECIMALS = 4


def strip_think(text: str) -> str:
    """The text without ``<think>`` blocks, also without one that is never closed."""
    return _OPEN_THOUGHT.sub("", _THOUGHT.sub("", text)).strip()


def extract_letter(text: str) -> str:
    """The option letter in a text, or an empty text: its first character, else a lone letter."""
    plain = strip_think(text).strip().upper()
    if not plain:
        return ""
    if plain[0] in "ABCD":
        return plain[0]
    match = _LONE_LETTER.search(plain)
    return match.group(1) if match else ""


def extract_number(value: Any) -> float | None:
    """The first run of digits with an optional hyphen and dot, or ``None``."""
    if value is None:
        return None
    match = _NUMBER.search(str(value).strip())
    return float(match.group()) if match else None


def extract_binary(value: Any) -> str:
    """``yes``, ``no`` or an empty text: by prefix, then by whole word, ``yes`` first."""
    plain = str(value).strip().lower()
    for word in ("yes", "no"):
        if plain.startswith(word):
            return word
    for word in ("yes", "no"):
        if re.search(rf"\b{word}\b", plain):
            return word
    return ""


def normalize_text(value: Any) -> str:
    """Lower case without punctuation but hyphens, runs of blanks as one."""
    return _BLANKS.sub(" ", _NO_WORD.sub("", str(value).strip().lower()))


def relative_accuracy(predicted: float, truth: float) -> float:
    """``max(0, 1 - |p - g| / |g|)``; for a truth of 0, whether the prediction is 0."""
    if truth == 0:
        return 1.0 if predicted == 0 else 0.0
    return max(0.0, 1.0 - abs(predicted - truth) / abs(truth))


def relative_error(predicted: float, truth: float) -> float:
    """``|p - g| / |g|``; for a truth of 0, 0 or infinity."""
    if truth == 0:
        return 0.0 if predicted == 0 else math.inf
    return abs(predicted - truth) / abs(truth)


def answer_type(subtype: str) -> AnswerType:
    """How free-form answers of a subtype are compared; unknown names are categorical."""
    row = SUBTYPES.get(subtype)
    return "categorical" if row is None else row.answer_type


def score_mc(pairs: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Accuracy of letters.

    Args:
        pairs: Of what was said and the key letter.
    """
    letters = [(extract_letter(str(said)), str(key).strip().upper()) for said, key in pairs]
    right = sum(letter == key for letter, key in letters)
    return {
        "metric": "exact_match",
        "accuracy": _share(right, len(letters)),
        "n_parsed": sum(bool(letter) for letter, _ in letters),
        "n_total": len(letters),
    }


def score_numeric(pairs: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Mean relative accuracy of numbers, and shares within 5, 10, 20 and 50 percent.

    Args:
        pairs: Of what was said and the true answer; a truth without a number leaves the means.
    """
    pairs = list(pairs)
    known = []
    for said, truth in pairs:
        number = extract_number(truth)
        if number is not None:
            known.append((extract_number(strip_think(str(said))), number))
    accuracy = [0.0 if p is None else relative_accuracy(p, g) for p, g in known]
    errors = [math.inf if p is None else relative_error(p, g) for p, g in known]
    return {
        "metric": "MRA",
        "mean_mra": _share(sum(accuracy), len(known)),
        "tolerance_acc": {
            f"tol_{band}%": _share(sum(error <= band / 100 for error in errors), len(known))
            for band in BANDS_PERCENT
        },
        "n_total": len(pairs),
        "n_scored": len(known),
    }


def score_binary(pairs: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Accuracy, sensitivity and specificity of yes and no.

    An answer that is neither counts as a true negative for specificity, though not as right.

    Args:
        pairs: Of what was said and the true answer.
    """
    words = [(extract_binary(strip_think(str(said))), extract_binary(key)) for said, key in pairs]
    yes = [said for said, key in words if key == "yes"]
    no = [said for said, key in words if key == "no"]
    return {
        "metric": "exact_match",
        "accuracy": _share(sum(bool(said) and said == key for said, key in words), len(words)),
        "sensitivity": _share(sum(said == "yes" for said in yes), len(yes)),
        "specificity": _share(sum(said != "yes" for said in no), len(no)),
        "n_total": len(words),
    }


def score_categorical(pairs: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Share of equal normalised texts, and of texts of which one holds the other.

    Args:
        pairs: Of what was said and the true answer.
    """
    texts = [
        (normalize_text(strip_think(str(said))), normalize_text(str(key))) for said, key in pairs
    ]
    return {
        "metric": "exact_match",
        "accuracy": _share(sum(said == key for said, key in texts), len(texts)),
        "partial_accuracy": _share(sum(_is_part(said, key) for said, key in texts), len(texts)),
        "n_total": len(texts),
    }


def _is_part(said: str, key: str) -> bool:
    return said == key or (bool(said) and bool(key) and (said in key or key in said))


_FREE_FORM = {"numeric": score_numeric, "binary": score_binary, "categorical": score_categorical}


def aggregate(
    predictions: Iterable[Mapping[str, Any]],
    benchmark_index: Mapping[str, Mapping[str, Any]],
    fmt: str,
) -> dict[str, Any]:
    """Scores by subtype, super type and overall, weighted by numbers of questions.

    Args:
        predictions: Rows with ``qid``, ``pred_answer`` and ``raw_output``; unknown ids are left
            out, and an id that comes twice counts twice.
        benchmark_index: Questions by id.
        fmt: ``mc`` or ``freeform``.
    """
    pairs: dict[str, list[tuple[str, Any]]] = {}
    for row in predictions:
        question = benchmark_index.get(row.get("qid", ""))
        if question is None:
            continue
        said = row.get("pred_answer") or row.get("raw_output") or ""
        key = question["correct_option" if fmt == "mc" else "answer"]
        pairs.setdefault(question["question_subtype"], []).append((str(said), key))
    groups: dict[str, str] = {}
    for question in benchmark_index.values():
        groups.setdefault(question["question_subtype"], question["question_type"])
    by_subtype = {
        name: score_mc(own) if fmt == "mc" else _FREE_FORM[answer_type(name)](own)
        for name, own in pairs.items()
    }
    by_super_type = {}
    for group in dict.fromkeys(groups[name] for name in by_subtype):
        own_scores = [score for name, score in by_subtype.items() if groups[name] == group]
        accuracy, total = _weighted(own_scores)
        by_super_type[group] = {"accuracy": accuracy, "n_total": total}
    accuracy, total = _weighted(by_subtype.values())
    return {
        "overall": {"accuracy": accuracy, "n_total": total, "n_subtypes": len(by_subtype)},
        "by_super_type": by_super_type,
        "by_subtype": by_subtype,
    }


def row_score(said: str, *, subtype: str, key: str, fmt: str) -> float:
    """What one answer is worth, 0 to 1, before any rounding over a subtype.

    Args:
        said: The answer.
        subtype: Name of the subtype.
        key: The key letter for ``mc``, else the true answer.
        fmt: ``mc`` or ``freeform``.
    """
    if fmt == "mc":
        return float(extract_letter(said) == key.strip().upper())
    kind = answer_type(subtype)
    if kind == "numeric":
        number, truth = extract_number(strip_think(said)), extract_number(key)
        return 0.0 if number is None or truth is None else relative_accuracy(number, truth)
    score = _FREE_FORM[kind]([(said, key)])
    return float(score["accuracy"])


def _weighted(scores: Iterable[Mapping[str, Any]]) -> tuple[float, int]:
    """Mean of already rounded scores, weighted by their questions."""
    scores = list(scores)
    total = sum(score["n_total"] for score in scores)
    points = sum(
        score.get("mean_mra", score.get("accuracy")) * score["n_total"] for score in scores
    )
    return _share(points, total), total


def _share(part: float, whole: int) -> float:
    return round(part / max(whole, 1), _DECIMALS)
