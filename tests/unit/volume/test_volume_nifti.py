"""NIfTI headers that lie, files that end too early, numbers that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from vol3d.errors import ConfigError, DataError, GeometryError, Vol3dError
from vol3d.volume import inspect_path, read_volume

AFFINE = np.array([[2.0, 0, 0, -3], [0, 2, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
SMALL = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 39


def _save(path: Path, array: np.ndarray = SMALL, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def _edit(path: Path, **fields: object) -> Path:
    """Overwrites header fields of an uncompressed NIfTI-1 file in place."""
    header = nibabel.Nifti1Header(path.read_bytes()[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + path.read_bytes()[348:])
    return path


def _codes(path: Path) -> list[str]:
    return [note.code for note in read_volume(path, modality="MR").notes]


def test_nifti2_and_big_endian_read_alike(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(SMALL, AFFINE), tmp_path / "two.nii")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(SMALL, AFFINE, header), tmp_path / "big.nii")
    two = read_volume(tmp_path / "two.nii", modality="MR")
    big = read_volume(tmp_path / "big.nii", modality="MR")
    assert np.array_equal(two.voxels_zyx, SMALL.transpose(2, 1, 0))
    assert np.array_equal(big.voxels_zyx, SMALL.transpose(2, 1, 0))


def test_int32_that_fits_becomes_int16(tmp_path: Path) -> None:
    volume = read_volume(_save(tmp_path / "a.nii", SMALL.astype(np.int32)), modality="MR")
    assert volume.voxels_zyx.dtype == np.int16
    assert volume.stored.dtype == "int32"


def test_int32_that_does_not_fit_becomes_float32(tmp_path: Path) -> None:
    array = SMALL.astype(np.int32)
    array[0, 0, 0] = 32768
    volume = read_volume(_save(tmp_path / "a.nii", array), modality="MR")
    assert volume.voxels_zyx.dtype == np.float32
    assert volume.voxels_zyx[0, 0, 0] == 32768


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), scl_slope=2.0, scl_inter=-100.0)
    assert read_volume(path, modality="MR").voxels_zyx[0, 0, 1] == 2 * SMALL[1, 0, 0] - 100


def test_fractional_slope_gives_float32(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), scl_slope=0.125)
    volume = read_volume(path, modality="MR")
    assert volume.voxels_zyx.dtype == np.float32
    assert np.array_equal(volume.voxels_zyx, SMALL.transpose(2, 1, 0) * np.float32(0.125))


@pytest.mark.parametrize(("code", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
def test_units_become_mm(tmp_path: Path, code: int, factor: float) -> None:
    affine = AFFINE.copy()
    affine[:3] /= factor
    path = _edit(_save(tmp_path / "a.nii", affine=affine), xyzt_units=code)
    assert np.allclose(read_volume(path, modality="MR").stored.affine_ras, AFFINE, atol=1e-4)


def test_metres_called_mm_are_refused(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[:3] /= 1000
    with pytest.raises(GeometryError, match="between"):
        read_volume(_save(tmp_path / "a.nii", affine=affine))


def test_sform_wins_and_disagreement_is_noted(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), qform_code=1, qoffset_x=27.0)
    volume = read_volume(path, modality="MR")
    assert volume.stored.affine_ras[0, 3] == -3.0
    assert "sform_qform_disagree" in [note.code for note in volume.notes]


def test_qform_is_used_without_sform(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii")
    image = nibabel.load(path)
    image.set_qform(AFFINE, code=1)
    image.set_sform(None, code=0)
    nibabel.save(image, tmp_path / "q.nii")
    volume = read_volume(tmp_path / "q.nii", modality="MR")
    assert np.allclose(volume.stored.affine_ras, AFFINE, atol=1e-5)
    assert "orientation_assumed" not in [note.code for note in volume.notes]


def test_no_orientation_is_noted(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), qform_code=0, sform_code=0)
    assert "orientation_assumed" in _codes(path)


def test_nan_affine_is_refused(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), srow_x=[np.nan, 0, 0, 0])
    with pytest.raises(GeometryError, match="finite"):
        read_volume(path)


def test_singular_affine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"a\.nii affine: got a singular one"):
        read_volume(_edit(_save(tmp_path / "a.nii"), srow_x=[0, 0, 0, 0]))


@pytest.mark.parametrize(("series", "expected"), [(None, 0), ("1", 0), ("3", 2)])
def test_one_volume_of_a_time_series_is_read_and_said(
    tmp_path: Path, series: str | None, expected: int
) -> None:
    path = _save(tmp_path / "a.nii.gz", np.stack([SMALL, SMALL + 1, SMALL + 2], axis=-1))
    volume = read_volume(path, series=series, modality="MR")
    assert np.array_equal(volume.voxels_zyx, (SMALL + expected).transpose(2, 1, 0))
    assert "time_series" in [note.code for note in volume.notes]


def test_a_volume_beyond_the_time_series_is_a_usage_error(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", np.stack([SMALL, SMALL], axis=-1))
    with pytest.raises(ConfigError, match="from 1 to 2"):
        read_volume(path, series="3")


def test_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="one 3-D volume"):
        read_volume(_save(tmp_path / "a.nii", np.zeros((2, 3, 4, 1, 3), np.int16)))


def test_fourth_axis_of_one_is_accepted(tmp_path: Path) -> None:
    volume = read_volume(_save(tmp_path / "a.nii", SMALL[..., None]), modality="MR")
    assert volume.stored.shape_ijk == (2, 3, 4)


def test_single_slice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="at least two voxels"):
        read_volume(_save(tmp_path / "a.nii", SMALL[:, :, :1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_voxels_become_the_lowest_value_and_are_counted(
    tmp_path: Path, bad: float
) -> None:
    array = SMALL.astype(np.float32) + 5
    array[1, 1, 1] = bad
    volume = read_volume(_save(tmp_path / "a.nii", array), modality="MR")
    expected = SMALL.transpose(2, 1, 0) + 5
    expected[1, 1, 1] = 5
    assert np.array_equal(volume.voxels_zyx, expected)
    note = next(n for n in volume.notes if n.code == "not_finite_replaced")
    assert note.message.startswith("1 voxels")


def test_mostly_non_finite_voxels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NaN or infinite"):
        read_volume(_save(tmp_path / "a.nii", np.full((2, 3, 4), np.nan, np.float32)))


def test_complex_voxels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="datatype"):
        read_volume(_save(tmp_path / "a.nii", SMALL.astype(np.complex64)))


@pytest.mark.parametrize("missing", [1, 4, 8, 30])
def test_truncated_gzip_is_refused(tmp_path: Path, missing: int) -> None:
    path = _save(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DataError, match="ends too early"):
        read_volume(path)


def test_changed_checksum_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged gzip"):
        read_volume(path)


def test_every_damaged_byte_of_a_gzip_file_is_refused_or_harmless(tmp_path: Path) -> None:
    content = _save(tmp_path / "a.nii.gz").read_bytes()
    expected = read_volume(tmp_path / "a.nii.gz", modality="MR").voxels_zyx
    for place in range(10, len(content)):
        broken = bytearray(content)
        broken[place] ^= 0x10
        (tmp_path / "b.nii.gz").write_bytes(broken)
        try:
            voxels = read_volume(tmp_path / "b.nii.gz", modality="MR").voxels_zyx
        except Vol3dError:
            continue
        assert np.array_equal(voxels, expected)


def test_two_gzip_members_are_one_file(tmp_path: Path) -> None:
    content = _save(tmp_path / "a.nii").read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(content[:370]) + gzip.compress(content[370:]) + b"\0" * 7)
    assert np.array_equal(read_volume(path, modality="MR").voxels_zyx, SMALL.transpose(2, 1, 0))


def test_truncated_plain_file_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="399 bytes where the header asks for 400"):
        read_volume(path)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii").rename(tmp_path / "scan.nii.gz")
    assert read_volume(path, modality="MR").stored.shape_ijk == (2, 3, 4)


@pytest.mark.parametrize("name", ["a.hdr", "a.img"])
def test_a_pair_is_read_from_either_file(tmp_path: Path, name: str) -> None:
    nibabel.save(nibabel.Nifti1Pair(SMALL, AFFINE), tmp_path / "a.hdr")
    volume = read_volume(tmp_path / name, modality="MR")
    assert np.array_equal(volume.voxels_zyx, SMALL.transpose(2, 1, 0))
    assert np.allclose(volume.stored.affine_ras, AFFINE)


def test_a_pair_without_its_voxels_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(SMALL, AFFINE), tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(DataError, match=r"\.img file"):
        read_volume(tmp_path / "a.hdr")


def test_analyze_does_not_say_left_and_right_and_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(SMALL, AFFINE), tmp_path / "a.hdr")
    with pytest.raises(DataError, match="ANALYZE"):
        read_volume(tmp_path / "a.hdr")


def test_too_large_a_scan_is_refused_from_its_header(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), dim=[3, 30000, 30000, 4, 1, 1, 1, 1])
    with pytest.raises(DataError, match="GiB"):
        read_volume(path)


def test_inspection_tells_what_reading_tells(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii")
    found, volume = inspect_path(path), read_volume(path)
    assert found.refusal is None
    assert found.notes == volume.notes
    assert (found.modality, found.unit) == (volume.modality, volume.unit)


def test_inspection_refuses_what_reading_refuses(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-3])
    found = inspect_path(path)
    with pytest.raises(DataError) as caught:
        read_volume(path)
    assert found.refusal is not None
    assert found.refusal.message == str(caught.value)
    assert found.refusal.code == "DataError"


@pytest.mark.parametrize("offset", [np.nan, np.inf, -np.inf, 1e30])
def test_an_offset_that_is_no_place_in_the_file_is_refused(tmp_path: Path, offset: float) -> None:
    found = inspect_path(_edit(_save(tmp_path / "a.nii"), vox_offset=offset))
    assert found.refusal is not None
    assert "vox_offset" in found.refusal.message


def test_a_second_geometry_that_is_not_finite_is_noted_as_that(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), qform_code=1, qoffset_x=np.nan)
    note = next(n for n in read_volume(path, modality="MR").notes if "disagree" in n.code)
    assert "(qform) is not finite" in note.message


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_values_beyond_float32_are_refused_without_a_warning(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", SMALL.astype(np.float64) * 1e300)
    with pytest.raises(DataError, match="finite"):
        read_volume(_edit(path, scl_slope=1e38), modality="MR")


def test_the_advice_names_the_modality_as_the_option_takes_it(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    note = next(n for n in read_volume(path).notes if n.code == "not_hu")
    assert "--modality ct or --modality mr" in note.message


def _damage(path: Path, place: int) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", [-8, -4], ids=["checksum", "length"])
def test_a_wrong_end_of_the_gzip_stream_is_refused(tmp_path: Path, place: int) -> None:
    with pytest.raises(DataError, match="gzip"):
        read_volume(_damage(_save(tmp_path / "a.nii.gz"), place), modality="MR")


def test_two_gzip_layers_are_taken_off_and_said(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii.gz")
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "nested_gzip" in _codes(path)


def test_three_gzip_layers_are_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii.gz")
    path.write_bytes(gzip.compress(gzip.compress(path.read_bytes())))
    with pytest.raises(DataError, match="two gzip layers"):
        read_volume(path)


def test_bytes_behind_the_voxels_are_said(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes() + b"rubbish")
    assert "trailing_bytes" in _codes(path)


def test_a_megabyte_behind_the_voxels_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii")
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes() + bytes(2 << 20)))
    with pytest.raises(DataError, match="over 1 MiB more"):
        read_volume(packed)


def test_an_empty_gigabyte_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), dim=[3, 1000, 1000, 500, 1, 1, 1, 1])
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="200 times"):
        read_volume(packed)


def test_voxels_from_byte_zero_are_taken_from_352(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), vox_offset=0)
    volume = read_volume(path, modality="MR")
    assert np.array_equal(volume.voxels_zyx, SMALL.transpose(2, 1, 0))
    assert "voxel_offset_assumed" in [note.code for note in volume.notes]


def test_an_assumed_offset_that_does_not_fit_the_file_is_refused(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), vox_offset=0)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="bytes more"):
        read_volume(path)


def test_an_empty_magic_string_is_said(tmp_path: Path) -> None:
    assert "magic_repaired" in _codes(_edit(_save(tmp_path / "a.nii"), magic=b""))


def test_voxel_sizes_that_contradict_the_sform_are_said(tmp_path: Path) -> None:
    pixdim = [1, 2, 2, 2, 0, 0, 0, 0]
    path = _edit(_save(tmp_path / "a.nii"), pixdim=pixdim)
    volume = read_volume(path, modality="MR")
    assert volume.grid.spacing_zyx_mm[0] == 4.0
    assert "pixdim_sform_disagree" in [note.code for note in volume.notes]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("scl_slope", np.nan, "scale_ignored"),
        ("bitpix", 32, "bitpix_mismatch"),
        ("descrip", b"DOE^JANE", "header_text_ignored"),
    ],
)
def test_an_odd_field_is_said(tmp_path: Path, field: str, value: object, code: str) -> None:
    assert code in _codes(_edit(_save(tmp_path / "a.nii"), **{field: value}))


def test_header_text_itself_is_never_shown(tmp_path: Path) -> None:
    path = _edit(_save(tmp_path / "a.nii"), descrip=b"DOE^JANE")
    assert "DOE" not in str(inspect_path(path).to_dict())


def test_constant_voxels_are_said(tmp_path: Path) -> None:
    assert "constant_values" in _codes(_save(tmp_path / "a.nii", np.zeros_like(SMALL)))


def test_voxels_in_the_other_byte_order_are_turned_and_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(-1000, 8, (20, 20, 20))
    array[4:16, 4:16, 4:16] = rng.normal(40, 8, (12, 12, 12))
    path = _save(tmp_path / "a.nii", array.astype(np.int16))
    content = path.read_bytes()
    swapped = np.frombuffer(content[352:], np.int16).byteswap().tobytes()
    path.write_bytes(content[:352] + swapped)
    volume = read_volume(path)
    assert "byte_order_repaired" in [note.code for note in volume.notes]
    assert np.array_equal(volume.voxels_zyx, array.astype(np.int16).transpose(2, 1, 0))


def test_voxels_of_half_a_metre_are_said(tmp_path: Path) -> None:
    assert "unusual_spacing" in _codes(_save(tmp_path / "a.nii", affine=np.diag([2.0, 2, 500, 1])))


def test_header_extension_is_skipped(tmp_path: Path) -> None:
    """Masks of TotalSegmentator carry a table of labels between header and voxels."""
    image = nibabel.Nifti1Image(SMALL, AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 5000))
    nibabel.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz", modality="MR")
    assert np.array_equal(volume.voxels_zyx, SMALL.transpose(2, 1, 0))
