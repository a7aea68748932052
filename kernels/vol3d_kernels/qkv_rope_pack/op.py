"""Rotary packing as a torch operator: works under ``torch.compile``, differentiates itself."""

from __future__ import annotations

from typing import Any

import torch

from vol3d_kernels.dispatch import on_device
from vol3d_kernels.qkv_rope_pack.reference import (
    angles,
    qkv_rope_pack_reference,
    rotate_reference,
)


def _launch(
    source: torch.Tensor,
    positions_mm: torch.Tensor,
    frequencies: torch.Tensor,
    out: torch.Tensor,
    *,
    is_backward: bool,
) -> None:
    """Turns parts (3, T, H, D) of ``source`` into ``out``; both may be any view of that shape."""
    import triton
    import triton.language as tl

    from vol3d_kernels.qkv_rope_pack.triton import rope_pack

    _, tokens, heads, dim = source.shape
    if not source.numel():
        return
    wide = tl.float64 if source.dtype == torch.float64 else tl.float32
    block = 16
    rope_pack[(triton.cdiv(tokens, block), heads, 3)](
        source, positions_mm.contiguous(), frequencies.contiguous(), out, tokens,
        source.stride(0), source.stride(1), source.stride(2),
        out.stride(0), out.stride(1), out.stride(2), -1.0 if is_backward else 1.0,
        D=dim, BLOCK_D=triton.next_power_of_2(dim), BLOCK_T=block, BANDS=len(frequencies),
        WIDE=wide, num_warps=4,
    )  # fmt: skip


@torch.library.custom_op("vol3d::qkv_rope_pack", mutates_args=())
def qkv_rope_pack_op(
    qkv: torch.Tensor, positions_mm: torch.Tensor, frequencies: torch.Tensor, implementation: str
) -> torch.Tensor:
    """(3, T, H, D) from (T, 3, H, D); see :func:`vol3d_kernels.qkv_rope_pack`."""
    if implementation == "reference":
        return qkv_rope_pack_reference(qkv, positions_mm, frequencies)
    tokens, _, heads, dim = qkv.shape
    out = torch.empty((3, tokens, heads, dim), dtype=qkv.dtype, device=qkv.device)
    source = qkv if qkv.stride(-1) == 1 else qkv.contiguous()
    with on_device(qkv):
        _launch(source.transpose(0, 1), positions_mm, frequencies, out, is_backward=False)
    return out


@qkv_rope_pack_op.register_fake
def _(
    qkv: torch.Tensor, positions_mm: torch.Tensor, frequencies: torch.Tensor, implementation: str
) -> torch.Tensor:
    tokens, _, heads, dim = qkv.shape
    return qkv.new_empty((3, tokens, heads, dim))


@torch.library.custom_op("vol3d::qkv_rope_pack_backward", mutates_args=())
def qkv_rope_pack_backward_op(
    grad: torch.Tensor, positions_mm: torch.Tensor, frequencies: torch.Tensor, implementation: str
) -> torch.Tensor:
    """Gradient (T, 3, H, D) of the packed projections: rotation backwards."""
    _, tokens, heads, dim = grad.shape
    if implementation == "reference":
        angle_TP = -angles(positions_mm, frequencies)
        query, key, value = grad.unbind(0)
        turned = [rotate_reference(query, angle_TP), rotate_reference(key, angle_TP), value]
        return torch.stack(turned, dim=1)
    out = torch.empty((tokens, 3, heads, dim), dtype=grad.dtype, device=grad.device)
    source = grad if grad.stride(-1) == 1 else grad.contiguous()
    with on_device(grad):
        _launch(source, positions_mm, frequencies, out.transpose(0, 1), is_backward=True)
    return out


@qkv_rope_pack_backward_op.register_fake
def _(
    grad: torch.Tensor, positions_mm: torch.Tensor, frequencies: torch.Tensor, implementation: str
) -> torch.Tensor:
    _, tokens, heads, dim = grad.shape
    return grad.new_empty((tokens, 3, heads, dim))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, positions_mm, frequencies, implementation = inputs
    ctx.save_for_backward(positions_mm, frequencies)
    ctx.implementation = implementation


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    found = qkv_rope_pack_backward_op(grad, *ctx.saved_tensors, ctx.implementation)
    return found, None, None, None


qkv_rope_pack_op.register_autograd(_backward, setup_context=_setup)
