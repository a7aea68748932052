"""Scans in patient space: grids, volumes, and the readers and writers that keep geometry exact."""

from vol3d.volume.grid import Grid, canonicalise, closest_world_axes
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
    "Modality",
    "StoredGeometry",
    "Unit",
    "Volume",
    "VoxelArray",
    "canonicalise",
    "closest_world_axes",
]
