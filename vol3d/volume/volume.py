"""One scan in memory: voxels, grid, modality, unit, and what of the header is not personal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.grid import Grid

Modality = Literal["CT", "MR", "unknown"]
Unit = Literal["HU", "arbitrary"]
VoxelArray = npt.NDArray[np.int16] | npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Acquisition:
    """Facts about how a scan was made; never a name, a date, an id or free text.

    ``None`` means that the file does not say. Strings are kept only if they are DICOM code
    strings (upper-case terms such as ``ABDOMEN`` or ``HFS``).
    """

    body_part_examined: str | None = None
    patient_position: str | None = None
    manufacturer: str | None = None
    convolution_kernel: str | None = None
    slice_thickness_mm: float | None = None
    kvp: float | None = None
    is_contrast_given: bool | None = None
    gantry_tilt_deg: float | None = None
    mr_sequence: str | None = None
    series_uid_sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GateNote:
    """Something the geometry gate wants the user to know about an accepted scan.

    Args:
        code: Stable machine-readable name, such as ``gantry_tilt`` or ``other_files_ignored``.
        message: One sentence for the reader: what was found and what was done about it.
    """

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredGeometry:
    """The geometry as the file stores it, before the voxels were turned to S, A, R.

    Args:
        shape_ijk: Voxels along the file's own index axes (DICOM: column, row, slice).
        affine_ras: 4x4 from the file's (i, j, k) to RAS+ mm. Sheared for a tilted gantry.
        axcodes: Closest patient directions of i, j and k.
        dtype: Name of the stored number type, such as ``int16``.
    """

    shape_ijk: tuple[int, int, int]
    affine_ras: npt.NDArray[np.float64]
    axcodes: str
    dtype: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Volume:
    """One scan: voxels (z, y, x) whose axes run to S, A and R, with the grid that places them.

    Args:
        voxels_zyx: int16 (HU, or MR values that fit) or float32.
        grid: Grid of ``voxels_zyx``; its axcodes are always ``RAS``.
        modality: ``CT``, ``MR`` or ``unknown``.
        unit: ``HU`` only for CT values that are Hounsfield units; otherwise ``arbitrary``.
        stored: Geometry as in the file.
        acquisition: Header facts without names or ids.
        notes: What the geometry gate found; shown to the user.

    Raises:
        DataError: Wrong dtype, a shape that differs from the grid's, or HU on something not CT.
    """

    voxels_zyx: VoxelArray
    grid: Grid
    modality: Modality
    unit: Unit
    stored: StoredGeometry
    acquisition: Acquisition = field(default_factory=Acquisition)
    notes: tuple[GateNote, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels_zyx.shape != self.grid.shape_zyx:
            raise DataError(
                explain(
                    expected=f"voxels of shape {self.grid.shape_zyx} (z, y, x)",
                    got=str(self.voxels_zyx.shape),
                    where="Volume.voxels_zyx",
                    remedy="Pass the array in (z, y, x) order with the grid that belongs to it.",
                )
            )
        if self.voxels_zyx.dtype not in (np.dtype(np.int16), np.dtype(np.float32)):
            raise DataError(
                explain(
                    expected="int16 or float32 voxels",
                    got=str(self.voxels_zyx.dtype),
                    where="Volume.voxels_zyx",
                    remedy="Convert the array without losing values first.",
                )
            )
        if self.grid.axcodes_xyz != "RAS":
            raise DataError(
                explain(
                    expected="a grid whose x, y, z run to R, A, S",
                    got=self.grid.axcodes_xyz,
                    where="Volume.grid",
                    remedy="Use volume.canonicalise(voxels, grid) or Volume.from_array.",
                )
            )
        if self.unit == "HU" and self.modality != "CT":
            raise DataError(
                explain(
                    expected="unit 'arbitrary' for anything but CT",
                    got=f"{self.unit} with modality {self.modality}",
                    where="Volume.unit",
                    remedy="Hounsfield units exist for CT only.",
                )
            )

    @classmethod
    def from_array(
        cls,
        voxels_zyx: VoxelArray,
        grid: Grid,
        *,
        modality: Modality,
        unit: Unit,
        acquisition: Acquisition | None = None,
        notes: tuple[GateNote, ...] = (),
        stored_dtype: str | None = None,
    ) -> Volume:
        """A volume from an array in any axis order and direction, turned to S, A, R.

        Args:
            voxels_zyx: Array indexed (k, j, i) of the file's axes, so that ``grid.affine`` maps
                its (i, j, k) to RAS mm.
            grid: Grid of that array, in any orientation.
        """
        from vol3d.volume.grid import canonicalise

        array, canonical = canonicalise(voxels_zyx, grid)
        nz, ny, nx = grid.shape_zyx
        stored = StoredGeometry(
            shape_ijk=(nx, ny, nz),
            affine_ras=grid.affine,
            axcodes=grid.axcodes_xyz,
            dtype=stored_dtype or str(voxels_zyx.dtype),
        )
        return cls(
            voxels_zyx=array,  # type: ignore[arg-type]
            grid=canonical,
            modality=modality,
            unit=unit,
            stored=stored,
            acquisition=acquisition or Acquisition(),
            notes=notes,
        )
