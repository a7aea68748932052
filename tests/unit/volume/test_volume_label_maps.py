"""Masks: every label keeps its place in the patient, on any grid and in any storage order."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from vol3d.errors import DataError, GeometryError
from vol3d.volume import Grid, count_voxels, orient, read_label_map, regrid_labels

LEFT, RIGHT, HEAD = 3, 2, 7
ORDERS = [
    "".join(pair[i] for pair, i in zip(order, picks, strict=True))
    for order in permutations(("RL", "AP", "SI"))
    for picks in product((0, 1), repeat=3)
]


def scan_grid() -> Grid:
    """4 x 5 x 6 voxels (z, y, x) of 4 x 3 x 2 mm."""
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = -5.0, 10.0, 100.0
    return Grid(shape_zyx=(4, 5, 6), affine=affine)


def labels_zyx() -> Any:
    """LEFT at the smallest x, RIGHT at the largest, HEAD in the top slice."""
    labels = np.zeros((4, 5, 6), dtype=np.uint8)
    labels[1, 2, 0], labels[1, 2, 5], labels[3, 0, 2] = LEFT, RIGHT, HEAD
    return labels


def save(path: Path, voxels_zyx: Any, grid: Grid) -> Path:
    nib.save(nib.Nifti1Image(voxels_zyx.transpose(2, 1, 0), grid.affine), path)
    return path


def codes(notes: Any) -> list[str]:
    return [note.code for note in notes]


@pytest.mark.parametrize("axcodes", ORDERS)
def test_any_storage_order_comes_back_exactly(tmp_path: Path, axcodes: str) -> None:
    voxels, grid = orient(labels_zyx(), scan_grid(), axcodes)
    found = read_label_map(save(tmp_path / "m.nii.gz", voxels, grid), scan_grid())
    assert np.array_equal(found.labels_zyx, labels_zyx())
    assert found.notes == ()


def test_left_label_lies_on_the_patients_left(tmp_path: Path) -> None:
    """Fails if left and right are swapped: x grows to the right, so left is at the smallest R."""
    voxels, grid = orient(labels_zyx(), scan_grid(), "LPS")
    labels = read_label_map(save(tmp_path / "m.nii.gz", voxels, grid), scan_grid()).labels_zyx
    place = {
        label: scan_grid().index_to_world_mm(np.argwhere(labels == label)[0])
        for label in (LEFT, RIGHT)
    }
    assert place[LEFT] == pytest.approx([-5, 16, 104])
    assert place[RIGHT] == pytest.approx([5, 16, 104])


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_itk_mask_equals_nifti_mask(tmp_path: Path, ending: str) -> None:
    image = SimpleITK.GetImageFromArray(labels_zyx())
    image.SetSpacing((2.0, 3.0, 4.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # LPS world: x to R, y to A
    image.SetOrigin((5.0, -10.0, 100.0))
    path = tmp_path / f"m{ending}"
    SimpleITK.WriteImage(image, path)
    assert np.array_equal(read_label_map(path, scan_grid()).labels_zyx, labels_zyx())


@pytest.mark.parametrize("shift_mm", [(2.5, 0, 0), (0, -3.5, 0), (0, 0, 4.5)])
def test_extent_off_by_more_than_a_voxel_is_refused(tmp_path: Path, shift_mm: Any) -> None:
    affine = scan_grid().affine.copy()
    affine[:3, 3] += shift_mm
    grid = Grid(shape_zyx=(4, 5, 6), affine=affine)
    with pytest.raises(GeometryError, match=r"m\.nii: got edges .* mm along .; expected|along"):
        read_label_map(save(tmp_path / "m.nii", labels_zyx(), grid), scan_grid())


def test_finer_grid_over_the_same_extent_is_regridded_and_said(tmp_path: Path) -> None:
    fine = labels_zyx().repeat(2, 0).repeat(2, 1).repeat(2, 2)
    affine = scan_grid().affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = scan_grid().index_to_world_mm((-0.25, -0.25, -0.25))
    path = save(tmp_path / "m.nii", fine, Grid(shape_zyx=(8, 10, 12), affine=affine))
    found = read_label_map(path, scan_grid())
    assert np.array_equal(found.labels_zyx, labels_zyx())
    assert codes(found.notes) == ["mask_regridded"]


def test_integers_stored_as_floats_are_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "m.nii", labels_zyx().astype(np.float32), scan_grid())
    assert np.array_equal(read_label_map(path, scan_grid()).labels_zyx, labels_zyx())


@pytest.mark.parametrize("value", [0.5, 1.0001, np.nan, np.inf, -np.inf, 70000.0])
def test_value_that_is_no_label_is_refused(tmp_path: Path, value: float) -> None:
    voxels = labels_zyx().astype(np.float32)
    voxels[0, 0, 0] = value
    with pytest.raises(DataError, match="integer labels"):
        read_label_map(save(tmp_path / "m.nii", voxels, scan_grid()), scan_grid())


def test_negative_background_is_background_and_said(tmp_path: Path) -> None:
    voxels = np.where(labels_zyx() == 0, -1, labels_zyx().astype(np.int16)).astype(np.int16)
    found = read_label_map(save(tmp_path / "m.nii", voxels, scan_grid()), scan_grid())
    assert np.array_equal(found.labels_zyx, labels_zyx())
    assert codes(found.notes) == ["negative_labels"]


def test_label_255_is_never_taken_for_background(tmp_path: Path) -> None:
    voxels = np.where(labels_zyx() == 0, 255, labels_zyx()).astype(np.uint8)
    found = read_label_map(save(tmp_path / "m.nii", voxels, scan_grid()), scan_grid())
    assert np.array_equal(found.labels_zyx, voxels)


def test_empty_mask_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "m.nii", np.zeros((4, 5, 6), np.uint8), scan_grid())
    assert codes(read_label_map(path, scan_grid()).notes) == ["mask_empty"]


def test_channels_become_labels_and_that_is_said(tmp_path: Path) -> None:
    parts = [labels_zyx() == RIGHT, labels_zyx() == LEFT]
    channels = np.stack([part.transpose(2, 1, 0) for part in parts], -1).astype(np.uint8)
    nib.save(nib.Nifti1Image(channels, scan_grid().affine), tmp_path / "m.nii")
    found = read_label_map(tmp_path / "m.nii", scan_grid())
    assert np.array_equal(found.labels_zyx, parts[0] * 1 + parts[1] * 2)
    assert codes(found.notes) == ["channels_as_labels"]


def test_overlapping_channels_are_refused(tmp_path: Path) -> None:
    channels = np.ones((6, 5, 4, 2), np.uint8)
    nib.save(nib.Nifti1Image(channels, scan_grid().affine), tmp_path / "m.nii")
    with pytest.raises(DataError, match="do not overlap"):
        read_label_map(tmp_path / "m.nii", scan_grid())


def test_image_passed_as_mask_is_refused(tmp_path: Path) -> None:
    voxels = np.arange(8 * 15 * 10, dtype=np.int16).reshape(8, 15, 10)
    grid = Grid(shape_zyx=(8, 15, 10), affine=np.eye(4))
    with pytest.raises(DataError, match="as in an image"):
        read_label_map(save(tmp_path / "m.nii", voxels, grid), grid)


@pytest.mark.parametrize("content", [None, b"", b"no mask at all"])
def test_what_is_no_mask_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.nii"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"^m\.nii: got"):
        read_label_map(path, scan_grid())


@given(axcodes=st.sampled_from(ORDERS), data=st.data())
def test_crop_in_any_order_keeps_every_label_in_place(axcodes: str, data: st.DataObject) -> None:
    voxels, grid = orient(labels_zyx(), scan_grid(), axcodes)
    first = [data.draw(st.integers(0, count - 2)) for count in grid.shape_zyx]
    box = tuple(
        slice(f, data.draw(st.integers(f + 1, n)))
        for f, n in zip(first, grid.shape_zyx, strict=True)
    )
    affine = grid.affine.copy()
    affine[:3, 3] = grid.index_to_world_mm(first)
    crop = voxels[box]
    target = Grid(shape_zyx=crop.shape, affine=affine)
    assert np.array_equal(regrid_labels(labels_zyx(), scan_grid(), target), crop)


@given(
    place=st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)),
    axcodes=st.sampled_from(ORDERS),
    factor=st.integers(1, 3),
)
def test_voxels_of_a_finer_grid_lie_in_the_voxel_of_their_label(
    place: tuple[int, int, int], axcodes: str, factor: int
) -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[place] = 9
    turned, grid = orient(labels, scan_grid(), axcodes)
    affine = scan_grid().affine @ np.diag([1 / factor] * 3 + [1])
    affine[:3, 3] = scan_grid().index_to_world_mm([(1 / factor - 1) / 2] * 3)
    fine = Grid(shape_zyx=(4 * factor, 5 * factor, 6 * factor), affine=affine)
    inside = np.argwhere(regrid_labels(turned, grid, fine) == 9)
    assert len(inside) == factor**3
    apart = scan_grid().world_to_index_zyx(fine.index_to_world_mm(inside)) - place
    assert np.abs(apart).max() <= 0.5


def test_flaws_of_the_file_are_said_by_its_name(tmp_path: Path) -> None:
    path = save(tmp_path / "m.nii", labels_zyx(), scan_grid())
    path.write_bytes(path.read_bytes() + b"more")
    (note,) = read_label_map(path, scan_grid()).notes
    assert note.code == "trailing_bytes"
    assert note.message.startswith("m.nii: ")


def test_counts_leave_background_out() -> None:
    assert count_voxels(labels_zyx()) == {RIGHT: 1, LEFT: 1, HEAD: 1}
