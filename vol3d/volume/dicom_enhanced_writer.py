"""Enhanced CT and MR out: one uncompressed multi-frame file, without any patient data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from vol3d.volume.dicom_writer import (
    DESCRIPTION,
    EMPTY_FIELDS,
    StoredArray,
    WrittenSeries,
    decimals,
    prepare_series,
    slice_place,
)
from vol3d.volume.volume import Volume

_SOP_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}
_IMAGE_TYPE = ("DERIVED", "PRIMARY", "VOLUME", "NONE")
_NO_DATE, _NO_TIME = "20000101", "000000"
"""DICOM demands a date of the content; this one stands for none."""


def write_enhanced_dicom(
    volume: Volume, path: str | os.PathLike[str], *, axcodes: str = "LPS", seed: int = 0
) -> Path:
    """Path of one Enhanced CT or MR file that holds every slice as a frame.

    int16 voxels are stored unchanged. float32 voxels are stored in 16 bits with one slope: each is
    off by at most half of (maximum - minimum) / 65535.

    Args:
        axcodes: Directions in which columns, rows and frames grow: any of the 48.
        seed: UIDs depend on the voxels, the grid and this number only.

    Raises:
        DataError: The volume is neither CT nor MR.
        GeometryError: Rows and columns are not perpendicular in this axis order.

    Source: DICOM PS3.3 A.38.1 (Enhanced CT), A.36.2 (Enhanced MR), C.7.6.16 (functional groups).
    """
    where = "write_enhanced_dicom"
    series, stored = prepare_series(volume, axcodes=axcodes, seed=seed, where=where)
    ds = _dataset(series)
    _add_pixels(ds, stored)
    ds.SharedFunctionalGroupsSequence = [_shared_groups(series)]
    ds.PerFrameFunctionalGroupsSequence = [_frame_groups(series, k) for k in range(len(stored))]
    _add_dimensions(ds, series)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(target, enforce_file_format=True)
    return target


def _dataset(series: WrittenSeries) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = _SOP_CLASSES[series.modality]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = series.uid("enhanced instance")
    ds.StudyInstanceUID = series.uid("study")
    ds.SeriesInstanceUID = series.uid("enhanced series")
    ds.FrameOfReferenceUID = series.uid("frame of reference")
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.Modality, ds.ImageType = series.modality, list(_IMAGE_TYPE)
    ds.SeriesDescription = DESCRIPTION
    for name in EMPTY_FIELDS:
        setattr(ds, name, None)
    ds.Manufacturer = ds.ManufacturerModelName = ds.DeviceSerialNumber = "vol3d"
    ds.SoftwareVersions = "vol3d"
    ds.ContentDate, ds.ContentTime = _NO_DATE, _NO_TIME
    ds.PatientPosition = series.patient_position
    ds.ContentQualification, ds.BurnedInAnnotation = "RESEARCH", "NO"
    ds.LossyImageCompression, ds.PresentationLUTShape = "00", "IDENTITY"
    ds.AcquisitionContextSequence = []
    _add_description(ds, series)
    return ds


def _add_description(ds: Any, series: WrittenSeries) -> None:
    """What image and frame type macros share (PS3.3 C.8.16.1 and C.8.13.3)."""
    ds.PixelPresentation = "MONOCHROME"
    ds.VolumetricProperties = "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    if series.modality == "MR":
        ds.ComplexImageComponent, ds.AcquisitionContrast = "MAGNITUDE", "UNKNOWN"


def _add_pixels(ds: Any, stored: StoredArray) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(stored.dtype == np.int16)
    ds.PixelData = np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder("<"))).tobytes()
    ds["PixelData"].VR = "OW"


def _shared_groups(series: WrittenSeries) -> Any:
    from pydicom.dataset import Dataset

    _, orientation, spacing, thickness = slice_place(series.grid, 0)
    measures, plane, frame_type, anatomy, region = (Dataset() for _ in range(5))
    measures.PixelSpacing, measures.SliceThickness = spacing, thickness
    plane.ImageOrientationPatient = orientation
    frame_type.FrameType = list(_IMAGE_TYPE)
    _add_description(frame_type, series)
    region.CodeValue, region.CodingSchemeDesignator = "38266002", "SCT"
    region.CodeMeaning = "Entire body"
    anatomy.AnatomicRegionSequence, anatomy.FrameLaterality = [region], "U"
    group = Dataset()
    group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [plane]
    group.FrameAnatomySequence = [anatomy]
    setattr(group, f"{series.modality}ImageFrameTypeSequence", [frame_type])
    if series.modality == "CT":
        event = Dataset()
        event.IrradiationEventUID = series.uid("irradiation event")
        group.IrradiationEventIdentificationSequence = [event]
    if series.modality == "CT" or series.slope != 1.0:
        group.PixelValueTransformationSequence = [_rescale(series)]
    return group


def _rescale(series: WrittenSeries) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept = decimals(np.array([series.slope, series.intercept]))
    item.RescaleType = "HU" if series.unit == "HU" else "US"
    return item


def _frame_groups(series: WrittenSeries, k: int) -> Any:
    from pydicom.dataset import Dataset

    content, place, group = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = "1", k + 1
    content.DimensionIndexValues = [1, k + 1]
    place.ImagePositionPatient = slice_place(series.grid, k)[0]
    group.FrameContentSequence, group.PlanePositionSequence = [content], [place]
    return group


def _add_dimensions(ds: Any, series: WrittenSeries) -> None:
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataset import Dataset

    organization = Dataset()
    organization.DimensionOrganizationUID = series.uid("dimensions")
    ds.DimensionOrganizationSequence = [organization]
    indices = []
    for keyword in ("StackID", "InStackPositionNumber"):
        index = Dataset()
        index.DimensionOrganizationUID = organization.DimensionOrganizationUID
        index.DimensionIndexPointer = tag_for_keyword(keyword)
        index.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
        indices.append(index)
    ds.DimensionIndexSequence = indices
