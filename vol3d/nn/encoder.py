"""Transformer pieces over packed, variable-length volumes.

Shape legend: T tokens of all volumes in the pack, E width, H heads, D head width, N patches.
"""

from __future__ import annotations

import torch
from torch import nn
from vol3d_kernels import attention, patch_embed

from vol3d.nn.positions import rotate


class PatchEmbedding(nn.Module):
    """Linear embedding of voxel patches, with HU windows (or MR ranges) as input channels."""

    def __init__(self, embed_dim: int, num_channels: int, patch_zyx: tuple[int, int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(embed_dim, num_channels, *patch_zyx))
        self.bias = nn.Parameter(torch.zeros(embed_dim))
        nn.init.trunc_normal_(self.weight, std=self.weight[0].numel() ** -0.5)

    def forward(
        self,
        voxels: torch.Tensor,
        shapes_zyx: torch.Tensor,
        patch_volume: torch.Tensor,
        patch_index_zyx: torch.Tensor,
        windows: torch.Tensor,
    ) -> torch.Tensor:
        """Tokens (N, E); arguments as in :func:`vol3d_kernels.patch_embed`."""
        return patch_embed(
            voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, self.weight, self.bias
        )


class PackedAttention(nn.Module):
    """Multi-head self-attention inside each volume of the pack, rotary in mm."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(
        self,
        tokens_TE: torch.Tensor,
        cu_seqlens: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """(T, E) attended tokens; ``rotary`` holds cosine and sine (T, P)."""
        qkv_T3HD = self.qkv(tokens_TE).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv_T3HD.unbind(1)
        mixed = attention(rotate(query, *rotary), rotate(key, *rotary), value, cu_seqlens)
        out: torch.Tensor = self.out(mixed.flatten(1))
        return out


class EncoderBlock(nn.Module):
    """Pre-norm transformer block: attention, then a GELU feed-forward layer."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_dim: int, norm_eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.attention = PackedAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, embed_dim)
        )

    def forward(
        self,
        tokens_TE: torch.Tensor,
        cu_seqlens: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """(T, E) tokens after attention and feed-forward, both residual."""
        tokens_TE = tokens_TE + self.attention(self.norm1(tokens_TE), cu_seqlens, rotary)
        out: torch.Tensor = tokens_TE + self.mlp(self.norm2(tokens_TE))
        return out
