"""prepare: orientation, positions, patches, notes, blank baseline."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from itertools import permutations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import BudgetError, DataError
from vol3d.measure.body import body_mask
from vol3d.preprocess.pipeline import blank_like, kept_patches, prepare, prepare_labels
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid, Modality, Unit, Volume, read_volume

SPEC = PreprocessSpec()
AFFINE = np.array([[4.0, 0, 0, -60], [0, 5.0, 0, -70], [0, 0, 6.0, 300], [0, 0, 0, 1.0]])


def body_in_air() -> npt.NDArray[np.int16]:
    """A box of tissue in air, (z, y, x), with different bright corners near its ends."""
    voxels = np.full((16, 28, 32), -1000, dtype=np.int16)
    voxels[1:15, 5:23, 6:26] = 40
    voxels[2:5, 7:10, 20:24] = 900  # feet, back, right
    voxels[11:13, 18:21, 8:10] = 500  # head, front, left
    return voxels


def volume_of(
    voxels: npt.NDArray[np.int16] | npt.NDArray[np.float32],
    affine: npt.NDArray[np.float64] = AFFINE,
    modality: Modality = "CT",
) -> Volume:
    unit: Unit = "HU" if modality == "CT" else "arbitrary"
    grid = Grid(shape_zyx=voxels.shape, affine=affine)
    return Volume.from_array(voxels, grid, modality=modality, unit=unit)


def stored_in_order(
    voxels: npt.NDArray[np.int16],
    order_xyz: tuple[int, ...],
    flips: tuple[bool, ...],
    modality: Modality,
) -> Volume:
    """The same patient with file axes permuted and flipped."""
    array = voxels.transpose([2 - order_xyz[2 - axis] for axis in range(3)])
    affine = AFFINE.copy()
    affine[:3, :3] = AFFINE[:3, list(order_xyz)]
    for i, is_flipped in enumerate(flips):
        if is_flipped:
            array = np.flip(array, axis=2 - i)
            affine[:3, 3] += affine[:3, i] * (array.shape[2 - i] - 1)
            affine[:3, i] *= -1
    return volume_of(np.ascontiguousarray(array), affine, modality)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_all_48_orders_give_the_same_input(modality: Modality) -> None:
    expected = prepare(volume_of(body_in_air(), modality=modality), SPEC)
    for order, flips in product(permutations(range(3)), product([False, True], repeat=3)):
        got = prepare(stored_in_order(body_in_air(), order, flips, modality), SPEC)
        assert torch.equal(got.voxels_zyx, expected.voxels_zyx), (order, flips)
        assert torch.equal(got.windows, expected.windows)
        assert torch.equal(got.patch_index_zyx, expected.patch_index_zyx)
        assert got.grid.is_close(expected.grid, tolerance_mm=1e-6)


def brightest_world_mm(volume: Volume) -> npt.NDArray[np.float64]:
    """Centre of what is above 600 HU in the prepared volume."""
    prepared = prepare(volume, SPEC)
    index = torch.nonzero(prepared.voxels_zyx > 600).to(torch.float64).mean(dim=0)
    return prepared.grid.index_to_world_mm(index.numpy())


@pytest.mark.parametrize(("axis", "world"), [(2, 0), (1, 1), (0, 2)])
def test_mirrored_patient_is_seen_as_mirrored(axis: int, world: int) -> None:
    plain = volume_of(body_in_air())
    mirrored = volume_of(np.ascontiguousarray(np.flip(body_in_air(), axis)))
    middle = plain.grid.index_to_world_mm((np.array(plain.grid.shape_zyx) - 1) / 2)
    one, two = brightest_world_mm(plain) - middle, brightest_world_mm(mirrored) - middle
    assert one[world] * two[world] < 0
    assert abs(one[world] + two[world]) <= 3.0
    kept = [i for i in range(3) if i != world]
    np.testing.assert_allclose(one[kept], two[kept], atol=3.0)


def test_bright_spot_at_the_right_feet_has_high_x_and_low_z() -> None:
    prepared = prepare(volume_of(body_in_air()), SPEC)
    z, _, x = np.unravel_index(int(prepared.voxels_zyx.argmax()), prepared.grid.shape_zyx)
    body = torch.nonzero(prepared.body_zyx).to(torch.float64).mean(dim=0)
    assert x > body[2]
    assert z < body[0]


def test_centroid_survives_crop_resampling_and_padding() -> None:
    voxels = np.full((40, 60, 64), -1000, dtype=np.int16)
    voxels[4:36, 10:50, 8:56] = 0
    grid = Grid(shape_zyx=voxels.shape, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    centre = np.array([61.0, 57.0, 43.0])
    index = np.stack(np.meshgrid(*map(np.arange, voxels.shape), indexing="ij"), axis=-1)
    square = ((grid.index_to_world_mm(index) - centre) ** 2).sum(axis=-1)
    voxels += (1000 * np.exp(-square / (2 * 7.0**2))).round().astype(np.int16)
    prepared = prepare(volume_of(voxels, grid.affine), SPEC)
    weights = prepared.voxels_zyx.numpy().astype(np.float64).clip(20)  # only the blob is above
    weights -= 20
    grid_index = np.stack(np.meshgrid(*map(np.arange, weights.shape), indexing="ij"), axis=-1)
    mean = (grid_index * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()
    np.testing.assert_allclose(prepared.grid.index_to_world_mm(mean), centre, atol=0.1 * 6.0)


def test_shapes_are_whole_patches_and_padding_is_air() -> None:
    prepared = prepare(volume_of(body_in_air()), SPEC)
    assert all(n % p == 0 for n, p in zip(prepared.grid.shape_zyx, SPEC.patch_zyx, strict=True))
    assert prepared.voxels_zyx.dtype == torch.int16
    assert prepared.pad_value == -1024
    assert prepared.spec_sha256 == SPEC.sha256


def test_labels_land_on_what_they_label() -> None:
    voxels = body_in_air()
    labels = {"bright": (voxels == 900).astype(np.uint8), "soft": (voxels == 500).astype(np.uint8)}
    prepared, maps = prepare_labels(volume_of(voxels), labels, SPEC)
    assert maps["bright"].dtype == torch.uint8
    assert maps["bright"].shape == prepared.voxels_zyx.shape
    assert prepared.voxels_zyx[maps["bright"] > 0].to(torch.float64).mean() > 400
    where_soft = torch.nonzero(maps["soft"]).to(torch.float64).mean(dim=0)
    where_bright = torch.nonzero(maps["bright"]).to(torch.float64).mean(dim=0)
    assert where_soft[0] > where_bright[0]  # to the head
    assert where_soft[2] < where_bright[2]  # to the left


def test_label_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="'organs'"):
        prepare_labels(volume_of(body_in_air()), {"organs": np.zeros((2, 2, 2), np.uint8)}, SPEC)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 9), st.integers(0, 13)), max_size=8),
    st.sampled_from([(4, 4, 4), (2, 4, 8), (3, 5, 1)]),
)
def test_kept_patches_cover_every_body_voxel_and_their_neighbours(
    voxels: list[tuple[int, int, int]], patch: tuple[int, int, int]
) -> None:
    body = torch.zeros((12, 10, 14), dtype=torch.bool)
    for z, y, x in voxels:
        body[z, y, x] = True
    kept = kept_patches(body, patch)
    for z, y, x in voxels:
        pz, py, px = z // patch[0], y // patch[1], x // patch[2]
        near = kept[max(0, pz - 1) : pz + 2, max(0, py - 1) : py + 2, max(0, px - 1) : px + 2]
        assert near.all()
    assert bool(kept.any()) == bool(voxels)


def test_prepared_patches_cover_the_body_in_zyx_order() -> None:
    voxels = np.full((40, 80, 80), -1000, dtype=np.int16)
    voxels[:, 4:24, 4:30] = 40
    voxels[:30, 50:76, 50:76] = 40  # two parts, air between
    prepared = prepare(volume_of(voxels), SPEC)
    index = prepared.patch_index_zyx
    counts = [n // p for n, p in zip(prepared.grid.shape_zyx, SPEC.patch_zyx, strict=True)]
    assert index.dtype == torch.int64
    assert len(index) < np.prod(counts)
    flat = index[:, 0] * counts[1] * counts[2] + index[:, 1] * counts[2] + index[:, 2]
    assert (flat[1:] > flat[:-1]).all()
    kept = torch.zeros(counts, dtype=torch.bool)
    kept[tuple(index.T)] = True
    dense = kept
    for axis, size in enumerate(SPEC.patch_zyx):
        dense = dense.repeat_interleave(size, dim=axis)
    assert dense[prepared.body_zyx].all()
    assert (prepared.voxels_zyx[~dense] < -900).all()


def test_first_spacing_that_fits_is_used() -> None:
    volume = volume_of(body_in_air())
    ladder = dataclasses.replace(SPEC, spacings_zyx_mm=((3.0,) * 3, (6.0,) * 3, (9.0,) * 3))
    fine = prepare(volume, dataclasses.replace(ladder, max_patches=100000))
    assert fine.grid.spacing_zyx_mm == pytest.approx((3.0, 3.0, 3.0))
    budget = len(prepare(volume, SPEC).patch_index_zyx)
    middle = prepare(volume, dataclasses.replace(ladder, max_patches=budget))
    assert middle.grid.spacing_zyx_mm == pytest.approx((6.0, 6.0, 6.0))
    assert len(middle.patch_index_zyx) == budget


def test_a_scan_beyond_the_budget_is_refused_with_a_remedy() -> None:
    with pytest.raises(BudgetError, match="Use a shorter series"):
        prepare(volume_of(body_in_air()), dataclasses.replace(SPEC, max_patches=2))


def test_mr_never_gets_hu_windows_or_hu_padding() -> None:
    voxels = (body_in_air().astype(np.float32) + 1000) / 7
    prepared = prepare(volume_of(voxels, modality="MR"), SPEC)
    original = prepared.voxels_zyx.to(torch.float64) * prepared.slope + prepared.intercept
    assert original.min() == pytest.approx(0.0, abs=0.1)
    for window, hu in zip(prepared.windows.tolist(), SPEC.ct_windows_hu, strict=True):
        assert window != list(hu)
    inside = original[prepared.body_zyx]
    low, high = (prepared.windows[2] * prepared.slope + prepared.intercept).tolist()
    assert low == pytest.approx(float(inside.quantile(0.25)), abs=1.0)
    assert high >= float(inside.quantile(0.75)) - 1.0


def test_ct_that_is_not_hu_is_not_given_hu_windows() -> None:
    grid = Grid(shape_zyx=(16, 28, 32), affine=AFFINE)
    volume = Volume.from_array(body_in_air(), grid, modality="CT", unit="arbitrary")
    windows = prepare(volume, SPEC).windows
    assert windows.tolist() != [list(pair) for pair in SPEC.ct_windows_hu]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_blank_scan_keeps_every_patch_and_says_so(modality: Modality) -> None:
    volume = volume_of(np.zeros((16, 28, 32), dtype=np.int16), modality=modality)
    prepared = prepare(volume, SPEC)
    counts = [n // p for n, p in zip(prepared.grid.shape_zyx, SPEC.patch_zyx, strict=True)]
    assert len(prepared.patch_index_zyx) == np.prod(counts)
    assert [note.code for note in prepared.notes] == ["air_not_dropped"]
    assert (prepared.windows[:, 1] > prepared.windows[:, 0]).all()


def test_blank_scan_beyond_the_budget_keeps_the_middle() -> None:
    volume = volume_of(np.full((16, 28, 32), -1024, dtype=np.int16))
    prepared = prepare(volume, dataclasses.replace(SPEC, max_patches=10))
    assert len(prepared.patch_index_zyx) == 10
    counts = torch.tensor([n // 4 for n in prepared.grid.shape_zyx])
    centre = (counts - 1) / 2
    assert (prepared.patch_index_zyx - centre).abs().max() <= 2


def speck_in_air(side: int) -> Volume:
    """Air with one cube of tissue in a corner; 4 x 5 x 6 mm voxels, 7680 cm3."""
    voxels = np.full((40, 40, 40), -1000, dtype=np.int16)
    voxels[2 : 2 + side, 2 : 2 + side, 2 : 2 + side] = 40
    return volume_of(voxels)


@pytest.mark.parametrize(
    ("side", "is_body"),
    [
        (3, False),  # 3.24 cm3
        (7, False),  # 41 cm3, 0.54 % of the scan
        (8, True),  # 61 cm3, 0.80 %
    ],
)
def test_a_speck_is_no_body_and_decides_neither_on_crop_nor_on_patches(
    side: int, is_body: bool
) -> None:
    volume = speck_in_air(side)
    body = np.asarray(volume.voxels_zyx == 40)
    prepared = prepare(volume, dataclasses.replace(SPEC, max_patches=10000), body=body)
    counts = [n // p for n, p in zip(prepared.grid.shape_zyx, SPEC.patch_zyx, strict=True)]
    extent = np.array(prepared.grid.shape_zyx) * prepared.grid.spacing_zyx_mm
    covers_scan = bool((extent >= volume.grid.extent_zyx_mm).all())
    assert covers_scan == (not is_body)
    assert (len(prepared.notes) == 1) == (not is_body)
    if not is_body:
        assert len(prepared.patch_index_zyx) == np.prod(counts)
        assert not prepared.body_zyx.any()
        assert "implausible" in prepared.notes[0].message


def test_a_small_share_of_a_large_scan_is_no_body() -> None:
    voxels = np.full((60, 100, 100), -1000, dtype=np.int16)
    voxels[2:12, 2:12, 2:22] = 40  # 240 cm3, 0.33 % of the scan
    spec = dataclasses.replace(SPEC, spacings_zyx_mm=((12.0,) * 3,), max_patches=100000)
    prepared = prepare(volume_of(voxels), spec, body=voxels == 40)
    assert [note.code for note in prepared.notes] == ["air_not_dropped"]


def test_a_speck_beyond_the_budget_keeps_the_middle() -> None:
    prepared = prepare(speck_in_air(3), dataclasses.replace(SPEC, max_patches=10))
    assert len(prepared.patch_index_zyx) == 10
    assert "nearest to the centre" in prepared.notes[0].message


def test_a_small_scan_that_is_all_body_is_trusted() -> None:
    volume = volume_of(np.full((6, 6, 6), 40, dtype=np.int16))  # 26 cm3
    assert prepare(volume, SPEC, body=np.ones((6, 6, 6), dtype=bool)).notes == ()


def test_implausible_kept_fraction_keeps_everything() -> None:
    spec = dataclasses.replace(SPEC, kept_fraction_range=(0.0, 0.1))
    prepared = prepare(volume_of(body_in_air()), spec)
    assert "air_not_dropped" in [note.code for note in prepared.notes]


def test_padding_outside_the_scanner_circle_does_not_bleed_into_the_body() -> None:
    voxels = body_in_air()
    padded = voxels.copy()
    padded[voxels == -1000] = -3024
    plain = voxels.copy()
    plain[voxels == -1000] = -1024
    one, two = prepare(volume_of(padded), SPEC), prepare(volume_of(plain), SPEC)
    assert torch.equal(one.voxels_zyx, two.voxels_zyx)


def test_values_that_are_not_finite_are_replaced_and_said() -> None:
    voxels = body_in_air().astype(np.float32)
    voxels[8, 14, 16] = np.nan
    prepared = prepare(volume_of(voxels), SPEC)
    assert [note.code for note in prepared.notes] == ["not_finite_replaced"]
    assert prepared.notes[0].message.startswith("1 voxels")


def test_tilted_scan_says_that_its_shear_was_removed() -> None:
    affine = AFFINE.copy()
    affine[1, 2] = 2.0
    prepared = prepare(volume_of(body_in_air(), affine), SPEC)
    assert [note.code for note in prepared.notes] == ["shear_removed"]
    assert prepared.grid.is_orthogonal
    assert prepared.scan_grid.shear > 0.1


def test_blank_like_changes_nothing_but_the_voxels() -> None:
    prepared = prepare(volume_of(body_in_air()), SPEC)
    blank = blank_like(prepared)
    assert (blank.voxels_zyx == -1024).all()
    assert blank.voxels_zyx.dtype == torch.int16
    assert blank.patch_index_zyx is prepared.patch_index_zyx
    assert blank.grid is prepared.grid


def test_a_known_body_mask_gives_the_same_result() -> None:
    volume = volume_of(body_in_air())
    one, two = prepare(volume, SPEC), prepare(volume, SPEC, body=body_mask(volume))
    assert torch.equal(one.voxels_zyx, two.voxels_zyx)
    assert torch.equal(one.patch_index_zyx, two.patch_index_zyx)


def test_the_scan_is_not_changed() -> None:
    voxels = body_in_air()
    volume = volume_of(voxels.copy())
    prepare(volume, SPEC)
    np.testing.assert_array_equal(volume.voxels_zyx, voxels)


@pytest.mark.parametrize(
    "path", ["ct_abdomen/ct.nii.gz", "mr_abdomen/mr.nii.gz", "ct_dicom_j2k/series"]
)
def test_real_scans_fit_the_default_spec(test_data: Path, path: str) -> None:
    volume = read_volume(test_data / path)
    prepared = prepare(volume, SPEC)
    assert 0 < len(prepared.patch_index_zyx) <= SPEC.max_patches
    assert prepared.grid.spacing_zyx_mm == pytest.approx((6.0, 6.0, 6.0))
    inside = prepared.voxels_zyx[prepared.body_zyx].to(torch.float64)
    original = inside * prepared.slope + prepared.intercept
    scan = volume.voxels_zyx[body_mask(volume)].astype(np.float64)
    assert float(original.mean()) == pytest.approx(scan.mean(), abs=0.1 * scan.std())


def test_spec_and_record_import_neither_torch_nor_monai() -> None:
    code = (
        "import sys, vol3d.preprocess.spec, vol3d.preprocess.prepared, vol3d.measure.body,"
        " vol3d.measure.region, vol3d.measure.quality;"
        "sys.exit(' '.join(m for m in ('torch', 'monai') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_body_voxel_keeps_its_patch_and_26_neighbours() -> None:
    body = torch.zeros((20, 20, 20), dtype=torch.bool)
    body[9, 9, 9] = True
    kept = kept_patches(body, (4, 4, 4))
    assert kept.sum() == 27
    assert kept[1:4, 1:4, 1:4].all()
