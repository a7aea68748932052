"""NIfTI-1 and NIfTI-2 files and pairs, read to their end: what is damaged is refused.

nibabel parses the header and stops reading where the voxels end, so it never reaches the checksum
of a ``.nii.gz``; the bytes are therefore inflated here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vol3d.errors import ConfigError, DataError, explain
from vol3d.volume.gate import (
    DEFAULT_MEMORY_LIMIT_GIB,
    check_memory,
    finish_volume,
    inspection_of,
    refused,
)
from vol3d.volume.gzip_stream import GZIP_MAGIC
from vol3d.volume.inspection import Examination, ScanInspection
from vol3d.volume.intensities import looks_byte_swapped
from vol3d.volume.names import shown_name
from vol3d.volume.nifti_header import HEADER_BYTES, NiftiLayout, header_size, read_layout
from vol3d.volume.stored_bytes import StoredBytes, open_bytes
from vol3d.volume.volume import GateNote, Modality, Volume

_ENDINGS = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_LISTED_VOLUMES = 20


def is_nifti(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is NIfTI, ANALYZE or any gzip file."""
    return head[:2] == GZIP_MAGIC or header_size(head) is not None


def header_of_pair(path: Path) -> Path | None:
    """The ``.hdr`` file beside an ``.img`` file; ``None`` for any other name or where it lacks."""
    lower = path.name.lower()
    if not lower.endswith((".img", ".img.gz")):
        return None
    return _sibling(path, ".hdr")


def examine_nifti(
    path: Path, *, series: str | None, modality: Modality | None, memory_limit_gib: float
) -> Examination:
    """The gate's verdict on a NIfTI file from its header; ``load`` reads the voxels.

    Args:
        path: The file; for a pair the header.
        series: Number of the volume along the fourth axis, from 1; the first when None.
        modality: As for ``read_volume``.
        memory_limit_gib: As for ``read_volume``.

    Raises:
        ConfigError: ``series`` is no volume of the file.
    """
    where = shown_name(path)
    try:
        source = open_bytes(path)
        layout = read_layout(source.head(HEADER_BYTES), where=where)
        number = _volume_number(series, layout, where=where)
        voxels = open_bytes(_image_of_pair(path)) if layout.is_pair else source
        check_memory(
            layout.facts.grid.shape_zyx,
            layout.facts.dtype.itemsize,
            memory_limit_gib,
            where=where,
        )
    except DataError as error:
        return refused("nifti", error)
    notes = (*_name_notes(path, source), *layout.facts.notes, *_series_notes(layout, number))
    layout = dataclasses.replace(layout, facts=dataclasses.replace(layout.facts, notes=notes))

    def load() -> Volume:
        array, found = _read_voxels(voxels, layout, number)
        return finish_volume(
            array, dataclasses.replace(layout.facts, notes=(*notes, *found)), modality
        )

    return Examination(inspection=_inspection(layout, number), load=load)


def read_stored(
    path: Path, *, memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
) -> tuple[NiftiLayout, list[npt.NDArray[np.generic]]]:
    """The layout of a NIfTI file and the stored numbers (k, j, i) of each of its volumes.

    For label maps, whose channels are volumes; scans are read by ``read_volume``.

    Raises:
        DataError: The file is damaged, not NIfTI, or too large.
        GeometryError: Its geometry is unusable.
    """
    source = open_bytes(path)
    layout = read_layout(source.head(HEADER_BYTES), where=shown_name(path))
    check_memory(
        (layout.num_volumes, *layout.facts.grid.shape_zyx),
        layout.facts.dtype.itemsize,
        memory_limit_gib,
        where=shown_name(path),
    )
    voxels = open_bytes(_image_of_pair(path)) if layout.is_pair else source
    parts = [_read_voxels(voxels, layout, n) for n in range(1, layout.num_volumes + 1)]
    notes = (*_name_notes(path, source), *layout.facts.notes, *parts[0][1])
    facts = dataclasses.replace(layout.facts, notes=notes)
    return dataclasses.replace(layout, facts=facts), [array for array, _ in parts]


def _volume_number(series: str | None, layout: NiftiLayout, *, where: str) -> int:
    number = 1 if series is None else int(series) if series.isascii() and series.isdigit() else 0
    if not 1 <= number <= layout.num_volumes:
        raise ConfigError(
            explain(
                expected=f"a volume number from 1 to {layout.num_volumes}",
                got=repr(series),
                where=f"{where} series",
                remedy="Leave the option out to read the first volume.",
            )
        )
    return number


def _series_notes(layout: NiftiLayout, number: int) -> tuple[GateNote, ...]:
    if layout.num_volumes == 1:
        return ()
    return (
        GateNote(
            code="time_series",
            message=f"The file holds {layout.num_volumes} volumes along its fourth axis (time "
            f"points, phases or channels); volume {number} was read, the others were not. "
            "--series N reads another.",
        ),
    )


def _name_notes(path: Path, source: StoredBytes) -> tuple[GateNote, ...]:
    notes = []
    if source.num_layers == 2:
        message = "The file is gzipped twice; both layers were taken off."
        notes.append(GateNote(code="nested_gzip", message=message))
    if not path.name.lower().endswith(_ENDINGS):
        message = "The file's name does not say that it is NIfTI; it was read by its content."
        notes.append(GateNote(code="name_mismatch", message=message))
    return tuple(notes)


def _inspection(layout: NiftiLayout, number: int) -> ScanInspection:
    found = inspection_of(layout.facts)
    if layout.num_volumes == 1:
        return found
    listed = range(1, min(layout.num_volumes, max(_LISTED_VOLUMES, number)) + 1)
    return dataclasses.replace(
        found,
        series=tuple(dataclasses.replace(found.series[0], index=index) for index in listed),
        chosen_index=number,
        chosen_reason="the first volume along the fourth axis" if number == 1 else "as asked",
    )


def _sibling(path: Path, ending: str) -> Path | None:
    """The other file of a pair: same name, another ending, gzipped or not."""
    lower = path.name.lower()
    stem = path.name[: -len(".gz")] if lower.endswith(".gz") else path.name
    stem = stem[: -len(".hdr")]
    for name in (stem + ending, stem + ending.upper()):
        for candidate in (path.with_name(name), path.with_name(name + ".gz")):
            if candidate.is_file():
                return candidate
    return None


def _image_of_pair(path: Path) -> Path:
    image = _sibling(path, ".img")
    if image is None:
        raise DataError(
            explain(
                expected="the .img file with the voxels beside its .hdr",
                got="the header alone",
                where=shown_name(path),
                remedy="Put both files of the pair into one folder.",
            )
        )
    return image


def _read_voxels(
    source: StoredBytes, layout: NiftiLayout, number: int
) -> tuple[npt.NDArray[np.generic], list[GateNote]]:
    """Stored numbers (k, j, i) of one volume, and what reading them showed."""
    start = layout.offset + (number - 1) * layout.volume_bytes
    content, extra = source.read(start, start + layout.volume_bytes, total=layout.total_bytes)
    notes: list[GateNote] = []
    if extra and layout.needs_exact_size:
        raise DataError(
            explain(
                expected=f"a file of {layout.total_bytes} bytes, for a header that is incomplete",
                got=f"{extra} bytes more",
                where=layout.facts.where,
                remedy="Export the scan again.",
            )
        )
    if extra:
        message = f"{extra} bytes follow the last voxel; they were ignored."
        notes.append(GateNote(code="trailing_bytes", message=message))
    array: npt.NDArray[np.generic] = content.view(layout.facts.dtype)
    array = array.reshape(layout.facts.grid.shape_zyx)
    if looks_byte_swapped(array):
        array = array.view(array.dtype.newbyteorder())
        notes.append(
            GateNote(
                code="byte_order_repaired",
                message="The voxels are CT only if their bytes are read in the other order than "
                "the header says; they were read so. Export the scan again.",
            )
        )
    return array, notes
