"""Packed attention behind the attention interface of transformers, for imported encoders."""

from __future__ import annotations

from typing import Any

import torch
from vol3d_kernels import attention


def vol3d_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Bidirectional attention of a batch, each row a volume of a pack.

    Args:
        module: The calling layer; a causal one is refused.
        query: (B, H, T, D).
        key: As ``query``.
        value: As ``query``.
        attention_mask: ``None``, or (B, 1, T or 1, T) that hides the same keys from every query,
            bool (``True`` is seen) or added to the scores.
        scaling: Factor on the scores.
        dropout: Must be 0.

    Returns:
        (B, T, H, D), and no weights.

    Raises:
        ValueError: A causal layer, dropout, other keys than queries, or a mask by query.
    """
    batch, heads, length, dim = query.shape
    if getattr(module, "is_causal", False) or dropout or key.shape != query.shape:
        raise ValueError(
            f"vol3d attention: causal {getattr(module, 'is_causal', False)}, dropout {dropout}, "
            f"query {tuple(query.shape)}, key {tuple(key.shape)}; expected a bidirectional encoder "
            "layer without dropout. Choose another attn_implementation for this model."
        )
    bias = None
    if attention_mask is not None:
        first = attention_mask[:, :1, :1, :]
        # looking into a mask on a GPU would wait for it in every layer
        can_look = not (torch.compiler.is_compiling() or attention_mask.is_cuda)
        if attention_mask.shape[1] != 1 or (
            can_look and not torch.equal(attention_mask, first.expand_as(attention_mask))
        ):
            raise ValueError(
                f"vol3d attention: a mask {tuple(attention_mask.shape)} by query or head; "
                "expected one that hides whole keys. Choose another attn_implementation."
            )
        row = attention_mask[:, 0, 0, :].expand(batch, length).flatten()
        bias = row
        if row.dtype == torch.bool:
            bias = torch.zeros_like(row, dtype=query.dtype).masked_fill(~row, float("-inf"))
    bounds = torch.arange(batch + 1, dtype=torch.int32, device=query.device) * length
    q, k, v = (t.transpose(1, 2).reshape(batch * length, heads, dim) for t in (query, key, value))
    out = attention(q, k, v, bounds, scale=scaling, key_bias=bias)
    return out.reshape(batch, length, heads, dim), None
