"""Retrieval from embeddings, and probabilities of prompt pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.evaluate.retrieval import (
    Pairs,
    load_embeddings,
    prompt_pair_probability,
    ranks_of_first_hits,
    retrieval_json,
    retrieve,
    text_groups,
)


def pairs(images: np.ndarray, texts: np.ndarray, groups: tuple | None = None) -> Pairs:
    own = tuple(range(len(images))) if groups is None else groups
    return Pairs(images=images, texts=texts, groups=own, patients=tuple(range(len(images))))


def turned(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_equal_embeddings_find_each_other() -> None:
    to_text, to_image = retrieve(pairs(np.eye(4), 3 * np.eye(4)), ks=(1,))
    assert to_text.recall[1].mean == to_image.recall[1].mean == 1.0
    assert to_text.median_rank.mean == to_text.mean_reciprocal_rank.mean == 1.0


def test_ranks_by_hand_in_both_directions() -> None:
    # images at 0, 50, 90 degrees; their texts at 40, 60, 0
    own = pairs(turned([0, 50, 90]), turned([40, 60, 0]))
    to_text, _ = ranks_of_first_hits(own.images, own.texts, own.groups)
    to_image, _ = ranks_of_first_hits(own.texts, own.images, own.groups)
    assert to_text.tolist() == [2, 2, 3]  # 0: 0, 40, 60; 50: 40 and 60 tie; 90: 60, 40, 0
    assert to_image.tolist() == [2, 1, 3]  # 40: 50, 0, 90; 60: 50, 90, 0; 0: 0, 50, 90


def test_figures_by_hand() -> None:
    to_text, _ = retrieve(pairs(turned([0, 50, 90]), turned([40, 60, 0])), ks=(1, 2, 10))
    assert [to_text.recall[k].mean for k in (1, 2, 10)] == pytest.approx([0, 2 / 3, 1])
    assert to_text.mean_reciprocal_rank.mean == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert to_text.median_rank.mean == 2
    assert to_text.tied_queries == 1


def test_a_model_that_says_the_same_of_all_gets_the_worst_rank() -> None:
    to_text, to_image = retrieve(pairs(np.ones((5, 3)), np.ones((5, 3))), ks=(1, 4, 5))
    assert [to_text.recall[k].mean for k in (1, 4, 5)] == [0, 0, 1]
    assert to_text.tied_queries == to_image.tied_queries == 5


def test_any_item_of_a_group_is_a_hit() -> None:
    # both "normal" texts are the same vector; without groups they would tie and cost each other
    texts = np.array([[1.0, 0], [1.0, 0], [0, 1.0]])
    groups = text_groups(["Normal.", "normal. ", "A cyst."])
    assert retrieve(pairs(texts, texts, groups), ks=(1,))[0].recall[1].mean == 1.0
    assert retrieve(pairs(texts, texts), ks=(1,))[0].recall[1].mean == pytest.approx(1 / 3)


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_ranks_are_those_of_a_plain_count(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    groups = tuple(generator.integers(0, 4, size=count).tolist())
    own = pairs(generator.normal(size=(count, 3)), generator.normal(size=(count, 3)), groups)
    ranks, _ = ranks_of_first_hits(own.images, own.texts, own.groups)
    for row in range(count):
        scores = own.texts @ own.images[row]
        best = max(s for s, g in zip(scores, groups, strict=True) if g == groups[row])
        before = sum(
            s >= best - 1e-9 for s, g in zip(scores, groups, strict=True) if g != groups[row]
        )
        assert ranks[row] == 1 + before


def test_the_order_of_pairs_does_not_matter() -> None:
    generator = np.random.default_rng(3)
    images, texts = generator.normal(size=(2, 700, 4))  # more than one block
    order = generator.permutation(700)
    plain, mixed = retrieve(pairs(images, texts)), retrieve(pairs(images[order], texts[order]))
    for one, other in zip(plain, mixed, strict=True):
        assert one.recall[5].mean == other.recall[5].mean
        assert one.median_rank.mean == other.median_rank.mean


def test_scans_of_one_patient_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    base = generator.normal(size=(20, 4))
    noisy = base + 0.5 * generator.normal(size=(20, 4))
    images, texts = np.repeat(base, 3, axis=0), np.repeat(noisy, 3, axis=0)
    groups = tuple(np.repeat(np.arange(20), 3).tolist())
    apart = Pairs(images=images, texts=texts, groups=groups, patients=tuple(range(60)))
    together = Pairs(images=images, texts=texts, groups=groups, patients=groups)

    def width(own: Pairs) -> float:
        interval = retrieve(own)[0].recall[1]
        return interval.high - interval.low

    assert width(together) > 1.3 * width(apart)


def test_scores_are_json_with_the_disclaimer() -> None:
    told = json.loads(json.dumps(retrieval_json(pairs(np.eye(3), np.eye(3)))))
    assert told["disclaimer"].startswith("Research use only, not for clinical use")
    assert told["image_to_text"]["recall"]["1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert told["text_to_image"]["median_rank"]["value"] == 1.0


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.ones((2, 2))])
def test_embeddings_that_cannot_be_compared_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="retrieval"):
        pairs(np.ones((2, 3)), bad)


def test_another_number_of_patients_is_refused() -> None:
    with pytest.raises(DataError, match="2 pairs, 2 groups, 1 patients"):
        Pairs(images=np.eye(2), texts=np.eye(2), groups=(0, 1), patients=(0,))


@pytest.mark.parametrize("ks", [(), (0,)])
def test_a_k_below_one_is_refused(ks: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="ks of at least 1"):
        retrieve(pairs(np.eye(2), np.eye(2)), ks=ks)


def test_probability_by_hand() -> None:
    # cosines 1 and 0 with the positive, 0 and 1 with the negative prompt
    told = prompt_pair_probability(2 * np.eye(2), [3.0, 0], [0, 1.0], logit_scale=2.0)
    assert told == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])


def test_equal_prompts_say_nothing() -> None:
    assert prompt_pair_probability([[1.0, 2]], [1.0, 0], [1.0, 0], logit_scale=9.0) == [0.5]


def test_several_prompts_are_averaged_as_unit_vectors() -> None:
    told = prompt_pair_probability([[1.0, 0]], [[100.0, 0], [0, 1.0]], [[-1.0, 0]], logit_scale=1.0)
    assert told == pytest.approx([1 / (1 + np.exp(-(np.sqrt(0.5) + 1)))])


def test_a_large_scale_does_not_overflow() -> None:
    with np.errstate(over="raise", invalid="raise"):
        told = prompt_pair_probability(np.eye(2), [1.0, 0], [0, 1.0], logit_scale=1e4)
    assert told == pytest.approx([1, 0])


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_not_above_zero_is_refused(scale: float) -> None:
    with pytest.raises(DataError, match="a scale above 0"):
        prompt_pair_probability(np.eye(2), [1.0, 0], [0, 1.0], logit_scale=scale)


def test_embeddings_are_read_from_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", images=np.eye(3), texts=np.eye(3)[[0, 2, 1]])
    (tmp_path / "t.csv").write_text("text,patient\nsame,p1\nother,p2\nsame,p1\n")
    pairs = load_embeddings(tmp_path / "e.npz", tmp_path / "t.csv")
    assert pairs.groups[0] == pairs.groups[2] != pairs.groups[1]
    assert pairs.patients == ("p1", "p2", "p1")


def test_a_text_too_few_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", images=np.eye(3), texts=np.eye(3))
    (tmp_path / "t.csv").write_text("text\none\ntwo\n")
    with pytest.raises(DataError, match="3 rows with text"):
        load_embeddings(tmp_path / "e.npz", tmp_path / "t.csv")


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"\.npz file with images and texts"):
        load_embeddings(tmp_path / "e.npz", tmp_path / "e.npz")
