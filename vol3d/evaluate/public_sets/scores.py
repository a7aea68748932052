"""Scores of predictions on a public set, as JSON: one function for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vol3d.errors import ConfigError, DataError, explain
from vol3d.evaluate.closed_vqa import score_closed
from vol3d.evaluate.public_sets.ct_rate import load_ct_rate_labels, load_ct_rate_reports
from vol3d.evaluate.public_sets.m3d import load_m3d_cap, load_m3d_vqa
from vol3d.evaluate.public_sets.merlin import (
    load_merlin_five_year,
    load_merlin_labels,
    load_merlin_reports,
)
from vol3d.evaluate.public_sets.predictions import check_known, read_probabilities, read_words
from vol3d.evaluate.public_sets.records import PublicLabels, PublicQuestion, PublicReport
from vol3d.evaluate.public_sets.three_d_rad import load_3d_rad
from vol3d.evaluate.zero_shot import LabelTable, ThresholdRule, choose_thresholds, score_findings
from vol3d.report.schema import DISCLAIMER

Kind = Literal["questions", "labels", "reports"]
TextMetrics = Callable[[Sequence[str], Sequence[str]], Mapping[str, Any]]
"""From references and the model's words, in one order, to JSON-able figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreOptions:
    """How predictions are scored.

    Args:
        split: The set's split; ``None`` for its usual test split.
        threshold_predictions: Probabilities on ``threshold_split``, to choose thresholds on;
            without them every threshold is 0.5.
        threshold_split: Another split than ``split``.
        threshold_rule: What a threshold is best by.
        text_metrics: Scores open questions and reports; without it they are counted only.
    """

    split: str | None = None
    threshold_predictions: Path | None = None
    threshold_split: str | None = None
    threshold_rule: ThresholdRule = "f1"
    text_metrics: TextMetrics | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    kind: Kind
    split: str
    load: Callable[[Path, str], Sequence[Any]]


_SETS = {
    "m3d-vqa": _Set(
        kind="questions",
        split="test",
        load=lambda root, split: load_m3d_vqa(root, split=split, images="optional"),
    ),
    "3d-rad": _Set(
        kind="questions",
        split="test",
        load=lambda root, split: load_3d_rad(root, split=split, images="optional"),
    ),
    "ct-rate": _Set(
        kind="labels",
        split="valid",
        load=lambda root, split: load_ct_rate_labels(
            root, split=_ct_rate_split(split), images="optional"
        ),
    ),
    "merlin": _Set(
        kind="labels",
        split="test",
        load=lambda root, split: load_merlin_labels(root, split=split, images="optional"),
    ),
    "merlin-five-year": _Set(
        kind="labels",
        split="test",
        load=lambda root, _: load_merlin_five_year(root, images="optional"),
    ),
    "m3d-cap": _Set(
        kind="reports",
        split="test",
        load=lambda root, split: load_m3d_cap(root, split=split, images="optional"),
    ),
    "ct-rate-reports": _Set(
        kind="reports",
        split="valid",
        load=lambda root, split: load_ct_rate_reports(
            root, split=_ct_rate_split(split), images="optional"
        ),
    ),
    "merlin-reports": _Set(
        kind="reports",
        split="test",
        load=lambda root, split: load_merlin_reports(root, split=split, images="optional"),
    ),
}
PUBLIC_SETS: Mapping[str, Kind] = {name: each.kind for name, each in _SETS.items()}
"""Names that :func:`evaluate_predictions` knows, and what is scored in each."""


def evaluate_predictions(
    set_name: str, data_dir: Path, predictions: Path, *, options: ScoreOptions | None = None
) -> dict[str, Any]:
    """JSON-able scores of what a model said about a public set. Images are not needed.

    Args:
        set_name: A name of ``PUBLIC_SETS``.
        data_dir: Folder of the set, as its loader takes it.
        predictions: Questions: CSV or JSONL with ``qid`` and ``prediction``. Reports: the same with
            ``image_id``. Labels: CSV with ``image_id`` and a probability per finding.
        options: Split, thresholds, text metrics.

    Returns:
        Set, split, what was missing, scores with intervals, and that they are for research only.

    Raises:
        ConfigError: An unknown set or split, or thresholds from the split that is scored.
        DataError: The set or the predictions cannot be read, name other cases, or (labels) lack
            some.
    """
    chosen, known = options or ScoreOptions(), _SETS.get(set_name)
    if known is None:
        raise _config(f"one of {', '.join(_SETS)}", repr(set_name))
    split = chosen.split or known.split
    records = known.load(data_dir, split)
    if known.kind == "questions":
        scores = _questions(records, predictions, chosen)
    elif known.kind == "reports":
        scores = _reports(records, predictions, chosen)
    else:
        thresholds = _thresholds(known, data_dir, split, chosen)
        table = label_table(records, predictions)
        scores = score_findings(table, thresholds=thresholds).to_json()
        scores["images"] = len(table.clusters)
    return {"set": set_name, "split": split, "disclaimer": DISCLAIMER, "scores": scores}


def label_table(records: Sequence[PublicLabels], predictions: Path) -> LabelTable:
    """Truth and probabilities of every labelled image.

    Args:
        records: Of one split.
        predictions: CSV with ``image_id`` and a probability per finding.

    Raises:
        DataError: No record, or probabilities for other images than the labelled ones.
    """
    names = tuple(records[0].labels) if records else ()
    given = read_probabilities(predictions, names)
    ids = [record.image.image_id for record in records]
    check_known(given, ids, where=predictions.name)
    missing = sorted(set(ids) - set(given))
    if missing or not ids:
        raise DataError(
            explain(
                expected=f"probabilities for all {len(set(ids))} labelled images",
                got=f"{len(missing)} missing, such as {missing[:1]}",
                where=predictions.name,
                remedy="Predict them too: scores over fewer cases are scores of another set.",
            )
        )
    codes = {True: 1, False: 0, None: -1}
    return LabelTable(
        names=names,
        truth=np.array([[codes[r.labels[n]] for n in names] for r in records], dtype=np.int8),
        scores=np.array([given[image_id] for image_id in ids], dtype=np.float64),
        clusters=tuple(record.image.cluster for record in records),
    )


def _questions(
    questions: Sequence[PublicQuestion], predictions: Path, options: ScoreOptions
) -> dict[str, Any]:
    said = read_words(predictions, key="qid")
    check_known(said, [each.qid for each in questions], where=predictions.name)
    scores: dict[str, Any] = {}
    if any(each.is_closed for each in questions):
        scores["closed"] = score_closed(questions, said).to_json()
    opened = [each for each in questions if not each.is_closed]
    if opened:
        words = [said.get(each.qid, "") for each in opened]
        scores["open"] = _texts([each.answer for each in opened], words, options)
    return scores


def _reports(
    reports: Sequence[PublicReport], predictions: Path, options: ScoreOptions
) -> dict[str, Any]:
    said = read_words(predictions, key="image_id")
    check_known(said, [each.image.image_id for each in reports], where=predictions.name)
    kept = [(each.image.image_id, each.findings) for each in reports if each.findings is not None]
    texts = _texts([text for _, text in kept], [said.get(name, "") for name, _ in kept], options)
    return texts | {"without_findings": len(reports) - len(kept)}


def _texts(
    references: Sequence[str], words: Sequence[str], options: ScoreOptions
) -> dict[str, Any]:
    """Missing words stay in as empty ones: a system gains nothing by leaving texts out."""
    counts = {"texts": len(words), "unanswered": sum(not each.strip() for each in words)}
    metrics = None if options.text_metrics is None else options.text_metrics(references, words)
    return counts | {"metrics": None if metrics is None else dict(metrics)}


def _thresholds(
    known: _Set, data_dir: Path, split: str, options: ScoreOptions
) -> dict[str, float] | None:
    if options.threshold_predictions is None:
        return None
    if options.threshold_split is None or options.threshold_split == split:
        raise _config(
            f"threshold_split: another split than {split!r}", repr(options.threshold_split)
        )
    records = known.load(data_dir, options.threshold_split)
    tested = {record.image.cluster for record in known.load(data_dir, split)}
    shared = [record.image.image_id for record in records if record.image.cluster in tested]
    if shared:
        raise _config(
            "a threshold split without patients of the test split",
            f"{len(shared)} shared, such as {shared[0]!r}",
        )
    table = label_table(records, options.threshold_predictions)
    return choose_thresholds(table, rule=options.threshold_rule)


def _ct_rate_split(split: str) -> Literal["train", "valid"]:
    if split == "train":
        return "train"
    if split == "valid":
        return "valid"
    raise _config("split 'train' or 'valid' of CT-RATE", repr(split))


def _config(expected: str, got: str) -> ConfigError:
    return ConfigError(
        explain(
            expected=expected,
            got=got,
            where="evaluation on a public set",
            remedy="Choose another.",
        )
    )
