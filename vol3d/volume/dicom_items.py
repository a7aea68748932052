"""Compressed DICOM pixel data: its items, walked by their lengths without decoding any."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = (0xFFFE, 0xE000)
_SEQUENCE_END = (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_ELEMENT_BYTES = 12


def count_fragments(path: Path, bytes_left: int) -> int | None:
    """The number of complete fragments of a file's pixel data; ``None`` if any part is missing.

    The offset table is no fragment. Complete means that every item lies in the file with all of
    its bytes, followed by the sequence delimiter where the element gives no length.

    Args:
        path: A file with encapsulated pixel data.
        bytes_left: From the start of the pixel data element to the end of the file.
    """
    end = path.stat().st_size
    start = end - bytes_left
    with path.open("rb") as file:
        file.seek(start)
        header = file.read(_ELEMENT_BYTES)
        if len(header) < _ELEMENT_BYTES or struct.unpack_from("<HH", header) != _PIXEL_DATA:
            return None
        (length,) = struct.unpack_from("<I", header, 8)
        if length == _UNDEFINED:
            return _walk(file, start + _ELEMENT_BYTES, end, has_delimiter=True)
        stop = start + _ELEMENT_BYTES + length
        return (
            _walk(file, start + _ELEMENT_BYTES, stop, has_delimiter=False) if stop <= end else None
        )


def _walk(file: BinaryIO, position: int, stop: int, *, has_delimiter: bool) -> int | None:
    """Fragments between two places of a file; ``None`` if an item or the delimiter is missing."""
    items = 0
    while True:
        if position == stop and not has_delimiter:
            return max(0, items - 1)
        file.seek(position)
        header = file.read(8)
        # readers need the delimiter's tag, not the length of zero behind it
        if has_delimiter and header[:4] == struct.pack("<HH", *_SEQUENCE_END):
            return max(0, items - 1)
        if len(header) < 8 or struct.unpack_from("<HH", header) != _ITEM:
            return None
        position += 8 + struct.unpack_from("<I", header, 4)[0]
        if position > stop:
            return None
        items += 1
