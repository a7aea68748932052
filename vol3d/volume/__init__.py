"""Scans in patient space: grids, volumes, and the readers and writers that keep geometry exact."""

from vol3d.volume.dicom_enhanced_writer import write_enhanced_dicom
from vol3d.volume.dicom_writer import write_dicom_series
from vol3d.volume.grid import Grid, canonicalise, closest_world_axes, orient
from vol3d.volume.inspection import Refusal, ScanInspection, SeriesSummary
from vol3d.volume.label_maps import (
    LabelArray,
    LabelMap,
    count_voxels,
    read_label_map,
    regrid_labels,
)
from vol3d.volume.nifti_writer import write_nifti
from vol3d.volume.nrrd_writer import write_nrrd
from vol3d.volume.reading import inspect_and_read, inspect_path, read_volume
from vol3d.volume.volume import (
    Acquisition,
    GateNote,
    Modality,
    StoredGeometry,
    Unit,
    Volume,
    VoxelArray,
)

__all__ = [
    "Acquisition",
    "GateNote",
    "Grid",
    "LabelArray",
    "LabelMap",
    "Modality",
    "Refusal",
    "ScanInspection",
    "SeriesSummary",
    "StoredGeometry",
    "Unit",
    "Volume",
    "VoxelArray",
    "canonicalise",
    "closest_world_axes",
    "count_voxels",
    "inspect_and_read",
    "inspect_path",
    "orient",
    "read_label_map",
    "read_volume",
    "regrid_labels",
    "write_dicom_series",
    "write_enhanced_dicom",
    "write_nifti",
    "write_nrrd",
]
