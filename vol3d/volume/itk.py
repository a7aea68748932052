"""NRRD and MetaImage files, read by SimpleITK and turned from its LPS world to RAS.

SimpleITK fills in an identity orientation where a header has none and opens whatever data file a
header names, so the header's text is read first (:mod:`vol3d.volume.itk_header`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.gate import (
    DEFAULT_MEMORY_LIMIT_GIB,
    HeaderFacts,
    check_affine,
    check_grid,
    check_memory,
    finish_volume,
    inspection_of,
    refused,
    shear_note,
)
from vol3d.volume.grid import Grid
from vol3d.volume.inspection import Examination, ScanKind
from vol3d.volume.itk_header import ItkHeader, check_deflated, read_itk_header, unreadable
from vol3d.volume.names import shown_name
from vol3d.volume.volume import GateNote, Modality, Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
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
        header, facts = _examine(path, kind, memory_limit_gib)
    except DataError as error:
        return refused(kind, error)

    def load() -> Volume:
        return finish_volume(_read_voxels(path, kind, header, facts), facts, modality)

    return Examination(inspection=inspection_of(facts), load=load)


def read_stored_itk(
    path: Path, kind: ScanKind, *, memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
) -> tuple[HeaderFacts, npt.NDArray[np.generic]]:
    """The facts of an NRRD or MetaImage file and its stored numbers (k, j, i).

    For label maps; scans are read by ``read_volume``.

    Raises:
        DataError: The file is damaged or too large.
        GeometryError: Its geometry is unusable.
    """
    header, facts = _examine(path, kind, memory_limit_gib)
    return facts, _read_voxels(path, kind, header, facts)


def _examine(path: Path, kind: ScanKind, memory_limit_gib: float) -> tuple[ItkHeader, HeaderFacts]:
    header = read_itk_header(path, kind)
    facts = _header_facts(path, kind, header)
    check_memory(facts.grid.shape_zyx, facts.dtype.itemsize, memory_limit_gib, where=facts.where)
    return header, facts


def _read_voxels(
    path: Path, kind: ScanKind, header: ItkHeader, facts: HeaderFacts
) -> npt.NDArray[np.generic]:
    import SimpleITK

    if header.is_deflated:
        size = math.prod(facts.grid.shape_zyx) * facts.dtype.itemsize
        check_deflated(header, size, where=facts.where)
    try:
        array: npt.NDArray[np.generic] = SimpleITK.GetArrayFromImage(_reader(path, kind).Execute())
    except RuntimeError:
        raise unreadable(facts.where, "voxels that are missing or damaged") from None
    return array


def _reader(path: Path, kind: ScanKind) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if kind == "nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    return reader


def _header_facts(path: Path, kind: ScanKind, header: ItkHeader) -> HeaderFacts:
    where = shown_name(path)
    reader = _reader(path, kind)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise unreadable(where, "a header that SimpleITK refuses") from None
    size, pixel_type = reader.GetSize(), _pixel_type(reader)
    if len(size) != 3 or reader.GetNumberOfComponents() != 1 or pixel_type not in _DTYPES:
        raise GeometryError(
            explain(
                expected="one 3-D volume with one real number per voxel",
                got=f"size {tuple(size)}, {reader.GetNumberOfComponents()} components, "
                f"{pixel_type}",
                where=where,
                remedy="Split time points or channels and pass one volume.",
            )
        )
    direction = np.array(reader.GetDirection(), dtype=np.float64).reshape(3, 3)
    lps = np.eye(4)
    lps[:3, :3] = direction * np.array(reader.GetSpacing(), dtype=np.float64)
    lps[:3, 3] = reader.GetOrigin()
    check_affine(lps, where=f"{where} geometry")
    grid = Grid(shape_zyx=(size[2], size[1], size[0]), affine=_LPS_TO_RAS @ lps)
    spacing_notes = check_grid(grid, where=where)
    return HeaderFacts(
        kind=kind,
        where=where,
        grid=grid,
        dtype=np.dtype(_DTYPES[pixel_type]),
        notes=(*_orientation_note(header), *spacing_notes, *shear_note(grid)),
    )


def _pixel_type(reader: Any) -> str:
    import SimpleITK

    return str(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))


def _orientation_note(header: ItkHeader) -> tuple[GateNote, ...]:
    """A note when the header does not say how the axes lie in the patient."""
    if header.is_orientation_stored:
        return ()
    return (
        GateNote(
            code="orientation_assumed",
            message="The header gives no orientation in the patient; its axes are assumed to run "
            "L, P, S, so left and right are not certain.",
        ),
    )
