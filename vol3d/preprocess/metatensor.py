"""The one place where our (x, y, z) affines meet MONAI's array-order affines.

``Grid.affine`` maps (x, y, z) indices; a ``MetaTensor`` of shape (1, z, y, x) needs an affine whose
columns follow the array axes (z, y, x). World stays RAS+ mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from vol3d.errors import GeometryError, explain
from vol3d.volume import Grid

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor


def array_affine(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The affine with its columns in the other order, (x, y, z) to (z, y, x) or back, a copy.

    The only function of the package that permutes the columns of an affine.
    """
    return affine[:, [2, 1, 0, 3]]


def to_metatensor(voxels_zyx: npt.NDArray[Any] | torch.Tensor, grid: Grid) -> MetaTensor:
    """A MetaTensor of shape (1, z, y, x) that shares the memory of ``voxels_zyx``.

    Args:
        voxels_zyx: Voxels of the shape of ``grid``.
        grid: Where they are.

    Raises:
        GeometryError: The shapes differ.
    """
    from monai.data.meta_tensor import MetaTensor

    if tuple(voxels_zyx.shape) != grid.shape_zyx:
        raise GeometryError(
            explain(
                expected=f"voxels of shape {grid.shape_zyx} (z, y, x)",
                got=str(tuple(voxels_zyx.shape)),
                where="to_metatensor",
                remedy="Pass the voxels with the grid that belongs to them.",
            )
        )
    if isinstance(voxels_zyx, torch.Tensor):
        tensor = voxels_zyx
    else:
        tensor = torch.from_numpy(np.require(voxels_zyx, requirements=["C", "W"]))
    affine = torch.from_numpy(array_affine(grid.affine))
    return MetaTensor(tensor[None], affine=affine, meta={"space": "RAS"})


def grid_of(image: MetaTensor) -> Grid:
    """The grid of a MetaTensor of shape (1, z, y, x) made by ``to_metatensor``."""
    _, nz, ny, nx = image.shape
    affine = image.affine.detach().cpu().numpy().astype(np.float64)
    return Grid(shape_zyx=(int(nz), int(ny), int(nx)), affine=array_affine(affine))
