"""Written and read again: the same voxels at the same places, in all 48 orders."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from vol3d.errors import DataError, GeometryError
from vol3d.volume import Grid, Volume, orient, read_volume, write_dicom_series, write_nifti

LETTERS = {"R": "RL", "A": "AP", "S": "SI"}
ALL_48 = [
    "".join(LETTERS[axis][flip] for axis, flip in zip(order, flips, strict=True))
    for order in permutations("RAS")
    for flips in product((0, 1), repeat=3)
]


def _oblique(*, is_float: bool = False) -> Volume:
    rng = np.random.default_rng(3)
    voxels = rng.integers(-1000, 2000, (4, 5, 6))
    angle = 0.3
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] = affine[:3, :3] @ np.diag([1.1, 2.2, 3.3])
    affine[:3, 3] = -100.123, 50.5, 812.25
    grid = Grid(shape_zyx=(4, 5, 6), affine=affine)
    if is_float:
        return Volume.from_array(
            (voxels * 0.37).astype(np.float32), grid, modality="MR", unit="arbitrary"
        )
    return Volume.from_array(voxels.astype(np.int16), grid, modality="CT", unit="HU")


@pytest.mark.parametrize("axcodes", ALL_48)
def test_nifti_keeps_voxels_and_places(axcodes: str, tmp_path: Path) -> None:
    volume = _oblique()
    back = read_volume(write_nifti(volume, tmp_path / "a.nii", axcodes=axcodes), modality="CT")
    assert back.stored.axcodes == axcodes
    assert back.voxels_zyx.dtype == np.int16
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)
    assert back.grid.is_close(volume.grid, tolerance_mm=1e-4)


@pytest.mark.parametrize("axcodes", ALL_48)
def test_dicom_keeps_voxels_and_places(axcodes: str, tmp_path: Path) -> None:
    volume = _oblique()
    write_dicom_series(volume, tmp_path / "series", axcodes=axcodes)
    back = read_volume(tmp_path / "series")
    assert back.unit == "HU"
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)
    assert back.grid.is_close(volume.grid, tolerance_mm=1e-6)


def test_the_patients_left_stays_left(tmp_path: Path) -> None:
    """A voxel at the most negative R in an L-ordered file ends at x = 0 of the volume."""
    stored = np.zeros((2, 2, 3), dtype=np.int16)
    stored[0, 0, 2] = 500  # i = 2 of a file whose i grows to the left: the leftmost voxel
    image = nibabel.Nifti1Image(stored.transpose(2, 1, 0), np.diag([-2.0, 2.0, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "left.nii")
    volume = read_volume(tmp_path / "left.nii", modality="MR")
    assert volume.voxels_zyx[0, 0, 0] == 500
    assert volume.grid.index_to_world_mm((0, 0, 0)).tolist() == [-4.0, 0.0, 0.0]


def test_the_head_stays_up(tmp_path: Path) -> None:
    """The first slice of a head-to-feet file is the last slice of the volume."""
    stored = np.zeros((3, 2, 2), dtype=np.int16)
    stored[0] = 700
    affine = np.diag([2.0, 2.0, -5.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(stored.transpose(2, 1, 0), affine), tmp_path / "head.nii")
    volume = read_volume(tmp_path / "head.nii", modality="MR")
    assert (volume.voxels_zyx[2] == 700).all()
    assert volume.grid.index_to_world_mm((2, 0, 0))[2] == 0.0


def test_float_nifti_is_exact(tmp_path: Path) -> None:
    volume = _oblique(is_float=True)
    back = read_volume(write_nifti(volume, tmp_path / "a.nii.gz"), modality="MR")
    assert back.voxels_zyx.dtype == np.float32
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)


def test_float_dicom_is_off_by_at_most_half_a_step(tmp_path: Path) -> None:
    volume = _oblique(is_float=True)
    write_dicom_series(volume, tmp_path / "mr")
    back = read_volume(tmp_path / "mr")
    step = float(volume.voxels_zyx.max() - volume.voxels_zyx.min()) / 65535
    assert np.abs(back.voxels_zyx - volume.voxels_zyx).max() <= 0.51 * step
    assert (back.modality, back.unit) == ("MR", "arbitrary")


def test_sheared_stack_survives_both_formats(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.6
    grid = Grid(shape_zyx=(4, 5, 6), affine=affine)
    volume = Volume.from_array(_oblique().voxels_zyx, grid, modality="CT", unit="HU")
    write_dicom_series(volume, tmp_path / "tilted")
    dicom = read_volume(tmp_path / "tilted")
    nifti = read_volume(write_nifti(volume, tmp_path / "tilted.nii.gz"), modality="CT")
    assert dicom.grid.is_close(grid, tolerance_mm=1e-6)
    assert nifti.grid.is_close(grid, tolerance_mm=1e-5)
    assert "gantry_tilt" in [note.code for note in dicom.notes]
    assert "sheared_grid" in [note.code for note in nifti.notes]


def test_dicom_cannot_hold_sheared_pictures(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.6
    volume = Volume.from_array(
        _oblique().voxels_zyx,
        Grid(shape_zyx=(4, 5, 6), affine=affine),
        modality="CT",
        unit="HU",
    )
    with pytest.raises(GeometryError, match="perpendicular rows"):
        write_dicom_series(volume, tmp_path / "x", axcodes="ASR")


def test_nifti_bytes_are_reproducible_and_marked(tmp_path: Path) -> None:
    volume = _oblique()
    first = write_nifti(volume, tmp_path / "a.nii.gz").read_bytes()
    assert first == write_nifti(volume, tmp_path / "b.nii.gz").read_bytes()
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert header["descrip"].item() == b"vol3d research use only"
    assert int(header["qform_code"]) == int(header["sform_code"]) == 1


def test_dicom_is_reproducible_marked_and_empty_of_patients(tmp_path: Path) -> None:
    volume = _oblique()
    first = write_dicom_series(volume, tmp_path / "a", seed=1)
    second = write_dicom_series(volume, tmp_path / "b", seed=1)
    other = write_dicom_series(volume, tmp_path / "c", seed=2)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert (
        pydicom.dcmread(first[0]).SeriesInstanceUID != pydicom.dcmread(other[0]).SeriesInstanceUID
    )
    ds = pydicom.dcmread(first[0])
    assert ds.SeriesDescription == "vol3d - research use only"
    assert not ds.PatientName
    assert not ds.PatientID


def test_different_voxels_get_different_uids(tmp_path: Path) -> None:
    volume = _oblique()
    changed, grid = orient(volume.voxels_zyx + np.int16(1), volume.grid, "RAS")
    other = Volume.from_array(changed.astype(np.int16), grid, modality="CT", unit="HU")
    first = pydicom.dcmread(write_dicom_series(volume, tmp_path / "a")[0])
    second = pydicom.dcmread(write_dicom_series(other, tmp_path / "b")[0])
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_unknown_modality_is_not_written_as_dicom(tmp_path: Path) -> None:
    volume = Volume.from_array(
        np.zeros((2, 2, 2), np.int16),
        Grid(shape_zyx=(2, 2, 2), affine=np.eye(4)),
        modality="unknown",
        unit="arbitrary",
    )
    with pytest.raises(DataError, match="CT or MR"):
        write_dicom_series(volume, tmp_path / "x")


def test_other_endings_are_not_written_as_nifti(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.nii"):
        write_nifti(_oblique(), tmp_path / "a.mha")
