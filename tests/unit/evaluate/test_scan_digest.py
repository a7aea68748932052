"""Fingerprints of scans by content."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from public_set_files import write_scan

from vol3d.errors import DataError
from vol3d.evaluate.scan_digest import digest_scan
from vol3d.volume import Grid, Volume, read_volume, write_nifti


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "a.nii.gz")


def placed(volume: Volume, affine: np.ndarray) -> Volume:
    grid = Grid(shape_zyx=volume.grid.shape_zyx, affine=affine)
    return Volume.from_array(volume.voxels_zyx, grid, modality="CT", unit="HU")


def test_a_copy_compressed_again_has_the_same(scan: Path, tmp_path: Path) -> None:
    with gzip.open(scan) as packed, gzip.open(tmp_path / "b.nii.gz", "wb", compresslevel=1) as out:
        shutil.copyfileobj(packed, out)
    assert scan.read_bytes() != (tmp_path / "b.nii.gz").read_bytes()
    assert digest_scan(tmp_path / "b.nii.gz") == digest_scan(scan)


def test_a_copy_without_compression_has_the_same(scan: Path, tmp_path: Path) -> None:
    write_nifti(read_volume(scan), tmp_path / "b.nii")
    assert digest_scan(tmp_path / "b.nii") == digest_scan(scan)


@pytest.mark.parametrize("axcodes", ["LPS", "PIR", "SAL"])
def test_a_copy_stored_in_another_direction_has_the_same(
    scan: Path, tmp_path: Path, axcodes: str
) -> None:
    write_nifti(read_volume(scan), tmp_path / "b.nii.gz", axcodes=axcodes)
    digest = digest_scan(tmp_path / "b.nii.gz")
    assert digest.voxels_sha256 == digest_scan(scan).voxels_sha256
    assert digest.has_grid_of(digest_scan(scan))


def test_a_copy_of_another_number_type_has_the_same(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    as_float = Volume.from_array(
        volume.voxels_zyx.astype(np.float32), volume.grid, modality="CT", unit="HU"
    )
    write_nifti(as_float, tmp_path / "b.nii.gz")
    assert digest_scan(tmp_path / "b.nii.gz").voxels_sha256 == digest_scan(scan).voxels_sha256


def test_one_voxel_makes_another(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    voxels = volume.voxels_zyx.copy()
    voxels[0, 0, 0] += 1
    other = Volume.from_array(voxels, volume.grid, modality="CT", unit="HU")
    write_nifti(other, tmp_path / "b.nii.gz")
    assert digest_scan(tmp_path / "b.nii.gz").voxels_sha256 != digest_scan(scan).voxels_sha256


def test_the_same_voxels_elsewhere_have_another_grid(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    moved = volume.grid.affine.copy()
    moved[0, 3] += 5
    write_nifti(placed(volume, moved), tmp_path / "b.nii.gz")
    digest = digest_scan(tmp_path / "b.nii.gz")
    assert digest.voxels_sha256 == digest_scan(scan).voxels_sha256
    assert not digest.has_grid_of(digest_scan(scan))


def test_the_same_numbers_in_another_shape_are_another(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), dtype=np.float32))
    np.save(tmp_path / "b.npy", np.zeros((4, 3, 2), dtype=np.float32))
    first, second = digest_scan(tmp_path / "a.npy"), digest_scan(tmp_path / "b.npy")
    assert first.voxels_sha256 != second.voxels_sha256
    assert first.affine is None
    assert first.has_grid_of(second)


def test_a_file_that_is_no_scan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"nothing")
    with pytest.raises(DataError):
        digest_scan(tmp_path / "a.nii.gz")


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    for name, zero in (("a", 0.0), ("b", -0.0)):
        np.save(tmp_path / f"{name}.npy", np.full((2, 2, 2), zero, dtype=np.float32))
    assert digest_scan(tmp_path / "a.npy") == digest_scan(tmp_path / "b.npy")
