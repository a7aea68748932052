"""Retrieval and zero-shot probabilities of contrastive encoders, from their embeddings alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from vol3d.config import csv_rows
from vol3d.errors import DataError, explain
from vol3d.evaluate.resampling import IntArray, interval_json, resampled_interval
from vol3d.evaluate.statistics import Interval, clustered_interval
from vol3d.report.schema import DISCLAIMER

FloatArray = npt.NDArray[np.float64]
TIE = 1e-9
"""Cosines that differ by less are ties; sums of products differ by rounding only."""
_BLOCK = 512


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pairs:
    """N scans with their texts; row i of everything belongs together.

    A text that belongs to several scans, or a scan with several texts, comes once per pair.

    Args:
        images: (N, D) embeddings of scans, of any length.
        texts: (N, D) embeddings of texts, of any length.
        groups: Pairs with the same group answer each other: any of them is a hit. Use
            :func:`text_groups` for texts that occur more than once.
        patients: The patient of each pair, for intervals.

    Raises:
        DataError: Shapes that differ, no pair, an embedding that is not finite or is all zero.
    """

    images: FloatArray
    texts: FloatArray
    groups: tuple[Hashable, ...]
    patients: tuple[Hashable, ...]

    def __post_init__(self) -> None:
        count = len(self.groups)
        if self.images.ndim != 2 or self.images.shape != self.texts.shape or 0 in self.images.shape:
            raise _wrong(
                "two (N, D) arrays of one shape", f"{self.images.shape} and {self.texts.shape}"
            )
        if not len(self.images) == count == len(self.patients):
            raise _wrong(
                "one group and one patient per pair",
                f"{len(self.images)} pairs, {count} groups, {len(self.patients)} patients",
            )
        for name in ("images", "texts"):
            array = np.array(getattr(self, name), dtype=np.float64)
            length = np.linalg.norm(array, axis=1, keepdims=True)
            if not np.isfinite(length).all() or (length == 0).any():
                raise _wrong("finite embeddings other than zero", f"another one in {name}")
            object.__setattr__(self, name, array / length)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalScores:
    """One direction of retrieval.

    Args:
        queries: Number of queries, which is also the size of the gallery.
        recall: k to the share of queries with a hit among the first k.
        mean_reciprocal_rank: Mean of 1 / rank of the first hit.
        median_rank: Of the first hit, from 1.
        tied_queries: Queries whose first hit has the same score as an item of another group.
    """

    queries: int
    recall: dict[int, Interval]
    mean_reciprocal_rank: Interval
    median_rank: Interval
    tied_queries: int

    def to_json(self) -> dict[str, Any]:
        """The scores with JSON types."""
        return {
            "queries": self.queries,
            "recall": {str(k): interval_json(each) for k, each in self.recall.items()},
            "mean_reciprocal_rank": interval_json(self.mean_reciprocal_rank),
            "median_rank": interval_json(self.median_rank),
            "tied_queries": self.tied_queries,
        }


def load_embeddings(embeddings: Path, texts: Path) -> Pairs:
    """The pairs of two files.

    Args:
        embeddings: NumPy ``.npz`` with ``images`` and ``texts``, both (N, D).
        texts: CSV with a row per pair, in the same order: ``text``, and ``patient`` if known.

    Raises:
        DataError: A file that cannot be read so, or another number of rows.
    """
    try:
        with np.load(embeddings, allow_pickle=False) as arrays:
            images, words = arrays["images"], arrays["texts"]
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise _wrong("an .npz file with images and texts", type(error).__name__) from None
    rows = [row for _, row in csv_rows(texts)]
    if len(rows) != len(images) or any(not (row.get("text") or "").strip() for row in rows):
        raise _wrong(f"{len(images)} rows with text in {texts.name}", f"{len(rows)} rows")
    return Pairs(
        images=images,
        texts=words,
        groups=text_groups([row["text"] for row in rows]),
        patients=tuple(row.get("patient") or place for place, row in enumerate(rows)),
    )


def text_groups(texts: Sequence[str]) -> tuple[int, ...]:
    """A group number per text; texts that differ in case or white space only share one.

    >>> text_groups(["Normal.", "A cyst.", "normal. "])
    (0, 1, 0)
    """
    numbers: dict[str, int] = {}
    return tuple(
        numbers.setdefault(" ".join(text.casefold().split()), len(numbers)) for text in texts
    )


def retrieve(
    pairs: Pairs, *, ks: Sequence[int] = (1, 5, 10)
) -> tuple[RetrievalScores, RetrievalScores]:
    """Image to text, and text to image; similarity is the cosine, intervals resample patients.

    Ties are counted against the model: an item of another group with the same score ranks first.
    So embeddings that are all equal get the worst rank, not the best. Items of the query's own
    group never push each other down.

    Args:
        pairs: The gallery, which is also the queries; recall depends on its size.
        ks: Each at least 1.

    Raises:
        DataError: A k below 1, or no k.
    """
    if not ks or min(ks) < 1:
        raise _wrong("ks of at least 1", str(tuple(ks)))
    return (
        _direction(pairs.images, pairs.texts, pairs, ks),
        _direction(pairs.texts, pairs.images, pairs, ks),
    )


def retrieval_json(pairs: Pairs, *, ks: Sequence[int] = (1, 5, 10)) -> dict[str, Any]:
    """Both directions with JSON types, and that they are for research only.

    Args:
        pairs: As for :func:`retrieve`.
        ks: As for :func:`retrieve`.

    Raises:
        DataError: A k below 1, or no k.
    """
    to_text, to_image = retrieve(pairs, ks=ks)
    return {
        "disclaimer": DISCLAIMER,
        "patients": len(set(pairs.patients)),
        "image_to_text": to_text.to_json(),
        "text_to_image": to_image.to_json(),
    }


def ranks_of_first_hits(
    queries: FloatArray, gallery: FloatArray, groups: Sequence[Hashable]
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Rank, from 1, of the first hit of every query, and whether another group's item ties with it.

    Args:
        queries: (N, D) unit vectors.
        gallery: (N, D) unit vectors; an item is a hit if its group is the query's.
        groups: N of them.
    """
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(each, len(numbers)) for each in groups], dtype=np.int64)
    ranks = np.empty(len(queries), dtype=np.int64)
    is_tied = np.empty(len(queries), dtype=np.bool_)
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = queries[block] @ gallery.T
        is_own = group[block, None] == group[None, :]
        best = np.where(is_own, scores, -np.inf).max(axis=1, keepdims=True)
        others = np.where(is_own, -np.inf, scores)
        ranks[block] = 1 + (others >= best - TIE).sum(axis=1)
        is_tied[block] = (np.abs(others - best) <= TIE).any(axis=1)
    return ranks, is_tied


def prompt_pair_probability(
    images: npt.ArrayLike,
    positive: npt.ArrayLike,
    negative: npt.ArrayLike,
    *,
    logit_scale: float,
) -> FloatArray:
    """(N,) probability that a finding is there, from a positive and a negative prompt.

    The softmax over the two similarities, each the cosine times the model's scale. Several
    prompts of one kind are averaged as unit vectors first.

    Args:
        images: (N, D) embeddings of scans.
        positive: (D,) or (P, D) embeddings of sentences that say it is there.
        negative: (D,) or (P, D) embeddings of sentences that say it is not.
        logit_scale: Factor of the cosine, above 0; for a model that stores a logarithm, its
            exponential.

    Raises:
        DataError: Shapes that do not fit, an embedding that is zero or not finite, or a scale that
            is not above 0.

    Source: Radford et al., CLIP (2021); Hamamci et al., CT-CLIP, for pairs of a sentence and its
        negation.
    """
    scans, plus, minus = _unit(images), _unit(positive), _unit(negative)
    if not 0 < logit_scale < float("inf") or not scans.shape[1] == plus.shape[1] == minus.shape[1]:
        got = f"{logit_scale}, {scans.shape}, {plus.shape}, {minus.shape}"
        raise _wrong("a scale above 0 and embeddings of one length", got)
    direction = _unit(plus.mean(axis=0)) - _unit(minus.mean(axis=0))
    difference = logit_scale * (scans @ direction[0])
    probability: FloatArray = np.exp(-np.logaddexp(0.0, -difference))
    return probability


def _direction(
    queries: FloatArray, gallery: FloatArray, pairs: Pairs, ks: Sequence[int]
) -> RetrievalScores:
    ranks, is_tied = ranks_of_first_hits(queries, gallery, pairs.groups)

    def interval(values: npt.NDArray[Any]) -> Interval:
        return clustered_interval([float(each) for each in values], pairs.patients)

    order = np.argsort(ranks, kind="stable")
    median = resampled_interval(
        lambda weights: _weighted_median(ranks[order], weights[order]), pairs.patients
    )
    assert median is not None  # a median is always defined
    return RetrievalScores(
        queries=len(ranks),
        recall={k: interval(ranks <= k) for k in ks},
        mean_reciprocal_rank=interval(1.0 / ranks),
        median_rank=median,
        tied_queries=int(is_tied.sum()),
    )


def _weighted_median(ordered: IntArray, weights: IntArray) -> float:
    """Median of ``ordered`` values that count ``weights`` times."""
    ends = np.cumsum(weights)
    total = int(ends[-1])
    low = ordered[np.searchsorted(ends, (total - 1) // 2, side="right")]
    high = ordered[np.searchsorted(ends, total // 2, side="right")]
    return float(low + high) / 2


def _unit(embeddings: npt.ArrayLike) -> FloatArray:
    array = np.atleast_2d(np.asarray(embeddings, dtype=np.float64))
    length = np.linalg.norm(array, axis=-1, keepdims=True)
    if array.ndim != 2 or not np.isfinite(length).all() or (length == 0).any():
        raise _wrong("finite (N, D) embeddings other than zero", f"shape {array.shape}")
    unit: FloatArray = array / length
    return unit


def _wrong(expected: str, got: str) -> DataError:
    return DataError(
        explain(
            expected=expected,
            got=got,
            where="retrieval",
            remedy="Check the embeddings and what they are paired with.",
        )
    )
