"""NRRD and MetaImage files, read by SimpleITK and turned from its LPS world to RAS.

SimpleITK fills in an identity orientation where a header has none, so the header's text is read
too: only then can a guessed orientation be told from a stored one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.gate import (
    HeaderFacts,
    check_grid,
    check_memory,
    finish_volume,
    inspection_of,
    refused,
    shear_note,
)
from vol3d.volume.grid import Grid
from vol3d.volume.inspection import Examination, ScanKind
from vol3d.volume.volume import GateNote, Modality, Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_HEADER_BYTES = 64 * 1024
_METAIMAGE_KEYS = (b"ObjectType", b"NDims", b"Comment")
_DTYPES = {
    "8-bit signed integer": "int8",
    "8-bit unsigned integer": "uint8",
    "16-bit signed integer": "int16",
    "16-bit unsigned integer": "uint16",
    "32-bit signed integer": "int32",
    "32-bit unsigned integer": "uint32",
    "64-bit signed integer": "int64",
    "64-bit unsigned integer": "uint64",
    "32-bit float": "float32",
    "64-bit float": "float64",
}


def itk_kind(head: bytes) -> ScanKind | None:
    """``nrrd`` or ``metaimage`` by the first bytes of a file, else ``None``."""
    if head.startswith(b"NRRD000"):
        return "nrrd"
    if head.lstrip().startswith(_METAIMAGE_KEYS) and b"NDims" in head:
        return "metaimage"
    return None


def examine_itk(
    path: Path, kind: ScanKind, *, modality: Modality | None, memory_limit_gib: float
) -> Examination:
    """The gate's verdict on an NRRD or MetaImage file; ``load`` reads the voxels."""
    try:
        facts = _header_facts(path, kind)
        check_memory(facts.grid.shape_zyx, facts.dtype.itemsize, memory_limit_gib, where=path.name)
    except DataError as error:
        return refused(kind, error)

    def load() -> Volume:
        import SimpleITK

        reader = _reader(path, kind)
        try:
            array = SimpleITK.GetArrayFromImage(reader.Execute())
        except RuntimeError:
            raise _unreadable(path, "voxels that are missing or damaged") from None
        return finish_volume(array, facts, modality)

    return Examination(inspection=inspection_of(facts), load=load)


def _reader(path: Path, kind: ScanKind) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if kind == "nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    return reader


def _unreadable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a complete NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file",
            got=got,
            where=path.name,
            remedy="Check the file and, for .mhd and .nhdr, the data file beside it.",
        )
    )


def _header_facts(path: Path, kind: ScanKind) -> HeaderFacts:
    reader = _reader(path, kind)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise _unreadable(path, "a header that SimpleITK refuses") from None
    size, pixel_type = reader.GetSize(), _pixel_type(reader)
    if len(size) != 3 or reader.GetNumberOfComponents() != 1 or pixel_type not in _DTYPES:
        raise GeometryError(
            explain(
                expected="one 3-D volume with one real number per voxel",
                got=f"size {tuple(size)}, {reader.GetNumberOfComponents()} components, "
                f"{pixel_type}",
                where=path.name,
                remedy="Split time points or channels and pass one volume.",
            )
        )
    direction = np.array(reader.GetDirection(), dtype=np.float64).reshape(3, 3)
    lps = np.eye(4)
    lps[:3, :3] = direction * np.array(reader.GetSpacing(), dtype=np.float64)
    lps[:3, 3] = reader.GetOrigin()
    grid = Grid(shape_zyx=(size[2], size[1], size[0]), affine=_LPS_TO_RAS @ lps)
    check_grid(grid, where=path.name)
    return HeaderFacts(
        kind=kind,
        where=path.name,
        grid=grid,
        dtype=np.dtype(_DTYPES[pixel_type]),
        notes=(*_orientation_note(path, kind), *shear_note(grid)),
    )


def _pixel_type(reader: Any) -> str:
    import SimpleITK

    return str(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))


def _orientation_note(path: Path, kind: ScanKind) -> tuple[GateNote, ...]:
    """A note when the header stores no orientation and SimpleITK's identity is used."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if kind == "nrrd":
        lines = head.split(b"\n\n")[0].split(b"\r\n\r\n")[0].splitlines()
        keys = {line.split(b":")[0].strip().lower() for line in lines if b":" in line}
        is_stored = {b"space", b"space directions"} <= keys
    else:
        keys = {line.split(b"=")[0].strip() for line in head.splitlines()[:64] if b"=" in line}
        is_stored = bool(keys & {b"TransformMatrix", b"Orientation", b"Rotation"})
    if is_stored:
        return ()
    return (
        GateNote(
            code="orientation_assumed",
            message="The header gives no orientation; axes are assumed to run L, P, S, so left "
            "and right are not certain.",
        ),
    )
