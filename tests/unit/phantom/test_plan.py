"""Plans are balanced, and independent of the grid, over many seeds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vol3d.phantom import LESION_ORGANS, CasePlan, Draw, Organ, PhantomConfig, plan_case
from vol3d.phantom.space import draw_setup

CONFIG = PhantomConfig()
COUNT = 800


@pytest.fixture(scope="module")
def plans() -> list[CasePlan]:
    return [plan_case(Draw(seed), CONFIG) for seed in range(COUNT)]


def shares(values: list[object]) -> dict[object, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


def test_lesion_counts_are_uniform_over_0_to_3(plans: list[CasePlan]) -> None:
    found = shares([len(plan.lesions) for plan in plans])
    assert found == pytest.approx(dict.fromkeys(range(4), 0.25), abs=0.05)


def test_largest_lesion_is_uniform_over_organs(plans: list[CasePlan]) -> None:
    found = shares([plan.lesions[0].organ for plan in plans if plan.lesions])
    assert found == pytest.approx(dict.fromkeys(LESION_ORGANS, 0.2), abs=0.05)


def test_largest_lesion_is_uniform_over_size_classes(plans: list[CasePlan]) -> None:
    sizes = [plan.lesions[0].diameter_mm for plan in plans if plan.lesions]
    found = shares([sum(size > bound for bound in (25, 45)) for size in sizes])
    assert found == pytest.approx(dict.fromkeys(range(3), 1 / 3), abs=0.06)


def test_attenuations_are_equally_frequent(plans: list[CasePlan]) -> None:
    found = shares([lesion.attenuation for plan in plans for lesion in plan.lesions])
    assert found["hypoattenuating"] == pytest.approx(0.5, abs=0.05)


def test_kidneys_and_spleens_follow_the_configured_shares(plans: list[CasePlan]) -> None:
    kidneys = shares([plan.missing_kidney for plan in plans])
    wanted = {Organ.KIDNEY_LEFT: 0.3, Organ.KIDNEY_RIGHT: 0.3, None: 0.4}
    assert kidneys == pytest.approx(wanted, abs=0.05)
    assert np.mean([plan.spleen_cm3 > 400 for plan in plans]) == pytest.approx(0.5, abs=0.05)


def test_no_spleen_lies_between_normal_and_enlarged(plans: list[CasePlan]) -> None:
    assert not [plan for plan in plans if 300 < plan.spleen_cm3 < 450]


def test_no_lesion_lies_in_a_missing_kidney(plans: list[CasePlan]) -> None:
    assert all(lesion.organ != p.missing_kidney for p in plans for lesion in p.lesions)


def test_lesions_run_from_largest_to_smallest_with_a_margin(plans: list[CasePlan]) -> None:
    for plan in plans:
        for other in plan.lesions[1:]:
            smallest = CONFIG.lesion_size_classes_mm[0][0]
            assert other.diameter_mm <= max(0.8 * plan.lesions[0].diameter_mm, smallest)


def test_grid_tells_nothing_about_the_answers() -> None:
    rows = []
    for seed in range(COUNT):
        draw = Draw(seed)
        plan, grid = plan_case(draw, CONFIG), draw_setup(draw, CONFIG).grid
        answers = (len(plan.lesions), plan.spleen_cm3 > 400, plan.missing_kidney is None)
        rows.append((*answers, *grid.shape_zyx[:2], *grid.spacing_zyx_mm[:2], grid.affine[0, 3]))
    correlation = np.corrcoef(np.array(rows, dtype=float).T)[:3, 3:]
    assert np.abs(correlation).max() < 4 / np.sqrt(COUNT)


def test_grid_stays_within_the_configured_ranges() -> None:
    for seed in range(200):
        grid = draw_setup(Draw(seed), CONFIG).grid
        z, y, x = grid.spacing_zyx_mm
        assert 3.0 <= z <= 6.0
        assert 2.5 <= y <= 4.0
        assert x == y
        assert 236 <= grid.extent_zyx_mm[0] <= 384
        assert 336 <= grid.extent_zyx_mm[2] <= 464
