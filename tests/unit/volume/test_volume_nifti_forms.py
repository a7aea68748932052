"""NIfTI headers that the standard allows and that are easily misread, one fact each."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from vol3d.errors import DataError, GeometryError
from vol3d.volume import Volume, read_volume

VOXELS_IJK = np.arange(24, dtype=np.int16).reshape(4, 3, 2) * 40
SIZES = (1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0)


def _read(tmp_path: Path, *, kind: type = nibabel.Nifti1Image, **fields: object) -> Volume:
    """A file with a qform alone (2 x 3 x 4 mm, R, A, S), of which some fields are overwritten."""
    image = kind(VOXELS_IJK, None)
    image.set_qform(np.diag([2.0, 3.0, 4.0, 1.0]), code=1)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    size = image.header.sizeof_hdr
    header = kind.header_class(content[:size], check=False)
    for name, value in fields.items():
        header[name] = value
    (tmp_path / "a.nii").write_bytes(header.binaryblock + content[size:])
    return read_volume(tmp_path / "a.nii", modality="MR")


@pytest.mark.parametrize("size", [16, 208, 4096])
def test_a_header_extension_of_any_length_is_passed_over(size: int, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS_IJK, np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"x" * (size - 8)))
    (tmp_path / "a.nii").write_bytes(image.to_bytes())
    volume = read_volume(tmp_path / "a.nii", modality="MR")
    assert volume.voxels_zyx[1, 2, 3] == VOXELS_IJK[3, 2, 1]


@pytest.mark.parametrize(("qfac", "axcodes"), [(1.0, "RAS"), (0.0, "RAS"), (-1.0, "RAI")])
def test_qfac_turns_k_over_and_0_counts_as_1(qfac: float, axcodes: str, tmp_path: Path) -> None:
    """nifti1.h: if pixdim[0] is 0, which should not occur, qfac is 1."""
    assert _read(tmp_path, pixdim=(qfac, *SIZES[1:])).stored.axcodes == axcodes


@pytest.mark.parametrize("qfac", [0.5, float("nan"), float("inf")])
def test_a_qfac_that_is_no_sign_is_refused(qfac: float, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="qform"):
        _read(tmp_path, pixdim=(qfac, *SIZES[1:]))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_half_turn_rounded_to_more_than_1_is_a_half_turn(kind: type, tmp_path: Path) -> None:
    """Numbers of 32 bits, also in a header of 64 bits: b * b + c * c exceeds 1 by rounding."""
    half = np.nextafter(np.float32(np.sqrt(0.5)), np.float32(1))
    assert 2 * float(half) ** 2 > 1
    volume = _read(tmp_path, kind=kind, quatern_b=half, quatern_c=half)
    assert volume.stored.axcodes == "ARI"


def test_a_quaternion_that_is_no_rotation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="qform"):
        _read(tmp_path, quatern_b=0.9, quatern_c=0.9)


def test_a_spoiled_qform_beside_a_sform_is_said(tmp_path: Path) -> None:
    rows = {"srow_x": (2, 0, 0, 0), "srow_y": (0, 3, 0, 0), "srow_z": (0, 0, -4, 0)}
    volume = _read(tmp_path, quatern_b=0.9, quatern_c=0.9, sform_code=1, **rows)
    assert volume.stored.axcodes == "RAI"
    assert "sform_qform_disagree" in [note.code for note in volume.notes]


def test_the_unit_of_time_does_not_change_the_unit_of_length(tmp_path: Path) -> None:
    """Code 1 is meter; the bits above the lowest three hold a unit of time, even an unknown one."""
    volume = _read(tmp_path, xyzt_units=1 + 64, pixdim=(1, 0.002, 0.003, 0.004, 0, 0, 0, 0))
    assert volume.grid.spacing_zyx_mm == pytest.approx((4.0, 3.0, 2.0))


def test_without_orientation_negative_sizes_do_not_turn_axes_over(tmp_path: Path) -> None:
    """The note says that the axes are assumed to run L, A, S; so they do."""
    volume = _read(tmp_path, qform_code=0, pixdim=(1, -2, 3, -4, 0, 0, 0, 0))
    assert volume.stored.axcodes == "LAS"
    assert "orientation_assumed" in [note.code for note in volume.notes]


def test_an_origin_beyond_a_kilometre_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="within 1 km"):
        _read(tmp_path, qoffset_x=1e30)


@pytest.mark.filterwarnings("error")
def test_a_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS_IJK, np.eye(4))
    content = bytearray(image.to_bytes())
    content[280:284] = b"\x01\x00\x80\x7f"  # srow_x[0]
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(GeometryError, match="NaN"):
        read_volume(tmp_path / "a.nii")
