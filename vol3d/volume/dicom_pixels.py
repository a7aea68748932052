"""DICOM pixel data: decoded frame by frame, rescaled frame by frame, exact."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_header import DicomFile, silenced_pydicom
from vol3d.volume.dicom_items import count_fragments
from vol3d.volume.dicom_phases import Slice
from vol3d.volume.grid import Grid, closest_world_axes
from vol3d.volume.intensities import compact_voxels
from vol3d.volume.volume import VoxelArray

_IMPLICIT = "1.2.840.10008.1.2"
_NATIVE = frozenset(
    {"", _IMPLICIT, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"},
)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_LOSSY = {
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
"""Transfer syntaxes that may have lost detail (PS3.5 10.2 to 10.19)."""
_WAVELET = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))
"""JPEG 2000 and HTJ2K: a lost stretch of zeros reads as empty packets, without an error."""
_LOST_STRETCH = bytes(512)
"""A disk's sector. Pictures have no such run; a blank one with so many packets is refused, too."""
_PIXEL_DATA = (0x7FE0, 0x0010)
_INT16 = np.iinfo(np.int16)
_INT32 = np.iinfo(np.int32)
_WHOLE_LIMIT = 2.0**62
_MOST_THREADS = 8
Array = npt.NDArray[Any]


def check_decodable(files: Iterable[DicomFile], *, where: str) -> None:
    """Refuses, before any pixel is read, what no installed decoder reads or a file cannot hold.

    Raises:
        DataError: Unknown compression, an unusual number or place of bits, or a file too short
            for the voxels or frames that its header promises.
    """
    for file in {f.path: f for f in files}.values():
        _check_bits(file, where=where)
        if file.transfer_syntax in _NATIVE:
            is_implicit = file.transfer_syntax in ("", _IMPLICIT)
            # the element's own header comes first
            if file.bytes_left < _native_bytes(file) + (8 if is_implicit else 12):
                raise _refusal("complete pixel data", "a truncated file", where=where)
        elif file.transfer_syntax != _DEFLATED:
            _check_encapsulated(file, where=where)


def lossy_method(file: DicomFile) -> str | None:
    """The compression that may have changed the voxels of a file; ``None`` if it cannot have."""
    return _LOSSY.get(file.transfer_syntax)


def _native_bytes(file: DicomFile) -> int:
    return file.rows * file.columns * len(file.frames) * file.bits_allocated // 8


def _check_encapsulated(file: DicomFile, *, where: str) -> None:
    """Refuses compressed pixel data without a decoder, or with less in it than its frames."""
    if not _has_decoder(file.transfer_syntax):
        raise _refusal(
            "a transfer syntax that an installed decoder reads",
            _shown_uid(file.transfer_syntax),
            where=where,
            remedy="Decompress the files first, for example with gdcmconv --raw.",
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


def decode_stack(slices: Sequence[Slice], grid: Grid, *, where: str) -> VoxelArray:
    """Rescaled voxels [slice, row, column] in the given order; int16 where exact, else float32.

    Files are read in parallel. The memory is laid out so that turning the array to S, A, R, as
    ``grid`` asks for, copies nothing.

    Raises:
        DataError: Pixel data that cannot be decoded or does not have the promised size.
    """
    out = _canonical_buffer(grid, _working_dtype(slices))
    places: dict[object, list[int]] = {}
    for k, piece in enumerate(slices):
        places.setdefault(piece.file.path, []).append(k)

    def decode(indices: list[int]) -> None:
        try:
            _decode_file([slices[k] for k in indices], indices, out)
        except Exception as error:
            # any failure refuses the scan; the cause is dropped because it may quote the header
            raise _refusal(
                "pixel data that can be decoded",
                f"{type(error).__name__} in slice {indices[0] + 1} of {len(out)}",
                where=where,
            ) from None

    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(places))
    with silenced_pydicom(), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(decode, places.values()):
            pass
    return compact_voxels(out, where=where)


def _canonical_buffer(grid: Grid, dtype: npt.DTypeLike) -> Array:
    """An empty array (k, j, i) of ``grid`` that is a view of a plain array in S, A, R order."""
    matrix = grid.affine[:3, :3]
    world = closest_world_axes(matrix)
    nz, ny, nx = grid.shape_zyx
    size_xyz = (nx, ny, nz)
    plain = np.empty([size_xyz[world.index(w)] for w in (2, 1, 0)], dtype=dtype)
    view = plain.transpose([2 - world[i] for i in (2, 1, 0)])
    flips = tuple(2 - i for i in range(3) if matrix[world[i], i] < 0)
    return np.flip(view, axis=flips)


def _working_dtype(slices: Sequence[Slice]) -> type[np.generic]:
    """The smallest integer type when every rescale is whole-numbered and fits, else float32."""
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
    if low >= _INT16.min and high <= _INT16.max:
        return np.int16
    return np.int32 if low >= _INT32.min and high <= _INT32.max else np.int64


def _rescale(piece: Slice) -> tuple[float, float]:
    slope, intercept = piece.frame.slope, piece.frame.intercept
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept


def _decode_file(pieces: Sequence[Slice], indices: Sequence[int], out: Array) -> None:
    """Decodes the wanted frames of one file into their places.

    Raises:
        Exception: Whatever a decoder raises on damaged data.
    """
    file = pieces[0].file
    frame_of: Callable[[], Iterable[Array]] = (
        (lambda: _native_frames(pieces)) if _is_plain(file) else (lambda: _coded_frames(pieces))
    )
    for k, piece, stored in zip(indices, pieces, frame_of(), strict=True):
        _place(stored, piece, out[k])


def _is_plain(file: DicomFile) -> bool:
    """Whether cells lie in the file as numpy reads them; big-endian words may be swapped bytes."""
    is_swapped = not file.is_little_endian and file.bits_allocated == 8
    return file.transfer_syntax in _NATIVE and not is_swapped


def _native_frames(pieces: Sequence[Slice]) -> Iterable[Array]:
    """Uncompressed frames, read straight from their place in the file."""
    file = pieces[0].file
    order = "<" if file.is_little_endian else ">"
    dtype = np.dtype(f"{order}{'i' if file.is_signed else 'u'}{file.bits_allocated // 8}")
    count = file.rows * file.columns
    with file.path.open("rb") as handle:
        start = file.path.stat().st_size - file.bytes_left
        handle.seek(start)
        begin = start + _element_header(handle.read(12), file, order)
        for piece in pieces:
            handle.seek(begin + piece.frame.index * count * dtype.itemsize)
            content = handle.read(count * dtype.itemsize)
            yield np.frombuffer(content, dtype=dtype).reshape(file.rows, file.columns)


def _element_header(header: bytes, file: DicomFile, order: str) -> int:
    """Size of the header of the pixel data element, whose length must be that of the frames.

    Raises:
        ValueError: Another element, or another length (one byte of padding is usual).
    """
    if struct.unpack_from(f"{order}HH", header) != _PIXEL_DATA:
        raise ValueError("pixel data element")
    size, at = (8, 4) if file.is_implicit else (12, 8)
    (length,) = struct.unpack_from(f"{order}I", header, at)
    promised = _native_bytes(file)
    if length not in (promised, promised + promised % 2):
        raise ValueError("pixel data length")
    return size


def _coded_frames(pieces: Sequence[Slice]) -> Iterable[Array]:
    import pydicom
    from pydicom.pixels import iter_pixels

    file = pieces[0].file
    ds = pydicom.dcmread(file.path, force=True)
    if file.transfer_syntax in _WAVELET and _LOST_STRETCH in ds.PixelData:
        raise ValueError("lost stretch")
    if len(file.frames) == 1:
        return [ds.pixel_array]
    frames: Iterable[Array] = iter_pixels(ds, indices=[p.frame.index for p in pieces])
    return frames


def _place(stored: Array, piece: Slice, target: Array) -> None:
    """Writes stored numbers, without unused high bits and rescaled, to their place.

    Raises:
        ValueError: A frame of another size than the header promises.
    """
    file = piece.file
    if stored.shape != (file.rows, file.columns):
        raise ValueError("frame size")
    slope, intercept = _rescale(piece)
    is_whole = file.bits_stored == file.bits_allocated == stored.dtype.itemsize * 8
    is_declared = stored.dtype.kind == ("i" if file.is_signed else "u")
    if is_whole and is_declared:
        numbers = stored
    else:
        shift = 64 - file.bits_stored
        wide = stored.astype(np.int64)
        mask = (1 << file.bits_stored) - 1
        numbers = (wide << shift) >> shift if file.is_signed else wide & mask
    if slope == 1.0 and intercept == 0.0:
        target[...] = numbers
    elif target.dtype.kind == "f":
        target[...] = numbers.astype(np.float64) * slope + intercept
    elif max(abs(slope) * 2.0**file.bits_stored, abs(intercept)) < 2.0**30:
        target[...] = numbers.astype(np.int32) * np.int32(slope) + np.int32(intercept)
    else:
        target[...] = numbers.astype(np.int64) * np.int64(slope) + np.int64(intercept)
