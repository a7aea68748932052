"""Written and read again is the same, for any volume and grid: NIfTI and NRRD."""

from __future__ import annotations

import tempfile
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.errors import DataError, GeometryError
from vol3d.volume import Grid, Volume, read_volume, write_nifti, write_nrrd

LETTERS = {"R": "RL", "A": "AP", "S": "SI"}
ALL_48 = [
    "".join(LETTERS[axis][flip] for axis, flip in zip(order, flips, strict=True))
    for order in permutations("RAS")
    for flips in product((0, 1), repeat=3)
]


@st.composite
def _affines(draw: st.DrawFn) -> np.ndarray:
    """Anisotropic, straight or turned, mirrored or not, perpendicular or not."""
    spacing_mm = [draw(st.floats(0.2, 9.0)) for _ in range(3)]
    unit = np.eye(3)
    if draw(st.booleans()):  # up to 25 degrees off
        unit[0, 1], unit[0, 2], unit[1, 2] = (draw(st.floats(-0.25, 0.25)) for _ in range(3))
    unit /= np.linalg.norm(unit, axis=0)
    turn = np.eye(3)[list(draw(st.permutations(range(3))))]
    if draw(st.booleans()):
        numbers = [draw(st.floats(-1, 1)) for _ in range(9)]
        turn = np.linalg.qr(np.reshape(numbers, (3, 3)) + 2 * np.eye(3))[0] @ turn
    signs = [draw(st.sampled_from([1.0, -1.0])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = turn @ unit @ np.diag(np.multiply(signs, spacing_mm))
    affine[:3, 3] = [draw(st.floats(-900, 900)) for _ in range(3)]
    return affine


@st.composite
def _volumes(draw: st.DrawFn) -> Volume:
    """CT in HU, MR in int16 or MR in float32; every voxel its own value or nearly."""
    shape = (draw(st.integers(2, 4)), draw(st.integers(2, 5)), draw(st.integers(2, 6)))
    grid = Grid(shape_zyx=shape, affine=draw(_affines()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["CT", "int16", "float32"]))
    if kind == "float32":
        voxels = (rng.standard_normal(shape) * 10.0 ** draw(st.integers(-3, 6))).astype(np.float32)
        return Volume.from_array(voxels, grid, modality="MR", unit="arbitrary")
    low, high = (-1024, 3072) if kind == "CT" else (-32768, 32768)
    stored = rng.integers(low, high, shape).astype(np.int16)
    is_ct = kind == "CT"
    return Volume.from_array(
        stored, grid, modality="CT" if is_ct else "MR", unit="HU" if is_ct else "arbitrary"
    )


def _assert_same(back: Volume, volume: Volume, *, tolerance_mm: float) -> None:
    assert back.voxels_zyx.dtype == volume.voxels_zyx.dtype
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)
    assert back.grid.is_close(volume.grid, tolerance_mm=tolerance_mm)
    assert {note.code for note in back.notes} <= {"sheared_grid", "modality_given"}
    assert ("sheared_grid" in {note.code for note in back.notes}) == (volume.grid.shear >= 1e-3)


@settings(max_examples=150, deadline=None)
@given(volume=_volumes(), axcodes=st.sampled_from(ALL_48), ending=st.sampled_from(["", ".gz"]))
def test_every_volume_comes_back_from_nifti(volume: Volume, axcodes: str, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_nifti(volume, Path(folder, f"a.nii{ending}"), axcodes=axcodes)
        back = read_volume(path, modality="MR")
    assert back.stored.axcodes == axcodes
    _assert_same(back, volume, tolerance_mm=2e-4)  # the header holds float32


@settings(max_examples=150, deadline=None)
@given(volume=_volumes(), axcodes=st.sampled_from(ALL_48))
def test_every_volume_comes_back_from_nrrd(volume: Volume, axcodes: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        back = read_volume(
            write_nrrd(volume, Path(folder, "a.nrrd"), axcodes=axcodes), modality="MR"
        )
    assert back.stored.axcodes == axcodes
    _assert_same(back, volume, tolerance_mm=1e-9)


def test_both_formats_say_the_same_place(tiny_ct: Volume, tmp_path: Path) -> None:
    """SimpleITK, which reads both with code of its own, puts voxel (1, 2, 3) at one point."""
    places = []
    for path in (
        write_nrrd(tiny_ct, tmp_path / "a.nrrd"),
        write_nifti(tiny_ct, tmp_path / "a.nii"),
    ):
        image = SimpleITK.ReadImage(str(path))
        places.append(image.TransformIndexToPhysicalPoint((1, 2, 3)))
    assert places[0] == (-(-10 + 4 * 1), -(20 + 3 * 2), 700 + 2 * 3)  # L, P, S
    assert places[1] == places[0]


def test_nrrd_bytes_are_reproducible(tiny_ct: Volume, tmp_path: Path) -> None:
    first = write_nrrd(tiny_ct, tmp_path / "a.nrrd").read_bytes()
    assert write_nrrd(tiny_ct, tmp_path / "b.nrrd").read_bytes() == first


def test_the_nrrd_header_names_its_space(tiny_ct: Volume, tmp_path: Path) -> None:
    header = write_nrrd(tiny_ct, tmp_path / "a.nrrd").read_bytes().split(b"\n\n")[0]
    assert b"\nspace: left-posterior-superior\n" in header
    assert b"\nspace directions: (-4,0,0) (0,-3,0) (0,0,2)\n" in header
    assert header.endswith(b"\nspace origin: (10,-20,700)")


@pytest.mark.parametrize("name", ["a.nhdr", "a.nii", "a"])
def test_other_endings_are_not_written_as_nrrd(name: str, tiny_ct: Volume, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.nrrd"):
        write_nrrd(tiny_ct, tmp_path / name)


def test_axes_that_are_no_axes_are_refused(tiny_ct: Volume, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="three letters"):
        write_nrrd(tiny_ct, tmp_path / "a.nrrd", axcodes="RLS")


def test_an_nrrd_that_cannot_be_written_is_said(tiny_ct: Volume, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_nrrd(tiny_ct, tmp_path / "nowhere" / "a.nrrd")
