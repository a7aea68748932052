"""The way back: labels and boxes of a prepared volume on the scan's own grid."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import torch

from vol3d.errors import DataError, explain
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.regrid import resample_to


def restore_labels(
    prepared: PreparedVolume, labels_zyx: npt.NDArray[np.generic] | torch.Tensor
) -> npt.NDArray[np.generic]:
    """The labels on ``prepared.scan_grid`` by nearest voxel, 0 outside the prepared volume.

    Args:
        prepared: What ``prepare`` returned.
        labels_zyx: Integer or bool labels of the shape of ``prepared.voxels_zyx``.

    Raises:
        DataError: The labels have another shape.
    """
    if tuple(labels_zyx.shape) != prepared.grid.shape_zyx:
        raise DataError(
            explain(
                expected=f"labels of the prepared shape {prepared.grid.shape_zyx} (z, y, x)",
                got=str(tuple(labels_zyx.shape)),
                where="restore_labels",
                remedy="Pass labels made on this prepared volume.",
            )
        )
    tensor = torch.as_tensor(labels_zyx)
    restored = resample_to(tensor, prepared.grid, prepared.scan_grid, is_label=True, fill=0)
    array: npt.NDArray[np.generic] = restored.numpy()
    return array


def box_to_scan_zyx(prepared: PreparedVolume, box_zyx: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The smallest box on the scan's grid around a box on the prepared grid.

    Both boxes are (2, 3): lower and upper corner in (z, y, x), counted in voxel edges like Python
    slices (voxel i reaches from i to i + 1). The result is fractional and clipped to the scan.
    """
    low, high = np.asarray(box_zyx, dtype=np.float64)
    corners = np.array(list(product(*zip(low, high, strict=True))))
    world = prepared.grid.index_to_world_mm(corners - 0.5)
    on_scan = prepared.scan_grid.world_to_index_zyx(world) + 0.5
    box = np.stack([on_scan.min(axis=0), on_scan.max(axis=0)])
    clipped: npt.NDArray[np.float64] = np.clip(box, 0.0, np.array(prepared.scan_grid.shape_zyx))
    return clipped
