"""What a NIfTI header says, and where it contradicts itself; nibabel parses the fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.gate import HeaderFacts, check_affine, check_grid, shear_note
from vol3d.volume.grid import FloatArray, Grid
from vol3d.volume.volume import GateNote

HEADER_BYTES = 544
_VOXELS_FROM = {348: 352, 540: 544}
_MAX_OFFSET = 2**28
_UNIT_TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Codes of no unit, meter, mm and micron."""
_DISAGREEMENT_MM = 0.1
_SPACING_DISAGREEMENT = 0.01
_QUATERNION_EXCESS = 1e-5
_HALF_TURN = 1e-7
"""Below this nifti1.h's own code (nifti_quatern_to_mat44) sets the first number to 0."""
_SPACE_BITS = 7
_FREE_TEXT = ("descrip", "aux_file", "intent_name", "db_name")
_OWN_TEXT = b"vol3d research use only"
MAX_VOLUMES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NiftiLayout:
    """Where the voxels lie and what they are.

    Args:
        facts: Grid, number type, scale and notes.
        offset: Bytes before the first voxel, in the file that holds the voxels.
        num_volumes: Volumes along the fourth axis.
        is_pair: Whether the voxels lie in an ``.img`` file of their own.
        needs_exact_size: Whether something was assumed that only a fitting file size proves.
    """

    facts: HeaderFacts
    offset: int
    num_volumes: int
    is_pair: bool
    needs_exact_size: bool

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""
        return math.prod(self.facts.grid.shape_zyx) * self.facts.dtype.itemsize

    @property
    def total_bytes(self) -> int:
        """Bytes up to the end of the last volume."""
        return self.offset + self.num_volumes * self.volume_bytes


def header_size(head: bytes) -> int | None:
    """348 (NIfTI-1, ANALYZE) or 540 (NIfTI-2) in either byte order, else ``None``."""
    for order in ("little", "big"):
        size = int.from_bytes(head[:4], order)
        if size in (348, 540):
            return size
    return None


def bad_header(where: str, got: str) -> DataError:
    """The refusal of a header that cannot be right."""
    return DataError(
        explain(
            expected="a valid NIfTI header",
            got=got,
            where=f"{where} header",
            remedy="Export the scan again.",
        )
    )


def read_layout(head: bytes, *, where: str) -> NiftiLayout:
    """The layout that a NIfTI header describes.

    Args:
        head: The first 544 bytes of the content, fewer if it is shorter.
        where: Names the file in errors.

    Raises:
        DataError: Not a NIfTI header, or one that no scan has.
        GeometryError: Dimensions, spacing, units or affine are unusable.
    """
    import nibabel

    size = header_size(head)
    if size is None or len(head) < size:
        raise DataError(
            explain(
                expected="a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, or .hdr with its .img)",
                got="other content",
                where=where,
                remedy="Convert the scan to .nii.gz, for instance with dcm2niix or nibabel.",
            )
        )
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    try:
        header = kind(head[:size], check=False)  # from_fileobj would parse extensions, too
    except Exception as error:
        raise bad_header(where, type(error).__name__) from None
    magic = head[344:348] if size == 348 else head[4:8]
    notes: list[GateNote] = []
    if magic[:3] not in (b"n+1", b"n+2", b"ni1", b"ni2"):
        notes.append(_magic_note(header, magic, where=where))
    is_pair = magic[:2] == b"ni"
    offset, offset_notes = _voxel_offset(header, size, is_pair=is_pair, where=where)
    with np.errstate(all="ignore"):  # what is not finite is refused or noted
        facts, num_volumes = _facts(header, where=where, notes=(*notes, *offset_notes))
    return NiftiLayout(
        facts=facts,
        offset=offset,
        num_volumes=num_volumes,
        is_pair=is_pair,
        needs_exact_size=bool(notes or offset_notes),
    )


def _magic_note(header: Any, magic: bytes, *, where: str) -> GateNote:
    """The note about a wiped magic string; an ANALYZE header has no orientation and is refused."""
    if magic.strip(b"\0") or not (int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0):
        raise DataError(
            explain(
                expected="a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, or .hdr with its .img)",
                got="an ANALYZE header, which does not say where left and right are"
                if not magic.strip(b"\0")
                else "another magic string",
                where=f"{where} magic",
                remedy="Convert the original scan to .nii.gz, for instance with dcm2niix.",
            )
        )
    return GateNote(
        code="magic_repaired",
        message="The header's magic string is empty; everything else in it is that of a NIfTI "
        "file in one piece, and it was read as such.",
    )


def _facts(header: Any, *, where: str, notes: tuple[GateNote, ...]) -> tuple[HeaderFacts, int]:
    shape, num_volumes = _shape_ijk(header, where=where)
    affine, affine_notes = _affine(header, shape, where=where)
    check_affine(affine, where=f"{where} affine")
    grid = Grid(shape_zyx=(shape[2], shape[1], shape[0]), affine=affine)
    spacing_notes = check_grid(grid, where=where)
    try:
        dtype = header.get_data_dtype()
        with np.errstate(all="ignore"):
            slope, intercept = header.get_slope_inter()
    except Exception as error:
        raise bad_header(where, type(error).__name__) from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DataError(
            explain(
                expected="integers or floats of at most 64 bits",
                got=str(dtype),
                where=f"{where} datatype",
                remedy="Colour, complex and extended types cannot be read as a scan.",
            )
        )
    facts = HeaderFacts(
        kind="nifti",
        where=where,
        grid=grid,
        dtype=dtype,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        notes=(
            *notes,
            *affine_notes,
            *spacing_notes,
            *shear_note(grid),
            *_number_notes(header, dtype),
            *_text_note(header),
        ),
    )
    return facts, num_volumes


def _number_notes(header: Any, dtype: np.dtype[Any]) -> list[GateNote]:
    """Notes on a scale that is no number and on two sizes of one voxel."""
    notes = []
    if not np.isfinite(float(header["scl_slope"])):
        message = "The header's scale (scl_slope) is not a number; the stored values were read."
        notes.append(GateNote(code="scale_ignored", message=message))
    bits = int(header["bitpix"])
    if bits != 8 * dtype.itemsize:
        notes.append(
            GateNote(
                code="bitpix_mismatch",
                message=f"The header says {bits} bits per voxel (bitpix), but its data type "
                f"{dtype.newbyteorder('=')} has {8 * dtype.itemsize}; the data type was used.",
            )
        )
    return notes


def _text_note(header: Any) -> list[GateNote]:
    """A note that there is free text; the text itself is never kept."""
    texts = [bytes(header[name].tobytes()).strip(b"\0 ") for name in _FREE_TEXT if name in header]
    if not any(text and text != _OWN_TEXT for text in texts):
        return []
    return [
        GateNote(
            code="header_text_ignored",
            message="The header holds free text (such as a description); it was not read and "
            "reaches neither the report nor the model.",
        )
    ]


def _voxel_offset(
    header: Any, size: int, *, is_pair: bool, where: str
) -> tuple[int, list[GateNote]]:
    """Bytes before the first voxel; in one file never less than the header."""
    offset = float(header["vox_offset"])
    least = 0 if is_pair else size
    if math.isfinite(offset) and least <= offset <= _MAX_OFFSET:
        return int(offset), []
    if offset == 0:
        message = (
            "The header says that voxels begin at byte 0, inside itself; byte "
            f"{_VOXELS_FROM[size]} was taken, which fits the size of the file."
        )
        return _VOXELS_FROM[size], [GateNote(code="voxel_offset_assumed", message=message)]
    raise bad_header(where, f"vox_offset {offset:g}")


def _shape_ijk(header: Any, *, where: str) -> tuple[tuple[int, int, int], int]:
    """Voxels along i, j, k and volumes along the fourth axis."""
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
    if any(n > 1 for n in shape[4:]):
        raise GeometryError(
            explain(
                expected="one 3-D volume, or a series of them along the fourth axis",
                got=f"{rank} dimensions {tuple(shape)}",
                where=f"{where} dim",
                remedy="Vectors and channels are no scan; pass one volume.",
            )
        )
    num_volumes = shape[3] if len(shape) > 3 else 1
    if num_volumes > MAX_VOLUMES:
        raise bad_header(where, f"{num_volumes} volumes along the fourth axis")
    return (shape[0], shape[1], shape[2]), num_volumes


def _affine(
    header: Any, shape: tuple[int, int, int], *, where: str
) -> tuple[FloatArray, list[GateNote]]:
    """Affine in mm (sform before qform) and notes about what the header leaves open."""
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    scale = _unit_scale(header, where=where)
    sform = np.asarray(header.get_sform()) if sform_code > 0 else None
    qform = _qform(header) if qform_code > 0 else None
    if qform is None and qform_code > 0 and sform is None:
        raise bad_header(where, "a qform that is no rotation, or has no voxel sizes (pixdim)")
    notes: list[GateNote] = []
    difference = _form_difference(sform, qform, shape, scale)
    if qform is None and qform_code > 0:
        difference = "The header's second geometry (qform) is not usable"
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
    if sform is not None:
        notes += _spacing_note(header, sform)
    chosen = sform if sform is not None else qform
    affine = np.array(_assumed(header, shape) if chosen is None else chosen, dtype=np.float64)
    affine[:3] *= scale
    return affine, notes


def _qform(header: Any) -> FloatArray | None:
    """The affine of method 2 of nifti1.h; ``None`` where the fields describe no rotation or size.

    As the standard's own code does, qfac 0 counts as 1, and quaternions whose first number is lost
    in rounding are half turns; nibabel refuses both.
    """
    from nibabel.quaternions import quat2mat

    b, c, d = (float(header[f"quatern_{name}"]) for name in "bcd")
    qfac, *sizes = (float(v) for v in header["pixdim"][:4])
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest >= -_QUATERNION_EXCESS or qfac not in (-1.0, 0.0, 1.0):
        return None
    if not all(0 < size < math.inf for size in sizes):
        return None
    affine = np.eye(4)
    a = math.sqrt(rest) if rest >= _HALF_TURN else 0.0
    affine[:3, :3] = quat2mat((a, b, c, d)) * [*sizes[:2], sizes[2] * (qfac or 1.0)]
    affine[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _assumed(header: Any, shape: tuple[int, int, int]) -> FloatArray:
    """The affine of a header without orientation: L, A, S around the centre, as in ANALYZE."""
    from nibabel.volumeutils import shape_zoom_affine

    sizes = np.abs(np.asarray(header["pixdim"], dtype=np.float64)[1:4])
    return np.asarray(shape_zoom_affine(shape, sizes, True), dtype=np.float64)


def _spacing_note(header: Any, sform: FloatArray) -> list[GateNote]:
    """A note when the voxel sizes (pixdim) are not those of the sform."""
    sizes = np.abs(np.asarray(header["pixdim"], dtype=np.float64)[1:4])
    norms = np.linalg.norm(sform[:3, :3], axis=0)
    if (
        not np.isfinite(norms).all()
        or (np.abs(sizes - norms) <= _SPACING_DISAGREEMENT * norms).all()
    ):
        return []
    said, used = (" x ".join(f"{v:.4g}" for v in values) for values in (sizes, norms))
    return [
        GateNote(
            code="pixdim_sform_disagree",
            message=f"The header gives two voxel sizes (i, j, k): pixdim {said}, sform {used}; "
            "the sform is used. Distances and volumes rest on it.",
        )
    ]


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
    unit = int(header["xyzt_units"]) & _SPACE_BITS  # the others hold the unit of time
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
