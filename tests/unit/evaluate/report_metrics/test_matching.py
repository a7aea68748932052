"""Lesions of two reports paired one to one."""

from __future__ import annotations

from vol3d.evaluate.report_metrics.claims import LesionClaim
from vol3d.evaluate.report_metrics.matching import faults_of, match_lesions, tolerance_mm


def liver(size_mm: float | None, *segments: str, **more: object) -> LesionClaim:
    return LesionClaim(organ="liver", size_mm=size_mm, location=segments, **more)  # type: ignore[arg-type]


def kidney(size_mm: float | None, side: str | None) -> LesionClaim:
    return LesionClaim(organ="kidney", size_mm=size_mm, side=side)


def test_tolerance_is_five_mm_up_to_20_mm_and_a_quarter_above() -> None:
    assert [tolerance_mm(size) for size in (4.0, 20.0, 40.0)] == [5.0, 5.0, 10.0]


def test_the_end_of_the_tolerance_is_within_it() -> None:
    assert faults_of(liver(20.0), liver(25.0)) == ()
    assert faults_of(liver(20.0), liver(25.1)) == ("size",)


def test_what_is_not_told_is_no_fault() -> None:
    assert faults_of(kidney(20.0, "left"), kidney(None, None)) == ()
    assert faults_of(liver(20.0, "4"), liver(20.0)) == ()


def test_a_bound_is_a_size_up_to_the_tolerance_above_it() -> None:
    assert faults_of(liver(None, below_mm=10.0), liver(15.0)) == ()
    assert faults_of(liver(None, below_mm=10.0), liver(16.0)) == ("size",)


def test_most_pairs_win_over_the_nearest_pair() -> None:
    reference, prediction = [liver(20.0), liver(24.0)], [liver(23.0), liver(28.0)]
    found = match_lesions(reference, prediction).found
    assert {(p.reference.size_mm, p.prediction.size_mm) for p in found} == {
        (20.0, 23.0),
        (24.0, 28.0),
    }


def test_a_pair_of_alike_sizes_wins_over_one_without_sizes() -> None:
    (pair,) = match_lesions([liver(20.0)], [liver(None), liver(21.0)]).found
    assert pair.size_error_mm == 1.0


def test_other_organs_are_never_paired() -> None:
    matching = match_lesions([liver(20.0)], [kidney(20.0, "left")])
    assert not matching.found
    assert not matching.faulty
    assert len(matching.missed) == len(matching.invented) == 1


def test_swapped_sides_are_two_faults_of_side_whatever_else_fits() -> None:
    reference = [kidney(25.0, "right"), kidney(50.0, "left")]
    prediction = [kidney(25.0, "left"), kidney(50.0, "right")]
    faulty = match_lesions(reference, prediction).faulty
    assert [pair.fault for pair in faulty] == ["side", "side"]


def test_two_faults_at_once_are_no_pair() -> None:
    matching = match_lesions([kidney(20.0, "left")], [kidney(60.0, "right")])
    assert not matching.faulty
    assert len(matching.missed) == len(matching.invented) == 1


def test_a_doubted_lesion_takes_its_partner_out_of_the_count() -> None:
    matching = match_lesions([liver(8.0, is_uncertain=True)], [liver(8.0)])
    assert len(matching.doubted) == 1
    assert not matching.invented
    assert not match_lesions([liver(8.0, is_uncertain=True)], []).missed


def test_more_lesions_than_an_open_count_names_are_not_invented() -> None:
    matching = match_lesions(
        [liver(20.0)], [liver(20.0), liver(9.0)], open_organs=frozenset(["liver"])
    )
    assert len(matching.left_open) == 1
    assert not matching.invented
