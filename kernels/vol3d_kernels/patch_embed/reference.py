"""Patch embedding in plain torch: gather, window, multiply. The truth for every other version."""

from __future__ import annotations

import torch


def gather_patches(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    patch_zyx: tuple[int, int, int],
) -> torch.Tensor:
    """Returns the raw voxels of each patch, (N, pz, py, px), in the dtype of ``voxels``."""
    device = voxels.device
    sizes = shapes_zyx.prod(dim=1)
    start_V = torch.cumsum(sizes, 0) - sizes
    shape_N3 = shapes_zyx[patch_volume]
    corner_N3 = patch_index_zyx * shapes_zyx.new_tensor(patch_zyx)
    z, y, x = (torch.arange(n, device=device) for n in patch_zyx)
    z_N = (corner_N3[:, 0, None] + z)[:, :, None, None]
    y_N = (corner_N3[:, 1, None] + y)[:, None, :, None]
    x_N = (corner_N3[:, 2, None] + x)[:, None, None, :]
    height = shape_N3[:, 1].view(-1, 1, 1, 1)
    width = shape_N3[:, 2].view(-1, 1, 1, 1)
    index = start_V[patch_volume].view(-1, 1, 1, 1) + (z_N * height + y_N) * width + x_N
    return voxels[index]


def patch_embed_reference(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`vol3d_kernels.patch_embed`; windows are applied in float32."""
    patch_zyx = (weight.shape[2], weight.shape[3], weight.shape[4])
    raw = gather_patches(voxels, shapes_zyx, patch_volume, patch_index_zyx, patch_zyx)
    raw_N1P = raw.reshape(len(raw), 1, -1).to(torch.float32)
    bounds_NC2 = windows.to(torch.float32)[patch_volume]
    lower_NC1, upper_NC1 = bounds_NC2[..., :1], bounds_NC2[..., 1:]
    scaled_NCP = ((raw_N1P - lower_NC1) / (upper_NC1 - lower_NC1)).clamp(0.0, 1.0) * 2.0 - 1.0
    flat = scaled_NCP.reshape(len(raw), weight[0].numel()).to(weight.dtype)
    return torch.nn.functional.linear(flat, weight.reshape(len(weight), -1), bias)
