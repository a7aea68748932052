"""Packed attention in plain torch: one scaled-dot-product call per volume."""

from __future__ import annotations

import itertools

import torch


def attention_reference(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: list[int],
    scale: float | None,
) -> torch.Tensor:
    """See :func:`vol3d_kernels.attention`; ``bounds`` are the cumulative lengths as a list."""
    outputs = []
    for start, stop in itertools.pairwise(bounds):
        q_HTD, k_HTD, v_HTD = (
            t[start:stop].transpose(0, 1).unsqueeze(0) for t in (query, key, value)
        )
        out = torch.nn.functional.scaled_dot_product_attention(q_HTD, k_HTD, v_HTD, scale=scale)
        outputs.append(out.squeeze(0).transpose(0, 1))
    return torch.cat(outputs, dim=0) if outputs else torch.empty_like(query)
