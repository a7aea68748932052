"""Checks that every format shares, and the last step for files that do not name a modality."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.grid import FloatArray, Grid
from vol3d.volume.inspection import Examination, ScanInspection, ScanKind, SeriesSummary
from vol3d.volume.intensities import compact_voxels, guess_modality, hu_contradiction
from vol3d.volume.volume import Acquisition, GateNote, Modality, StoredGeometry, Unit, Volume

DEFAULT_MEMORY_LIMIT_GIB = 8.0
_SPACING_RANGE_MM = (0.01, 1000.0)
_USUAL_SPACING_MM = 30.0
_MAX_ORIGIN_MM = 1e6
_MAX_SHEAR_DEG = 45.0
_GIB = 2**30


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeaderFacts:
    """What a NIfTI, NRRD or MetaImage header says: grid, stored numbers, notes."""

    kind: ScanKind
    where: str
    grid: Grid
    dtype: np.dtype[np.generic]
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[GateNote, ...] = field(default_factory=tuple)

    @property
    def stored(self) -> StoredGeometry:
        """The grid in the file's own axis order."""
        return stored_geometry(self.grid, str(self.dtype.newbyteorder("=")))


def stored_geometry(grid: Grid, dtype: str) -> StoredGeometry:
    """The file's geometry of a grid whose x, y, z are the file's i, j, k."""
    nz, ny, nx = grid.shape_zyx
    return StoredGeometry(
        shape_ijk=(nx, ny, nz), affine_ras=grid.affine, axcodes=grid.axcodes_xyz, dtype=dtype
    )


def check_affine(affine: FloatArray, *, where: str) -> None:
    """Refuses an affine that places no voxels, in the file's name.

    Raises:
        GeometryError: An entry is not finite, two axes run along one line or have no length, or
            the origin is further away than numbers of 32 bits place voxels.
    """
    finite = bool(np.isfinite(affine).all())
    if finite and float(np.abs(affine[:3, 3]).max()) > _MAX_ORIGIN_MM:
        raise GeometryError(
            explain(
                expected="a first voxel within 1 km of the scanner's centre",
                got="one beyond",
                where=where,
                remedy="The header's offsets are wrong; export the scan again.",
            )
        )
    with np.errstate(all="ignore"):
        determinant = abs(float(np.linalg.det(affine[:3, :3]))) if finite else 0.0
    if 0 < determinant < math.inf:
        return
    raise GeometryError(
        explain(
            expected="an affine that gives each of the three axes its own direction and size",
            got="a singular one" if finite else "one with NaN or infinite entries",
            where=where,
            remedy="The header's geometry is lost; export the scan again.",
        )
    )


def check_grid(grid: Grid, *, where: str) -> tuple[GateNote, ...]:
    """Refuses grids that no scan has; returns a note about voxels that hardly any scan has.

    Raises:
        GeometryError: A single slice or row, a spacing outside 0.01 to 1000 mm, or axes sheared by
            more than 45 degrees.
    """
    if min(grid.shape_zyx) < 2:
        raise GeometryError(
            explain(
                expected="at least two voxels along each of three axes",
                got=f"{grid.shape_zyx} (z, y, x)",
                where=f"{where} dimensions",
                remedy="A single slice is no volume; pass the whole scan.",
            )
        )
    low, high = _SPACING_RANGE_MM
    if not all(low <= s <= high for s in grid.spacing_zyx_mm):
        got = " x ".join(f"{s:.6g}" for s in grid.spacing_zyx_mm)
        raise GeometryError(
            explain(
                expected=f"voxels between {low} and {high:g} mm",
                got=f"{got} mm (z, y, x)",
                where=f"{where} spacing",
                remedy="The header's units or affine are wrong; export the scan again.",
            )
        )
    shear_deg = math.degrees(
        math.acos(min(1.0, grid.voxel_volume_mm3 / math.prod(grid.spacing_zyx_mm)))
    )
    if shear_deg > _MAX_SHEAR_DEG + 1e-6:
        raise GeometryError(
            explain(
                expected=f"voxel axes sheared by at most {_MAX_SHEAR_DEG:g} degrees",
                got=f"{shear_deg:.1f} degrees",
                where=f"{where} affine",
                remedy="No scanner makes such voxels; export the scan again.",
            )
        )
    if max(grid.spacing_zyx_mm) <= _USUAL_SPACING_MM:
        return ()
    sizes = " x ".join(f"{s:.4g}" for s in grid.spacing_zyx_mm)
    return (
        GateNote(
            code="unusual_spacing",
            message=f"The voxels are {sizes} mm large (z, y, x); hardly any scan has voxels above "
            f"{_USUAL_SPACING_MM:g} mm. If the header is wrong, so are all distances and volumes.",
        ),
    )


def check_memory(
    shape_zyx: tuple[int, ...], itemsize: int, limit_gib: float, *, where: str
) -> None:
    """Refuses a scan whose reading would need more memory than allowed, before allocating it.

    Raises:
        DataError: Stored voxels, a re-ordered copy and a float32 copy exceed ``limit_gib``.
    """
    needed_gib = math.prod(shape_zyx) * (2 * itemsize + 4) / _GIB
    if needed_gib > limit_gib:
        raise DataError(
            explain(
                expected=f"at most {limit_gib:g} GiB to read a scan",
                got=f"about {needed_gib:.1f} GiB for {tuple(shape_zyx)} voxels (z, y, x)",
                where=where,
                remedy="Pass a smaller series or a cropped scan; programs may also call "
                "read_volume with a higher memory_limit_gib.",
            )
        )


def shear_note(grid: Grid) -> tuple[GateNote, ...]:
    """A note when the grid's axes are not perpendicular; the affine is kept as it is."""
    if grid.is_orthogonal:
        return ()
    angle = math.degrees(math.asin(min(1.0, grid.shear)))
    return (
        GateNote(
            code="sheared_grid",
            message=f"The voxel axes are not perpendicular (off by {angle:.1f} degrees); "
            "the sheared geometry is kept exactly.",
        ),
    )


def resolve_modality(
    voxels_zyx: npt.NDArray[np.int16] | npt.NDArray[np.float32], modality: Modality | None
) -> tuple[Modality, Unit, GateNote]:
    """Modality and unit of voxels whose file names neither, and the note that says so.

    A modality that is given is kept, but CT is in HU only if the values do not contradict that.
    """
    contradiction = hu_contradiction(voxels_zyx) if modality == "CT" else None
    if contradiction is not None:
        note = GateNote(
            code="unit_not_hu",
            message="The file names no modality; CT was given by the caller, but its values "
            f"({voxels_zyx.min():g} to {voxels_zyx.max():g}) are not HU: {contradiction}. They are "
            "read in arbitrary units and no HU rule is applied; convert the file to HU (CT stored "
            "with an offset: subtract it), or pass the original scan.",
        )
        return modality or "CT", "arbitrary", note
    if modality is not None:
        note = GateNote(
            code="modality_given",
            message=f"The file names no modality; {modality} was given by the caller.",
        )
        return modality, "HU" if modality == "CT" else "arbitrary", note
    guess = guess_modality(voxels_zyx)
    code = "modality_inferred"
    if guess.modality == "unknown":
        code = "not_hu"
        message = (
            f"The file names no modality and its values are not Hounsfield units ({guess.reason}); "
            "they are read in arbitrary units. Say --modality ct or --modality mr."
        )
    else:
        unit = "Hounsfield units" if guess.modality == "CT" else "arbitrary units"
        message = (
            f"The file names no modality; taken as {guess.modality} in {unit} from its values "
            f"({guess.reason}). Say --modality if this is wrong."
        )
    note = GateNote(code=code, message=message)
    return guess.modality, "HU" if guess.modality == "CT" else "arbitrary", note


def replace_not_finite(
    raw_zyx: npt.NDArray[np.generic], *, where: str
) -> tuple[npt.NDArray[np.generic], list[GateNote]]:
    """The stored numbers with the lowest finite one where there was NaN or infinity, and a note.

    Raises:
        DataError: No voxel, or less than half of them, hold a finite number.
    """
    if raw_zyx.dtype.kind != "f":
        return raw_zyx, []
    is_finite = np.isfinite(raw_zyx)
    count = int(np.count_nonzero(~is_finite))
    if count == 0:
        return raw_zyx, []
    share = count / raw_zyx.size
    if share > 0.5:
        raise DataError(
            explain(
                expected="finite values in most voxels",
                got=f"NaN or infinite values in {share:.0%} of them",
                where=f"{where} voxels",
                remedy="Find the step that made them and export the scan again.",
            )
        )
    lowest = raw_zyx[is_finite].min()
    message = (
        f"{count} voxels ({share:.2%}) hold no finite number (NaN or infinity); they were set to "
        f"the lowest finite value, {float(lowest):g}. What they showed is lost."
    )
    note = GateNote(code="not_finite_replaced", message=message)
    return np.where(is_finite, raw_zyx, lowest), [note]


def finish_volume(
    raw_zyx: npt.NDArray[np.generic], facts: HeaderFacts, modality: Modality | None
) -> Volume:
    """The volume of a file that names no modality: exact voxels, modality from the values."""
    finite, value_notes = replace_not_finite(raw_zyx, where=facts.where)
    voxels = compact_voxels(finite, slope=facts.slope, intercept=facts.intercept, where=facts.where)
    if voxels.min() == voxels.max():
        message = f"Every voxel holds the same value ({voxels.flat[0]:g}): there is nothing to see."
        value_notes.append(GateNote(code="constant_values", message=message))
    resolved, unit, note = resolve_modality(voxels, modality)
    return Volume.from_array(
        voxels,
        facts.grid,
        modality=resolved,
        unit=unit,
        notes=(*facts.notes, *value_notes, note),
        stored_dtype=facts.stored.dtype,
    )


def inspection_of(facts: HeaderFacts) -> ScanInspection:
    """The inspection of a file that holds exactly one volume; modality is left to the voxels."""
    x_mm, y_mm = facts.grid.spacing_zyx_mm[2], facts.grid.spacing_zyx_mm[1]
    nz, ny, nx = facts.grid.shape_zyx
    summary = SeriesSummary(
        index=1,
        kind="volume",
        series_uid_sha256=None,
        modality="unknown",
        num_slices=nz,
        num_files=1,
        size_ij=(nx, ny),
        spacing_ij_mm=(x_mm, y_mm),
        axcodes=facts.grid.axcodes_xyz,
    )
    return ScanInspection(
        kind=facts.kind,
        series=(summary,),
        chosen_index=1,
        chosen_reason="the only volume in the file",
        stored=facts.stored,
        acquisition=Acquisition(),
        notes=facts.notes,
    )


def refused(kind: ScanKind, error: DataError) -> Examination:
    """The examination of a file whose header is already refused."""
    return Examination(inspection=ScanInspection(kind=kind), error=error)
