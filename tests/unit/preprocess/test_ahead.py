"""Scans prepared in advance: order, bad cases, bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vol3d.errors import DataError
from vol3d.preprocess.ahead import ScanPath, prepare_ahead
from vol3d.preprocess.pipeline import prepare
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid, Volume, read_volume, write_nifti

SPEC = PreprocessSpec(spacings_zyx_mm=((8.0, 8.0, 8.0),), patch_zyx=(2, 2, 2))


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    paths = []
    for level in (20, 40, 60, 80):
        voxels = np.full((12, 20, 20), -1000, dtype=np.int16)
        voxels[:, 4:16, 4:16] = level
        volume = Volume.from_array(
            voxels,
            Grid(shape_zyx=(12, 20, 20), affine=np.diag([8.0, 8.0, 8.0, 1.0])),
            modality="CT",
            unit="HU",
        )
        paths.append(write_nifti(volume, tmp_path / f"{level}.nii.gz"))
    return paths


def test_scans_come_in_the_order_given(scans: list[Path]) -> None:
    assert [scan.path for scan in prepare_ahead(scans, SPEC)] == scans


def test_prepared_equals_preparing_alone(scans: list[Path]) -> None:
    (only,) = prepare_ahead(scans[2:3], SPEC)
    assert only.prepared is not None
    expected = prepare(read_volume(scans[2]), SPEC).voxels_zyx
    assert torch.equal(only.prepared.voxels_zyx, expected)


def test_a_bad_scan_is_named_and_the_rest_go_on(scans: list[Path]) -> None:
    scans[1].write_bytes(b"no scan")
    results = list(prepare_ahead(scans, SPEC))
    assert [type(r.error) for r in results] == [type(None), DataError, type(None), type(None)]
    assert "40.nii.gz" in str(results[1].error)


def test_no_more_scans_are_begun_than_asked(scans: list[Path]) -> None:
    begun: list[ScanPath] = []

    def read(path: ScanPath) -> Volume:
        begun.append(path)
        return read_volume(path)

    ahead = prepare_ahead(scans, SPEC, num_ahead=1, read=read)
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    assert len(begun) <= 2


def test_a_fault_of_the_program_is_raised(scans: list[Path]) -> None:
    def read(path: ScanPath) -> Volume:
        raise RuntimeError("fault")

    with pytest.raises(RuntimeError, match="fault"):
        next(prepare_ahead(scans, SPEC, read=read))


def test_nothing_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prepare_ahead([], SPEC, num_ahead=0)
