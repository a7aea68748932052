"""Written and read again is the same, for any volume: DICOM series and enhanced DICOM."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import DataError
from vol3d.volume import (
    Grid,
    Volume,
    inspect_path,
    read_volume,
    write_dicom_series,
    write_enhanced_dicom,
)

WRITERS: list[Callable[..., object]] = [write_dicom_series, write_enhanced_dicom]
ANGLES = st.floats(-np.pi, np.pi)


@st.composite
def _rotations(draw: st.DrawFn) -> np.ndarray:
    a, b, c = draw(ANGLES), draw(ANGLES), draw(ANGLES)
    is_straight = draw(st.booleans())
    if is_straight:  # one of the turns by right angles
        a, b, c = (np.round(v / (np.pi / 2)) * np.pi / 2 for v in (a, b, c))
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


@st.composite
def _grids(draw: st.DrawFn) -> Grid:
    """Anisotropic, turned, mirrored, and with slices that drift in their plane."""
    shape = tuple(draw(st.integers(2, 5)) for _ in range(3))
    spacing = np.array([draw(st.floats(0.3, 5.0)) for _ in range(3)])
    affine = np.eye(4)
    matrix = np.diag(spacing)
    if draw(st.booleans()):
        matrix[0, 2], matrix[1, 2] = (
            spacing[2] * np.tan(draw(st.floats(-0.5, 0.5))) for _ in range(2)
        )
    affine[:3, :3] = draw(_rotations()) @ matrix
    affine[:3, draw(st.integers(0, 2))] *= draw(st.sampled_from([1, -1]))
    affine[:3, 3] = [draw(st.floats(-900, 900)) for _ in range(3)]
    return Grid(shape_zyx=(shape[0], shape[1], shape[2]), affine=affine)


@st.composite
def _volumes(draw: st.DrawFn) -> Volume:
    """A phantom-like volume: noise over tissue and air in HU, or any int16 of an MR."""
    grid = draw(_grids())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    modality = draw(st.sampled_from(["CT", "MR"]))
    low, high = (-1024, 3072) if modality == "CT" else (-32768, 32768)
    voxels = rng.integers(low, high, grid.shape_zyx).astype(np.int16)
    return Volume.from_array(
        voxels, grid, modality=modality, unit="HU" if modality == "CT" else "arbitrary"
    )


@pytest.mark.parametrize("write", WRITERS)
@settings(max_examples=60, deadline=None)
@given(volume=_volumes())
def test_every_volume_comes_back(write: Callable[..., object], volume: Volume) -> None:
    axcodes = volume.stored.axcodes  # whose first two axes are perpendicular
    with tempfile.TemporaryDirectory() as folder:
        write(volume, Path(folder, "scan"), axcodes=axcodes)
        back = read_volume(Path(folder, "scan"))
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)
    assert back.grid.is_close(volume.grid, tolerance_mm=1e-5)
    assert (back.modality, back.unit) == (volume.modality, volume.unit)
    codes = {note.code for note in back.notes}
    assert codes <= {"gantry_tilt", "lateral_drift", "sheared_stack"}
    assert bool(codes) == (volume.grid.shear > np.sin(np.radians(0.1)))


@pytest.mark.parametrize("axcodes", ["LPS", "RAS", "PIR", "SLA", "IPL"])
def test_an_enhanced_file_may_be_written_in_any_order(
    tiny_ct: Volume, tmp_path: Path, axcodes: str
) -> None:
    path = write_enhanced_dicom(tiny_ct, tmp_path / "a.dcm", axcodes=axcodes)
    volume = read_volume(path)
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert volume.grid.is_close(tiny_ct.grid)
    assert volume.stored.axcodes[:2] == axcodes[:2]


def test_an_enhanced_file_of_floats_is_off_by_at_most_half_a_step(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).normal(300, 100, (3, 4, 5)).astype(np.float32)
    grid = Grid(shape_zyx=(3, 4, 5), affine=np.eye(4))
    volume = Volume.from_array(voxels, grid, modality="MR", unit="arbitrary")
    back = read_volume(write_enhanced_dicom(volume, tmp_path / "mr.dcm"))
    step = float(np.ptp(voxels)) / 65535
    assert np.abs(back.voxels_zyx - voxels).max() <= 0.51 * step


def test_an_enhanced_file_names_nobody_and_is_reproducible(tiny_ct: Volume, tmp_path: Path) -> None:
    first = write_enhanced_dicom(tiny_ct, tmp_path / "a.dcm", seed=1)
    second = write_enhanced_dicom(tiny_ct, tmp_path / "b.dcm", seed=1)
    other = write_enhanced_dicom(tiny_ct, tmp_path / "c.dcm", seed=2)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    ds = pydicom.dcmread(first)
    assert not ds.PatientName
    assert not ds.PatientID
    assert ds.SeriesDescription == "vol3d - research use only"


def test_an_unknown_modality_is_not_written_as_enhanced(tmp_path: Path) -> None:
    volume = Volume.from_array(
        np.zeros((2, 2, 2), np.int16),
        Grid(shape_zyx=(2, 2, 2), affine=np.eye(4)),
        modality="unknown",
        unit="arbitrary",
    )
    with pytest.raises(DataError, match="CT or MR"):
        write_enhanced_dicom(volume, tmp_path / "x.dcm")


def test_info_and_reading_agree_on_an_enhanced_file(tiny_ct: Volume, tmp_path: Path) -> None:
    found = inspect_path(write_enhanced_dicom(tiny_ct, tmp_path / "a.dcm"))
    assert (found.kind, found.modality, found.unit) == ("dicom", "CT", "HU")
    assert found.series[0].num_slices == 5
