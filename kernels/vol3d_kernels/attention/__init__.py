"""Bidirectional attention inside each volume of a pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, overload

import torch

from vol3d_kernels.attention.reference import attention_reference
from vol3d_kernels.attention.work import block_bounds, max_tiles
from vol3d_kernels.dispatch import implementation_for

__all__ = ["BlockMask", "attention", "window_mask"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BlockMask:
    """Which blocks of tokens see which, for attention restricted to windows.

    Blocks are consecutive tokens of one volume, counted from its first token; the last block of a
    volume may be short. There are ``T // block_size + V`` of them, unused ones at the end.

    Args:
        allowed: (B, B) bool; query block, key block. Entries between blocks of
            different volumes have no effect.
        block_size: Tokens of a block: 16, 32, 64 or 128.
    """

    allowed: torch.Tensor
    block_size: int


@overload
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    scale: float | None = ...,
    key_bias: torch.Tensor | None = ...,
    block_mask: BlockMask | None = ...,
    return_lse: Literal[False] = ...,
    implementation: str | None = ...,
) -> torch.Tensor: ...
@overload
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    scale: float | None = ...,
    key_bias: torch.Tensor | None = ...,
    block_mask: BlockMask | None = ...,
    return_lse: Literal[True],
    implementation: str | None = ...,
) -> tuple[torch.Tensor, torch.Tensor]: ...
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    scale: float | None = None,
    key_bias: torch.Tensor | None = None,
    block_mask: BlockMask | None = None,
    return_lse: bool = False,
    implementation: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Returns attention computed separately inside each packed sequence.

    Shapes: T tokens of all volumes, H heads, D head width, V volumes, B blocks.

    Args:
        query: (T, H, D).
        key: (T, H, D).
        value: (T, H, D).
        cu_seqlens: (V + 1,) int; token v of the pack lies in volume i when
            ``cu_seqlens[i] <= v < cu_seqlens[i + 1]``. Starts at 0, ends at T.
        scale: Factor on the scores; ``D ** -0.5`` when None.
        key_bias: (T,) added to the scores of a key before the softmax; ``-inf`` hides the key. No
            gradient reaches it.
        block_mask: Restricts each block of queries to a list of blocks of keys.
        return_lse: Also return the logarithm of the sum of exponentiated scores.
        implementation: ``auto``, ``triton`` or ``reference``; ``None`` asks ``VOL3D_KERNELS``.

    Returns:
        (T, H, D), and with ``return_lse`` the natural log-sum-exp (T, H), which has no gradient. A
        token never sees another volume's tokens.

    Raises:
        ValueError: Shapes differ, or ``cu_seqlens`` does not run from 0 to T. Its values are
            checked on the CPU only: on a GPU that would wait for the device.
    """
    _check(query, key, value, cu_seqlens, key_bias, block_mask)
    used = implementation_for(query, implementation)
    key_bias = None if key_bias is None else key_bias.detach()
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    allowed, size = (None, 0) if block_mask is None else (block_mask.allowed, block_mask.block_size)
    if used == "reference" and not return_lse and not torch.compiler.is_compiling():
        return attention_reference(
            query, key, value, cu_seqlens.tolist(), factor, key_bias, allowed, size
        )
    from vol3d_kernels.attention.launch import LOG2_E
    from vol3d_kernels.attention.op import attention_op

    out, lse = attention_op(
        query, key, value, cu_seqlens, key_bias, allowed, size, float(factor), used
    )
    return (out, lse / LOG2_E) if return_lse else out


def _check(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: BlockMask | None,
) -> None:
    if query.ndim != 3 or query.shape != key.shape or query.shape != value.shape:
        raise ValueError(
            f"attention: query {tuple(query.shape)}, key {tuple(key.shape)}, value "
            f"{tuple(value.shape)}; expected one shape (T, H, D)."
        )
    if key_bias is not None and key_bias.shape != query.shape[:1]:
        raise ValueError(
            f"attention: key_bias {tuple(key_bias.shape)}; expected ({len(query)},), one per key."
        )
    if block_mask is not None:
        if block_mask.block_size not in (16, 32, 64, 128):
            raise ValueError(
                f"attention: block_size {block_mask.block_size}; expected 16, 32, 64 or 128."
            )
        count = max_tiles(len(query), len(cu_seqlens) - 1, block_mask.block_size)
        if block_mask.allowed.shape != (count, count):
            raise ValueError(
                f"attention: block mask {tuple(block_mask.allowed.shape)}; expected "
                f"({count}, {count}) for {len(query)} tokens in blocks of {block_mask.block_size}."
            )
    if torch.compiler.is_compiling() or cu_seqlens.is_cuda:
        return
    bounds = cu_seqlens.tolist()
    if bounds[0] != 0 or bounds[-1] != len(query) or sorted(bounds) != bounds:
        raise ValueError(
            f"attention: cu_seqlens {bounds}; expected increasing bounds from 0 to {len(query)}."
        )


def window_mask(
    positions: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    window: tuple[float, float, float],
    block_size: int = 128,
) -> BlockMask:
    """Returns the mask by which a block sees the blocks that come near it along all three axes.

    It is as sparse as the blocks are compact: order tokens by bricks first, as
    :func:`vol3d_kernels.patch_occupancy` does.

    Args:
        positions: (T, 3) in any unit, such as mm.
        cu_seqlens: (V + 1,) int, bounds of the volumes.
        window: Largest gap between the boxes around two blocks, by axis, in the same unit.
        block_size: Tokens of a block.
    """
    num_tokens = len(positions)
    start_B, stop_B, volume_B = block_bounds(cu_seqlens, num_tokens, block_size)
    place_T = torch.arange(num_tokens, device=positions.device)
    # empty blocks begin and end at 0, so that the last block that begins at or before is the one
    filled_B = torch.where(stop_B > start_B, start_B, num_tokens)
    block_T = torch.searchsorted(filled_B, place_T, right=True) - 1
    index_T3 = block_T[:, None].expand(-1, 3)
    wide = positions.to(torch.float32)
    low_B3 = wide.new_full((len(start_B), 3), float("inf")).scatter_reduce(
        0, index_T3, wide, "amin"
    )
    high_B3 = wide.new_full((len(start_B), 3), float("-inf")).scatter_reduce(
        0, index_T3, wide, "amax"
    )
    gap_BB3 = torch.maximum(low_B3[:, None] - high_B3[None], low_B3[None] - high_B3[:, None])
    is_near_BB = (gap_BB3 <= gap_BB3.new_tensor(window)).all(dim=-1)
    is_filled_B = stop_B > start_B
    is_near_BB &= is_filled_B[:, None] & is_filled_B[None] & (volume_B[:, None] == volume_B[None])
    return BlockMask(allowed=is_near_BB, block_size=block_size)
