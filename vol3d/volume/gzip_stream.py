"""Gzip streams inflated by ISA-L, with checksum and length checked, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31
_READ_BYTES = 1 << 20
_PIECE_BYTES = 1 << 24
MAX_TRAILING_BYTES = 1 << 20
"""More than this after the voxels is no scan with a little rubbish at its end."""
_LARGE_BYTES = 1 << 29
_MAX_RATIO = 200
"""Scans shrink by 2 to 20 times; a large one that shrinks by more than this is none."""


def damaged(where: str, got: str) -> DataError:
    """The refusal of a file that is cut off or whose checksum does not fit."""
    return DataError(
        explain(
            expected="a complete file with the checksum it carries",
            got=got,
            where=where,
            remedy="Copy or download the file again.",
        )
    )


def _inflate_error() -> type[Exception]:
    """What ISA-L raises; its type stub names an instance where there is a class."""
    from isal import isal_zlib

    return cast(type[Exception], isal_zlib.error)


def check_ratio(num_bytes: int, num_compressed: int, *, where: str) -> None:
    """Refuses a large content that shrank as no scan does, before anything is inflated.

    Raises:
        DataError: More than 512 MiB in a file more than 200 times smaller.
    """
    if num_bytes > _LARGE_BYTES and num_bytes > _MAX_RATIO * num_compressed:
        raise DataError(
            explain(
                expected=f"a scan that gzip shrinks by at most {_MAX_RATIO} times",
                got=f"{num_bytes >> 20} MiB in {num_compressed >> 10} KiB",
                where=where,
                remedy="The file is nearly empty or made to exhaust memory; pass the real scan.",
            )
        )


def inflated_head(file: BinaryIO, count: int, *, where: str) -> bytes:
    """The first ``count`` bytes of a gzip stream, fewer if it holds fewer; nothing is checked.

    Raises:
        DataError: The stream is damaged where it begins.
    """
    from isal import isal_zlib

    try:
        return isal_zlib.decompressobj(_GZIP_WBITS).decompress(file.read(1 << 16), count)
    except _inflate_error():
        raise damaged(where, "a damaged gzip stream") from None


def inflate(
    file: BinaryIO, start: int, stop: int, *, total: int, where: str
) -> tuple[npt.NDArray[np.uint8], int]:
    """Bytes ``start`` to ``stop`` of a gzip file's content, after all of it was checked.

    Args:
        file: Open at its first byte. Several members in a row are one content.
        start: First byte wanted.
        stop: One past the last byte wanted.
        total: Length that the content must have at least.
        where: Names the file in errors.

    Returns:
        The bytes, and how many bytes the content has beyond ``total``.

    Raises:
        DataError: A checksum or length does not fit, the content is shorter than ``total`` or
            longer by more than 1 MiB.
    """
    out = np.empty(stop - start, dtype=np.uint8)
    place = 0
    for piece in _pieces(file, where=where):
        first, last = max(start, place), min(stop, place + len(piece))
        if first < last:
            values = np.frombuffer(piece, np.uint8, last - first, first - place)
            out[first - start : last - start] = values
        place += len(piece)
        if place > total + MAX_TRAILING_BYTES:
            raise DataError(
                explain(
                    expected=f"a content of {total} bytes, as the header says",
                    got="over 1 MiB more",
                    where=where,
                    remedy="The file holds something else behind the scan; export it again.",
                )
            )
    if place < total:
        raise damaged(where, f"{place} bytes where the header asks for {total}")
    return out, place - total


def inflate_all(file: BinaryIO, limit: int, *, where: str) -> bytes:
    """The whole content of a gzip file, checked.

    Raises:
        DataError: A checksum or length does not fit, or the content exceeds ``limit`` bytes.
    """
    pieces: list[bytes] = []
    size = 0
    for piece in _pieces(file, where=where):
        size += len(piece)
        if size > limit:
            raise DataError(
                explain(
                    expected=f"at most {limit >> 20} MiB inside the outer gzip layer",
                    got="more",
                    where=where,
                    remedy="Unpack the outer layer and pass the file inside.",
                )
            )
        pieces.append(piece)
    return b"".join(pieces)


def _pieces(file: BinaryIO, *, where: str) -> Iterator[bytes]:
    """The content of all members, a bounded piece at a time; zeros between members are padding."""
    from isal import isal_zlib

    decoder = isal_zlib.decompressobj(_GZIP_WBITS)
    try:
        while chunk := file.read(_READ_BYTES):
            while chunk:
                if decoder.eof:
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    decoder = isal_zlib.decompressobj(_GZIP_WBITS)
                piece = decoder.decompress(chunk, _PIECE_BYTES)
                chunk = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                if piece:
                    yield piece
    except _inflate_error():
        raise damaged(where, "a damaged gzip stream") from None
    if not decoder.eof:
        raise damaged(where, "a gzip stream that ends too early")
