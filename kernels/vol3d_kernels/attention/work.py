"""Who computes what: tiles of packed volumes, made on the device without asking it anything.

Shape legend: V volumes, W tiles, B blocks, T tokens.
"""

from __future__ import annotations

import torch

TILE_FIELDS = 5
"""A tile's first row and end of rows, first key and end of keys, and the row of its key list."""


def max_tiles(num_tokens: int, num_volumes: int, block: int) -> int:
    """Most tiles of ``block`` tokens that a pack can need; known without its lengths."""
    return num_tokens // block + num_volumes


def dense_tiles(cu_seqlens: torch.Tensor, num_tokens: int, block: int) -> torch.Tensor:
    """Returns (W, 5) int32 tiles of ``block`` rows that see their whole volume, longest first.

    Unused tiles at the end have no rows.

    Args:
        cu_seqlens: (V + 1,) bounds of the volumes.
        num_tokens: Tokens of the pack.
        block: Rows of a tile.
    """
    num_volumes = len(cu_seqlens) - 1
    start_V, length_V = cu_seqlens[:-1].long(), cu_seqlens.diff().long()
    order_V = length_V.argsort(descending=True, stable=True)
    volume_W, place_W, is_used_W = _tiles_of(
        length_V[order_V], max_tiles(num_tokens, num_volumes, block), block
    )
    volume_W = order_V[volume_W]
    first_W = start_V[volume_W] + place_W * block
    stop_W = start_V[volume_W] + length_V[volume_W]
    columns = [first_W, torch.minimum(first_W + block, stop_W), start_V[volume_W], stop_W, place_W]
    return (torch.stack(columns, dim=1) * is_used_W[:, None]).int()


def _tiles_of(
    length_V: torch.Tensor, count: int, block: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each of ``count`` tiles: its volume, its place in it, and whether there is one."""
    tiles_V = (length_V + block - 1) // block
    end_V = tiles_V.cumsum(0)
    tile_W = torch.arange(count, device=length_V.device)
    if not len(length_V):
        nothing = torch.zeros_like(tile_W)
        return nothing, nothing, nothing.bool()
    volume_W = torch.searchsorted(end_V, tile_W, right=True).clamp_(max=len(length_V) - 1)
    place_W = tile_W - (end_V - tiles_V)[volume_W]
    return volume_W, place_W, tile_W < end_V[-1]


def sparse_tiles(
    cu_seqlens: torch.Tensor, num_tokens: int, block_size: int, rows: int
) -> torch.Tensor:
    """Returns (W, 5) int32 tiles of ``rows`` rows inside blocks; the last field is the block.

    Args:
        cu_seqlens: (V + 1,) bounds of the volumes.
        num_tokens: Tokens of the pack.
        block_size: Tokens of a block, a multiple of ``rows``.
        rows: Rows of a tile.
    """
    start_B, stop_B, _ = block_bounds(cu_seqlens, num_tokens, block_size)
    parts = block_size // rows
    block_W = torch.arange(len(start_B), device=start_B.device).repeat_interleave(parts)
    shift_W = torch.arange(parts, device=start_B.device).repeat(len(start_B)) * rows
    first_W = torch.minimum(start_B[block_W] + shift_W, stop_B[block_W])
    last_W = torch.minimum(first_W + rows, stop_B[block_W])
    columns = [first_W, last_W, torch.zeros_like(first_W), torch.zeros_like(first_W), block_W]
    return torch.stack(columns, dim=1).int()


def block_bounds(
    cu_seqlens: torch.Tensor, num_tokens: int, block_size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First token, end, and volume of ``T // block_size + V`` blocks; unused ones are empty.

    Args:
        cu_seqlens: (V + 1,) bounds of the volumes.
        num_tokens: Tokens of the pack.
        block_size: Tokens of a block.
    """
    start_V, length_V = cu_seqlens[:-1].long(), cu_seqlens.diff().long()
    count = max_tiles(num_tokens, len(length_V), block_size)
    volume_B, place_B, is_used_B = _tiles_of(length_V, count, block_size)
    start_B = (start_V[volume_B] + place_B * block_size) * is_used_B
    stop_B = torch.minimum(start_B + block_size, start_V[volume_B] + length_V[volume_B])
    return start_B, torch.where(is_used_B, stop_B, start_B), volume_B


def key_lists(block_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Allowed blocks of each row of a mask, (B, B) int32 first ones valid, and how many, (B,).

    Args:
        block_mask: (B, B) bool.
    """
    order_BB = block_mask.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    return order_BB.int().contiguous(), block_mask.sum(dim=1).int()
