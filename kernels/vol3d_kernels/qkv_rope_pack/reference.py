"""Rotary positions in millimetres in plain torch.

Shape legend: T tokens, H heads, D head width, P rotated pairs, F frequencies of an axis.
"""

from __future__ import annotations

import torch


def angles(positions_mm: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Returns (T, 3 F) angles in float32, those of the first axis first."""
    wide = torch.promote_types(positions_mm.dtype, torch.float32)
    return (positions_mm.to(wide)[:, :, None] * frequencies.to(wide)).flatten(1)


def rotate_reference(states: torch.Tensor, angle_TP: torch.Tensor) -> torch.Tensor:
    """Returns states (T, H, D) whose first P channel pairs (i, i + P) are turned by the angles."""
    pairs = angle_TP.shape[1]
    cos, sin = (t[:, None, :].to(states.dtype) for t in (angle_TP.cos(), angle_TP.sin()))
    first, second = states[..., :pairs], states[..., pairs : 2 * pairs]
    turned = (first * cos - second * sin, first * sin + second * cos)
    return torch.cat((*turned, states[..., 2 * pairs :]), dim=-1)


def qkv_rope_pack_reference(
    qkv: torch.Tensor, positions_mm: torch.Tensor, frequencies: torch.Tensor
) -> torch.Tensor:
    """See :func:`vol3d_kernels.qkv_rope_pack`; (3, T, H, D)."""
    angle_TP = angles(positions_mm, frequencies)
    query, key, value = qkv.unbind(1)
    return torch.stack([rotate_reference(query, angle_TP), rotate_reference(key, angle_TP), value])
