"""The conventions of RadGPT reports, from which DeepTumorVQA's answers were made.

RadGPT resamples masks to 1 mm with ``scipy.ndimage.zoom``, which maps the centres of the first and
last voxel onto each other: N samples of s mm become round(N s) samples. Volumes grow by it, and
diameters are whole millimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vol3d.measure.diameters import axial_diameters
from vol3d.measure.instances import Instance
from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]


def volume_factor(grid: Grid) -> float:
    """Volume on RadGPT's 1-mm grid over the true volume.

    Source:
        Product over the axes of ((M - 1) / (N - 1)) / s with M = round(N s), from the corner
        alignment of ``scipy.ndimage.zoom``.
    """
    factor = 1.0
    for count, mm in zip(grid.shape_zyx, grid.spacing_zyx_mm, strict=True):
        samples = round(count * mm)
        if count > 1 and samples > 1:
            factor *= (samples - 1) / (count - 1) / mm
    return factor


@dataclass(frozen=True, kw_only=True, slots=True)
class RadgptSize:
    """Size of a lesion as a RadGPT report has it; diameters are whole mm."""

    longest_mm: float
    perpendicular_mm: float
    slice_index: int


def radgpt_size(instance: Instance, grid: Grid) -> RadgptSize:
    """Longest axial diameter, the one across it, and the slice, by RadGPT's recipe.

    Args:
        instance: The lesion on the scan's grid.
        grid: The scan's grid.
    """
    fine, start = _to_one_mm(instance, grid)
    voxels = np.argwhere(fine) + start
    if not len(voxels):  # thinner than the distance of two samples
        voxels = np.array([start])
    cube = Grid(shape_zyx=(1, 1, 1), affine=np.eye(4))
    found = axial_diameters(voxels, cube)
    z_mm = grid.spacing_zyx_mm[0]
    index = min(math.floor(found.slice_index / z_mm), grid.shape_zyx[0] - 1)
    return RadgptSize(
        longest_mm=max(math.floor(found.longest_mm), 1.0),
        perpendicular_mm=max(math.floor(found.perpendicular_mm) - 1.0, 1.0),
        slice_index=index,
    )


def _to_one_mm(instance: Instance, grid: Grid) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """The lesion on the 1-mm grid (nearest), cut to its box, and the box's first index."""
    indices, starts = [], []
    for box, count, mm in zip(instance.box, grid.shape_zyx, grid.spacing_zyx_mm, strict=True):
        samples = max(round(count * mm), 1)
        scale = (count - 1) / (samples - 1) if samples > 1 else 0.0
        source = np.floor(np.arange(samples) * scale + 0.5).astype(np.int64)
        inside = np.flatnonzero((source >= box.start) & (source < box.stop))
        indices.append(source[inside] - box.start)
        starts.append(int(inside[0]) if inside.size else round(box.start * mm))
    fine: BoolArray = instance.inside_zyx[np.ix_(*indices)]
    return fine, np.array(starts, dtype=np.int64)
