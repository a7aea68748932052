"""What values alone say about the modality, and when they say nothing."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from vol3d.volume import Volume, VoxelArray, inspect_path, read_volume
from vol3d.volume.intensities import compact_voxels, guess_modality

RNG = np.random.default_rng(5)
SHAPE = (10, 10, 10)


def _ct_like() -> VoxelArray:
    """Half air at -1000, half soft tissue around 40."""
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[:, 5:] = 40 + RNG.integers(-20, 20, (10, 5, 10))
    return voxels


def test_air_and_soft_tissue_are_ct() -> None:
    assert guess_modality(_ct_like()).modality == "CT"


def test_ct_with_padding_is_ct() -> None:
    voxels = _ct_like()
    voxels[:, :2] = -3024
    assert guess_modality(voxels).modality == "CT"


def test_positive_values_are_mr() -> None:
    assert guess_modality(RNG.integers(0, 900, SHAPE).astype(np.int16)).modality == "MR"


def test_slight_ringing_below_zero_is_still_mr() -> None:
    assert guess_modality(RNG.integers(-47, 833, SHAPE).astype(np.int16)).modality == "MR"


@pytest.mark.parametrize(
    "voxels",
    [
        RNG.integers(0, 5, SHAPE).astype(np.int16),
        RNG.integers(0, 256, SHAPE).astype(np.int16),
        RNG.random(SHAPE).astype(np.float32),
        RNG.normal(0, 1, SHAPE).astype(np.float32),
        RNG.integers(-4096, 4096, SHAPE).astype(np.int16),
        RNG.integers(-150, 250, SHAPE).astype(np.int16),
        np.full(SHAPE, -1000, np.int16),
        (_ct_like() + 1024).astype(np.int16),
    ],
    ids=["labels", "8-bit", "0..1", "z-scores", "phase", "crop of CT", "blank", "CT + 1024"],
)
def test_ambiguous_values_stay_unknown(voxels: VoxelArray) -> None:
    assert guess_modality(voxels).modality == "unknown"


def _save(path: Path, voxels: VoxelArray) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([2.0, 2, 2, 1])), path)
    return path


def _note(volume: Volume, code: str) -> str:
    return next(note.message for note in volume.notes if note.code == code)


def test_inferred_modality_is_said(tmp_path: Path) -> None:
    volume = read_volume(_save(tmp_path / "a.nii", _ct_like()))
    assert (volume.modality, volume.unit) == ("CT", "HU")
    assert "taken as CT" in _note(volume, "modality_inferred")


def test_unknown_modality_names_the_option(tmp_path: Path) -> None:
    labels = RNG.integers(0, 5, SHAPE).astype(np.int16)
    volume = read_volume(_save(tmp_path / "a.nii", labels))
    assert (volume.modality, volume.unit) == ("unknown", "arbitrary")
    assert "--modality" in _note(volume, "not_hu")


def test_given_modality_wins_over_the_values(tmp_path: Path) -> None:
    volume = read_volume(_save(tmp_path / "a.nii", _ct_like()), modality="MR")
    assert (volume.modality, volume.unit) == ("MR", "arbitrary")


_NOT_HU = {
    "offset": (_ct_like() + 1024).astype(np.int16),
    "offset crop": RNG.normal(1060, 30, SHAPE).round().astype(np.int16),
    "8-bit": np.concatenate([np.zeros((2, 10, 10)), RNG.integers(0, 256, (8, 10, 10))]).astype(
        np.int16
    ),
    "0..1": RNG.random(SHAPE).astype(np.float32),
    "z-scores": RNG.normal(0, 1, SHAPE).astype(np.float32),
    "labels": RNG.integers(0, 5, SHAPE).astype(np.int16),
    "many labels": RNG.integers(0, 118, (20, 10, 10)).astype(np.int16),
    "MR": np.clip(RNG.integers(-50, 900, SHAPE), 0, None).astype(np.int16),
    "phase": RNG.integers(-4096, 4096, SHAPE).astype(np.int16),
}


@pytest.mark.parametrize("name", _NOT_HU)
def test_ct_by_word_is_not_hu_against_its_values(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path / "a.nii", _NOT_HU[name])
    volume = read_volume(path, modality="CT")
    assert (volume.modality, volume.unit) == ("CT", "arbitrary")
    assert "convert the file to HU" in _note(volume, "unit_not_hu")
    assert inspect_path(path, modality="CT").unit == "arbitrary"


_MAY_BE_HU = {
    "with air": _ct_like(),
    "soft tissue": RNG.normal(50, 40, SHAPE).round().astype(np.int16),
    "window": RNG.integers(-150, 250, SHAPE).astype(np.int16),
    "inside the liver": RNG.normal(110, 12, SHAPE).round().astype(np.int16),
    "with bone": RNG.integers(-100, 900, SHAPE).astype(np.int16),
    "dense bone and fat": np.where(
        RNG.random(SHAPE) < 0.7, RNG.normal(1000, 50, SHAPE), RNG.normal(-90, 15, SHAPE)
    ).astype(np.int16),
    "with metal": np.where(RNG.random(SHAPE) < 0.01, 9000, RNG.integers(-120, 200, SHAPE)).astype(
        np.int16
    ),
}


@pytest.mark.parametrize("name", _MAY_BE_HU)
def test_ct_by_word_is_hu_if_its_values_allow_it(tmp_path: Path, name: str) -> None:
    volume = read_volume(_save(tmp_path / "a.nii", _MAY_BE_HU[name]), modality="CT")
    assert (volume.modality, volume.unit) == ("CT", "HU")
    assert "modality_given" in [note.code for note in volume.notes]


def test_whole_floats_become_int16() -> None:
    out = compact_voxels(np.array([[[1.0, -5.0]]]), where="x")
    assert out.dtype == np.int16
    assert out.tolist() == [[[1, -5]]]


@pytest.mark.parametrize("edge", [-32768, 32767])
def test_the_ends_of_int16_fit(edge: int) -> None:
    assert compact_voxels(np.array([[[edge]]]), where="x").dtype == np.int16


@pytest.mark.parametrize("edge", [-32769, 32768])
def test_one_beyond_int16_is_float32(edge: int) -> None:
    out = compact_voxels(np.array([[[edge]]]), where="x")
    assert out.dtype == np.float32
    assert out[0, 0, 0] == edge
