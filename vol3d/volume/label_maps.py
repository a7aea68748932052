"""Masks: integer labels, put on a scan's grid by world coordinates and never by array index.

A mask on the scan's own grid, stored in any axis order, comes back exactly. A mask on another grid
over the same extent is regridded (nearest) and says so. Any other extent is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, GeometryError, explain
from vol3d.volume.grid import FloatArray, Grid, canonicalise
from vol3d.volume.itk import itk_kind, read_stored_itk
from vol3d.volume.names import is_regular, shown_name
from vol3d.volume.nifti import header_of_pair, is_nifti, read_stored
from vol3d.volume.volume import GateNote

LabelArray = npt.NDArray[np.integer]

MOST_LABELS = 1000
"""No atlas of masks has more; an image that is passed as a mask has."""
LARGEST_LABEL = 65535
SAME_PLACE_VOXELS = 0.05
"""Grids whose corners lie this close are one grid, written with other rounding."""
_SCALED_TOLERANCE = 1e-3
_SNIFFED_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelMap:
    """A mask on a scan's grid.

    Args:
        labels_zyx: Labels 0 (background) to 65535; uint8 or uint16.
        notes: What was found in the file and what was done about it.
    """

    labels_zyx: LabelArray
    notes: tuple[GateNote, ...] = ()


def read_label_map(path: str | os.PathLike[str], grid: Grid) -> LabelMap:
    """The labels of a mask file on the grid of the scan it belongs to.

    Args:
        path: NIfTI, NRRD or MetaImage file. The channels of a 4-D NIfTI are labels 1, 2, ...
        grid: The scan's canonical grid (S, A, R).

    Raises:
        DataError: No mask, damaged, values that are no integers, or overlapping channels.
        GeometryError: An extent that differs from the scan's by more than one voxel.
    """
    path = Path(path)
    where = shown_name(path)
    source, channels, notes = _read_channels(path)
    labels, found = _merge(channels, where=where)
    notes += found
    labels, source = canonicalise(labels, source)  # type: ignore[assignment]
    if not is_same_place(source, grid):
        check_extent(source, grid, where=where)
        labels = regrid_labels(labels, source, grid)
        notes.append(_regridded(source, grid))
    if not labels.any():
        message = "The mask holds no label; nothing can be measured in it."
        notes.append(GateNote(code="mask_empty", message=message))
    named = (GateNote(code=note.code, message=f"{where}: {note.message}") for note in notes)
    return LabelMap(labels_zyx=labels, notes=tuple(named))


def count_voxels(labels_zyx: LabelArray) -> dict[int, int]:
    """Voxels of every label that is present, background left out, by label."""
    counts = np.zeros(LARGEST_LABEL + 1, dtype=np.int64)
    for slab in labels_zyx:  # one by one: bincount copies to 64 bits
        found = np.bincount(slab.ravel())
        counts[: len(found)] += found
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}


def regrid_labels(labels_zyx: LabelArray, source: Grid, target: Grid) -> LabelArray:
    """Labels at the world positions of another grid: those of the nearest voxel.

    Voxels of ``target`` whose centre lies outside of ``source`` become background. Exact ties go
    to the lower index.

    Args:
        labels_zyx: Labels on ``source``.
        source: Any grid, in any axis order.
        target: Any grid, in any axis order.
    """
    to_source = np.linalg.inv(source.affine) @ target.affine
    nz, ny, nx = target.shape_zyx
    y, x = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    in_slice = to_source[:3, 0, None, None] * x + to_source[:3, 1, None, None] * y
    out = np.zeros(target.shape_zyx, dtype=labels_zyx.dtype)
    for z in range(nz):
        place = in_slice + (to_source[:3, 2] * z + to_source[:3, 3])[:, None, None]
        index = np.ceil(place - (0.5 + 1e-6)).astype(np.int64)  # x, y, z of the source
        inside = np.ones((ny, nx), dtype=np.bool_)
        for axis, count in enumerate(reversed(source.shape_zyx)):
            inside &= (index[axis] >= 0) & (index[axis] < count)
        i, j, k = (each[inside] for each in index)
        out[z][inside] = labels_zyx[k, j, i]
    return out


def is_same_place(grid: Grid, other: Grid) -> bool:
    """Whether two grids in one axis order have the same voxels at the same places."""
    if grid.shape_zyx != other.shape_zyx:
        return False
    apart = other.world_to_index_zyx(grid.index_to_world_mm(_corners(grid, 0.0)))
    return bool(np.abs(apart - _corners(other, 0.0)).max() <= SAME_PLACE_VOXELS)


def check_extent(mask: Grid, scan: Grid, *, where: str) -> None:
    """Refuses a mask whose outer corners lie more than one voxel off the scan's.

    The voxel is the larger of the two along each axis of the scan: a coarse grid cannot end closer.

    Args:
        mask: Canonical grid.
        scan: Canonical grid.
        where: Names the mask.

    Raises:
        GeometryError: Which axis differs, and by how much.
    """
    corners = scan.world_to_index_zyx(mask.index_to_world_mm(_corners(mask, 0.5)))
    off_voxels = np.abs(corners - _corners(scan, 0.5)).max(axis=0)
    off_mm = off_voxels * scan.spacing_zyx_mm
    allowed_mm = np.maximum(mask.spacing_zyx_mm, scan.spacing_zyx_mm)
    if bool((off_mm <= allowed_mm * 1.001).all()):
        return
    axes = ("z (feet to head)", "y (back to front)", "x (left to right)")
    got = ", ".join(
        f"{mm:.1f} mm along {axis}"
        for mm, allowed, axis in zip(off_mm, allowed_mm, axes, strict=True)
        if mm > allowed * 1.001
    )
    raise GeometryError(
        explain(
            expected="a mask over the scan's extent in the patient, to one voxel",
            got=f"edges that lie off by {got}; {_shape(mask)} voxels (z, y, x) for a scan of "
            f"{_shape(scan)}",
            where=where,
            remedy="Pass the mask that was made from this scan, with the scan's geometry.",
        )
    )


def _corners(grid: Grid, margin: float) -> FloatArray:
    """The eight corners as indices (z, y, x), ``margin`` voxels beyond the outer centres."""
    ends = [(-margin, count - 1 + margin) for count in grid.shape_zyx]
    return np.array(np.meshgrid(*ends, indexing="ij"), dtype=np.float64).reshape(3, 8).T


def _shape(grid: Grid) -> str:
    return " x ".join(str(count) for count in grid.shape_zyx)


def _regridded(source: Grid, grid: Grid) -> GateNote:
    spacing = " x ".join(f"{mm:.4g}" for mm in source.spacing_zyx_mm)
    return GateNote(
        code="mask_regridded",
        message=f"The mask lies on another grid than the scan ({_shape(source)} voxels of "
        f"{spacing} mm, z, y, x; the scan has {_shape(grid)}); every voxel of the scan got the "
        "label of the nearest voxel of the mask. Volumes are those on the scan's grid.",
    )


def _read_channels(path: Path) -> tuple[Grid, list[npt.NDArray[np.generic]], list[GateNote]]:
    """Grid, numbers (k, j, i) of every channel with the scale applied, and the header's notes."""
    where = shown_name(path)
    if not path.is_file() or not is_regular(path):
        raise _not_a_mask(where, "a folder" if path.is_dir() else "no readable file")
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except OSError as error:
        raise _not_a_mask(where, type(error).__name__) from None
    kind, header = itk_kind(head), header_of_pair(path)
    if kind is not None:
        facts, stored = read_stored_itk(path, kind)
        channels = [stored]
    elif header is not None or is_nifti(head):
        layout, channels = read_stored(path if header is None else header)
        facts = layout.facts
    else:
        raise _not_a_mask(where, "another kind of file")
    if facts.slope != 1.0 or facts.intercept != 0.0:
        channels = [
            _rounded(part.astype(np.float64) * facts.slope + facts.intercept) for part in channels
        ]
    return facts.grid, channels, list(facts.notes)


def _not_a_mask(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected="a NIfTI, NRRD or MetaImage file with integer labels",
            got=got,
            where=where,
            remedy="Pass the mask file; DICOM SEG and RTSTRUCT must be converted first.",
        )
    )


def _rounded(values: FloatArray) -> FloatArray:
    """Scaled integers without the rounding of the scale; everything else as it is."""
    whole = np.rint(values)
    return np.where(np.abs(values - whole) <= _SCALED_TOLERANCE, whole, values)


def _merge(
    channels: list[npt.NDArray[np.generic]], *, where: str
) -> tuple[LabelArray, list[GateNote]]:
    """One array of labels; of several channels, channel n becomes label n."""
    if len(channels) == 1:
        return _labels_of(channels[0], where=where)
    labels: LabelArray = np.zeros(channels[0].shape, dtype=np.uint16)
    for number, channel in enumerate(channels, start=1):
        part, _ = _labels_of(channel, where=f"{where} channel {number}")
        if int(part.max()) > 1:
            raise DataError(
                explain(
                    expected="0 and 1 in every channel of a 4-D mask",
                    got=f"values up to {int(part.max())} in channel {number}",
                    where=where,
                    remedy="Pass a 3-D mask with one label per structure.",
                )
            )
        inside = part > 0
        overlap = int(np.count_nonzero(labels[inside]))
        if overlap:
            raise DataError(
                explain(
                    expected="channels that do not overlap",
                    got=f"{overlap} voxels of channel {number} that an earlier channel holds too",
                    where=where,
                    remedy="Pass a 3-D mask with one label per voxel.",
                )
            )
        labels[inside] = number
    message = (
        f"The mask has {len(channels)} channels and no labels; channel 1 was taken as label 1, and "
        "so on. What they show is not said."
    )
    return _smallest(labels), [GateNote(code="channels_as_labels", message=message)]


def _labels_of(values: npt.NDArray[Any], *, where: str) -> tuple[LabelArray, list[GateNote]]:
    """Values as labels from 0; negative ones become background and are noted.

    Raises:
        DataError: Values that are no integers, too large, or too many for a mask.
    """
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise _no_labels(where, str(values.dtype))
    if values.dtype.kind == "f" and not all(_is_whole(slab) for slab in values):
        raise _no_labels(where, "values between integers, such as interpolation makes, or NaN")
    low, high = values.min(), values.max()
    if high > LARGEST_LABEL or low < -LARGEST_LABEL:
        raise _no_labels(where, f"values from {float(low):g} to {float(high):g}")
    notes: list[GateNote] = []
    if low < 0:
        negative = values[values < 0]
        shown = ", ".join(f"{float(value):g}" for value in np.unique(negative)[:5])
        message = (
            f"{negative.size} voxels of the mask hold negative labels ({shown}); they were taken "
            "as background."
        )
        notes.append(GateNote(code="negative_labels", message=message))
        values = np.where(values < 0, values.dtype.type(0), values)
    labels = values.astype(np.uint16) if high > 255 else values.astype(np.uint8)
    if len(count_voxels(labels)) > MOST_LABELS:
        raise _no_labels(where, f"more than {MOST_LABELS} different values, as in an image")
    return labels, notes


def _is_whole(values: npt.NDArray[Any]) -> bool:
    return bool(np.array_equal(values, np.rint(values)))


def _no_labels(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected=f"integer labels up to {LARGEST_LABEL}",
            got=got,
            where=f"{where} voxels",
            remedy="Pass the mask as it was drawn, resampled with nearest neighbour only.",
        )
    )


def _smallest(labels: LabelArray) -> LabelArray:
    return labels.astype(np.uint8) if int(labels.max()) <= 255 else labels
