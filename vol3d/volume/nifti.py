"""NIfTI-1 and NIfTI-2 files: header by nibabel, voxels by a checked decompression of our own.

nibabel stops reading where the voxels end, so it never reaches the checksum of a ``.nii.gz``; here
every file is read to its end, and a truncated or damaged one is refused.
"""

from __future__ import annotations

import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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
from vol3d.volume.grid import FloatArray, Grid
from vol3d.volume.inspection import Examination
from vol3d.volume.names import shown_name
from vol3d.volume.volume import GateNote, Modality, Volume

_HEADER_BYTES = 544
_OFFSET_RANGE = (348, 2**28)
_CHUNK = 1 << 18
_GZIP_WBITS = 31
_GZIP_MAGIC = b"\x1f\x8b"
_UNIT_TO_MM = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
_DISAGREEMENT_MM = 0.1


def is_nifti(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is NIfTI, ANALYZE or any gzip file."""
    return head[:2] == _GZIP_MAGIC or _header_size(head) is not None


def examine_nifti(path: Path, *, modality: Modality | None, memory_limit_gib: float) -> Examination:
    """The gate's verdict on a NIfTI file from its header; ``load`` reads the voxels."""
    try:
        header = _read_header(path)
        facts = _header_facts(header, where=shown_name(path))
        offset = _voxel_offset(header, where=facts.where)
        check_memory(
            facts.grid.shape_zyx, facts.dtype.itemsize, memory_limit_gib, where=facts.where
        )
    except DataError as error:
        return refused("nifti", error)

    def load() -> Volume:
        return finish_volume(_read_voxels(path, offset, facts), facts, modality)

    return Examination(inspection=inspection_of(facts), load=load)


def _header_size(head: bytes) -> int | None:
    """348 (NIfTI-1, ANALYZE) or 540 (NIfTI-2) in either byte order, else ``None``."""
    for order in ("little", "big"):
        size = int.from_bytes(head[:4], order)
        if size in (348, 540):
            return size
    return None


def _read_header(path: Path) -> Any:
    """nibabel's header of a single-file NIfTI."""
    import nibabel

    head = _first_bytes(path)
    size = _header_size(head)
    magic = {348: head[344:348], 540: head[4:8]}.get(size or 0, b"")
    if magic[:3] not in (b"n+1", b"n+2") or len(head) < (size or 0):
        raise DataError(
            explain(
                expected="a NIfTI-1 or NIfTI-2 file in one piece (.nii or .nii.gz)",
                got="a .hdr/.img pair or ANALYZE header" if size else "other content",
                where=shown_name(path),
                remedy="Convert it to .nii.gz, for instance with dcm2niix or nibabel.",
            )
        )
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    try:
        return kind.from_fileobj(BytesIO(head), check=False)
    except Exception as error:
        raise _bad_header(shown_name(path), type(error).__name__) from None


def _bad_header(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected="a valid NIfTI header",
            got=got,
            where=f"{where} header",
            remedy="Export the scan again.",
        )
    )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(64 * 1024)
    if head[:2] != _GZIP_MAGIC:
        return head[:_HEADER_BYTES]
    try:
        return zlib.decompressobj(_GZIP_WBITS).decompress(head, _HEADER_BYTES)
    except zlib.error:
        raise _damaged(shown_name(path), "a damaged gzip stream") from None


def _damaged(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected="a complete file with the checksum it carries",
            got=got,
            where=where,
            remedy="Copy or download the file again.",
        )
    )


def _header_facts(header: Any, *, where: str) -> HeaderFacts:
    shape = _shape_ijk(header, where=where)
    affine, notes = _affine(header, shape, where=where)
    grid = Grid(shape_zyx=(shape[2], shape[1], shape[0]), affine=affine)
    check_grid(grid, where=where)
    try:
        dtype = header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
    except Exception as error:
        raise _bad_header(where, type(error).__name__) from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DataError(
            explain(
                expected="integers or floats of at most 64 bits",
                got=str(dtype),
                where=f"{where} datatype",
                remedy="Colour, complex and extended types cannot be read as a scan.",
            )
        )
    return HeaderFacts(
        kind="nifti",
        where=where,
        grid=grid,
        dtype=dtype,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        notes=(*notes, *shear_note(grid)),
    )


def _voxel_offset(header: Any, *, where: str) -> int:
    """Bytes before the first voxel."""
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and _OFFSET_RANGE[0] <= offset <= _OFFSET_RANGE[1]):
        raise _bad_header(where, f"vox_offset {offset:g}")
    return int(offset)


def _shape_ijk(header: Any, *, where: str) -> tuple[int, int, int]:
    dims = [int(n) for n in header["dim"]]
    rank = dims[0]
    shape = dims[1 : rank + 1] if 3 <= rank <= 7 else []
    if not shape or min(shape) < 1:
        raise GeometryError(
            explain(
                expected="three dimensions of at least one voxel",
                got=f"dim = {dims}",
                where=f"{where} dim",
                remedy="Pass a 3-D scan.",
            )
        )
    if any(n > 1 for n in shape[3:]):
        raise GeometryError(
            explain(
                expected="one 3-D volume",
                got=f"{rank} dimensions {tuple(shape)}",
                where=f"{where} dim",
                remedy="Split the series and pass one time point or channel.",
            )
        )
    return shape[0], shape[1], shape[2]


def _affine(
    header: Any, shape: tuple[int, int, int], *, where: str
) -> tuple[FloatArray, list[GateNote]]:
    """Affine in mm (sform before qform) and notes about what the header leaves open."""
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    scale = _unit_scale(header, where=where)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused or noted below
            sform = header.get_sform() if sform_code > 0 else None
            qform = header.get_qform() if qform_code > 0 else None
            fallback = header.get_base_affine()
    except Exception as error:
        raise _bad_header(where, f"{type(error).__name__} in the qform") from None
    notes: list[GateNote] = []
    difference = _form_difference(sform, qform, shape, scale)
    if difference:
        notes.append(
            GateNote(code="sform_qform_disagree", message=f"{difference}; the sform is used.")
        )
    if sform is None and qform is None:
        notes.append(
            GateNote(
                code="orientation_assumed",
                message="The header gives no orientation (sform and qform codes are 0); axes are "
                "assumed to run L, A, S, so left and right are not certain.",
            )
        )
    chosen = sform if sform is not None else qform if qform is not None else fallback
    affine = np.array(chosen, dtype=np.float64)
    affine[:3] *= scale
    return affine, notes


def _form_difference(
    sform: FloatArray | None, qform: FloatArray | None, shape: tuple[int, int, int], scale: float
) -> str:
    """How the header's two geometries differ; empty when they agree or only one is given."""
    if sform is None or qform is None or not np.isfinite(sform).all():
        return ""
    if not np.isfinite(qform).all():
        return "The header's second geometry (qform) is not finite"
    distance = _corner_distance(sform, qform, shape) * scale
    if distance <= _DISAGREEMENT_MM:
        return ""
    return f"The header's two geometries (sform, qform) differ by up to {distance:.1f} mm"


def _unit_scale(header: Any, *, where: str) -> float:
    try:
        unit = str(header.get_xyzt_units()[0])
    except KeyError:
        unit = "invalid"
    if unit not in _UNIT_TO_MM:
        raise GeometryError(
            explain(
                expected="mm, meter, micron or no unit",
                got=f"code {int(header['xyzt_units'])}",
                where=f"{where} xyzt_units",
                remedy="Repair the header's units.",
            )
        )
    return _UNIT_TO_MM[unit]


def _corner_distance(first: FloatArray, second: FloatArray, shape: tuple[int, int, int]) -> float:
    """Largest distance between the two positions of any corner voxel."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    difference = (first - second)[:3]
    moved = difference[:, :3] @ corners + difference[:, 3:]
    return float(np.linalg.norm(moved, axis=0).max())


def _read_voxels(path: Path, offset: int, facts: HeaderFacts) -> npt.NDArray[np.generic]:
    """Stored numbers as (k, j, i), from a file read to its end."""
    count = int(np.prod(facts.grid.shape_zyx, dtype=np.int64))
    end = offset + count * facts.dtype.itemsize
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
    content = _decompressed(path, end) if is_gzip else bytearray(path.read_bytes())
    if len(content) < end:
        raise _damaged(facts.where, f"{len(content)} bytes where the header asks for {end}")
    flat = np.frombuffer(content, dtype=facts.dtype, count=count, offset=offset)
    return flat.reshape(facts.grid.shape_zyx)


def _decompressed(path: Path, end: int) -> bytearray:
    """The first ``end`` bytes of a gzip file, after all of it was decompressed and checked."""
    out = bytearray()
    decoder = zlib.decompressobj(_GZIP_WBITS)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                while chunk:
                    if decoder.eof and not (chunk := chunk.lstrip(b"\0")):
                        break
                    decoder = zlib.decompressobj(_GZIP_WBITS) if decoder.eof else decoder
                    out += decoder.decompress(chunk)[: max(0, end - len(out))]
                    chunk = decoder.unused_data
    except zlib.error:
        raise _damaged(shown_name(path), "a damaged gzip stream") from None
    if not decoder.eof:
        raise _damaged(shown_name(path), "a gzip stream that ends too early")
    return out
