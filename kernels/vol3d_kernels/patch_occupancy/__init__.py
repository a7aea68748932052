"""The patches of packed volumes that are worth a token, brick by brick."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vol3d_kernels.dispatch import implementation_for

__all__ = ["KeptPatches", "brick_order", "patch_occupancy"]

BRICK_ZYX = (4, 4, 8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeptPatches:
    """The kept patches of a pack, volume by volume, brick by brick.

    Args:
        patch_volume: (N,) int64, which volume.
        patch_index_zyx: (N, 3) int64, grid index.
        counts: (V,) int64, kept patches of each volume.
        totals: (V,) int64, all patches of each volume.
        is_dense: (V,) bool, volumes of which all patches were kept because their kept fraction was
            not plausible.
    """

    patch_volume: torch.Tensor
    patch_index_zyx: torch.Tensor
    counts: torch.Tensor
    totals: torch.Tensor
    is_dense: torch.Tensor

    @property
    def cu_seqlens(self) -> torch.Tensor:
        """(V + 1,) int32 bounds of the volumes in the list."""
        return torch.nn.functional.pad(self.counts.cumsum(0), (1, 0)).int()


def patch_occupancy(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_zyx: tuple[int, int, int],
    *,
    threshold: float = 0.0,
    dilate: int = 1,
    plausible: tuple[float, float] = (0.02, 1.0),
    brick_zyx: tuple[int, int, int] = BRICK_ZYX,
    implementation: str | None = None,
) -> KeptPatches:
    """Returns the patches that hold a voxel above a threshold, and those beside them.

    128 consecutive patches of a full volume form a brick of ``brick_zyx`` patches, so that blocks
    of tokens are compact in space also after air was left out.

    Args:
        voxels: (sum of Z*Y*X,) flat volumes, one after the other: a body mask (bool or uint8), or
            HU.
        shapes_zyx: (V, 3) int64; every axis a multiple of the patch.
        patch_zyx: Voxels of a patch.
        threshold: A voxel counts above it: 0 for a mask.
        dilate: How many patches around occupied ones are kept too.
        plausible: Least and largest kept fraction of a volume; outside of it all are kept.
        brick_zyx: Patches of a brick.
        implementation: ``auto``, ``triton`` or ``reference``; ``None`` asks ``VOL3D_KERNELS``.

    Raises:
        ValueError: ``voxels`` is not flat, does not fit the shapes, or a shape the patch.
    """
    patch = shapes_zyx.new_tensor(patch_zyx)
    if voxels.ndim != 1 or bool((shapes_zyx % patch).any()):
        raise ValueError(
            f"patch_occupancy: voxels {tuple(voxels.shape)}, shapes {shapes_zyx.tolist()}, patch "
            f"{patch_zyx}; expected flat voxels of volumes that are multiples of the patch."
        )
    if int(shapes_zyx.prod(dim=1).sum()) != voxels.numel():
        raise ValueError(
            f"patch_occupancy: {voxels.numel()} voxels; expected "
            f"{int(shapes_zyx.prod(dim=1).sum())}, the sum of the volumes in shapes_zyx."
        )
    from vol3d_kernels.patch_occupancy.op import patch_occupancy_op

    grids = torch.div(shapes_zyx, patch, rounding_mode="floor")
    volume_N, index_N3 = _all_patches(grids)
    used = implementation_for(voxels, implementation)
    flags = patch_occupancy_op(
        voxels, shapes_zyx, volume_N, index_N3, *patch_zyx, float(threshold), used
    ).bool()
    flags = _dilated(flags, grids, dilate)
    totals = grids.prod(dim=1)
    kept = torch.zeros_like(totals).index_add_(0, volume_N, flags.long())
    fraction = kept / totals.clamp(min=1)
    is_dense = (fraction < plausible[0]) | (fraction > plausible[1])
    flags = flags | is_dense[volume_N]
    order = brick_order(volume_N, index_N3, grids, brick_zyx)
    chosen = order[flags[order]]
    return KeptPatches(
        patch_volume=volume_N[chosen],
        patch_index_zyx=index_N3[chosen],
        counts=torch.where(is_dense, totals, kept),
        totals=totals,
        is_dense=is_dense,
    )


def _all_patches(grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Volume and grid index of all patches of all volumes, in C order."""
    volumes, indices = [], []
    for number, (z, y, x) in enumerate(grids.tolist()):
        axes = [torch.arange(n, device=grids.device) for n in (z, y, x)]
        indices.append(torch.cartesian_prod(*axes).reshape(-1, 3))
        volumes.append(torch.full((z * y * x,), number, device=grids.device))
    if not volumes:
        return grids.new_zeros(0), grids.new_zeros((0, 3))
    return torch.cat(volumes), torch.cat(indices)


def _dilated(flags: torch.Tensor, grids: torch.Tensor, dilate: int) -> torch.Tensor:
    """Flags grown by whole patches within each volume."""
    if dilate < 1:
        return flags
    grown, first = [], 0
    for z, y, x in grids.tolist():
        count = z * y * x
        own = flags[first : first + count].reshape(1, 1, z, y, x).float()
        if count:
            own = torch.nn.functional.max_pool3d(own, 2 * dilate + 1, stride=1, padding=dilate)
        grown.append(own.flatten() > 0)
        first += count
    return torch.cat(grown) if grown else flags


def brick_order(
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    grids_zyx: torch.Tensor,
    brick_zyx: tuple[int, int, int] = BRICK_ZYX,
) -> torch.Tensor:
    """Returns the order (N,) by volume, then brick, then place in the brick, each in C order.

    Args:
        patch_volume: (N,) volume of each patch.
        patch_index_zyx: (N, 3) grid index.
        grids_zyx: (V, 3) patches of each volume.
        brick_zyx: Patches of a brick.
    """
    brick = patch_index_zyx.new_tensor(brick_zyx)
    outer_N3 = torch.div(patch_index_zyx, brick, rounding_mode="floor")
    inner_N3 = patch_index_zyx - outer_N3 * brick
    bricks_V3 = torch.div(grids_zyx + brick - 1, brick, rounding_mode="floor").clamp(min=1)
    bricks_N3 = bricks_V3[patch_volume]
    outer_N = (outer_N3[:, 0] * bricks_N3[:, 1] + outer_N3[:, 1]) * bricks_N3[:, 2] + outer_N3[:, 2]
    inner_N = (inner_N3[:, 0] * brick_zyx[1] + inner_N3[:, 1]) * brick_zyx[2] + inner_N3[:, 2]
    # sorted by the place first and by the volume last; both sorts are stable
    by_place = (outer_N * (brick_zyx[0] * brick_zyx[1] * brick_zyx[2]) + inner_N).argsort(
        stable=True
    )
    return by_place[patch_volume[by_place].argsort(stable=True)]
