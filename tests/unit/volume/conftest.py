"""Tiny scans whose answers can be checked by eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from vol3d.volume import Grid, Volume, write_dicom_series

Edit = Callable[[Dataset, int], Any]


@pytest.fixture
def tiny_ct() -> Volume:
    """5 x 4 x 3 voxels (z, y, x) of 2 x 3 x 4 mm; value = 100 z + 10 y + x - 1000."""
    z, y, x = np.meshgrid(np.arange(5), np.arange(4), np.arange(3), indexing="ij")
    voxels = (100 * z + 10 * y + x - 1000).astype(np.int16)
    affine = np.diag([4.0, 3.0, 2.0, 1.0])
    affine[:3, 3] = -10.0, 20.0, 700.0
    return Volume.from_array(
        voxels, Grid(shape_zyx=(5, 4, 3), affine=affine), modality="CT", unit="HU"
    )


@pytest.fixture
def ct_folder(tiny_ct: Volume, tmp_path: Path) -> Callable[..., Path]:
    """Writes ``tiny_ct`` as DICOM after ``edit(dataset, k)`` changed each slice k."""

    def make(edit: Edit | None = None, *, name: str = "series", seed: int = 0) -> Path:
        folder = tmp_path / name
        for k, path in enumerate(write_dicom_series(tiny_ct, folder, seed=seed)):
            if edit is not None:
                ds = pydicom.dcmread(path)
                edit(ds, k)
                ds.save_as(path)
        return folder

    return make


@pytest.fixture
def enhanced_ct(tiny_ct: Volume, tmp_path: Path) -> Callable[..., Path]:
    """Writes ``tiny_ct`` as one enhanced CT file, frames from head to feet."""

    def make(edit: Edit | None = None, *, intercepts: tuple[float, ...] = (-1000.0,) * 5) -> Path:
        first = write_dicom_series(tiny_ct, tmp_path / "classic")
        slices = [pydicom.dcmread(path) for path in reversed(first)]
        ds = slices[0]
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
        pixels, frames = [], []
        for piece, intercept in zip(slices, intercepts, strict=True):
            pixels.append((piece.pixel_array - intercept).astype("<u2").tobytes())
            frames.append(_frame(piece, intercept))
        ds.NumberOfFrames = len(slices)
        ds.SharedFunctionalGroupsSequence = [_shared(ds)]
        ds.PerFrameFunctionalGroupsSequence = frames
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(ds, keyword)
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            delattr(ds, keyword)
        ds.PixelRepresentation = 0
        ds.PixelData = b"".join(pixels)
        if edit is not None:
            edit(ds, 0)
        path = tmp_path / "enhanced.dcm"
        ds.save_as(path)
        return path

    return make


def _frame(piece: Dataset, intercept: float) -> Dataset:
    item = Dataset()
    place = Dataset()
    place.ImagePositionPatient = piece.ImagePositionPatient
    item.PlanePositionSequence = [place]
    values = Dataset()
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, intercept, "HU"
    item.PixelValueTransformationSequence = [values]
    return item


def _shared(ds: Dataset) -> Dataset:
    item = Dataset()
    plane, measures, kind = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = ds.ImageOrientationPatient
    measures.PixelSpacing = ds.PixelSpacing
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    item.PlaneOrientationSequence = [plane]
    item.PixelMeasuresSequence = [measures]
    item.CTImageFrameTypeSequence = [kind]
    return item
