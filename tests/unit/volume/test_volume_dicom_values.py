"""Headers that contradict the pixels: repaired where only one reading is left, else refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset

from vol3d.errors import DataError
from vol3d.volume import Grid, Volume, read_volume, write_dicom_series

Write = Callable[..., Path]


def _body() -> npt.NDArray[np.int16]:
    """4 x 12 x 12: air from -1000 to -970, tissue from 30 to 60, bone from 1500."""
    voxels = np.full((4, 12, 12), -1000, dtype=np.int16)
    voxels += (5 * np.arange(12, dtype=np.int16) % 35)[None, :, None]
    voxels[:, 2:10, 2:10] = 30 + 10 * np.arange(4)[:, None, None]
    voxels[:, 4:8, 5:8] = 1500 + 10 * np.arange(4)[None, :, None]
    return voxels


@pytest.fixture
def body_folder(tmp_path: Path) -> Write:
    """Writes the body after ``edit`` changed each slice."""

    def write(edit: Callable[[Dataset], None]) -> Path:
        grid = Grid(shape_zyx=(4, 12, 12), affine=np.diag([-2.0, -2.0, 3.0, 1.0]))
        volume = Volume.from_array(_body(), grid, modality="CT", unit="HU")
        for path in write_dicom_series(volume, tmp_path / "body"):
            ds = pydicom.dcmread(path)
            edit(ds)
            ds.save_as(path)
        return tmp_path / "body"

    return write


def _stored_file_order(volume: Volume) -> npt.NDArray[np.generic]:
    """Voxels as the rows and columns of the files (to L and P)."""
    return volume.voxels_zyx[:, ::-1, ::-1]


def _codes(volume: Volume) -> set[str]:
    return {note.code for note in volume.notes}


def test_signed_pixels_that_are_said_to_be_unsigned_are_repaired(body_folder: Write) -> None:
    volume = read_volume(body_folder(lambda ds: setattr(ds, "PixelRepresentation", 0)))
    assert np.array_equal(_stored_file_order(volume), _body())
    assert (volume.unit, _codes(volume)) == ("HU", {"pixel_representation_repaired"})


def _as_12_bit(ds: Dataset) -> None:
    ds.BitsStored, ds.HighBit, ds.RescaleIntercept = 12, 11, -1024
    ds.PixelData = (ds.pixel_array + 1024).astype("<u2").tobytes()


def test_unsigned_12_bit_pixels_that_are_said_to_be_signed_are_repaired(
    body_folder: Write,
) -> None:
    volume = read_volume(body_folder(_as_12_bit))
    assert np.array_equal(_stored_file_order(volume), _body())
    assert "pixel_representation_repaired" in _codes(volume)


def test_the_true_sign_is_never_repaired(body_folder: Write) -> None:
    def honest(ds: Dataset) -> None:
        _as_12_bit(ds)
        ds.PixelRepresentation = 0

    volume = read_volume(body_folder(honest))
    assert np.array_equal(_stored_file_order(volume), _body())
    assert _codes(volume) == set()


def test_padding_far_below_air_is_no_wrong_sign(body_folder: Write) -> None:
    def pad(ds: Dataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[:, 8:] = -2000
        ds.PixelData = pixels.tobytes()

    volume = read_volume(body_folder(pad))
    assert volume.voxels_zyx.min() == -2000
    assert _codes(volume) == set()


def test_padding_beside_tissue_alone_is_no_wrong_sign(body_folder: Write) -> None:
    """12 bits: the padding -2000 lies more than half of the numbers away from tissue at 1064."""

    def pad(ds: Dataset) -> None:
        stored = np.maximum(ds.pixel_array + 1024, 0)
        stored[2:10, :2] = -2000
        ds.BitsStored, ds.HighBit, ds.RescaleIntercept = 12, 11, -1024
        ds.PixelData = np.minimum(stored, 2047).astype("<i2").tobytes()

    volume = read_volume(body_folder(pad))
    assert volume.voxels_zyx.min() == -3024
    assert "pixel_representation_repaired" not in _codes(volume)


def _turn_over(ds: Dataset) -> None:
    stored = 4095 - (ds.pixel_array + 1024)
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, 12, 11
    ds.RescaleIntercept = -1024
    ds.PixelData = stored.astype("<u2").tobytes()
    ds.PhotometricInterpretation = "MONOCHROME1"


def test_turned_over_monochrome1_is_turned_back(body_folder: Write) -> None:
    volume = read_volume(body_folder(_turn_over))
    assert np.array_equal(_stored_file_order(volume), _body())
    assert (volume.unit, _codes(volume)) == ("HU", {"monochrome1_inverted"})


def test_monochrome1_for_display_leaves_hu_alone(body_folder: Write) -> None:
    folder = body_folder(lambda ds: setattr(ds, "PhotometricInterpretation", "MONOCHROME1"))
    volume = read_volume(folder)
    assert np.array_equal(_stored_file_order(volume), _body())
    assert _codes(volume) == {"monochrome1_display_only"}


def test_monochrome1_that_nothing_settles_is_refused(body_folder: Write) -> None:
    def flatten(ds: Dataset) -> None:
        _turn_over(ds)
        ds.PixelData = (ds.pixel_array // 100).astype("<u2").tobytes()

    with pytest.raises(DataError, match="MONOCHROME2"):
        read_volume(body_folder(flatten))


def test_ct_that_is_named_mr_is_told_and_not_in_hu(body_folder: Write) -> None:
    volume = read_volume(body_folder(lambda ds: setattr(ds, "Modality", "MR")))
    assert np.array_equal(_stored_file_order(volume), _body())
    assert (volume.modality, volume.unit) == ("MR", "arbitrary")
    assert _codes(volume) == {"modality_contradicted"}


def test_hu_that_was_rescaled_twice_is_not_hu(body_folder: Write) -> None:
    volume = read_volume(body_folder(lambda ds: setattr(ds, "RescaleIntercept", -1024)))
    assert (volume.unit, _codes(volume)) == ("arbitrary", {"not_hu"})


def test_ct_without_rescale_that_is_no_hu_is_told(body_folder: Write) -> None:
    def strip(ds: Dataset) -> None:
        ds.PixelData = (ds.pixel_array + 1024).astype("<u2").tobytes()
        ds.PixelRepresentation = 0
        del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType

    volume = read_volume(body_folder(strip))
    assert np.array_equal(_stored_file_order(volume), _body() + 1024)
    assert (volume.unit, _codes(volume)) == ("arbitrary", {"unit_not_hu"})


def test_free_text_is_told_of_and_never_quoted(body_folder: Write) -> None:
    def leak(ds: Dataset) -> None:
        ds.AdmittingDiagnosesDescription = "carcinoma of segment VIII"

    note = next(n for n in read_volume(body_folder(leak)).notes if n.code == "header_text_ignored")
    assert "AdmittingDiagnosesDescription" in note.message
    assert "carcinoma" not in note.message


def test_pixel_data_longer_than_its_frame_is_refused(body_folder: Write) -> None:
    def lie(ds: Dataset) -> None:
        ds.Rows = 6

    with pytest.raises(DataError, match="pixel data"):
        read_volume(body_folder(lie))
