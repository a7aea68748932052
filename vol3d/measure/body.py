"""Where the patient is: a body mask without table, with lungs and bowel gas inside.

The mask is found on a coarse view of the scan (about 3 mm) and copied back to every voxel, which
is accurate enough for cropping and for dropping air, and fast on scans of any size.
"""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vol3d.volume import Volume

BoolArray = npt.NDArray[np.bool_]

COARSE_MM = 3.0
CT_THRESHOLD_HU = -250.0
OPENING_RADIUS_MM = 4.0
SMALLEST_PART = 0.02
"""Parts below this share of the largest part are dropped (table remains, cables, noise)."""
MR_THRESHOLD_SHARE = 0.5
"""Share of Otsu's threshold above which MR signal counts as body; dark tissue stays in."""
HOLLOW_CHECK_SHARE = 0.25
HOLLOW_RATIO = 2.5
"""A body this much larger when filled before thin parts are cut off is a hollow phantom."""

_IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
_IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


def body_mask(volume: Volume) -> BoolArray:
    """The patient's body on the scan's own grid, bool (z, y, x).

    CT is thresholded in HU; anything else by Otsu's method. The table, blankets and cables are
    removed, separate large parts such as arms stay, and holes are filled slice by slice, so that
    lungs and gas stay inside even where the scan cuts through them.

    Args:
        volume: Any scan. A blank scan (one value everywhere) has no body.

    Returns:
        A new array of the shape of ``volume.voxels_zyx``; all False where no body is found.
    """
    shape = volume.grid.shape_zyx
    strides = _coarse_strides(volume)
    picks = [slice(min(s // 2, n - 1), None, s) for s, n in zip(strides, shape, strict=True)]
    voxels: npt.NDArray[Any] = volume.voxels_zyx
    coarse = np.ascontiguousarray(voxels[picks[0], picks[1], picks[2]])
    if coarse.dtype.kind == "f":
        finite = coarse[np.isfinite(coarse)]
        coarse = np.nan_to_num(coarse, nan=finite.min() if finite.size else 0.0)
    threshold = _foreground_threshold(coarse, is_hu=volume.unit == "HU")
    if threshold is None:
        return np.zeros(shape, dtype=bool)
    spacing = np.array(volume.grid.spacing_zyx_mm) * strides
    radius = int(np.rint(OPENING_RADIUS_MM / max(spacing[1], spacing[2])))
    opening = min(radius, min(coarse.shape[1:]) // 8)
    foreground = coarse > threshold
    body = _fill_slices(_largest_parts(foreground, opening=opening))
    if body.mean() < HOLLOW_CHECK_SHARE:
        solid = _largest_parts(_fill_slices(foreground), opening=opening)
        if solid.sum() > HOLLOW_RATIO * body.sum():
            body = solid
    return _upsample(body, strides, shape)


SMALLEST_SECTION_CM2 = 20.0
"""Of the body's largest slice, for a midline where intensities say nothing: a 5 cm wide circle."""


def midline_x_mm(volume: Volume) -> float | None:
    """World x of the body's centre of mass; ``None`` where nothing as large as a body is found.

    The middle of the field of view is no midline: patients and fields of view lie off-centre.
    Neither is that of a label map given as a scan, whose "body" are a few lesions.
    """
    body = body_mask(volume)
    per_slice_cm2 = np.count_nonzero(body, axis=(1, 2)) * volume.grid.voxel_volume_mm3 / 100.0
    section_cm2 = per_slice_cm2.max(initial=0.0) / volume.grid.spacing_zyx_mm[0]
    if not body.any() or (volume.unit != "HU" and section_cm2 < SMALLEST_SECTION_CM2):
        return None
    centre = [
        float(np.average(np.arange(n), weights=np.count_nonzero(body, axis=other)))
        for n, other in zip(body.shape, ((1, 2), (0, 2), (0, 1)), strict=True)
    ]
    return float(volume.grid.index_to_world_mm(centre)[0])


def _coarse_strides(volume: Volume) -> tuple[int, int, int]:
    z, y, x = (max(1, round(COARSE_MM / mm)) for mm in volume.grid.spacing_zyx_mm)
    return z, y, x


def _foreground_threshold(coarse: npt.NDArray[Any], *, is_hu: bool) -> float | None:
    """The value above which a voxel is foreground, or None for a blank scan."""
    lowest, highest = float(coarse.min()), float(coarse.max())
    if not highest > lowest:
        return None
    if is_hu:
        return CT_THRESHOLD_HU
    from skimage.filters import threshold_otsu

    values = coarse.astype(np.float32).ravel()
    low, high = np.percentile(values, [1.0, 99.0])
    if not high > low:
        return lowest + 0.5 * (highest - lowest)
    otsu = float(threshold_otsu(np.clip(values, low, high)))
    return float(low) + MR_THRESHOLD_SHARE * (otsu - float(low))


def _largest_parts(mask: BoolArray, *, opening: int) -> BoolArray:
    """The large connected parts of a mask, after thin structures were cut off in-plane."""
    opened = mask
    if opening > 0:
        core = mask
        for _ in range(opening):
            core = _erode_in_plane(core)
        opened = core
        for _ in range(opening):
            opened = _dilate_in_plane(opened)
        opened &= mask
    if not opened.any():
        opened = mask
    labels = cc3d.connected_components(opened.astype(np.uint8), connectivity=6)
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    if counts.max() == 0:
        return np.zeros_like(mask)
    kept: BoolArray = (counts >= SMALLEST_PART * counts.max())[labels]
    return kept


def _erode_in_plane(mask: BoolArray) -> BoolArray:
    """Erosion by a cross in (y, x); the volume's edge counts as inside."""
    out = mask.copy()
    out[:, 1:] &= mask[:, :-1]
    out[:, :-1] &= mask[:, 1:]
    out[:, :, 1:] &= mask[:, :, :-1]
    out[:, :, :-1] &= mask[:, :, 1:]
    return out


def _dilate_in_plane(mask: BoolArray) -> BoolArray:
    """Dilation by a cross in (y, x)."""
    out = mask.copy()
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    out[:, :, 1:] |= mask[:, :, :-1]
    out[:, :, :-1] |= mask[:, :, 1:]
    return out


def _fill_slices(body: BoolArray) -> BoolArray:
    """The mask with every background region that does not reach the slice's edge filled in."""
    regions, count = ndimage.label(~body, structure=_IN_PLANE)
    is_outside = np.zeros(count + 1, dtype=bool)
    for edge in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        is_outside[edge.ravel()] = True
    is_outside[0] = False
    filled: BoolArray = ~is_outside[regions]
    return filled


def _upsample(
    coarse: BoolArray, strides: tuple[int, int, int], shape_zyx: tuple[int, int, int]
) -> BoolArray:
    """Nearest copy of a strided view to the full grid."""
    full = coarse
    for axis in (2, 1, 0):
        if strides[axis] > 1:
            index = np.minimum(np.arange(shape_zyx[axis]) // strides[axis], full.shape[axis] - 1)
            full = np.take(full, index, axis=axis)
    return full
