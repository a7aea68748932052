"""What is measured of a scan before a model sees it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from vol3d.infer import examine
from vol3d.volume import read_volume, write_nifti


def test_mirrored_scan_is_noted_in_the_volume_and_its_record(
    test_data: Path, tmp_path: Path
) -> None:
    volume = read_volume(test_data / "ct_abdomen_small" / "ct.nii.gz")
    voxels = np.ascontiguousarray(volume.voxels_zyx[:, :, ::-1])
    write_nifti(dataclasses.replace(volume, voxels_zyx=voxels), tmp_path / "mirrored.nii.gz")
    examined = examine(tmp_path / "mirrored.nii.gz")
    assert "organs_mirrored" in {note.code for note in examined.volume.notes}
    assert "organs_mirrored" in {note.code for note in examined.scan.notes}
    assert np.array_equal(examined.volume.voxels_zyx, voxels)


def test_scan_as_it_is_has_no_note_on_sides(test_data: Path) -> None:
    examined = examine(test_data / "ct_abdomen_small" / "ct.nii.gz")
    assert "organs_mirrored" not in {note.code for note in examined.scan.notes}
