"""DICOM folders and files: order, values, choice, and everything that is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from vol3d.errors import ConfigError, DataError, GeometryError
from vol3d.volume import Volume, inspect_path, read_volume, write_dicom_series

Make = Callable[..., Path]


def _codes(volume: Volume) -> list[str]:
    return [note.code for note in volume.notes]


def _message(volume: Volume, code: str) -> str:
    return next(note.message for note in volume.notes if note.code == code)


def test_instance_numbers_and_names_do_not_matter(ct_folder: Make, tiny_ct: Volume) -> None:
    def lie(ds: Dataset, k: int) -> None:
        ds.InstanceNumber = 7 * (k + 3) % 5
        ds.SliceLocation = -k

    folder = ct_folder(lie)
    for k, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{(k * 3) % 5}_renamed")
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert volume.grid.is_close(tiny_ct.grid)


def test_rescale_of_each_slice_counts(ct_folder: Make, tiny_ct: Volume) -> None:
    def shift(ds: Dataset, k: int) -> None:
        ds.RescaleIntercept = 10 * k

    volume = read_volume(ct_folder(shift))
    shifts = 10 * np.arange(5, dtype=np.int16)[:, None, None]
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx + shifts)


def test_fractional_rescale_gives_float32(ct_folder: Make, tiny_ct: Volume) -> None:
    def scale(ds: Dataset, k: int) -> None:
        ds.RescaleSlope = "0.3"

    volume = read_volume(ct_folder(scale))
    assert volume.voxels_zyx.dtype == np.float32
    assert np.allclose(volume.voxels_zyx, tiny_ct.voxels_zyx * 0.3, atol=1e-4)


def test_values_beyond_int16_become_float32(ct_folder: Make) -> None:
    def raise_values(ds: Dataset, k: int) -> None:
        ds.RescaleIntercept = 40000

    volume = read_volume(ct_folder(raise_values))
    assert volume.voxels_zyx.dtype == np.float32
    assert volume.voxels_zyx[0, 0, 0] == 39000


def test_bits_beyond_those_stored_are_ignored(ct_folder: Make, tiny_ct: Volume) -> None:
    def overlay(ds: Dataset, k: int) -> None:
        stored = (ds.pixel_array + 1024).astype("<u2")
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, 12, 11
        ds.RescaleIntercept = -1024
        ds.PixelData = (stored | 0xA000).tobytes()

    assert np.array_equal(read_volume(ct_folder(overlay)).voxels_zyx, tiny_ct.voxels_zyx)


def test_implicit_vr_without_preamble_reads(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        del ds.file_meta
        ds.preamble = None
        ds["PixelData"].VR = "OW"
        pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[:2] == b"\x08\x00"
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_implicit_vr_file_reads(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True)
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_big_endian_reads(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.PixelData = ds.pixel_array.astype(">i2").tobytes()
        ds["PixelData"].VR = "OW"
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=False)
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_rle_compression_reads(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder(lambda ds, k: ds.compress(RLELossless))
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_unknown_compression_is_refused(ct_folder: Make) -> None:
    def mpeg(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
        ds.PixelData = encapsulate([ds.PixelData])
        ds["PixelData"].is_undefined_length = True

    with pytest.raises(DataError, match="transfer syntax"):
        read_volume(ct_folder(mpeg))


def test_a_missing_slice_is_named(ct_folder: Make) -> None:
    folder = ct_folder()
    (folder / "slice_0003.dcm").unlink()
    with pytest.raises(GeometryError, match=r"1 missing between 702.00 and 706.00 mm \(gap 4.00"):
        read_volume(folder)


def test_uneven_slices_are_refused(ct_folder: Make) -> None:
    def move(ds: Dataset, k: int) -> None:
        if k == 2:
            ds.ImagePositionPatient[2] += 0.5

    with pytest.raises(GeometryError, match="uniform slice distances"):
        read_volume(ct_folder(move))


def test_a_slice_that_is_shifted_sideways_is_refused(ct_folder: Make) -> None:
    def move(ds: Dataset, k: int) -> None:
        if k == 2:
            ds.ImagePositionPatient[0] += 5

    with pytest.raises(GeometryError):
        read_volume(ct_folder(move))


def test_rounded_positions_are_accepted_and_noted(ct_folder: Make) -> None:
    def move(ds: Dataset, k: int) -> None:
        if k == 2:
            ds.ImagePositionPatient[2] += 0.04

    assert "slice_positions_rounded" in _codes(read_volume(ct_folder(move)))


def test_exact_copies_of_a_slice_are_dropped_and_counted(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    shutil.copy(folder / "slice_0002.dcm", folder / "copy.dcm")
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert _message(volume, "duplicates_dropped").endswith(": 1.")


def test_a_copy_with_other_pixels_is_refused(ct_folder: Make) -> None:
    folder = ct_folder()
    content = (folder / "slice_0002.dcm").read_bytes()
    (folder / "copy.dcm").write_bytes(content[:-1] + b"\x7f")
    with pytest.raises(GeometryError, match=r"1 duplicate positions, the first at 702.00 mm"):
        read_volume(folder)


def test_one_slightly_turned_slice_is_refused(ct_folder: Make) -> None:
    def turn(ds: Dataset, k: int) -> None:
        if k == 1:
            ds.ImageOrientationPatient = [1, 0, 0, 0, 0.9986295, 0.0523360]

    with pytest.raises(GeometryError, match="mixed orientations"):
        read_volume(ct_folder(turn))


def test_a_single_slice_is_refused(ct_folder: Make) -> None:
    with pytest.raises(GeometryError, match="a single slice"):
        read_volume(ct_folder() / "slice_0001.dcm")


def test_mixed_pixel_spacing_is_refused(ct_folder: Make) -> None:
    def zoom(ds: Dataset, k: int) -> None:
        if k == 4:
            ds.PixelSpacing = [1, 1]

    with pytest.raises(GeometryError, match="PixelSpacing"):
        read_volume(ct_folder(zoom))


@pytest.mark.parametrize("tag", ["+18.5", "-18.5"])
def test_tilt_comes_from_positions_not_from_the_tag(ct_folder: Make, tag: str) -> None:
    def tilt(ds: Dataset, k: int) -> None:
        ds.GantryDetectorTilt = tag
        ds.ImagePositionPatient[1] += k * 2 * np.tan(np.radians(10))

    volume = read_volume(ct_folder(tilt))
    assert volume.acquisition.gantry_tilt_deg == pytest.approx(10.0, abs=1e-3)
    assert "10.0 degrees" in _message(volume, "gantry_tilt")
    assert "2 mm apart" in _message(volume, "gantry_tilt")


def test_slices_thinner_than_their_distance_are_noted(ct_folder: Make) -> None:
    def thin(ds: Dataset, k: int) -> None:
        ds.SliceThickness = 1

    assert "every slice of a finer stack" in _message(read_volume(ct_folder(thin)), "slice_gap")


@pytest.mark.parametrize("rescale_type", ["HU_MOD", "ED", "Z_EFF", "SOMETHING"])
def test_ct_that_is_not_hu_is_refused(ct_folder: Make, rescale_type: str) -> None:
    def relabel(ds: Dataset, k: int) -> None:
        ds.RescaleType = rescale_type

    with pytest.raises(DataError, match="not HU"):
        read_volume(ct_folder(relabel))


@pytest.mark.parametrize("term", ["PERFUSION", "RCBF", "MTT", "SUBTRACTION"])
def test_ct_maps_are_refused(ct_folder: Make, term: str) -> None:
    def relabel(ds: Dataset, k: int) -> None:
        ds.ImageType = ["DERIVED", "PRIMARY", "AXIAL", term]

    with pytest.raises(DataError, match=f"not HU .*{term}"):
        read_volume(ct_folder(relabel))


def test_unspecified_rescale_is_judged_by_the_values(ct_folder: Make) -> None:
    def fill(ds: Dataset, k: int) -> None:
        ds.RescaleType = "US"
        plane = np.full((4, 3), -1000 if k < 2 else 40, dtype="<i2")
        ds.PixelData = plane.tobytes()

    def small(ds: Dataset, k: int) -> None:
        ds.RescaleType = "US"
        ds.PixelData = np.full((4, 3), k, dtype="<i2").tobytes()

    hu, small_values = read_volume(ct_folder(fill)), read_volume(ct_folder(small, name="small"))
    assert (hu.modality, hu.unit) == ("CT", "HU")
    assert (small_values.modality, small_values.unit) == ("CT", "arbitrary")
    assert "unit_inferred" in _codes(hu)


def test_mr_is_never_in_hu(ct_folder: Make) -> None:
    def relabel(ds: Dataset, k: int) -> None:
        ds.Modality = "MR"

    volume = read_volume(ct_folder(relabel))
    assert (volume.modality, volume.unit) == ("MR", "arbitrary")
    assert volume.acquisition.gantry_tilt_deg is None


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PhotometricInterpretation", "MONOCHROME1"),
        ("RescaleSlope", 0),
        ("BurnedInAnnotation", "YES"),
        ("Modality", "PT"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        ("VolumetricProperties", "DISTORTED"),
        ("BitsAllocated", 64),
    ],
)
def test_what_is_no_volume_is_refused(ct_folder: Make, keyword: str, value: object) -> None:
    with pytest.raises(DataError):
        read_volume(ct_folder(lambda ds, k: setattr(ds, keyword, value)))


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_slices_without_a_place_are_refused(ct_folder: Make, keyword: str) -> None:
    with pytest.raises(GeometryError, match=f"got no {keyword}"):
        read_volume(ct_folder(lambda ds, k: delattr(ds, keyword)))


def test_truncated_pixel_data_is_refused_by_its_header(ct_folder: Make) -> None:
    folder = ct_folder()
    path = folder / "slice_0002.dcm"
    path.write_bytes(path.read_bytes()[:-1])
    found = inspect_path(folder)
    assert found.refusal is not None
    assert "a truncated file" in found.refusal.message


def test_damaged_compressed_pixel_data_names_the_slice(ct_folder: Make) -> None:
    def damage(ds: Dataset, k: int) -> None:
        ds.compress(RLELossless)
        if k == 1:  # the RLE header's number of segments, behind the offset table and item header
            start = 8 + int.from_bytes(ds.PixelData[4:8], "little") + 8
            ds.PixelData = ds.PixelData[:start] + b"\x09" + ds.PixelData[start + 1 :]

    with pytest.raises(DataError, match="slice 2 of 5"):
        read_volume(ct_folder(damage))


@pytest.mark.parametrize("cut", [1, 4, 5, 8, 9, 40])
def test_truncated_compressed_pixel_data_is_judged_alike_by_header_and_decoder(
    ct_folder: Make, tiny_ct: Volume, cut: int
) -> None:
    folder = ct_folder(lambda ds, k: ds.compress(RLELossless))
    path = folder / "slice_0002.dcm"
    path.write_bytes(path.read_bytes()[:-cut])
    refusal = inspect_path(folder).refusal
    if cut <= 4:  # only the length that follows the delimiter, which is always zero
        assert refusal is None
        assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)
        return
    assert refusal is not None
    assert "a truncated file" in refusal.message
    with pytest.raises(DataError) as error:
        read_volume(folder)
    assert str(error.value) == refusal.message


@pytest.mark.parametrize("cut", [0, 2])
def test_compressed_pixel_data_of_a_given_length_is_complete_or_refused(
    ct_folder: Make, cut: int
) -> None:
    folder = ct_folder(lambda ds, k: ds.compress(RLELossless))
    path = folder / "slice_0002.dcm"
    content = path.read_bytes()
    start = content.rindex(b"\xe0\x7f\x10\x00OB") + 8
    length = len(content) - 8 - (start + 4)
    fixed = content[:start] + length.to_bytes(4, "little") + content[start + 4 : -8]
    path.write_bytes(fixed[: len(fixed) - cut])
    assert (inspect_path(folder).refusal is None) == (cut == 0)


def test_too_few_compressed_fragments_are_refused_by_the_header(enhanced_ct: Make) -> None:
    def drop(ds: Dataset, k: int) -> None:
        ds.compress(RLELossless)
        frames = list(generate_frames(ds.PixelData, number_of_frames=5))
        ds.PixelData = encapsulate(frames[:4])

    refusal = inspect_path(enhanced_ct(drop)).refusal
    assert refusal is not None
    assert "4 compressed fragments for 5 frames" in refusal.message


def test_a_damaged_header_is_refused(ct_folder: Make) -> None:
    folder = ct_folder()
    path = folder / "slice_0002.dcm"
    path.write_bytes(path.read_bytes()[:400] + b"\xff" * 300)
    assert inspect_path(folder).refusal is not None


def test_padding_is_noted_and_kept(ct_folder: Make) -> None:
    def pad(ds: Dataset, k: int) -> None:
        ds.add_new("PixelPaddingValue", "SS", -1000)

    volume = read_volume(ct_folder(pad))
    assert "-1000" in _message(volume, "padding_value")
    assert volume.voxels_zyx[0, 0, 0] == -1000


def test_too_large_a_series_is_refused_from_its_headers(ct_folder: Make) -> None:
    with pytest.raises(DataError, match=r"GiB.*Pass a smaller series .*higher memory_limit_gib"):
        read_volume(ct_folder(), memory_limit_gib=1e-7)


def _two_series(ct_folder: Make, tiny_ct: Volume) -> Path:
    """Three slices of one series and five of another in one folder."""
    folder = ct_folder(name="both")
    long = ct_folder(lambda ds, k: setattr(ds, "RescaleIntercept", 7), name="long", seed=9)
    for k, path in enumerate(sorted(folder.iterdir())):
        if k > 2:
            path.unlink()
    for path in long.iterdir():
        path.rename(folder / f"long_{path.name}")
    return folder


def test_the_series_with_most_slices_is_read_and_the_choice_noted(
    ct_folder: Make, tiny_ct: Volume
) -> None:
    volume = read_volume(_two_series(ct_folder, tiny_ct))
    assert volume.grid.shape_zyx == (5, 4, 3)
    assert "slices: 5, 3" in _message(volume, "several_volumes")


def test_a_series_is_chosen_by_number_or_hash(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = _two_series(ct_folder, tiny_ct)
    second = inspect_path(folder).series[1]
    assert second.series_uid_sha256 is not None
    assert read_volume(folder, series="2").grid.shape_zyx == (3, 4, 3)
    chosen = inspect_path(folder, series=second.series_uid_sha256[:8])
    assert chosen.chosen_index == 2


@pytest.mark.parametrize("series", ["3", "0", "ffffffffffff", "", "abc"])
def test_a_series_that_is_not_there_is_a_usage_error(
    ct_folder: Make, tiny_ct: Volume, series: str
) -> None:
    with pytest.raises(ConfigError, match="from 1 to 2"):
        read_volume(_two_series(ct_folder, tiny_ct), series=series)


def test_modality_selects_among_series(ct_folder: Make) -> None:
    folder = ct_folder(name="ct")
    mr = ct_folder(lambda ds, k: setattr(ds, "Modality", "MR"), name="mr", seed=4)
    for path in mr.iterdir():
        path.rename(folder / f"mr_{path.name}")
    assert read_volume(folder, modality="MR").modality == "MR"
    assert read_volume(folder, modality="CT").modality == "CT"


def test_modality_never_relabels_dicom(ct_folder: Make) -> None:
    with pytest.raises(DataError, match="a stack of MR"):
        read_volume(ct_folder(), modality="MR")


def test_series_without_uids_are_read(ct_folder: Make, tiny_ct: Volume) -> None:
    def blank(ds: Dataset, k: int) -> None:
        ds.SeriesInstanceUID = ""
        ds.SOPClassUID = ""

    volume = read_volume(ct_folder(blank))
    assert volume.acquisition.series_uid_sha256 is None
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)


def test_other_pictures_and_files_are_named_not_stacked(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    extra = {
        "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "secondary_capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        "burned_in_annotation": {"BurnedInAnnotation": "YES"},
    }
    for name, fields in extra.items():
        ds = pydicom.dcmread(folder / "slice_0001.dcm")
        for keyword, value in fields.items():
            setattr(ds, keyword, value)
        ds.save_as(folder / f"{name}.dcm")
    (folder / "notes.txt").write_text("hello")
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert {f"{name}_ignored" for name in extra} | {"other_files_ignored"} == set(_codes(volume))


def test_slices_run_along_the_normal_however_written(tiny_ct: Volume, tmp_path: Path) -> None:
    write_dicom_series(tiny_ct, tmp_path / "sagittal", axcodes="PIL")
    volume = read_volume(tmp_path / "sagittal")
    assert volume.stored.axcodes == "PIR"
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)


def test_enhanced_frames_are_sorted_by_position(enhanced_ct: Make, tiny_ct: Volume) -> None:
    volume = read_volume(enhanced_ct())
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert volume.grid.is_close(tiny_ct.grid)
    assert volume.unit == "HU"


def test_enhanced_rescale_of_each_frame_counts(enhanced_ct: Make, tiny_ct: Volume) -> None:
    path = enhanced_ct(intercepts=(-1000.0, -1010.0, -1020.0, -1030.0, -1040.0))
    assert np.array_equal(read_volume(path).voxels_zyx, tiny_ct.voxels_zyx)


def test_enhanced_with_another_unit_is_refused(enhanced_ct: Make) -> None:
    def map_values(ds: Dataset, k: int) -> None:
        unit, mapping = Dataset(), Dataset()
        unit.CodeValue = "ml/100ml/s"
        mapping.MeasurementUnitsCodeSequence = [unit]
        ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [mapping]

    with pytest.raises(DataError, match="real-world unit"):
        read_volume(enhanced_ct(map_values))


def test_enhanced_with_a_missing_frame_is_refused(enhanced_ct: Make) -> None:
    def drop(ds: Dataset, k: int) -> None:
        frames = list(ds.PerFrameFunctionalGroupsSequence)
        ds.PerFrameFunctionalGroupsSequence = frames[:2] + frames[3:]
        ds.NumberOfFrames = 4
        size = 4 * 3 * 2
        ds.PixelData = ds.PixelData[: 2 * size] + ds.PixelData[3 * size :]

    with pytest.raises(GeometryError, match="1 missing between"):
        read_volume(enhanced_ct(drop))


def test_enhanced_with_too_few_descriptions_is_refused(enhanced_ct: Make) -> None:
    def drop(ds: Dataset, k: int) -> None:
        del ds.PerFrameFunctionalGroupsSequence[2]

    with pytest.raises(DataError, match="header that can be read"):
        read_volume(enhanced_ct(drop))


def test_frames_without_functional_groups_have_no_place(enhanced_ct: Make) -> None:
    def strip(ds: Dataset, k: int) -> None:
        del ds.PerFrameFunctionalGroupsSequence

    with pytest.raises(GeometryError, match="got no "):
        read_volume(enhanced_ct(strip))


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_header_number_that_is_not_finite_is_unknown(ct_folder: Make, value: str) -> None:
    def spoil(ds: Dataset, k: int) -> None:
        ds.KVP, ds.SliceThickness = value, value

    acquisition = read_volume(ct_folder(spoil)).acquisition
    assert acquisition.kvp is None
    assert acquisition.slice_thickness_mm is None


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescale_that_is_not_finite_is_refused(ct_folder: Make, keyword: str) -> None:
    with pytest.raises(DataError, match="finite slope"):
        read_volume(ct_folder(lambda ds, k: setattr(ds, keyword, "nan")))


@pytest.mark.parametrize("is_rle", [False, True])
def test_bits_at_the_high_end_of_their_cell_are_refused(ct_folder: Make, is_rle: bool) -> None:
    def lift(ds: Dataset, k: int) -> None:
        stored = (ds.pixel_array + 1024).astype("<u2")
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, 12, 15
        ds.PixelData = (stored << 4).astype("<u2").tobytes()
        if is_rle:
            ds.compress(RLELossless)

    with pytest.raises(DataError, match="got HighBit 15; expected HighBit 11"):
        read_volume(ct_folder(lift))


def test_more_bits_than_their_cell_has_are_refused(ct_folder: Make) -> None:
    def widen(ds: Dataset, k: int) -> None:
        ds.BitsStored, ds.HighBit = 20, 19

    refusal = inspect_path(ct_folder(widen)).refusal
    assert refusal is not None
    assert "BitsStored from 1 to 16" in refusal.message
