"""Patch embedding as a torch operator: works under ``torch.compile``, differentiates itself."""

from __future__ import annotations

from typing import Any

import torch

from vol3d_kernels.dispatch import on_device
from vol3d_kernels.patch_embed import launch
from vol3d_kernels.patch_embed.reference import patch_embed_reference, window_patches


@torch.library.custom_op("vol3d::patch_embed", mutates_args=())
def patch_embed_op(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
    norm_scale: torch.Tensor | None,
    norm_shift: torch.Tensor | None,
    norm_eps: float,
    implementation: str,
) -> torch.Tensor:
    """Tokens (N, E); see :func:`vol3d_kernels.patch_embed`."""
    if implementation == "reference":
        return patch_embed_reference(
            voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight, bias,
            position, norm_scale, norm_shift, norm_eps,
        )  # fmt: skip
    with on_device(voxels):
        return _tokens(
            voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight, bias,
            position, norm_scale, norm_shift, norm_eps,
        )  # fmt: skip


def _tokens(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
    norm_scale: torch.Tensor | None,
    norm_shift: torch.Tensor | None,
    norm_eps: float,
) -> torch.Tensor:
    shape = (weight.shape[2], weight.shape[3], weight.shape[4])
    flat = voxels.contiguous()
    patches = launch.locate(shapes_zyx, patch_volume, patch_index_zyx, windows, shape, weight.dtype)
    if norm_scale is not None and norm_shift is not None:
        norm = (norm_scale, norm_shift, norm_eps)
        return launch.two_step(flat, patches, weight, bias, position, norm)
    if launch.plan_for(flat, patches, weight, bias, position) == "fused":
        return launch.launch_fused(flat, patches, weight, bias, position)
    return launch.two_step(flat, patches, weight, bias, position, None)


@patch_embed_op.register_fake
def _(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    position: torch.Tensor | None,
    norm_scale: torch.Tensor | None,
    norm_shift: torch.Tensor | None,
    norm_eps: float,
    implementation: str,
) -> torch.Tensor:
    return weight.new_empty((patch_volume.shape[0], weight.shape[0]))


@torch.library.custom_op("vol3d::patch_embed_backward", mutates_args=())
def patch_embed_backward_op(
    grad: torch.Tensor,
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    norm_scale: torch.Tensor | None,
    norm_shift: torch.Tensor | None,
    norm_eps: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of the weight, and of the norm's scale and shift (empty without a norm)."""
    shape = (weight.shape[2], weight.shape[3], weight.shape[4])
    nothing = weight.new_empty(0)
    grad = grad.contiguous()
    patches = launch.locate(shapes_zyx, patch_volume, patch_index_zyx, windows, shape, weight.dtype)
    if norm_scale is None and implementation == "triton":
        with on_device(voxels):
            found = launch.weight_gradient(grad, voxels.contiguous(), patches, shape, weight.dtype)
        return found.reshape(weight.shape).to(weight.dtype), nothing, torch.empty_like(nothing)

    def seen(some: slice) -> torch.Tensor:
        if implementation == "triton":
            with on_device(voxels):
                return launch.launch_patchify(
                    voxels.contiguous(), patches.part(some), shape, weight.dtype
                )
        return window_patches(
            voxels, shapes_zyx, patch_volume[some], patch_index_zyx[some], windows, shape,
            weight.dtype,
        )  # fmt: skip

    wide = torch.promote_types(weight.dtype, torch.float32)
    flat_EK = weight.reshape(len(weight), -1)
    dweight_EK = torch.zeros(flat_EK.shape, dtype=wide, device=weight.device)
    dscale_K, dshift_K = torch.zeros_like(dweight_EK[0]), torch.zeros_like(dweight_EK[0])
    for first in range(0, len(grad), launch.CHUNK):
        some = slice(first, first + launch.CHUNK)
        seen_NK, grad_NE = seen(some).to(wide), grad[some].to(wide)
        if norm_scale is not None and norm_shift is not None:
            seen_NK = torch.nn.functional.layer_norm(seen_NK, seen_NK.shape[1:], eps=norm_eps)
            dseen_NK = grad_NE @ flat_EK.to(wide)
            dscale_K += (dseen_NK * seen_NK).sum(dim=0)
            dshift_K += dseen_NK.sum(dim=0)
            seen_NK = seen_NK * norm_scale.to(wide) + norm_shift.to(wide)
        dweight_EK += grad_NE.T @ seen_NK
    found = dweight_EK.reshape(weight.shape).to(weight.dtype)
    if norm_scale is None or norm_shift is None:
        return found, nothing, torch.empty_like(nothing)
    return found, dscale_K.to(norm_scale.dtype), dshift_K.to(norm_shift.dtype)


@patch_embed_backward_op.register_fake
def _(
    grad: torch.Tensor,
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    norm_scale: torch.Tensor | None,
    norm_shift: torch.Tensor | None,
    norm_eps: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if norm_scale is None or norm_shift is None:
        return weight.new_empty(weight.shape), weight.new_empty(0), weight.new_empty(0)
    return (
        weight.new_empty(weight.shape),
        norm_scale.new_empty(norm_scale.shape),
        norm_shift.new_empty(norm_shift.shape),
    )


def _setup(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    (voxels, shapes, volume, index, windows, weight, bias, _, scale, shift, eps, used) = inputs
    ctx.save_for_backward(voxels, shapes, volume, index, windows, weight, scale, shift)
    ctx.bias_dtype = None if bias is None else bias.dtype
    ctx.rest = (eps, used)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    voxels, shapes, volume, index, windows, weight, scale, shift = ctx.saved_tensors
    needs = ctx.needs_input_grad
    dweight = dscale = dshift = None
    if needs[5] or needs[8] or needs[9]:
        dweight, dscale, dshift = patch_embed_backward_op(
            grad, voxels, shapes, volume, index, windows, weight, scale, shift, *ctx.rest
        )
    dbias = None
    if ctx.bias_dtype is not None:
        wide = torch.promote_types(grad.dtype, torch.float32)
        dbias = grad.to(wide).sum(dim=0).to(ctx.bias_dtype)
    has_norm = scale is not None
    return (
        None, None, None, None, None, dweight, dbias, grad if needs[7] else None,
        dscale if has_norm else None, dshift if has_norm else None, None, None,
    )  # fmt: skip


patch_embed_op.register_autograd(_backward, setup_context=_setup)
