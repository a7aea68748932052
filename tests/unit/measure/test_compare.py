"""Two synthetic scans of one patient: growth is measured, what is new is called new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from fact_builders import lesion, make_case, organ
from scipy.spatial.transform import Rotation
from synthetic import Ellipsoid, case_masks, ct, flipped, grid_around

from vol3d.errors import DataError
from vol3d.measure.compare import Comparison, compare_cases
from vol3d.measure.engine import measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.report.compare_text import comparison_sentences
from vol3d.volume import Grid, Volume
from vol3d.volume.registration import RigidTransform, register_rigid

SHIFT_MM = np.array([6.0, -6.0, 5.3])  # 10 mm
TURN = Rotation.from_euler("xyz", (2.0, -1.0, 4.4), degrees=True)  # 5 degrees
ORGANS = (
    (Ellipsoid(semi_axes_mm=(55.0, 45.0, 50.0), centre_ras_mm=(45.0, 10.0, 20.0)), 110),
    (Ellipsoid(semi_axes_mm=(22.0, 28.0, 30.0), centre_ras_mm=(-60.0, -25.0, 25.0)), 130),
    (Ellipsoid(semi_axes_mm=(15.0, 15.0, 28.0), centre_ras_mm=(-40.0, -35.0, -30.0)), 170),
    (Ellipsoid(semi_axes_mm=(15.0, 15.0, 28.0), centre_ras_mm=(42.0, -35.0, -35.0)), 170),
    (Ellipsoid(semi_axes_mm=(18.0, 18.0, 90.0), centre_ras_mm=(0.0, -45.0, 0.0)), 320),
)
BODY = Ellipsoid(semi_axes_mm=(125.0, 80.0, 400.0))
SMALL, GROWN, NEW = 14.0, 14.0 * 1.3 ** (1 / 3), 6.0
OLD_PLACE, NEW_PLACE = (50.0, 15.0, 15.0), (30.0, 0.0, 45.0)


def moved(body: Ellipsoid) -> Ellipsoid:
    """The body where the patient lies in the later scan."""
    centre = TURN.apply(body.centre_ras_mm) + SHIFT_MM
    return Ellipsoid(
        semi_axes_mm=body.semi_axes_mm,
        centre_ras_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        rotation=TURN * body.rotation,
    )


def scan(grid: Grid, lesions: list[Ellipsoid], *, is_later: bool) -> tuple[Volume, CaseFacts]:
    place = moved if is_later else (lambda body: body)
    hu = np.full(grid.shape_zyx, -1000.0)
    for body, value in ((BODY, 20), *ORGANS):
        hu[place(body).inside(grid)] = value
    inside = np.zeros(grid.shape_zyx, dtype=bool)
    for each in lesions:
        inside |= place(each).inside(grid)
    hu[inside] = 50
    rng = np.random.default_rng(int(is_later))
    volume = ct((hu + rng.normal(0, 12, hu.shape)).astype(np.int16), grid)
    liver = place(ORGANS[0][0]).inside(grid)
    masks = case_masks(grid, {"liver": liver}, {"liver_lesion": inside})
    return volume, measure_case_masks(volume, masks)


def ball(radius_mm: float, centre: tuple[float, float, float]) -> Ellipsoid:
    return Ellipsoid(semi_axes_mm=(radius_mm,) * 3, centre_ras_mm=centre)


@dataclass(frozen=True)
class Pair:
    prior: CaseFacts
    current: CaseFacts
    transform: RigidTransform
    comparison: Comparison


@pytest.fixture(scope="module", params=["same grid", "flipped and anisotropic"])
def pair(request: pytest.FixtureRequest) -> Pair:
    first = grid_around(270.0, (2.0, 2.0, 2.0))
    second = grid_around(270.0, (2.0, 2.0, 2.0), centre_ras_mm=(4.0, 3.0, -5.0))
    if request.param != "same grid":
        second = flipped(grid_around(270.0, (1.8, 1.8, 2.5)), (0, 1, 2))
    old, prior = scan(first, [ball(SMALL, OLD_PLACE)], is_later=False)
    new, current = scan(second, [ball(GROWN, OLD_PLACE), ball(NEW, NEW_PLACE)], is_later=True)
    transform = register_rigid(new, old)
    found = compare_cases(prior, current, transform, grids=(old.grid, new.grid), interval_days=90)
    return Pair(prior, current, transform, found)


def test_motion_is_found_at_the_lesion(pair: Pair) -> None:
    true = TURN.apply(OLD_PLACE) + SHIFT_MM
    assert pair.transform.apply_mm(OLD_PLACE) == pytest.approx(true, abs=2.0)
    assert pair.transform.is_reliable


def test_growth_of_30_percent_is_measured(pair: Pair) -> None:
    (grown,) = (each for each in pair.comparison.lesions if each.prior_id and each.current_id)
    assert grown.change == "larger"
    assert grown.volume_change_percent == pytest.approx(30.0, abs=5.0)
    assert grown.doubling_time_days == pytest.approx(90 * np.log(2) / np.log(1.3), rel=0.2)


def test_a_new_lesion_is_called_new(pair: Pair) -> None:
    (new,) = (each for each in pair.comparison.lesions if each.prior_id is None)
    assert new.change == "new"
    assert new.current_diameter_mm == pytest.approx(2 * NEW, abs=2.5)


def test_sentences_name_growth_and_novelty(pair: Pair) -> None:
    texts = [
        each.text for each in comparison_sentences(pair.comparison, pair.prior, pair.current, "en")
    ]
    assert any("previously 11." in text and text.endswith("larger.") for text in texts)
    assert any(text.startswith("New lesion in the liver, 1.") for text in texts)


STILL = RigidTransform(matrix=np.eye(4), overlap=1.0, correlation=1.0, is_reliable=True)
WIDE = grid_around(400.0, (4.0, 4.0, 4.0))


def facts(*lesions: dict[str, object], annotated: bool = True) -> CaseFacts:
    looked_for = {"liver": ("lesion",), "kidney": ("lesion",)} if annotated else {}
    return make_case([organ("liver", 1500.0)], lesions, annotated=looked_for)


def changes(prior: CaseFacts, current: CaseFacts, transform: RigidTransform = STILL) -> list[str]:
    found = compare_cases(prior, current, transform, grids=(WIDE, WIDE))
    return [each.change for each in found.lesions]


def test_a_lesion_that_is_gone_is_resolved() -> None:
    assert changes(facts(lesion("liver")), facts()) == ["resolved"]


@pytest.mark.parametrize(
    ("volume_cm3", "change"),
    [(1.24, "stable"), (1.26, "larger"), (0.76, "stable"), (0.74, "smaller")],
)
def test_change_class_has_its_threshold(volume_cm3: float, change: str) -> None:
    assert changes(facts(lesion("liver")), facts(lesion("liver", "lesion", volume_cm3))) == [change]


def test_nothing_is_new_where_nobody_looked() -> None:
    assert changes(facts(annotated=False), facts(lesion("liver"))) == ["not comparable"]


def test_nothing_is_new_outside_of_the_prior_scan() -> None:
    away = RigidTransform(
        matrix=np.array([[1.0, 0, 0, 500], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        overlap=1.0,
        correlation=1.0,
        is_reliable=True,
    )
    assert changes(facts(), facts(lesion("liver")), away) == ["not comparable"]


def test_left_and_right_are_no_pair() -> None:
    prior = facts(lesion("kidney", side="left"))
    assert changes(prior, facts(lesion("kidney", side="right"))) == ["new", "resolved"]


def test_ct_is_not_compared_with_mr() -> None:
    grid = grid_around(40.0, (4.0, 4.0, 4.0))
    voxels = np.zeros(grid.shape_zyx, np.int16)
    mr = Volume.from_array(voxels, grid, modality="MR", unit="arbitrary")
    with pytest.raises(DataError, match="one modality"):
        register_rigid(ct(voxels, grid), mr)
