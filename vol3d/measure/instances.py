"""Lesions as instances: 26-connected components of every kind of lesion mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from vol3d.anatomy import LesionMask
from vol3d.measure.case_masks import CaseMasks, LayerLabel
from vol3d.volume import Grid

IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Instance:
    """One lesion.

    Args:
        mask: Kind of lesion.
        box: Its bounding box in the scan.
        inside_zyx: Its voxels within the box.
    """

    mask: LesionMask
    box: Box
    inside_zyx: BoolArray

    @property
    def voxels_zyx(self) -> IntArray:
        """(N, 3) indices of its voxels in the scan."""
        start = np.array([each.start for each in self.box])
        found: IntArray = np.argwhere(self.inside_zyx) + start
        return found

    @property
    def num_voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.inside_zyx))


def lesion_instances(masks: CaseMasks, grid: Grid, *, min_volume_mm3: float) -> list[Instance]:
    """All lesions of a case, in the order of masks and places.

    Args:
        masks: The masks.
        grid: The scan's grid.
        min_volume_mm3: Components below it are taken for noise and left out.
    """
    found: list[Instance] = []
    for layer in sorted({at.layer for at in masks.lesions.values()}):
        own = {mask: at for mask, at in masks.lesions.items() if at.layer == layer}
        found += [
            each
            for each in _layer_instances(masks, own)
            if each.num_voxels * grid.voxel_volume_mm3 >= min_volume_mm3
        ]
    return found


def lesion_voxels(masks: CaseMasks) -> BoolArray | None:
    """Where any lesion is, (z, y, x); ``None`` if the masks show none."""
    union: BoolArray | None = None
    for layer in sorted({at.layer for at in masks.lesions.values()}):
        table = _is_lesion_table(masks, layer)
        here = table[masks.layers[layer]]
        if here.any():
            union = here if union is None else union | here
    return union


def _is_lesion_table(masks: CaseMasks, layer: int) -> BoolArray:
    table = np.zeros(int(masks.layers[layer].max(initial=0)) + 1, dtype=bool)
    for at in masks.lesions.values():
        if at.layer == layer and at.label < len(table):
            table[at.label] = True
    return table


def _layer_instances(masks: CaseMasks, own: Mapping[LesionMask, LayerLabel]) -> Iterator[Instance]:
    labels = masks.layers[next(iter(own.values())).layer]
    table = _is_lesion_table(masks, next(iter(own.values())).layer)
    is_lesion = table[labels]
    outer = bounding_box(is_lesion)
    if outer is None:
        return
    cropped = np.where(is_lesion[outer], labels[outer], 0)
    parts = cc3d.connected_components(np.ascontiguousarray(cropped), connectivity=26)
    boxes = cc3d.statistics(parts)["bounding_boxes"]
    kinds = {at.label: mask for mask, at in own.items()}
    for number, inner in enumerate(boxes):
        if number == 0:
            continue
        inside = parts[inner] == number
        label = int(cropped[inner][inside][0])
        box = tuple(
            slice(int(o.start + i.start), int(o.start + i.stop))
            for o, i in zip(outer, inner, strict=True)
        )
        yield Instance(mask=kinds[label], box=(box[0], box[1], box[2]), inside_zyx=inside)


def bounding_box(mask_zyx: BoolArray) -> Box | None:
    """The smallest box around True voxels; ``None`` if there are none."""
    z = np.flatnonzero(mask_zyx.any(axis=(1, 2)))
    if not z.size:
        return None
    part = mask_zyx[z[0] : z[-1] + 1]
    y, x = np.flatnonzero(part.any(axis=(0, 2))), np.flatnonzero(part.any(axis=(0, 1)))
    return (
        slice(int(z[0]), int(z[-1]) + 1),
        slice(int(y[0]), int(y[-1]) + 1),
        slice(int(x[0]), int(x[-1]) + 1),
    )


def padded_box(box: Box, grid: Grid, margin_mm: float) -> Box:
    """A box with a margin, cut to the scan."""
    steps = [int(np.ceil(margin_mm / mm)) for mm in grid.spacing_zyx_mm]
    z, y, x = (
        slice(max(each.start - step, 0), min(each.stop + step, n))
        for each, step, n in zip(box, steps, grid.shape_zyx, strict=True)
    )
    return z, y, x


def cut_grid(grid: Grid, box: Box) -> Grid:
    """The grid of a box of voxels."""
    affine = np.array(grid.affine)
    affine[:3, 3] = grid.index_to_world_mm([each.start for each in box])
    z, y, x = (each.stop - each.start for each in box)
    return Grid(shape_zyx=(z, y, x), affine=affine)


def in_box(instance: Instance, box: Box) -> BoolArray:
    """An instance's voxels within a box around it."""
    out = np.zeros([each.stop - each.start for each in box], dtype=bool)
    inner = tuple(
        slice(own.start - outer.start, own.stop - outer.start)
        for own, outer in zip(instance.box, box, strict=True)
    )
    out[inner] = instance.inside_zyx
    return out
