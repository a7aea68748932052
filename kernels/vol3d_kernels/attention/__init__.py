"""Bidirectional attention inside each volume of a pack."""

from __future__ import annotations

import torch

from vol3d_kernels.attention.reference import attention_reference

__all__ = ["attention"]


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    scale: float | None = None,
) -> torch.Tensor:
    """Returns attention computed separately inside each packed sequence.

    Shapes: T tokens of all volumes, H heads, D head width, V volumes.

    Args:
        query: (T, H, D).
        key: (T, H, D).
        value: (T, H, D).
        cu_seqlens: (V + 1,) int; token v of the pack lies in volume i when
            ``cu_seqlens[i] <= v < cu_seqlens[i + 1]``. Starts at 0, ends at T.
        scale: Factor on the scores; ``D ** -0.5`` when None.

    Returns:
        (T, H, D). A token never sees another volume's tokens.

    Raises:
        ValueError: Shapes differ, or ``cu_seqlens`` does not run from 0 to T.
    """
    if query.ndim != 3 or query.shape != key.shape or query.shape != value.shape:
        raise ValueError(
            f"attention: query {tuple(query.shape)}, key {tuple(key.shape)}, value "
            f"{tuple(value.shape)}; expected one shape (T, H, D)."
        )
    bounds = cu_seqlens.tolist()
    if bounds[0] != 0 or bounds[-1] != len(query) or sorted(bounds) != bounds:
        raise ValueError(
            f"attention: cu_seqlens {bounds}; expected increasing bounds from 0 to {len(query)}."
        )
    return attention_reference(query, key, value, bounds, scale)
