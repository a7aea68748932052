"""Patch embedding in plain torch: gather, window, multiply. The truth for every other version."""

from __future__ import annotations

import math

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


def window_patches(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    patch_zyx: tuple[int, int, int],
    dtype: torch.dtype,
) -> torch.Tensor:
    """Returns the windowed voxels of each patch, (N, C * pz * py * px), in ``dtype``.

    Windows are applied in float32, or in float64 where ``dtype`` is.
    """
    wide = torch.promote_types(dtype, torch.float32)
    raw = gather_patches(voxels, shapes_zyx, patch_volume, patch_index_zyx, patch_zyx)
    raw_N1P = raw.reshape(len(raw), 1, math.prod(patch_zyx)).to(wide)
    bounds_NC2 = windows.to(wide)[patch_volume]
    lower_NC1, upper_NC1 = bounds_NC2[..., :1], bounds_NC2[..., 1:]
    scaled_NCP = ((raw_N1P - lower_NC1) / (upper_NC1 - lower_NC1)).clamp(0.0, 1.0) * 2.0 - 1.0
    return scaled_NCP.reshape(len(raw), windows.shape[1] * math.prod(patch_zyx)).to(dtype)


def patch_embed_reference(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None = None,
    norm_scale: torch.Tensor | None = None,
    norm_shift: torch.Tensor | None = None,
    norm_eps: float = 1e-5,
) -> torch.Tensor:
    """See :func:`vol3d_kernels.patch_embed`."""
    patch_zyx = (weight.shape[2], weight.shape[3], weight.shape[4])
    seen_NK = window_patches(
        voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, patch_zyx, weight.dtype
    )
    if norm_scale is not None:
        seen_NK = torch.nn.functional.layer_norm(
            seen_NK, seen_NK.shape[1:], norm_scale, norm_shift, norm_eps
        )
    out = torch.nn.functional.linear(seen_NK, weight.reshape(len(weight), -1), bias)
    return out if position is None else out + position
