"""Exact tests against values worked out by hand, and what must hold for any input."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from vol3d.errors import DataError
from vol3d.evaluate.significance import (
    NUM_FLIPS,
    benjamini_hochberg,
    holm,
    mcnemar_exact,
    sign_flip_p,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=50)
DIFFERENCES = st.lists(
    st.tuples(st.floats(-1, 1, allow_subnormal=False), st.integers(0, 30)), min_size=1, max_size=60
)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (0, 5, 2 / 32),
        (1, 9, 22 / 1024),  # 2 * (1 + 10) / 2^10
        (3, 3, 1.0),
        (2, 6, 2 * (1 + 8 + 28) / 256),
    ],
)
def test_mcnemar_by_hand(first: int, second: int, p: float) -> None:
    assert mcnemar_exact(first, second) == p


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_does_not_care_who_comes_first(first: int, second: int) -> None:
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first) <= 1


def test_mcnemar_of_thousands_of_questions_does_not_overflow() -> None:
    assert 0 < mcnemar_exact(2400, 2600) < 0.005


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(DataError, match="at least 0"):
        mcnemar_exact(-1, 2)


def test_three_volumes_that_all_gain_have_a_p_value_of_a_quarter() -> None:
    # of eight sign patterns only +++ and --- give a sum of 3
    assert sign_flip_p([1, 1, 1], ["a", "b", "c"]) == 0.25


def test_sums_of_1_2_and_4_are_as_large_in_two_of_eight_patterns_or_four() -> None:
    assert sign_flip_p([1, 2, 4], ["a", "b", "c"]) == 2 / 8
    # 4 + 2 - 1 = 5: +++ and ++- and their mirror images reach it
    assert sign_flip_p([-1, 2, 4], ["a", "b", "c"]) == 4 / 8


def test_many_questions_of_one_volume_are_one_observation() -> None:
    assert sign_flip_p([1.0] * 50, ["a"] * 50) == 1.0


def test_volumes_without_a_difference_change_nothing() -> None:
    assert sign_flip_p([1, 1, 1, 0, 0], ["a", "b", "c", "d", "e"]) == 0.25


def test_no_difference_at_all_has_a_p_value_of_1() -> None:
    assert sign_flip_p([0.0, 0.0], ["a", "b"]) == 1.0


def test_monte_carlo_p_is_never_0() -> None:
    assert sign_flip_p([1.0] * 100, list(range(100))) == 1 / (1 + NUM_FLIPS)


def test_monte_carlo_agrees_with_the_binomial_distribution() -> None:
    # 20 volumes, 15 gain and 5 lose: 2 * P(X >= 15), X ~ B(20, 1/2)
    p = sign_flip_p([1.0] * 15 + [-1.0] * 5, list(range(20)))
    assert p == pytest.approx(0.0414, abs=0.006)


def test_the_same_seed_gives_the_same_p_value() -> None:
    differences, clusters = [0.3, -0.1, 0.2, 0.4] * 10, list(range(40))
    assert sign_flip_p(differences, clusters, seed=3) == sign_flip_p(differences, clusters, seed=3)


@settings(deadline=None)
@given(DIFFERENCES)
def test_sign_flip_does_not_care_who_comes_first(rows: list[tuple[float, int]]) -> None:
    differences, clusters = [d for d, _ in rows], [c for _, c in rows]
    p = sign_flip_p(differences, clusters, num_flips=200)
    assert p == sign_flip_p([-d for d in differences], clusters, num_flips=200)
    assert 0 < p <= 1


def test_differences_without_clusters_are_refused() -> None:
    with pytest.raises(DataError, match="one cluster per difference"):
        sign_flip_p([0.1], [])


def test_holm_and_benjamini_hochberg_by_hand() -> None:
    raw = [0.01, 0.04, 0.03, 0.005]
    # sorted: 0.005 * 4, 0.01 * 3, 0.03 * 2, then 0.04 * 1 raised to the 0.06 before it
    assert holm(raw) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # from the largest: 0.04 * 4/4, then 0.03 * 4/3 = 0.04, 0.01 * 4/2, 0.005 * 4/1 = 0.02
    assert benjamini_hochberg(raw) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_nothing_to_correct() -> None:
    assert holm([]) == benjamini_hochberg([]) == ()


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_scipy(first: int, second: int) -> None:
    assume(first + second > 0)
    expected = stats.binomtest(first, first + second).pvalue
    assert mcnemar_exact(first, second) == pytest.approx(expected)


@settings(deadline=None)
@given(P_VALUES)
def test_benjamini_hochberg_is_that_of_scipy(raw: list[float]) -> None:
    assert benjamini_hochberg(raw) == pytest.approx(stats.false_discovery_control(raw))


@given(P_VALUES)
def test_corrections_are_ordered_and_within_0_and_1(raw: list[float]) -> None:
    for own, bh, by_holm in zip(raw, benjamini_hochberg(raw), holm(raw), strict=True):
        assert own - 1e-12 <= bh <= by_holm + 1e-12
        assert by_holm <= 1


@given(P_VALUES)
def test_corrections_keep_the_order_of_p_values(raw: list[float]) -> None:
    for corrected in (holm(raw), benjamini_hochberg(raw)):
        by_raw = [value for _, value in sorted(zip(raw, corrected, strict=True))]
        assert by_raw == sorted(by_raw)
