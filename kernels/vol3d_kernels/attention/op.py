"""Packed attention as a torch operator: works under ``torch.compile``, differentiates itself."""

from __future__ import annotations

from typing import Any

import torch

from vol3d_kernels.attention.launch import LOG2_E, launch_backward, launch_forward
from vol3d_kernels.attention.reference import (
    attention_backward_reference,
    attention_reference,
    log_sum_exp_reference,
)
from vol3d_kernels.dispatch import on_device


@torch.library.custom_op("vol3d::attention", mutates_args=())
def attention_op(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
    scale: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output (T, H, D) and base-2 log-sum-exp (T, H); see :func:`vol3d_kernels.attention`."""
    if implementation == "triton":
        with on_device(query):
            return launch_forward(
                query, key, value, cu_seqlens, key_bias, block_mask, block_size, scale
            )
    bounds = cu_seqlens.tolist()
    out = attention_reference(query, key, value, bounds, scale, key_bias, block_mask, block_size)
    lse = log_sum_exp_reference(query, key, bounds, scale, key_bias, block_mask, block_size)
    return out.contiguous(), (lse * LOG2_E).contiguous()


@attention_op.register_fake
def _(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
    scale: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    wide = torch.promote_types(query.dtype, torch.float32)
    return query.new_empty(query.shape), query.new_empty(query.shape[:2], dtype=wide)


@torch.library.custom_op("vol3d::attention_backward", mutates_args=())
def attention_backward_op(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    lse: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
    scale: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value, each (T, H, D)."""
    if implementation == "triton":
        with on_device(query):
            return launch_backward(
                grad, query, key, value, out, lse, cu_seqlens, key_bias, block_mask, block_size,
                scale,
            )  # fmt: skip
    return attention_backward_reference(
        grad, query, key, value, cu_seqlens.tolist(), scale, key_bias, block_mask, block_size
    )


@attention_backward_op.register_fake
def _(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    lse: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
    scale: float,
    implementation: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(t.new_empty(t.shape) for t in (query, key, value))  # type: ignore[return-value]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    query, key, value, cu_seqlens, key_bias, block_mask, block_size, scale, implementation = inputs
    out, lse = output
    ctx.mark_non_differentiable(lse)
    ctx.save_for_backward(query, key, value, out, lse, cu_seqlens, key_bias, block_mask)
    ctx.rest = (block_size, scale, implementation)


def _backward(ctx: Any, grad: torch.Tensor, _grad_lse: torch.Tensor | None) -> tuple[Any, ...]:
    query, key, value, out, lse, cu_seqlens, key_bias, block_mask = ctx.saved_tensors
    grads = attention_backward_op(
        grad, query, key, value, out, lse, cu_seqlens, key_bias, block_mask, *ctx.rest
    )
    return (*grads, None, None, None, None, None, None)


attention_op.register_autograd(_backward, setup_context=_setup)
