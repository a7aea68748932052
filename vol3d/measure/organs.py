"""Volumes, means, spreads and places of labelled structures, in one pass over each layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from vol3d.volume import LabelArray, Volume

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelSums:
    """Sums over the voxels of every label of one layer; arrays are indexed by label.

    Args:
        count: All voxels.
        index_sum_zyx: (labels, 3), sums of array indices of all voxels.
        healthy_count: Voxels that belong to no lesion.
        healthy_sum: Sum of their values.
        healthy_square_sum: Sum of their squared values.
        boxes_zyx: (labels, 6), first z, y, x and last z, y, x; -1 for labels that are not there.
        at_border: Whether a voxel lies in the first or last slice, row or column of the scan.
    """

    count: npt.NDArray[np.int64]
    index_sum_zyx: FloatArray
    healthy_count: npt.NDArray[np.int64]
    healthy_sum: FloatArray
    healthy_square_sum: FloatArray
    boxes_zyx: npt.NDArray[np.int64]
    at_border: BoolArray

    def mean_std(self, labels: Iterable[int]) -> tuple[float, float] | None:
        """Mean and standard deviation over labels together, lesions left out; None if empty."""
        chosen = list(labels)
        count = int(self.healthy_count[chosen].sum())
        if count == 0:
            return None
        mean = float(self.healthy_sum[chosen].sum()) / count
        square = float(self.healthy_square_sum[chosen].sum()) / count
        return mean, float(np.sqrt(max(square - mean * mean, 0.0)))


def sum_labels(
    volume: Volume, labels_zyx: LabelArray, *, lesions_zyx: BoolArray | None, max_label: int
) -> LabelSums:
    """Sums over the voxels of every label of a layer.

    Args:
        volume: The scan.
        labels_zyx: Labels on its grid.
        lesions_zyx: Voxels that are lesions, if there are any.
        max_label: Largest label that is asked for.
    """
    bins = max(max_label, int(labels_zyx.max(initial=0))) + 1
    count = np.zeros(bins, dtype=np.int64)
    healthy_count = np.zeros(bins, dtype=np.int64)
    total, squares = np.zeros(bins), np.zeros(bins)
    index_sum = np.zeros((bins, 3))
    width = labels_zyx.shape[2]
    for z, labels in enumerate(labels_zyx):
        flat = np.flatnonzero(labels)
        if not flat.size:
            continue
        label = labels.reshape(-1)[flat].astype(np.intp)
        here = np.bincount(label, minlength=bins)
        count += here
        y, x = np.divmod(flat, width)
        index_sum[:, 0] += z * here
        index_sum[:, 1] += np.bincount(label, y, minlength=bins)
        index_sum[:, 2] += np.bincount(label, x, minlength=bins)
        value = volume.voxels_zyx[z].reshape(-1)[flat].astype(np.float64)
        if lesions_zyx is not None and lesions_zyx[z].any():
            is_healthy = ~lesions_zyx[z].reshape(-1)[flat]
            label, value = label[is_healthy], value[is_healthy]
            here = np.bincount(label, minlength=bins)
        healthy_count += here
        total += np.bincount(label, value, minlength=bins)
        squares += np.bincount(label, value * value, minlength=bins)
    boxes = np.full((bins, 6), -1, dtype=np.int64)
    for label, box in enumerate(cc3d.statistics(labels_zyx)["bounding_boxes"]):
        if count[label]:
            boxes[label] = [*(each.start for each in box), *(each.stop - 1 for each in box)]
    at_border = np.zeros(bins, dtype=bool)
    for axis in range(3):
        for side in (0, -1):
            at_border[np.unique(labels_zyx.take(side, axis=axis))] = True
    return LabelSums(
        count=count,
        index_sum_zyx=index_sum,
        healthy_count=healthy_count,
        healthy_sum=total,
        healthy_square_sum=squares,
        boxes_zyx=boxes,
        at_border=at_border,
    )
