"""The engine against bodies of known size, and against the measured facts of real scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from synthetic import Ellipsoid, case_masks, ct, flipped, grid_around

from vol3d.measure.case_masks import read_case_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.volume import Grid, read_volume

SCAN_OF = {"ct_dicom_j2k": "series"}

semi_axis = st.floats(15.0, 30.0)
spacings = st.tuples(st.floats(0.7, 1.2), st.floats(0.7, 1.2), st.floats(0.8, 1.6))


def rotations(most_deg: float) -> st.SearchStrategy[Rotation]:
    """Rotations by at most an angle, so that the grid's closest axes stay R, A, S."""
    angle = st.floats(-most_deg, most_deg)
    return st.tuples(angle, angle, angle).map(
        lambda degrees: Rotation.from_euler("xyz", degrees, degrees=True)
    )


def measure_one(body: Ellipsoid, grid: Grid, mask: str = "liver_lesion") -> LesionFacts:
    inside = body.inside(grid)
    volume = ct(np.where(inside, 60, 20).astype(np.int16), grid)
    return measure_case_masks(volume, case_masks(grid, {mask: inside})).lesions[0]


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(semi_axis, semi_axis, semi_axis),
    rotations(180),
    spacings,
    rotations(25),
    st.sets(st.sampled_from((0, 1, 2))),
)
def test_ellipsoid_has_its_size_on_any_grid(
    semi_axes: tuple[float, float, float],
    turn: Rotation,
    spacing: tuple[float, float, float],
    oblique: Rotation,
    flips: set[int],
) -> None:
    body = Ellipsoid(semi_axes_mm=semi_axes, rotation=turn)
    grid = flipped(grid_around(70.0, spacing, rotation=oblique), tuple(flips))
    found = measure_one(body, grid)
    diagonal = float(np.linalg.norm(grid.spacing_zyx_mm))
    assert found.volume_cm3 == pytest.approx(body.volume_cm3, rel=0.01)
    assert found.longest_axial_diameter_mm == pytest.approx(
        body.axial_diameters_mm(grid), abs=diagonal
    )
    assert found.feret_3d_mm == pytest.approx(2 * max(semi_axes), abs=diagonal)


def test_sphere_has_its_textbook_size() -> None:
    ball = Ellipsoid(semi_axes_mm=(10.0, 10.0, 10.0))
    found = measure_one(ball, grid_around(24.0, (0.5, 0.5, 0.5)))
    assert found.volume_cm3 == pytest.approx(4.19, abs=0.02)
    assert found.longest_axial_diameter_mm == pytest.approx(20.0, abs=0.9)
    assert found.perpendicular_diameter_mm == pytest.approx(20.0, abs=0.9)


def test_perpendicular_diameter_is_the_short_axis() -> None:
    body = Ellipsoid(
        semi_axes_mm=(20.0, 8.0, 10.0), rotation=Rotation.from_euler("z", 30, degrees=True)
    )
    found = measure_one(body, grid_around(50.0, (0.8, 0.6, 1.0)))
    assert found.longest_axial_diameter_mm == pytest.approx(40.0, abs=1.4)
    assert found.perpendicular_diameter_mm == pytest.approx(16.0, abs=1.4)


@pytest.mark.parametrize("flips", [(), (0,), (1,), (2,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize(("x_mm", "side"), [(-30.0, "left"), (30.0, "right")])
def test_side_is_the_patients_on_every_storage_order(
    flips: tuple[int, ...], x_mm: float, side: str
) -> None:
    grid = flipped(grid_around(100.0, (2.0, 2.0, 2.5)), flips)
    body = Ellipsoid(semi_axes_mm=(45.0, 30.0, 60.0)).inside(grid)
    lesion = Ellipsoid(semi_axes_mm=(6.0, 6.0, 6.0), centre_ras_mm=(x_mm, 0.0, 0.0)).inside(grid)
    voxels = np.where(body, 40, -1000).astype(np.int16)
    found = measure_case_masks(ct(voxels, grid), case_masks(grid, {"kidney_cyst": lesion}))
    assert found.lesions[0].side == side
    assert found.lesions[0].segments == (side,)
    assert found.lesions[0].centroid_ras_mm[0] == pytest.approx(x_mm, abs=1.0)


@pytest.mark.parametrize("flips", [(), (2,)])
def test_slice_counts_from_the_feet(flips: tuple[int, ...]) -> None:
    grid = flipped(grid_around(100.0, (2.0, 2.0, 2.0)), flips)
    ball = Ellipsoid(semi_axes_mm=(7.0, 7.0, 7.0), centre_ras_mm=(0.0, 0.0, 30.0))
    found = measure_one(ball, grid)
    assert (found.slice_index, found.slice_percent) == (40, 80.0)


def test_corner_contact_joins_and_a_gap_parts() -> None:
    grid = grid_around(20.0, (1.0, 1.0, 1.0))
    inside = np.zeros(grid.shape_zyx, dtype=bool)
    inside[2:4, 2:4, 2:4] = inside[4:6, 4:6, 4:6] = inside[10:12, 10:12, 10:12] = True
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    found = measure_case_masks(volume, case_masks(grid, {"liver_lesion": inside}))
    assert [round(lesion.volume_cm3 * 1000) for lesion in found.lesions] == [16, 8]
    assert [lesion.id for lesion in found.lesions] == ["liver-1", "liver-2"]


def two_layers(lesion_hu: int, organ_hu: tuple[int, int]) -> CaseFacts:
    """A cube of liver of two alternating values with a lesion of one value in it."""
    grid = grid_around(20.0, (1.0, 1.0, 1.0))
    liver = np.zeros(grid.shape_zyx, dtype=bool)
    liver[2:18, 2:18, 2:18] = True
    lesion = np.zeros_like(liver)
    lesion[6:10, 6:10, 6:10] = True
    x = np.arange(grid.shape_zyx[2])
    voxels = np.broadcast_to(np.where(x % 2, organ_hu[0], organ_hu[1]), grid.shape_zyx)
    voxels = np.where(lesion, lesion_hu, voxels).astype(np.int16)
    masks = case_masks(grid, {"liver": liver}, {"liver_lesion": lesion})
    return measure_case_masks(ct(voxels, grid), masks)


def test_organ_mean_leaves_lesions_out_and_volume_keeps_them() -> None:
    found = two_layers(lesion_hu=0, organ_hu=(80, 120))
    assert found.organs["liver"].volume_cm3 == pytest.approx(16**3 / 1000)
    assert found.organs["liver"].mean_intensity == pytest.approx(100.0)
    assert found.organs["liver"].std_intensity == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("lesion_hu", "word"),
    [
        (97, "hypoattenuating"),
        (98, "hypoattenuating"),  # exactly a tenth of the deviation is not iso
        (99, "isoattenuating"),
        (101, "isoattenuating"),
        (102, "hyperattenuating"),
    ],
)
def test_attenuation_band_is_a_tenth_of_the_deviation(lesion_hu: int, word: str) -> None:
    assert two_layers(lesion_hu, (80, 120)).lesions[0].attenuation == word


def test_lesion_outside_its_organ_counts_to_the_organ() -> None:
    grid = grid_around(20.0, (1.0, 1.0, 1.0))
    liver, lesion = np.zeros(grid.shape_zyx, dtype=bool), np.zeros(grid.shape_zyx, dtype=bool)
    liver[2:10, 2:10, 2:10] = True
    lesion[10:12, 2:4, 2:4] = True
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    found = measure_case_masks(volume, case_masks(grid, {"liver": liver, "liver_tumor": lesion}))
    assert found.organs["liver"].volume_cm3 == pytest.approx((8**3 + 8) / 1000)


def test_lesion_names_only_segments_that_hold_a_tenth_of_it() -> None:
    grid = grid_around(40.0, (1.0, 1.0, 1.0))
    lesion, four, eight = (np.zeros(grid.shape_zyx, dtype=bool) for _ in range(3))
    lesion[5:30, 5:9, 5:9] = True
    four[5:7] = True  # 2 of 25 slices: 8 %
    eight[7:30] = True
    masks = case_masks(
        grid, {"liver_segment_4": four, "liver_segment_8": eight}, {"liver_lesion": lesion}
    )
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    assert measure_case_masks(volume, masks).lesions[0].segments == ("8",)


def test_gap_to_a_neighbour_is_in_mm() -> None:
    grid = grid_around(60.0, (1.0, 1.0, 1.0))
    lesion, near, far = (np.zeros(grid.shape_zyx, dtype=bool) for _ in range(3))
    lesion[20:30, 20:30, 20:30] = True
    near[20:30, 20:30, 30:34] = True
    far[20:30, 20:30, 9:13] = True  # surfaces 7 mm apart
    masks = case_masks(grid, {"stomach": near, "spleen": far}, {"pancreatic_cyst": lesion})
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    contacts = measure_case_masks(volume, masks).lesions[0].contacts
    assert [c.structure for c in contacts] == ["stomach", "spleen"]
    assert (contacts[0].gap_mm, contacts[0].near_voxels) == (0.0, 400)
    assert contacts[1].gap_mm == pytest.approx(7.0, abs=0.1)
    assert contacts[1].near_voxels == 0


@pytest.mark.parametrize(("empty_slices", "is_listed"), [(14, True), (15, True), (16, False)])
def test_neighbours_are_listed_up_to_a_gap_of_30_mm(empty_slices: int, is_listed: bool) -> None:
    grid = grid_around(100.0, (2.0, 2.0, 2.0))
    lesion, spleen = (np.zeros(grid.shape_zyx, dtype=bool) for _ in range(2))
    lesion[5:10, 20:25, 20:25] = True
    spleen[10 + empty_slices :, 20:25, 20:25] = True
    masks = case_masks(grid, {"spleen": spleen}, {"pancreatic_cyst": lesion})
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    contacts = measure_case_masks(volume, masks).lesions[0].contacts
    assert [each.structure for each in contacts] == (["spleen"] if is_listed else [])


def test_one_label_for_both_kidneys_is_split_by_the_midline() -> None:
    grid = grid_around(160.0, (2.0, 2.0, 2.0))
    body = Ellipsoid(semi_axes_mm=(75.0, 50.0, 200.0)).inside(grid)
    left = Ellipsoid(semi_axes_mm=(15.0, 15.0, 25.0), centre_ras_mm=(-40.0, 0, 0)).inside(grid)
    right = Ellipsoid(semi_axes_mm=(12.0, 12.0, 25.0), centre_ras_mm=(40.0, 0, 0)).inside(grid)
    voxels = np.where(body, 40, -1000).astype(np.int16)
    found = measure_case_masks(ct(voxels, grid), case_masks(grid, {"kidney": left | right}))
    voxel_cm3 = 0.008
    assert found.organs["kidney_left"].volume_cm3 == pytest.approx(left.sum() * voxel_cm3)
    assert found.organs["kidney_right"].volume_cm3 == pytest.approx(right.sum() * voxel_cm3)


def block(grid: Grid, z: slice) -> np.ndarray:
    inside = np.zeros(grid.shape_zyx, dtype=bool)
    inside[z, 5:15, 5:15] = True
    return inside


def test_cut_off_absent_and_not_annotated_are_three_things() -> None:
    grid = grid_around(20.0, (1.0, 1.0, 1.0))
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    masks = case_masks(
        grid,
        {"kidney_left": block(grid, slice(5, 15)), "liver": block(grid, slice(15, 21))},
        declared=("kidney_right", "pancreas"),
    )
    organs = measure_case_masks(volume, masks).organs
    assert organs["kidney_left"].status == "whole"
    assert organs["liver"].status == "truncated"
    assert organs["kidney_right"].status == "absent"
    assert organs["pancreas"].status == "not_seen"
    assert "spleen" not in organs


def test_radgpt_profile_has_its_resampling_bias() -> None:
    body = Ellipsoid(semi_axes_mm=(60.0, 50.0, 70.0))
    affine = np.diag([1.6, 1.6, 7.5, 1.0])
    affine[:3, 3] = (-204.0, -204.0, -146.25)
    grid = Grid(shape_zyx=(40, 256, 256), affine=affine)
    inside = body.inside(grid)
    volume, masks = (
        ct(np.zeros(grid.shape_zyx, np.int16), grid),
        case_masks(grid, {"liver": inside}),
    )
    native = measure_case_masks(volume, masks).organs["liver"].volume_cm3
    parity = measure_case_masks(volume, masks, MeasureOptions(profile="radgpt")).organs["liver"]
    assert parity.volume_cm3 / native == pytest.approx(1.0272, abs=0.0001)


def test_radgpt_diameter_of_a_disc_is_its_pixels_in_whole_mm() -> None:
    grid = grid_around(60.0, (1.0, 1.0, 1.0))
    ball = Ellipsoid(semi_axes_mm=(10.0, 10.0, 10.0)).inside(grid)
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    found = measure_case_masks(
        volume, case_masks(grid, {"liver_lesion": ball}), MeasureOptions(profile="radgpt")
    )
    assert found.lesions[0].longest_axial_diameter_mm == 21.0  # 2 r + 1
    assert found.provenance.profile == "radgpt"


@pytest.mark.parametrize("case", ["ct_abdomen", "ct_abdomen_small", "ct_dicom_j2k", "mr_abdomen"])
def test_real_organs_have_their_measured_facts(
    test_data: Path, facts: dict[str, Any], case: str
) -> None:
    files = facts[case]["files"]
    volume = read_volume(test_data / files[SCAN_OF.get(case, "image")])
    found = measure_case_masks(volume, read_case_masks([test_data / files["mask"]], volume.grid))
    assert found.organs.keys() >= facts[case]["labels"].keys()
    for name, known in facts[case]["labels"].items():
        organ = found.organs[name]
        assert organ.volume_cm3 == pytest.approx(known["volume_cm3"], rel=1e-4), name
        assert organ.mean_intensity == pytest.approx(known["mean"], abs=0.05), name
        assert organ.centroid_ras_mm == pytest.approx(known["centroid_ras_mm"], abs=0.1), name
        assert (organ.status == "truncated") == known["touches_volume_edge"], name


def test_real_brain_lesions_are_two_on_the_left(test_data: Path, facts: dict[str, Any]) -> None:
    known = facts["mr_brain_lesion"]
    volume = read_volume(test_data / known["files"]["image"])
    masks = read_case_masks([test_data / known["files"]["mask"]], volume.grid)
    lesions = measure_case_masks(volume, masks).lesions
    true = known["connected_components_26"]
    assert [lesion.volume_cm3 for lesion in lesions] == pytest.approx(
        [each["volume_cm3"] for each in true], rel=1e-4
    )
    assert [lesion.side for lesion in lesions] == ["left", "left"]
    assert [lesion.attenuation for lesion in lesions] == [None, None]
    for lesion, each in zip(lesions, true, strict=True):
        assert lesion.centroid_ras_mm == pytest.approx(each["centroid_ras_mm"], abs=0.1)
