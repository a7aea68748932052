"""The text of NRRD and MetaImage headers: which file holds the voxels, and how the axes lie.

A header may name any file as its data. Only a plain file in the header's own folder (or below) is
accepted, and headers whose text could be understood in two ways are refused.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from vol3d.errors import DataError, explain
from vol3d.volume.inspection import ScanKind
from vol3d.volume.names import is_regular, shown_name

_HEADER_BYTES = 64 * 1024
_CHUNK = 1 << 18
_ZLIB_OR_GZIP = 47
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_META_FIELD = re.compile(rb"[ \t]*([^=:\r]*?)[ \t]*[=:][ \t]*(.*?)[ \t\r]*")
_NRRD_FIELD = re.compile(rb"[ \t]*([^#:]+?)[ \t]*:(?!=)[ \t]*(.*?)[ \t\r]*")
_META_LAST = "ElementDataFile"
_PATIENT_SPACES = frozenset(
    {
        *("right-anterior-superior", "left-anterior-superior", "left-posterior-superior"),
        *("ras", "las", "lps"),
    }
)
_ORIENTATIONS = {"TransformMatrix", "Orientation", "Rotation"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ItkHeader:
    """What the text of a header says about its voxels.

    Args:
        data_path: The file with the voxels: the header's own or one in its folder.
        data_start: Where the voxels of a MetaImage begin in that file.
        data_bytes: Compressed bytes that a MetaImage header names; ``None`` for all that follow.
        is_deflated: MetaImage voxels under zlib, whose damage SimpleITK does not see.
        is_orientation_stored: Whether the header says how the axes lie in the patient.
    """

    data_path: Path
    data_start: int
    data_bytes: int | None
    is_deflated: bool
    is_orientation_stored: bool


def unreadable(where: str, got: str) -> DataError:
    """The error for a NRRD or MetaImage file that is damaged or not complete."""
    return DataError(
        explain(
            expected="a complete NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file",
            got=got,
            where=where,
            remedy="Check the file and, for .mhd and .nhdr, the data file beside it.",
        )
    )


def read_itk_header(path: Path, kind: ScanKind) -> ItkHeader:
    """The header of an NRRD or MetaImage file, whose data file may be opened.

    Raises:
        DataError: A header that is no header, or data in a place other than beside it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError as error:
        raise unreadable(shown_name(path), type(error).__name__) from None
    return _nrrd_header(path, head) if kind == "nrrd" else _meta_header(path, head)


def _meta_header(path: Path, head: bytes) -> ItkHeader:
    where = shown_name(path)
    fields: dict[str, str] = {}
    position = 0
    while _META_LAST not in fields:
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)]
        match = _META_FIELD.fullmatch(line)
        if match is None and line.strip(b" \t\r"):
            raise unreadable(where, "a header line that is no field")
        if match is not None:
            key = _text(match[1], where=where)
            if key in fields and key != "Comment":
                raise unreadable(where, "a header field that is given twice")
            fields[key] = _text(match[2], where=where)
        if end < 0 and _META_LAST not in fields:
            raise unreadable(where, "a header that names no data")
        position = end + 1 if end >= 0 else len(head)
    name = fields[_META_LAST]
    is_local = name in ("LOCAL", "Local", "local")
    is_deflated = fields.get("CompressedData", "")[:1] in ("T", "t", "1")
    if is_deflated and fields.get("HeaderSize", "0") != "0":
        raise unreadable(where, "compressed data behind a HeaderSize")
    size = fields.get("CompressedDataSize", "0")
    if is_deflated and not re.fullmatch(r"[0-9]{1,15}", size):
        raise unreadable(where, "a CompressedDataSize that is no number of bytes")
    return ItkHeader(
        data_path=path if is_local else _data_file(path, name),
        data_start=position if is_local else 0,
        data_bytes=(int(size) or None) if is_deflated else None,
        is_deflated=is_deflated,
        is_orientation_stored=bool(_ORIENTATIONS & set(fields)),
    )


def _nrrd_header(path: Path, head: bytes) -> ItkHeader:
    where = shown_name(path)
    blank = _BLANK_LINE.search(head)
    if blank is None and len(head) == _HEADER_BYTES:
        raise unreadable(where, "a header without an end")
    text = head[: blank.start()] if blank else head
    fields: dict[str, str] = {}
    for line in text.split(b"\n"):
        match = _NRRD_FIELD.fullmatch(line)
        if b"\r" in line.rstrip(b"\r"):
            raise unreadable(where, "a control character in the header")
        if match is not None:
            key = match[1].decode("latin-1").lower().replace("datafile", "data file")
            if key in fields and key in ("data file", "space"):
                raise unreadable(where, "a header field that is given twice")
            fields[key] = match[2].decode("latin-1")
    name = fields.get("data file")
    space = fields.get("space", "").lower()
    return ItkHeader(
        data_path=path if name is None else _data_file(path, _text(name.encode("latin-1"), where)),
        data_start=0,
        data_bytes=None,
        is_deflated=False,
        is_orientation_stored=space in _PATIENT_SPACES and "space directions" in fields,
    )


def _text(raw: bytes, where: str) -> str:
    """Text of a header field, which holds no control character."""
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", raw):
        raise unreadable(where, "a control character in the header")
    return os.fsdecode(raw)


def _data_file(path: Path, name: str) -> Path:
    """The data file that a header names, if it is one plain file in the header's folder."""
    where = shown_name(path)
    parts = Path(name).parts
    is_one_name = bool(parts) and not name.startswith(("LIST", "List", "list", "-", "~"))
    if not is_one_name or "%" in name or "\\" in name:
        raise _outside(where, "a list, pattern or other name that is not one file")
    if Path(name).is_absolute() or ".." in parts:
        raise _outside(where, "a path that leaves the folder")
    found = path.parent / name
    folder = Path(os.path.realpath(path.parent))
    if not Path(os.path.realpath(found)).is_relative_to(folder):
        raise _outside(where, "a link that leaves the folder")
    if not is_regular(found):
        raise unreadable(where, "a data file that is missing or no plain file")
    return found


def _outside(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected="the name of one data file in the folder of the header",
            got=got,
            where=f"{where} data file",
            remedy="Put header and data in one folder, or convert the scan to one file.",
        )
    )


def check_deflated(header: ItkHeader, size: int, *, where: str) -> None:
    """Returns if zlib data is complete, carries its right checksum and has ``size`` bytes.

    Raises:
        DataError: It does not; SimpleITK would fill the rest with other values.
    """
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP)
    total, left = 0, header.data_bytes
    try:
        with header.data_path.open("rb") as file:
            file.seek(header.data_start)
            while not decoder.eof and total <= size:
                chunk = decoder.unconsumed_tail
                if not chunk:
                    chunk = file.read(_CHUNK if left is None else min(_CHUNK, left))
                    left = None if left is None else left - len(chunk)
                voxels = decoder.decompress(chunk, _CHUNK)
                if not chunk and not voxels:
                    break
                total += len(voxels)
    except (OSError, zlib.error):
        raise unreadable(where, "compressed voxels that are damaged") from None
    if not decoder.eof or total != size:
        raise unreadable(where, f"compressed voxels that do not give {size} bytes")
