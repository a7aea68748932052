"""One door for every scan: what a path is, whether it is accepted, and its volume.

``read_volume`` and ``inspect_path`` call the same :func:`examine`, so what one refuses the other
refuses with the same words.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from vol3d.errors import ConfigError, DataError, explain
from vol3d.volume.archive import examine_archive, is_zip
from vol3d.volume.dicom import examine_dicom
from vol3d.volume.dicom_header import is_dicom
from vol3d.volume.gate import DEFAULT_MEMORY_LIMIT_GIB, refused
from vol3d.volume.inspection import Examination, Refusal, ScanInspection
from vol3d.volume.itk import examine_itk, itk_kind
from vol3d.volume.names import is_regular, is_utf8, shown_name
from vol3d.volume.nifti import examine_nifti, header_of_pair, is_nifti
from vol3d.volume.volume import GateNote, Modality, Volume

_SNIFFED_BYTES = 4096


def read_volume(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    modality: Modality | None = None,
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
) -> Volume:
    """The scan at a path, turned to S, A, R, or an error that says why it cannot be trusted.

    Args:
        path: NIfTI (.nii, .nii.gz, .hdr with .img), NRRD, MetaImage or DICOM file, a folder with
            DICOM files, or a zip archive with one scan.
        series: Which DICOM series: its number in ``vol3d info`` or the start of its hashed UID.
        modality: For files that name none (NIfTI, NRRD, MetaImage): taken as given in place of
            being inferred from the values; CT whose values contradict HU is read in arbitrary
            units. For DICOM: read the largest volume of this modality.
        memory_limit_gib: Scans that would need more to be read are refused.

    Raises:
        DataError: Not a scan, damaged, not in HU where it should be, or too large.
        GeometryError: Missing, duplicate or unevenly spaced slices, or an unusable header.
        ConfigError: ``series`` names no series at this path.
    """
    examination = examine(
        Path(path), series=series, modality=modality, memory_limit_gib=memory_limit_gib
    )
    if examination.error is not None:
        raise examination.error
    assert examination.load is not None
    return examination.load()


def inspect_path(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    modality: Modality | None = None,
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
) -> ScanInspection:
    """Everything found at a path and whether ``read_volume`` would accept it, without the voxels.

    Voxels are read as ``read_volume`` reads them, because only they tell whether a file is sound
    and what its values are; so both come to the same verdict. Arguments are those of
    :func:`read_volume`.

    Raises:
        ConfigError: ``series`` names no series at this path.
    """
    return inspect_and_read(
        path, series=series, modality=modality, memory_limit_gib=memory_limit_gib
    )[0]


def inspect_and_read(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    modality: Modality | None = None,
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
) -> tuple[ScanInspection, Volume | None]:
    """What :func:`inspect_path` returns, and the volume; ``None`` exactly where it is refused.

    Raises:
        ConfigError: ``series`` names no series at this path.
    """
    examination = examine(
        Path(path), series=series, modality=modality, memory_limit_gib=memory_limit_gib
    )
    found, error, volume = examination.inspection, examination.error, None
    if error is None:
        assert examination.load is not None
        try:
            volume = examination.load()
        except DataError as refusal:
            error = refusal
        else:
            found = dataclasses.replace(
                found, modality=volume.modality, unit=volume.unit, notes=volume.notes
            )
    if error is not None:
        refusal_record = Refusal(code=type(error).__name__, message=str(error))
        found = dataclasses.replace(found, refusal=refusal_record)
    return found, volume


def examine(
    path: Path, *, series: str | None, modality: Modality | None, memory_limit_gib: float
) -> Examination:
    """The gate's verdict on any path, by content and not by file name."""
    examination = _examine(
        path, series=series, modality=modality, memory_limit_gib=memory_limit_gib
    )
    if is_utf8(path):
        return examination
    message = "The path's name is not valid UTF-8; outputs are named by its readable part."
    return examination.with_notes((GateNote(code="name_not_utf8", message=message),))


def _examine(
    path: Path, *, series: str | None, modality: Modality | None, memory_limit_gib: float
) -> Examination:
    try:
        if path.is_dir():
            head = b""
        elif path.exists() and not is_regular(path):
            return refused("unknown", _unreadable(path, "a pipe, device or socket"))
        else:
            with path.open("rb") as file:
                head = file.read(_SNIFFED_BYTES)
    except OSError as error:
        return refused("unknown", _unreadable(path, type(error).__name__))
    if path.is_dir() or is_dicom(head):
        return examine_dicom(
            path, series=series, modality=modality, memory_limit_gib=memory_limit_gib
        )
    if is_zip(head):
        return examine_archive(
            path,
            lambda inner: _examine(
                inner, series=series, modality=modality, memory_limit_gib=memory_limit_gib
            ),
        )
    header = header_of_pair(path)
    if header is not None or is_nifti(head):
        return examine_nifti(
            path if header is None else header,
            series=series,
            modality=modality,
            memory_limit_gib=memory_limit_gib,
        )
    if series not in (None, "1"):
        raise ConfigError(
            explain(
                expected="no series, or '1': the file holds one volume",
                got=repr(series),
                where=f"{shown_name(path)} series",
                remedy="Leave the option out.",
            )
        )
    kind = itk_kind(head)
    if kind is not None:
        return examine_itk(path, kind, modality=modality, memory_limit_gib=memory_limit_gib)
    return refused("unknown", _unreadable(path, "another kind of file" if head else "no content"))


def _unreadable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a NIfTI, NRRD, MetaImage, DICOM or zip file, or a folder with DICOM files",
            got=got,
            where=shown_name(path),
            remedy="Check the path and pass the scan itself.",
        )
    )
