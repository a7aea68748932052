"""Every compressed transfer syntax that is read: the very voxels that were encoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from vol3d.errors import DataError
from vol3d.volume import Grid, Volume, inspect_path, read_volume, write_dicom_series

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_LS_LOSSY = "1.2.840.10008.1.2.4.81"
HTJ2K = [f"1.2.840.10008.1.2.4.20{i}" for i in (1, 2, 3)]
RLE = "1.2.840.10008.1.2.5"
DEFLATED = "1.2.840.10008.1.2.1.99"
GDCM_WRITES = [JPEG_LOSSLESS, JPEG_LOSSLESS_SV1, JPEG_LS, JPEG_2000_LOSSLESS, RLE]


def _stored(is_signed: bool, bits: int) -> npt.NDArray[np.integer]:
    """3 x 16 x 24 stored numbers: a ramp over the whole range, both ends included."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    ramp = np.rint(np.linspace(low, high, 3 * 16 * 24)).reshape(3, 16, 24)
    return ramp.astype(np.int16 if is_signed else np.uint16)


@pytest.fixture
def write_series(tmp_path: Path) -> Callable[..., Path]:
    """Writes stored numbers as an MR series (no rule on values) of the given bits."""

    def write(stored: npt.NDArray[np.integer], bits: int) -> Path:
        grid = Grid(shape_zyx=stored.shape, affine=np.diag([-1.0, -1.0, 2.0, 1.0]))
        zeros = np.zeros(stored.shape, np.int16)
        volume = Volume.from_array(zeros, grid, modality="MR", unit="arbitrary")
        for plane, path in zip(stored, write_dicom_series(volume, tmp_path / "mr"), strict=True):
            ds = pydicom.dcmread(path)
            ds.PixelRepresentation = int(stored.dtype == np.int16)
            ds.BitsStored, ds.HighBit = bits, bits - 1
            ds.PixelData = plane.tobytes()
            ds.save_as(path)
        return tmp_path / "mr"

    return write


def _transcode(path: Path, syntax: str) -> None:
    gdcm = pytest.importorskip("gdcm")
    kinds = {
        JPEG_LOSSLESS: gdcm.TransferSyntax.JPEGLosslessProcess14,
        JPEG_LOSSLESS_SV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        JPEG_LS: gdcm.TransferSyntax.JPEGLSLossless,
        JPEG_2000_LOSSLESS: gdcm.TransferSyntax.JPEG2000Lossless,
        RLE: gdcm.TransferSyntax.RLELossless,
    }
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(kinds[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax


def _assert_read(folder: Path, stored: npt.NDArray[np.integer]) -> None:
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx[:, ::-1, ::-1], stored)
    assert inspect_path(folder).refusal is None


@pytest.mark.parametrize(("is_signed", "bits"), [(True, 16), (False, 16), (False, 12), (True, 12)])
@pytest.mark.parametrize("syntax", GDCM_WRITES)
def test_lossless_syntaxes_give_the_numbers_that_were_stored(
    write_series: Callable[..., Path], syntax: str, is_signed: bool, bits: int
) -> None:
    stored = _stored(is_signed, bits)
    folder = write_series(stored, bits)
    for path in folder.iterdir():
        _transcode(path, syntax)
    _assert_read(folder, stored)


@pytest.mark.parametrize(("is_signed", "bits"), [(True, 16), (False, 12)])
def test_deflated_reads(write_series: Callable[..., Path], is_signed: bool, bits: int) -> None:
    stored = _stored(is_signed, bits)
    folder = write_series(stored, bits)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = DEFLATED
        ds.save_as(path)
    _assert_read(folder, stored)


def test_a_deflated_file_that_grows_without_end_is_refused(
    write_series: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vol3d.volume.dicom_header._MOST_INFLATED_BYTES", 500)
    folder = write_series(_stored(True, 16), 16)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = DEFLATED
        ds.save_as(path)
    assert inspect_path(folder).refusal is not None


def test_jpeg_2000_with_a_lost_stretch_is_refused(write_series: Callable[..., Path]) -> None:
    stored = np.random.default_rng(0).integers(0, 4096, (3, 64, 64)).astype(np.uint16)
    folder = write_series(stored, 12)
    for path in folder.iterdir():
        _transcode(path, JPEG_2000_LOSSLESS)
    content = bytearray(path.read_bytes())
    content[-2000:-1000] = bytes(1000)  # as of a block of a disk or network copy that was lost
    path.write_bytes(content)
    with pytest.raises(DataError, match="pixel data that can be decoded"):
        read_volume(folder)


def test_jpeg_2000_without_any_of_its_packets_is_refused(
    write_series: Callable[..., Path],
) -> None:
    stored = np.random.default_rng(0).integers(0, 4096, (3, 64, 64)).astype(np.uint16)
    folder = write_series(stored, 12)
    for path in folder.iterdir():
        _transcode(path, JPEG_2000_LOSSLESS)
    content = path.read_bytes()
    packets = content.index(b"\xff\x93") + 2  # start of data; it decodes to one grey value
    path.write_bytes(content[:packets] + bytes(len(content) - packets - 10) + content[-10:])
    with pytest.raises(DataError, match="pixel data that can be decoded"):
        read_volume(folder)


def test_a_blank_jpeg_2000_slice_is_read(write_series: Callable[..., Path]) -> None:
    stored = np.full((3, 512, 512), 7, np.uint16)
    folder = write_series(stored, 12)
    for path in folder.iterdir():
        _transcode(path, JPEG_2000_LOSSLESS)
    _assert_read(folder, stored)


def test_jpeg_2000_that_may_be_lossy_is_told(write_series: Callable[..., Path]) -> None:
    stored = _stored(False, 12)
    folder = write_series(stored, 12)
    for path in folder.iterdir():
        _transcode(path, JPEG_2000_LOSSLESS)
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = JPEG_2000  # which may hold codestreams without loss
        ds.save_as(path)
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx[:, ::-1, ::-1], stored)
    assert "lossy_compression" in [note.code for note in volume.notes]


def test_jpeg_baseline_is_told_to_be_lossy(write_series: Callable[..., Path]) -> None:
    image = pytest.importorskip("PIL.Image")
    stored = np.repeat(np.linspace(10, 200, 24)[None, :], 16, axis=0).astype(np.uint8)
    folder = write_series(np.zeros((3, 16, 24), np.uint16), 16)
    buffer = io.BytesIO()
    image.fromarray(stored).save(buffer, format="JPEG", quality=100)

    def jpeg(ds: Dataset) -> None:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = encapsulate([buffer.getvalue()])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"

    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        jpeg(ds)
        ds.save_as(path)
    volume = read_volume(folder)
    assert np.abs(volume.voxels_zyx[0, ::-1, ::-1] - stored.astype(int)).max() <= 2
    assert "lossy_compression" in [note.code for note in volume.notes]


@pytest.mark.parametrize("syntax", [*GDCM_WRITES, JPEG_2000, JPEG_LS_LOSSY, *HTJ2K])
def test_core_dependencies_decode(syntax: str) -> None:
    from pydicom.pixels import get_decoder

    assert get_decoder(syntax).is_available
