"""Occupancy of patches as a torch operator."""

from __future__ import annotations

import torch

from vol3d_kernels.dispatch import is_interpreted, on_device
from vol3d_kernels.patch_embed.launch import locate
from vol3d_kernels.patch_occupancy.reference import occupancy_reference


@torch.library.custom_op("vol3d::patch_occupancy", mutates_args=())
def patch_occupancy_op(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    patch_z: int,
    patch_y: int,
    patch_x: int,
    threshold: float,
    implementation: str,
) -> torch.Tensor:
    """uint8 flags (N,) of the listed patches, which are all patches in C order."""
    patch = (patch_z, patch_y, patch_x)
    if implementation == "reference":
        return occupancy_reference(voxels, shapes_zyx, patch, threshold)
    import triton
    import triton.language as tl

    from vol3d_kernels.patch_occupancy.triton import patch_occupancy

    count, size = len(patch_volume), patch_z * patch_y * patch_x
    flags = torch.empty(count, dtype=torch.uint8, device=voxels.device)
    if not count:
        return flags
    windows = torch.zeros((len(shapes_zyx), 1, 2), device=voxels.device)
    windows[..., 1] = 1.0
    where = locate(shapes_zyx, patch_volume, patch_index_zyx, windows, patch, torch.float32)
    flat = voxels.contiguous()
    flat = flat.view(torch.uint8) if flat.dtype == torch.bool else flat
    is_wide = flat.dtype in (torch.float64, torch.int32, torch.int64)
    wide = tl.float64 if is_wide else tl.float32
    block_n, block_k = (16, 64) if is_interpreted() else (8, 512)
    with on_device(flat):
        patch_occupancy[(triton.cdiv(count, block_n),)](
            flat, where.starts, where.strides_z, where.strides_y, flags, count, threshold,
            VOXELS=size, PY=patch_y, PX=patch_x, BLOCK_N=block_n, BLOCK_K=block_k, WIDE=wide,
            num_warps=4,
        )  # fmt: skip
    return flags


@patch_occupancy_op.register_fake
def _(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    patch_z: int,
    patch_y: int,
    patch_x: int,
    threshold: float,
    implementation: str,
) -> torch.Tensor:
    return voxels.new_empty(patch_volume.shape, dtype=torch.uint8)
