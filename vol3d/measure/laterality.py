"""Whether the organs lie on the sides that the header claims: the liver belongs to the right.

A header whose left and right are swapped makes a mirror image that no check of geometry can see.
The liver gives it away: it is the largest even soft tissue of the upper abdomen. A scan is only
noted where the liver clearly lies on the left; a swapped scan that is not clear passes unnoticed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vol3d.measure.body import BoolArray, body_mask
from vol3d.measure.region import RegionEstimate, estimate_region
from vol3d.volume import GateNote, Volume

COARSE_MM = 4.0
SHORTEST_VIEW_MM = 30.0
"""Length of abdomen along z below which organs are not told apart."""

TISSUE_HU = (25.0, 180.0)
"""Means of liver parenchyma that can be taken for a liver; below lie fluid and fatty livers."""
FAINTEST_LIVER_HU = -20.0
"""A liver on the right is looked for down to here, so that a fatty one is not overlooked."""
LARGEST_SD_HU = 25.0
"""Of block means within about 12 mm: even tissue, neither bowel nor edges."""
CORE_MM = 8.0
"""Tissue this far from its surface; cuts an organ off from the abdominal wall and neighbours."""
CENTRAL_MM = 40.0
"""Bone this close to the middle of the body is the spine's."""

LEAST_LIVER_CM3 = 400.0
SHARE_OF_ONE_SIDE = 0.8
LEAST_OFFSET_MM = 25.0
OTHER_SIDE = 0.4
"""Largest share of the liver that even tissue on the right, a mirrored spleen, may reach."""
LEAST_FORWARD = 0.5
"""A liver's centre lies in the front half of the body (0 back, 1 front); a spleen's does not."""
FORWARD_OF_OTHER = 0.05
"""A liver lies this much before a spleen, so that a small liver is not taken for one."""
COUNTED_CM3 = 100.0


class _Organ(NamedTuple):
    """A piece of even soft tissue: volume, offset of its centre from the spine (right positive)."""

    cm3: float
    offset_mm: float
    left_share: float
    forward: float


class _View(NamedTuple):
    """The abdomen of a scan, coarse: block means, their local mean and deviation, body."""

    mean_hu: npt.NDArray[np.float32]
    sd_hu: npt.NDArray[np.float32]
    body: BoolArray
    spacing_zyx_mm: tuple[float, float, float]
    spine_mm: float


def laterality_note(
    volume: Volume, *, body: BoolArray | None = None, region: RegionEstimate | None = None
) -> GateNote | None:
    """A note ``organs_mirrored`` if the liver clearly lies on the patient's left; else ``None``.

    Only CT in HU that shows the abdomen is judged. The voxels are never changed.

    Args:
        volume: Any scan.
        body: ``body_mask(volume)``, if it is known already.
        region: ``estimate_region(volume, body)``, if it is known already.
    """
    if volume.unit != "HU":
        return None
    body = body_mask(volume) if body is None else body
    region = estimate_region(volume, body) if region is None else region
    view = _abdomen(volume, body, region)
    if view is None:
        return None
    left = _largest(_organs(view, TISSUE_HU[0]), is_left=True)
    if left is None or not _is_liver(left):
        return None
    other = _largest(_organs(view, FAINTEST_LIVER_HU), is_left=False)
    if other is not None and not _is_spleen_of(other, left):
        return None
    return GateNote(
        code="organs_mirrored",
        message="The liver seems to lie on the patient's left: situs inversus, or the header's "
        "left and right are swapped. The scan is read as its header says; check the side of "
        "every finding against the original images.",
    )


def _is_liver(organ: _Organ) -> bool:
    return (
        organ.cm3 >= LEAST_LIVER_CM3
        and organ.left_share >= SHARE_OF_ONE_SIDE
        and organ.offset_mm <= -LEAST_OFFSET_MM
        and organ.forward >= LEAST_FORWARD
    )


def _is_spleen_of(organ: _Organ, liver: _Organ) -> bool:
    """Whether tissue on the right leaves no doubt that what lies on the left is the liver."""
    if organ.cm3 < COUNTED_CM3:
        return True
    return organ.cm3 <= OTHER_SIDE * liver.cm3 and organ.forward <= liver.forward - FORWARD_OF_OTHER


def _abdomen(volume: Volume, body: BoolArray, region: RegionEstimate) -> _View | None:
    """The coarse view of the slices that show the abdomen, or None where they are too few."""
    if "abdomen" not in region.regions:
        return None
    shown = np.flatnonzero(np.array(region.slice_labels) == "abdomen")
    if len(shown) * volume.grid.spacing_zyx_mm[0] < SHORTEST_VIEW_MM:
        return None
    slices = slice(int(shown[0]), int(shown[-1]) + 1)
    voxels: npt.NDArray[Any] = volume.voxels_zyx[slices]
    spacing = volume.grid.spacing_zyx_mm
    blocks = tuple(
        min(max(1, round(COARSE_MM / mm)), n) for mm, n in zip(spacing, voxels.shape, strict=True)
    )
    hu, inside = _block_means(voxels, blocks), _block_middles(body[slices], blocks)
    coarse_mm = (spacing[0] * blocks[0], spacing[1] * blocks[1], spacing[2] * blocks[2])
    spine_mm = _spine_mm(hu, inside, coarse_mm[2])
    if spine_mm is None:
        return None
    mean = ndimage.uniform_filter(hu, 3, mode="nearest")
    square = ndimage.uniform_filter(hu * hu, 3, mode="nearest")
    sd = np.sqrt(np.maximum(square - mean * mean, 0))
    return _View(mean, sd, inside, coarse_mm, spine_mm)


def _block_means(array: npt.NDArray[Any], blocks: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Means of blocks of voxels; voxels that fill no block at an end are left out."""
    total = array
    dtype = np.int32 if array.dtype.kind == "i" else np.float32
    for axis, size in enumerate(blocks):
        kept = np.moveaxis(total, axis, 0)[: total.shape[axis] // size * size]
        added = kept[::size].astype(dtype)
        for first in range(1, size):
            added += kept[first::size]
        total = np.moveaxis(added, 0, axis)
    return np.ascontiguousarray(total, dtype=np.float32) / np.float32(np.prod(blocks))


def _block_middles(mask: BoolArray, blocks: tuple[int, ...]) -> BoolArray:
    """One voxel from the middle of every block that :func:`_block_means` makes."""
    picks = (slice(b // 2, n // b * b, b) for n, b in zip(mask.shape, blocks, strict=True))
    return np.ascontiguousarray(mask[tuple(picks)])


def _spine_mm(hu: npt.NDArray[np.float32], body: BoolArray, column_mm: float) -> float | None:
    """Distance of the spine from the first column's edge, along x (to the right)."""
    place_mm = (np.arange(hu.shape[2]) + 0.5) * column_mm
    per_column = body.sum(axis=(0, 1))
    if not per_column.any():
        return None
    middle_mm = float(np.average(place_mm, weights=per_column))
    bone = ((hu > 200) & body).sum(axis=(0, 1)) * (abs(place_mm - middle_mm) < CENTRAL_MM)
    return float(np.average(place_mm, weights=bone)) if bone.any() else middle_mm


def _organs(view: _View, faintest_hu: float) -> list[_Organ]:
    """Every large piece of even soft tissue."""
    is_even = (view.mean_hu > faintest_hu) & (view.mean_hu < TISSUE_HU[1])
    is_even &= (view.sd_hu < LARGEST_SD_HU) & view.body
    padded = np.pad(is_even, 1, mode="edge")  # an organ that is cut by the view goes on there
    depth = ndimage.distance_transform_edt(padded, sampling=view.spacing_zyx_mm)[1:-1, 1:-1, 1:-1]
    cores = cc3d.connected_components((depth > CORE_MM).astype(np.uint8), connectivity=6)
    near, nearest = ndimage.distance_transform_edt(
        cores == 0, sampling=view.spacing_zyx_mm, return_indices=True
    )
    pieces = np.where(is_even & (near <= CORE_MM), cores[tuple(nearest)], 0)
    rows = np.flatnonzero(view.body.any(axis=(0, 2)))
    back, front = int(rows[0]), int(rows[-1])
    voxel_cm3 = float(np.prod(view.spacing_zyx_mm)) / 1000
    sizes = np.bincount(pieces.ravel())
    found = []
    for label in np.flatnonzero(sizes * voxel_cm3 >= 10.0):
        if label == 0:
            continue
        _, y, x = np.nonzero(pieces == label)
        offset_mm = (x + 0.5) * view.spacing_zyx_mm[2] - view.spine_mm
        found.append(
            _Organ(
                cm3=float(sizes[label]) * voxel_cm3,
                offset_mm=float(offset_mm.mean()),
                left_share=float((offset_mm < 0).mean()),
                forward=float((y.mean() - back) / max(front - back, 1)),
            )
        )
    return found


def _largest(organs: list[_Organ], *, is_left: bool) -> _Organ | None:
    side = [organ for organ in organs if (organ.offset_mm < 0) == is_left]
    return max(side, key=lambda organ: organ.cm3, default=None)
