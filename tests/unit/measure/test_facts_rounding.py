"""Facts carry ten significant digits: what differs between processors lies below them."""

from __future__ import annotations

from fact_builders import lesion, make_case, organ


def test_numbers_within_a_record_are_rounded() -> None:
    noisy = organ("liver", 1000 + 1e-8)
    assert noisy.volume_cm3 != 1000.0
    assert noisy.rounded().volume_cm3 == 1000.0


def test_points_angles_and_records_inside_are_rounded() -> None:
    third = 1 / 3
    told = make_case(
        [organ("liver", 1000.0)],
        [
            lesion(
                "liver",
                volume_cm3=third,
                contacts=[("aorta", third, 7)],
                vessel_angles_deg={"aorta": 100 * third},
            )
        ],
    ).lesions[0]
    made = told.rounded()
    assert made.volume_cm3 == 0.3333333333
    assert made.contacts[0].gap_mm == 0.3333333333
    assert made.vessel_angles_deg == {"aorta": 33.33333333}


def test_whole_numbers_words_and_gaps_stay() -> None:
    told = make_case([organ("liver", 1000.0, None)], [lesion("liver", slice_index=12)])
    made = told.lesions[0].rounded()
    assert (made.id, made.slice_index, made.side) == ("liver-1", 12, None)
    assert told.organs["liver"].rounded() == told.organs["liver"]
