"""Stage times and the hash of the input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vol3d.infer.recorder import StageClock, input_sha256, versions
from vol3d.report.memory import peak_memory_mb
from vol3d.volume import Grid, Volume, read_volume, write_dicom_series, write_nifti


def test_stages_are_announced_and_added_up_in_order() -> None:
    seen: list[str] = []
    clock = StageClock(seen.append)
    for name in ("read", "measure", "read"):
        with clock.stage(name):
            pass
    assert seen == ["read", "measure", "read"]
    assert list(clock.seconds) == ["read", "measure"]


def test_failed_stage_is_timed_and_raises() -> None:
    clock = StageClock()
    with pytest.raises(RuntimeError), clock.stage("read"):
        raise RuntimeError
    assert "read" in clock.seconds


def test_hash_is_the_same_for_any_storage_order(trunk_ct: Volume) -> None:
    grid = trunk_ct.grid
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, 0] * (grid.shape_zyx[2] - 1)
    affine[:3, 0] *= -1
    flipped = Volume.from_array(
        trunk_ct.voxels_zyx[..., ::-1],
        Grid(shape_zyx=grid.shape_zyx, affine=affine),
        modality="CT",
        unit="HU",
    )
    assert flipped.stored.axcodes == "LAS"
    assert input_sha256(flipped) == input_sha256(trunk_ct)


@pytest.mark.parametrize("turn_deg", [0.0, 12.0])
def test_hash_is_the_same_through_real_files(
    trunk_ct: Volume, tmp_path: Path, turn_deg: float
) -> None:
    """Spacing and origin are decimals that single precision cannot hold."""
    cosine, sine = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    affine = np.eye(4)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    affine[:3, :3] = turn @ np.diag([0.7635, 0.7635, 1.2505])
    affine[:3, 3] = (-187.6545, -311.1235, 1204.0005)
    grid = Grid(shape_zyx=trunk_ct.grid.shape_zyx, affine=affine)
    volume = Volume.from_array(trunk_ct.voxels_zyx, grid, modality="CT", unit="HU")
    write_dicom_series(volume, tmp_path / "series")
    paths = [
        write_nifti(volume, tmp_path / "ras.nii.gz", axcodes="RAS"),
        write_nifti(volume, tmp_path / "lps.nii", axcodes="LPS"),
        tmp_path / "series",
    ]
    read = [read_volume(path, modality="CT") for path in paths]
    assert {input_sha256(each) for each in (volume, *read)} == {input_sha256(volume)}


def test_hash_takes_minus_zero_for_zero(volume_of: Callable[..., Volume]) -> None:
    zeros = np.zeros((2, 2, 2), dtype=np.float32)
    volume = volume_of(zeros, modality="MR", unit="arbitrary")
    affine = np.array(volume.grid.affine)
    affine[affine == 0] = -0.0
    negative = Volume.from_array(
        -zeros, Grid(shape_zyx=(2, 2, 2), affine=affine), modality="MR", unit="arbitrary"
    )
    assert input_sha256(negative) == input_sha256(volume)


def test_hash_changes_with_one_voxel_and_with_place(
    trunk_ct: Volume, volume_of: Callable[..., Volume]
) -> None:
    voxels = np.array(trunk_ct.voxels_zyx)
    voxels[0, 0, 0] += 1
    moved = volume_of(trunk_ct.voxels_zyx, spacing_zyx_mm=(5.0, 5.0, 5.001))
    assert len({input_sha256(v) for v in (trunk_ct, volume_of(voxels), moved)}) == 3


def test_peak_memory_is_that_of_the_process_in_mb() -> None:
    code = (
        "import numpy as np; from vol3d.report.memory import peak_memory_mb as peak;"
        "before = peak(); a = np.ones(25_000_000); print(peak() - before)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 150 < float(result.stdout) < 260
    assert peak_memory_mb() > 20


def test_versions_name_what_can_change_a_result() -> None:
    assert {"python", "vol3d", "torch", "transformers", "monai"} <= set(versions())
    assert "not installed" not in versions().values()
