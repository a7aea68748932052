"""A phantom written in any of the 48 axis orders, as NIfTI or DICOM, is one and the same input."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch

from vol3d.models.processing import patch_positions
from vol3d.phantom import PhantomConfig, make_phantom
from vol3d.preprocess.pipeline import prepare
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid, Volume, read_volume, write_dicom_series, write_nifti

SPEC = PreprocessSpec(patch_zyx=(4, 4, 4))
COARSE = PhantomConfig(
    in_plane_spacing_mm=(7.0, 7.5), slice_spacing_mm=(9.0, 9.5), z_extent_mm=(240.0, 250.0)
)


def axis_orders() -> Iterator[str]:
    """All 48 axis codes, such as ``RAS`` and ``ILP``."""
    for order in permutations(("RL", "AP", "SI")):
        for signs in product((0, 1), repeat=3):
            yield "".join(pair[sign] for pair, sign in zip(order, signs, strict=True))


@pytest.fixture(scope="module")
def phantom() -> Volume:
    """A phantom on a grid that NIfTI's float32 affine and DICOM's decimal strings hold exactly."""
    made = make_phantom(7, COARSE).volume
    grid = Grid(shape_zyx=made.grid.shape_zyx, affine=np.round(made.grid.affine * 64) / 64)
    return Volume.from_array(made.voxels_zyx, grid, modality="CT", unit="HU")


@pytest.fixture(scope="module")
def expected(phantom: Volume) -> PreparedVolume:
    return prepare(phantom, SPEC)


def assert_same_input(volume: Volume, expected: PreparedVolume) -> None:
    prepared = prepare(volume, SPEC)
    assert torch.equal(prepared.voxels_zyx, expected.voxels_zyx)
    assert torch.equal(prepared.patch_index_zyx, expected.patch_index_zyx)
    assert torch.equal(prepared.windows, expected.windows)
    for ours, theirs in zip(
        patch_positions(prepared, SPEC.patch_zyx),
        patch_positions(expected, SPEC.patch_zyx),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


def test_there_are_48_orders() -> None:
    assert len(set(axis_orders())) == 48


@pytest.mark.parametrize("axcodes", list(axis_orders()))
def test_nifti_in_any_order_gives_the_same_model_input(
    axcodes: str, phantom: Volume, expected: PreparedVolume, tmp_path: Path
) -> None:
    path = write_nifti(phantom, tmp_path / "scan.nii.gz", axcodes=axcodes)
    assert_same_input(read_volume(path), expected)


@pytest.mark.parametrize("axcodes", list(axis_orders()))
def test_dicom_in_any_order_gives_the_same_model_input(
    axcodes: str, phantom: Volume, expected: PreparedVolume, tmp_path: Path
) -> None:
    write_dicom_series(phantom, tmp_path, axcodes=axcodes)
    assert_same_input(read_volume(tmp_path), expected)


def test_mirrored_phantom_is_another_input(phantom: Volume, expected: PreparedVolume) -> None:
    mirrored = Volume.from_array(
        phantom.voxels_zyx[:, :, ::-1].copy(), phantom.grid, modality="CT", unit="HU"
    )
    assert not torch.equal(prepare(mirrored, SPEC).voxels_zyx, expected.voxels_zyx)
