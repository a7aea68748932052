"""Launches the patch embedding kernels; chooses between the fused one and two steps by shape.

Shape legend: V volumes, N patches, C channels, E width, P voxels of a patch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch

from vol3d_kernels.dispatch import capability_of, is_interpreted

Plan = Literal["fused", "two_step"]
PLAN_VARIABLE = "VOL3D_PATCH_EMBED"
CHUNK = 8192
"""Patches whose windowed voxels exist at one time in the backward pass."""
_chosen: dict[tuple[object, ...], Plan] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Patches:
    """Where the listed patches lie in the flat pack.

    Args:
        starts: (N,) int64, first voxel of each patch.
        strides_z: (N,) int64, voxels between slices of its volume.
        strides_y: (N,) int64, voxels between rows of its volume.
        volumes: (N,) int64, its volume.
        windows: (V, C, 5) float32 or wider: lower, upper, centre, and the factor to -1..1 as a
            power of two, which keeps whole numbers exact in 16 bits, and what is left, in 1..2.
    """

    starts: torch.Tensor
    strides_z: torch.Tensor
    strides_y: torch.Tensor
    volumes: torch.Tensor
    windows: torch.Tensor

    def part(self, some: slice) -> Patches:
        """Some of the patches.

        Args:
            some: Places in the list.
        """
        return replace(
            self,
            starts=self.starts[some],
            strides_z=self.strides_z[some],
            strides_y=self.strides_y[some],
            volumes=self.volumes[some],
        )


def locate(
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    patch_zyx: tuple[int, int, int],
    dtype: torch.dtype,
) -> Patches:
    """Where patches lie, in 64 bits: a pack may hold more than 2**31 voxels.

    Args:
        shapes_zyx: (V, 3).
        patch_volume: (N,).
        patch_index_zyx: (N, 3).
        windows: (V, C, 2).
        patch_zyx: Voxels of a patch.
        dtype: Of the weight; windows are kept in float32, or float64 with it.
    """
    shapes = shapes_zyx.long()
    sizes_V = shapes.prod(dim=1)
    first_V = sizes_V.cumsum(0) - sizes_V
    shape_N3 = shapes[patch_volume]
    corner_N3 = patch_index_zyx.long() * torch.tensor(patch_zyx, device=shapes.device)
    stride_z_N, stride_y_N = shape_N3[:, 1] * shape_N3[:, 2], shape_N3[:, 2]
    start_N = corner_N3[:, 0] * stride_z_N + corner_N3[:, 1] * stride_y_N + corner_N3[:, 2]
    bounds = windows.to(torch.promote_types(dtype, torch.float32))
    lower, upper = bounds[..., 0], bounds[..., 1]
    factor = 2 / (upper - lower)
    power = factor.log2().floor().exp2()
    return Patches(
        starts=(first_V[patch_volume] + start_N).contiguous(),
        strides_z=stride_z_N.contiguous(),
        strides_y=stride_y_N.contiguous(),
        volumes=patch_volume.long().contiguous(),
        windows=torch.stack(
            [lower, upper, (lower + upper) / 2, power, factor / power], dim=-1
        ).contiguous(),
    )


def fused_blocks(dtype: torch.dtype, capability: int) -> tuple[int, int, int, int, int]:
    """Patches, columns, voxels of a step, warps and stages of the fused kernel.

    Args:
        dtype: Of the weight.
        capability: Compute capability times ten, such as 90.
    """
    if is_interpreted():
        return 16, 16, 32, 4, 1
    if dtype in (torch.float32, torch.float64):
        return 64, 64, 32, 4, 2
    return (64, 128, 64, 8, 3) if capability >= 90 else (128, 64, 32, 8, 3)


def _wide(dtype: torch.dtype) -> object:
    import triton.language as tl

    return tl.float64 if dtype == torch.float64 else tl.float32


def launch_patchify(
    voxels: torch.Tensor,
    patches: Patches,
    patch_zyx: tuple[int, int, int],
    dtype: torch.dtype,
) -> torch.Tensor:
    """Windowed voxels (N, C * P) of the listed patches.

    Args:
        voxels: Flat pack.
        patches: Where they lie.
        patch_zyx: Voxels of a patch.
        dtype: Of the result.
    """
    import triton

    from vol3d_kernels.patch_embed.triton import patchify

    count, channels = len(patches.starts), patches.windows.shape[1]
    size = patch_zyx[0] * patch_zyx[1] * patch_zyx[2]
    out = torch.empty((count, channels * size), dtype=dtype, device=voxels.device)
    if not count:
        return out
    block_n, block_k = (16, 64) if is_interpreted() else (8, 512)
    patchify[(triton.cdiv(count, block_n), triton.cdiv(size, block_k))](
        voxels, patches.starts, patches.strides_z, patches.strides_y, patches.volumes,
        patches.windows, out, count,
        CHANNELS=channels, VOXELS=size, PY=patch_zyx[1], PX=patch_zyx[2],
        BLOCK_N=block_n, BLOCK_K=block_k, WIDE=_wide(dtype), num_warps=4,
    )  # fmt: skip
    return out


def launch_fused(
    voxels: torch.Tensor,
    patches: Patches,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
) -> torch.Tensor:
    """Tokens (N, E) by the fused kernel.

    Args:
        voxels: Flat pack.
        patches: Where they lie.
        weight: (E, C, pz, py, px).
        bias: (E,) or ``None``.
        position: (N, E) or ``None``.
    """
    import triton
    import triton.language as tl

    from vol3d_kernels.patch_embed.triton import patch_embed_fused

    count, width, channels = len(patches.starts), weight.shape[0], weight.shape[1]
    size = weight[0, 0].numel()
    out = torch.empty((count, width), dtype=weight.dtype, device=weight.device)
    if not count:
        return out
    is_wide = weight.dtype in (torch.float32, torch.float64)
    block_n, block_e, block_k, warps, stages = fused_blocks(weight.dtype, capability_of(weight))
    operand = _wide(weight.dtype) if is_wide else tl.float16
    patch_embed_fused[(triton.cdiv(count, block_n), triton.cdiv(width, block_e))](
        voxels, patches.starts, patches.strides_z, patches.strides_y, patches.volumes,
        patches.windows, weight.contiguous(),
        weight if bias is None else bias.contiguous(),
        weight if position is None else position.contiguous(),
        out, count, width,
        CHANNELS=channels, VOXELS=size, PY=weight.shape[3], PX=weight.shape[4],
        BLOCK_N=block_n, BLOCK_E=block_e, BLOCK_K=block_k,
        HAS_BIAS=bias is not None, HAS_POSITION=position is not None,
        OPERAND=operand, ACC=_wide(weight.dtype), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return out


def two_step(
    voxels: torch.Tensor,
    patches: Patches,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
    norm: tuple[torch.Tensor, torch.Tensor, float] | None,
) -> torch.Tensor:
    """Tokens (N, E): windowed voxels are written once, then multiplied by the vendor's GEMM.

    Args:
        voxels: Flat pack.
        patches: Where they lie.
        weight: (E, C, pz, py, px).
        bias: (E,) or ``None``.
        position: (N, E) or ``None``.
        norm: Scale and shift (C * P,) and epsilon of a layer norm over a patch's voxels.
    """
    shape = (weight.shape[2], weight.shape[3], weight.shape[4])
    seen_NK = launch_patchify(voxels, patches, shape, weight.dtype)
    if norm is not None:
        seen_NK = torch.nn.functional.layer_norm(
            seen_NK, seen_NK.shape[1:], norm[0], norm[1], norm[2]
        )
    out = torch.nn.functional.linear(seen_NK, weight.reshape(len(weight), -1), bias)
    return out if position is None else out + position


def plan_for(
    voxels: torch.Tensor,
    patches: Patches,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
) -> Plan:
    """The faster of both ways for a shape, measured once on this machine and remembered.

    ``VOL3D_PATCH_EMBED=fused|two_step`` decides without measuring, so that all processes agree.

    Args:
        voxels: Flat pack.
        patches: Where they lie.
        weight: (E, C, pz, py, px).
        bias: (E,) or ``None``.
        position: (N, E) or ``None``.
    """
    asked = os.environ.get(PLAN_VARIABLE, "auto")
    if asked in ("fused", "two_step"):
        return cast(Plan, asked)
    count = len(patches.starts)
    if is_interpreted() or not count or torch.cuda.is_current_stream_capturing():
        return "fused"
    # lengths vary from pack to pack: shapes within a factor of two share a decision
    key = (
        count.bit_length(), tuple(weight.shape), weight.dtype, voxels.dtype, voxels.device,
        bias is None, position is None,
    )  # fmt: skip
    if key not in _chosen:
        from triton.testing import do_bench

        try:
            steps = do_bench(lambda: two_step(voxels, patches, weight, bias, position, None))
        except torch.cuda.OutOfMemoryError:  # patches in full do not fit: the fused way does
            steps = float("inf")
        fused = do_bench(lambda: launch_fused(voxels, patches, weight, bias, position))
        _chosen[key] = "fused" if fused < steps else "two_step"
    return _chosen[key]


def weight_gradient(
    grad_NE: torch.Tensor,
    voxels: torch.Tensor,
    patches: Patches,
    patch_zyx: tuple[int, int, int],
    dtype: torch.dtype,
) -> torch.Tensor:
    """dW (E, C * P): patches are windowed again, some thousands at a time, and summed in order.

    Args:
        grad_NE: Of the tokens.
        voxels: Flat pack.
        patches: Where they lie.
        patch_zyx: Voxels of a patch.
        dtype: Of the weight.
    """
    size = patch_zyx[0] * patch_zyx[1] * patch_zyx[2] * patches.windows.shape[1]
    wide = torch.promote_types(dtype, torch.float32)
    total = torch.zeros((grad_NE.shape[1], size), dtype=wide, device=grad_NE.device)
    for first in range(0, len(grad_NE), CHUNK):
        some = slice(first, first + CHUNK)
        seen_NK = launch_patchify(voxels, patches.part(some), patch_zyx, dtype)
        total += (grad_NE[some].T.to(dtype) @ seen_NK).to(wide)
    return total
