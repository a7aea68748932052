"""DICOM pixel data: decoded frame by frame, rescaled frame by frame, exact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_header import DicomFile, silenced_pydicom
from vol3d.volume.dicom_items import count_fragments
from vol3d.volume.dicom_series import Slice
from vol3d.volume.intensities import compact_voxels
from vol3d.volume.volume import VoxelArray

_IMPLICIT = "1.2.840.10008.1.2"
_NATIVE = frozenset(
    {"", _IMPLICIT, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"},
)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_INT16 = np.iinfo(np.int16)
_WHOLE_LIMIT = 2.0**62


def check_decodable(files: Iterable[DicomFile], *, where: str) -> None:
    """Refuses, before any pixel is read, what no installed decoder reads or a file cannot hold.

    Raises:
        DataError: Unknown compression, an unusual number or place of bits, or a file too short
            for the voxels or frames that its header promises.
    """
    for file in {f.path: f for f in files}.values():
        _check_bits(file, where=where)
        if file.transfer_syntax in _NATIVE:
            size = file.rows * file.columns * len(file.frames) * file.bits_allocated // 8
            is_implicit = file.transfer_syntax in ("", _IMPLICIT)
            if file.bytes_left < size + (8 if is_implicit else 12):  # the element's own header
                raise _refusal("complete pixel data", "a truncated file", where=where)
        elif file.transfer_syntax != _DEFLATED:
            _check_encapsulated(file, where=where)


def is_compressed(file: DicomFile) -> bool:
    """Whether only decoding can tell that a file's pixel data is sound."""
    return file.transfer_syntax not in _NATIVE


def _check_encapsulated(file: DicomFile, *, where: str) -> None:
    """Refuses compressed pixel data without a decoder, or with less in it than its frames."""
    if not _has_decoder(file.transfer_syntax):
        raise _refusal(
            "a transfer syntax that an installed decoder reads",
            _shown_uid(file.transfer_syntax),
            where=where,
            remedy="Install the extra vol3d[gdcm], or decompress the files first.",
        )
    try:
        fragments = count_fragments(file.path, file.bytes_left)
    except OSError as error:
        raise _refusal("a file that can be read", type(error).__name__, where=where) from None
    if fragments is None:
        raise _refusal("complete pixel data", "a truncated file", where=where)
    if fragments < len(file.frames):
        got = f"{fragments} compressed fragments for {len(file.frames)} frames"
        raise _refusal("at least one for each frame", got, where=where)


def _check_bits(file: DicomFile, *, where: str) -> None:
    """Refuses voxels whose bits cannot be told from the rest of their cell."""
    if file.bits_allocated not in (8, 16, 32):
        raise _refusal("8, 16 or 32 bits", f"{file.bits_allocated} bits", where=where)
    if not 0 < file.bits_stored <= file.bits_allocated:
        raise _refusal(
            f"BitsStored from 1 to {file.bits_allocated}", f"{file.bits_stored}", where=where
        )
    # codecs place the bits themselves; cells that are stored as they are follow HighBit
    is_as_stored = file.transfer_syntax in {*_NATIVE, _DEFLATED, _RLE}
    if is_as_stored and file.high_bit not in (None, file.bits_stored - 1):
        raise _refusal(
            f"HighBit {file.bits_stored - 1} (BitsStored {file.bits_stored} less 1)",
            f"HighBit {file.high_bit}",
            where=where,
        )


def _refusal(
    expected: str, got: str, *, where: str, remedy: str = "Export or copy the series again."
) -> DataError:
    return DataError(
        explain(expected=expected, got=got, where=f"{where} pixel data", remedy=remedy)
    )


def _shown_uid(text: str) -> str:
    """The UID, or nothing of a text that is none: it could be anything."""
    return text if re.fullmatch(r"[0-9.]{5,64}", text) else "no UID"


def _has_decoder(transfer_syntax: str) -> bool:
    from pydicom.pixels import get_decoder

    try:
        with silenced_pydicom():
            return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:
        return False


def decode_stack(slices: Sequence[Slice], *, where: str) -> VoxelArray:
    """Rescaled voxels [slice, row, column] in the given order; int16 where exact, else float32.

    Raises:
        DataError: Pixel data that cannot be decoded or does not have the promised size.
    """
    first = slices[0].file
    out = np.empty((len(slices), first.rows, first.columns), dtype=_working_dtype(slices))
    places: dict[object, list[int]] = {}
    for k, piece in enumerate(slices):
        places.setdefault(piece.file.path, []).append(k)
    for indices in places.values():
        _decode_file([slices[k] for k in indices], indices, out, where=where)
    return compact_voxels(out, where=where)


def _working_dtype(slices: Sequence[Slice]) -> type[np.int16 | np.int64 | np.float32]:
    """int16 or int64 when every rescale is whole-numbered and fits, float32 otherwise."""
    low, high = np.inf, -np.inf
    for piece in slices:
        slope, intercept = _rescale(piece)
        if not (slope.is_integer() and intercept.is_integer()):
            return np.float32
        bits, is_signed = piece.file.bits_stored, piece.file.is_signed
        stored = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
        ends = [slope * s + intercept for s in stored]
        low, high = min(low, *ends), max(high, *ends)
    if max(-low, high) >= _WHOLE_LIMIT:
        return np.float32
    return np.int16 if low >= _INT16.min and high <= _INT16.max else np.int64


def _rescale(piece: Slice) -> tuple[float, float]:
    slope, intercept = piece.frame.slope, piece.frame.intercept
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept


def _decode_file(
    pieces: Sequence[Slice], indices: Sequence[int], out: npt.NDArray[Any], *, where: str
) -> None:
    import pydicom
    from pydicom.pixels import iter_pixels

    file = pieces[0].file
    try:
        with silenced_pydicom():
            ds = pydicom.dcmread(file.path, force=True)
            _name_syntax(ds)
            if len(file.frames) == 1:
                frames: Iterable[npt.NDArray[Any]] = [ds.pixel_array]
            else:
                frames = iter_pixels(ds, indices=[p.frame.index for p in pieces])
            for k, piece, stored in zip(indices, pieces, frames, strict=True):
                out[k] = _values(stored, piece, out.dtype)
    except Exception as error:
        # any failure refuses the scan; the cause is dropped because it may quote the header
        raise _refusal(
            "pixel data that can be decoded",
            f"{type(error).__name__} in slice {indices[0] + 1} of {len(out)}",
            where=where,
        ) from None


def _name_syntax(ds: Any) -> None:
    """Names the encoding that the parser found, for files without file meta information."""
    if "TransferSyntaxUID" not in ds.file_meta:
        is_implicit, is_little = ds.original_encoding
        name = _IMPLICIT if is_implicit else "1.2.840.10008.1.2.1"
        ds.file_meta.TransferSyntaxUID = name if is_little else "1.2.840.10008.1.2.2"


def _values(
    stored: npt.NDArray[Any], piece: Slice, dtype: np.dtype[Any]
) -> npt.NDArray[np.generic]:
    """Stored numbers without unused high bits, rescaled."""
    file = piece.file
    if stored.shape != (file.rows, file.columns):
        raise ValueError("frame size")
    slope, intercept = _rescale(piece)
    work = np.float64 if dtype.kind == "f" else np.int64
    shift = 64 - file.bits_stored
    wide = stored.astype(np.int64)
    wide = (wide << shift) >> shift if file.is_signed else wide & ((1 << file.bits_stored) - 1)
    if slope == 1.0 and intercept == 0.0:
        return wide
    return wide.astype(work) * work(slope) + work(intercept)
