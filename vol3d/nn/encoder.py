"""Transformer pieces over packed, variable-length volumes.

Shape legend: T tokens of all volumes in the pack, E width, H heads, D head width, N patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from vol3d_kernels import BlockMask, attention, patch_embed, qkv_rope_pack, window_mask
from vol3d_kernels.patch_occupancy import brick_order


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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenPack:
    """What attention needs to know of the tokens of a pack.

    Args:
        cu_seqlens: (V + 1,) int32 bounds of the volumes.
        positions_mm: (T, 3) places along R, A, S.
        frequencies: (F,) radians per mm of the rotary bands.
        window: Which blocks of tokens see which in windowed layers; ``None`` without such layers.
    """

    cu_seqlens: torch.Tensor
    positions_mm: torch.Tensor
    frequencies: torch.Tensor
    window: BlockMask | None = None


def brick_pack(
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    grids_zyx: torch.Tensor,
    positions_mm: torch.Tensor,
    cu_seqlens: torch.Tensor,
    window_mm: float,
    block_size: int,
) -> tuple[torch.Tensor, BlockMask]:
    """The order in which consecutive tokens form bricks, and the windows over blocks of them.

    Args:
        patch_volume: (T,) ascending volume of each token.
        patch_index_zyx: (T, 3) grid index.
        grids_zyx: (V, 3) patches of each volume.
        positions_mm: (T, 3).
        cu_seqlens: (V + 1,).
        window_mm: Largest gap between the boxes around two blocks that see each other.
        block_size: Tokens of a block.
    """
    order = brick_order(patch_volume, patch_index_zyx, grids_zyx)
    reach = (window_mm, window_mm, window_mm)
    mask = window_mask(positions_mm[order], cu_seqlens, window=reach, block_size=block_size)
    return order, mask


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
        pack: TokenPack,
        *,
        is_windowed: bool = False,
    ) -> torch.Tensor:
        """(T, E) attended tokens; a windowed layer sees the blocks near each block only."""
        qkv_T3HD = self.qkv(tokens_TE).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv_rope_pack(qkv_T3HD, pack.positions_mm, pack.frequencies)
        window = pack.window if is_windowed else None
        mixed = attention(query, key, value, pack.cu_seqlens, block_mask=window)
        out: torch.Tensor = self.out(mixed.flatten(1))
        return out


class EncoderBlock(nn.Module):
    """Pre-norm transformer block: attention, then a GELU feed-forward layer."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        mlp_dim: int,
        norm_eps: float,
        *,
        is_windowed: bool = False,
    ) -> None:
        super().__init__()
        self.is_windowed = is_windowed
        self.norm1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.attention = PackedAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, embed_dim)
        )

    def forward(self, tokens_TE: torch.Tensor, pack: TokenPack) -> torch.Tensor:
        """(T, E) tokens after attention and feed-forward, both residual."""
        tokens_TE = tokens_TE + self.attention(
            self.norm1(tokens_TE), pack, is_windowed=self.is_windowed
        )
        out: torch.Tensor = tokens_TE + self.mlp(self.norm2(tokens_TE))
        return out
