"""DICOM series out: uncompressed CT or MR slices of any axis order, without any patient data."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.grid import FloatArray, Grid, orient
from vol3d.volume.volume import Modality, Unit, Volume

DESCRIPTION = "vol3d - research use only"
StoredArray = npt.NDArray[np.int16] | npt.NDArray[np.uint16]
_IN_PLANE_SHEAR = 1e-3
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
_SOP_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WrittenSeries:
    """What all slices of the written series share."""

    modality: Modality
    unit: Unit
    grid: Grid
    slope: float
    intercept: float
    identity: str
    seed: int
    patient_position: str | None

    def uid(self, *parts: object) -> str:
        """A UID that depends on voxels, grid, seed and ``parts`` alone."""
        from pydicom.uid import generate_uid

        sources = ["vol3d", self.identity, str(self.seed), *(str(p) for p in parts)]
        return str(generate_uid(entropy_srcs=sources))


def write_dicom_series(
    volume: Volume, directory: str | os.PathLike[str], *, axcodes: str = "LPS", seed: int = 0
) -> tuple[Path, ...]:
    """Paths of the slices of a classic CT or MR series, one file per voxel plane.

    int16 voxels are stored unchanged. float32 voxels are stored in 16 bits with one slope for the
    series: each is off by at most half of (maximum - minimum) / 65535.

    Args:
        directory: Made if absent; files are ``slice_0001.dcm`` and so on, along the third axis.
        axcodes: Directions in which columns, rows and files grow: any of the 48.
        seed: UIDs depend on the voxels, the grid and this number only.

    Raises:
        DataError: The volume is neither CT nor MR.
        GeometryError: Rows and columns are not perpendicular in this axis order, which DICOM
            cannot express (a sheared stack of slices it can).
    """
    series, stored = prepare_series(volume, axcodes=axcodes, seed=seed, where="write_dicom_series")
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k, plane in enumerate(stored):
        path = folder / f"slice_{k + 1:04d}.dcm"
        _dataset(series, k, plane).save_as(path, enforce_file_format=True)
        paths.append(path)
    return tuple(paths)


def prepare_series(
    volume: Volume, *, axcodes: str, seed: int, where: str
) -> tuple[WrittenSeries, StoredArray]:
    """What all slices share, and stored numbers [slice, row, column].

    Raises:
        DataError: The volume is neither CT nor MR.
        GeometryError: Rows and columns are not perpendicular in this axis order.
    """
    if volume.modality not in _SOP_CLASSES:
        raise DataError(
            explain(
                expected="a CT or MR volume",
                got=volume.modality,
                where=f"{where} volume",
                remedy="Say the modality when reading the scan.",
            )
        )
    array, grid = orient(volume.voxels_zyx, volume.grid, axcodes)
    _check_in_plane(grid, axcodes, where=where)
    stored, slope, intercept = _stored(array)
    digest = hashlib.sha256(np.ascontiguousarray(stored).tobytes())
    digest.update(grid.affine.tobytes() + f"{volume.modality}{slope}{intercept}".encode())
    series = WrittenSeries(
        modality=volume.modality,
        unit=volume.unit,
        grid=grid,
        slope=slope,
        intercept=intercept,
        identity=digest.hexdigest(),
        seed=seed,
        patient_position=volume.acquisition.patient_position,
    )
    return series, stored


def _check_in_plane(grid: Grid, axcodes: str, *, where: str) -> None:
    x, y = grid.affine[:3, 0], grid.affine[:3, 1]
    cosine = abs(float(x @ y) / float(np.linalg.norm(x) * np.linalg.norm(y)))
    if cosine > _IN_PLANE_SHEAR:
        raise GeometryError(
            explain(
                expected="perpendicular rows and columns",
                got=f"a cosine of {cosine:.4f} between them",
                where=f"{where} axcodes {axcodes}",
                remedy="Choose axcodes whose first two axes span the original slices.",
            )
        )


def _stored(
    array: npt.NDArray[np.generic],
) -> tuple[StoredArray, float, float]:
    """16-bit numbers, slope and intercept."""
    if array.dtype == np.dtype(np.int16):
        return array.astype(np.int16, copy=False), 1.0, 0.0
    values = array.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    slope = float(f"{(high - low) / 65535 or 1.0:.9e}")
    intercept = float(f"{low:.8e}")
    stored = np.clip(np.rint((values - intercept) / slope), 0, 65535)
    return stored.astype(np.uint16), slope, intercept


def _dataset(series: WrittenSeries, k: int, plane: npt.NDArray[Any]) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = _SOP_CLASSES[series.modality]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = series.uid("instance", k)
    ds.StudyInstanceUID = series.uid("study")
    ds.SeriesInstanceUID = series.uid("series")
    ds.FrameOfReferenceUID = series.uid("frame of reference")
    ds.SeriesNumber, ds.InstanceNumber = 1, k + 1
    ds.Modality = series.modality
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if series.modality == "CT" else "OTHER"]
    ds.SeriesDescription = DESCRIPTION
    ds.BurnedInAnnotation = "NO"
    ds.Manufacturer = "vol3d"
    _add_empty(ds, series.modality)
    ds.PatientPosition = series.patient_position
    _add_place(ds, series.grid, k)
    _add_pixels(ds, series, plane)
    return ds


EMPTY_FIELDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
"""Fields that every image must have and that hold nothing in files of ours."""


def _add_empty(ds: Any, modality: Modality) -> None:
    """Fields that DICOM wants present and that hold nothing here."""
    names = [
        *EMPTY_FIELDS,
        "Laterality",
        "AcquisitionNumber",
    ]
    names += ["KVP"] if modality == "CT" else ["RepetitionTime", "EchoTime", "EchoTrainLength"]
    for name in names:
        setattr(ds, name, None)
    if modality == "MR":
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "RM", "NONE", None
        ds.MRAcquisitionType = "3D"


def _add_place(ds: Any, grid: Grid, k: int) -> None:
    position, orientation, spacing, thickness = slice_place(grid, k)
    ds.ImagePositionPatient = position
    ds.ImageOrientationPatient = orientation
    ds.PixelSpacing = spacing
    ds.SliceThickness = thickness


def slice_place(grid: Grid, k: int) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Position, orientation, pixel spacing and distance of planes of slice k, for DICOM (LPS)."""
    matrix = grid.affine[:3, :3]
    lengths = np.linalg.norm(matrix, axis=0)
    directions = (matrix / lengths).T * _RAS_TO_LPS
    origin = grid.index_to_world_mm((k, 0, 0)) * _RAS_TO_LPS
    normal = np.cross(directions[0], directions[1])
    step = np.array([abs(normal @ (matrix[:, 2] * _RAS_TO_LPS))])
    return (
        decimals(origin),
        decimals(directions[:2].ravel()),
        decimals(lengths[[1, 0]]),
        decimals(step)[0],
    )


def decimals(values: FloatArray) -> list[Any]:
    """DICOM decimal strings of at most 16 characters, as exact as these allow."""
    from pydicom.valuerep import DSfloat

    return [DSfloat(float(v), auto_format=True) for v in values]


def _add_pixels(ds: Any, series: WrittenSeries, plane: npt.NDArray[Any]) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = plane.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(plane.dtype == np.int16)
    if series.modality == "CT" or series.slope != 1.0:
        ds.RescaleSlope, ds.RescaleIntercept = decimals(np.array([series.slope, series.intercept]))
        ds.RescaleType = "HU" if series.unit == "HU" else "US"
    ds.PixelData = np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder("<"))).tobytes()
    ds["PixelData"].VR = "OW"
