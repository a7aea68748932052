"""Launches the attention kernels: block sizes by head width, work lists, strides."""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass

import torch

from vol3d_kernels.attention import work
from vol3d_kernels.dispatch import capability_of, is_interpreted, multiprocessors_of

LOG2_E = math.log2(math.e)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """Rows and keys of a tile, warps and pipeline stages of one kernel."""

    block_m: int
    block_n: int
    num_warps: int
    num_stages: int


_INTERPRETED = Blocks(block_m=16, block_n=16, num_warps=4, num_stages=1)
_INTERPRETED_LARGE = Blocks(block_m=128, block_n=128, num_warps=4, num_stages=1)
_LARGE = 512
"""Tokens from which the interpreter takes large tiles: it needs about a millisecond for any."""


def forward_blocks(head_dim: int, dtype: torch.dtype) -> Blocks:
    """The shipped configuration of the forward kernel for a padded head width.

    Args:
        head_dim: 16, 32, 64 or 128.
        dtype: Of the tensors.
    """
    if is_interpreted():
        return _INTERPRETED
    if dtype in (torch.float32, torch.float64):
        return Blocks(block_m=64, block_n=32, num_warps=4, num_stages=2)
    if head_dim <= 64:
        return Blocks(block_m=128, block_n=64, num_warps=4, num_stages=3)
    return Blocks(block_m=128, block_n=64, num_warps=8, num_stages=3)


def backward_blocks(head_dim: int, dtype: torch.dtype, capability: int) -> Blocks:
    """The shipped configuration of both backward kernels for a padded head width.

    Args:
        head_dim: 16, 32, 64 or 128.
        dtype: Of the tensors.
        capability: Compute capability times ten, such as 90.
    """
    if is_interpreted():
        return _INTERPRETED
    if dtype in (torch.float32, torch.float64):
        return Blocks(block_m=32, block_n=32, num_warps=4, num_stages=1)
    if head_dim <= 64:
        rows = 64 if capability >= 90 else 32
        return Blocks(block_m=rows, block_n=128, num_warps=8, num_stages=2)
    return Blocks(block_m=64, block_n=64, num_warps=8, num_stages=2)


def padded_head_dim(head_dim: int) -> int:
    """The power of two that a head is padded to, at least 16."""
    return max(16, 1 << (head_dim - 1).bit_length())


def _flags(query: torch.Tensor) -> dict[str, object]:
    import triton.language as tl

    is_double = query.dtype == torch.float64
    return {
        "UPCAST": is_interpreted() and query.dtype == torch.bfloat16,
        "ACC": tl.float64 if is_double else tl.float32,
    }


def _aligned(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Tensors whose last axis is contiguous; others are copied."""
    return [t if t.stride(-1) == 1 else t.contiguous() for t in tensors]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lists:
    """Work list and, for sparse attention, the listed blocks."""

    tiles: torch.Tensor
    others: torch.Tensor
    counts: torch.Tensor
    bounds: torch.Tensor
    width: int


def _lists(
    cu_seqlens: torch.Tensor,
    num_tokens: int,
    rows: int,
    block_mask: torch.Tensor | None,
    block_size: int,
) -> _Lists:
    if block_mask is None:
        tiles = work.dense_tiles(cu_seqlens, num_tokens, rows)
        return _Lists(tiles=tiles, others=tiles, counts=tiles, bounds=tiles, width=0)
    others, counts = work.key_lists(block_mask)
    start_B, stop_B, _ = work.block_bounds(cu_seqlens, num_tokens, block_size)
    return _Lists(
        tiles=work.sparse_tiles(cu_seqlens, num_tokens, block_size, rows),
        others=others,
        counts=counts,
        bounds=torch.stack([start_B, stop_B], dim=1).int().contiguous(),
        width=others.shape[1],
    )


def within_volumes(
    block_mask: torch.Tensor | None, cu_seqlens: torch.Tensor, num_tokens: int, block_size: int
) -> torch.Tensor | None:
    """A mask without entries between blocks of different volumes, or of unused ones.

    Args:
        block_mask: (B, B) bool, or ``None``.
        cu_seqlens: (V + 1,).
        num_tokens: Tokens of the pack.
        block_size: Tokens of a block.
    """
    if block_mask is None:
        return None
    start_B, stop_B, volume_B = work.block_bounds(cu_seqlens, num_tokens, block_size)
    is_used_B = stop_B > start_B
    is_same_BB = volume_B[:, None] == volume_B[None]
    return block_mask & is_same_BB & is_used_B[:, None] & is_used_B[None]


def _bias(key_bias: torch.Tensor | None, query: torch.Tensor) -> torch.Tensor:
    """Key bias in base 2, or anything where there is none."""
    if key_bias is None:
        return query
    wide = torch.promote_types(query.dtype, torch.float32)
    bias, limit = key_bias.to(wide), torch.finfo(wide).max / 2
    # what is finite stays so in base 2: a row of the lowest numbers is uniform, not empty
    bias = torch.where(bias.isinf(), bias, bias.clamp(-limit, limit))
    return (bias * LOG2_E).contiguous()


def _checked_blocks(blocks: Blocks, block_size: int, num_tokens: int) -> Blocks:
    """Tiles that divide the blocks of sparse attention; larger ones for the interpreter."""
    if is_interpreted() and num_tokens >= _LARGE:
        blocks = _INTERPRETED_LARGE
    if not block_size:
        return blocks
    return Blocks(
        block_m=min(blocks.block_m, block_size),
        block_n=min(blocks.block_n, block_size),
        num_warps=blocks.num_warps,
        num_stages=blocks.num_stages,
    )


FORM_VARIABLE = "VOL3D_ATTENTION_FORM"
SPECIALISED = Blocks(block_m=128, block_n=64, num_warps=4, num_stages=3)
_refused: set[tuple[int, torch.dtype]] = set()


def can_specialise(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
) -> bool:
    """Whether the warp-specialised forward pass is asked for and has the form it needs.

    It is asked for by ``VOL3D_ATTENTION_FORM=specialised``: not by default, until it has run a
    thousand times to the same bits on a GPU (``kernels/benchmarks/run.py`` does that).

    Args:
        query: As for :func:`launch_forward`.
        key: As for :func:`launch_forward`.
        value: As for :func:`launch_forward`.
        key_bias: As for :func:`launch_forward`.
        block_mask: As for :func:`launch_forward`.
    """
    if os.environ.get(FORM_VARIABLE, "plain") != "specialised":
        return False
    is_plain = key_bias is None and block_mask is None
    is_half = query.dtype in (torch.float16, torch.bfloat16)
    is_packed = all(t.is_contiguous() for t in (query, key, value))
    is_able = is_interpreted() or capability_of(query) == 90
    known = (query.shape[-1], query.dtype) not in _refused
    width_fits = query.shape[-1] in (64, 128)
    can_read = not (is_interpreted() and query.dtype == torch.bfloat16)
    return is_plain and is_half and is_packed and is_able and known and width_fits and can_read


def launch_specialised(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    scale: float,
    out: torch.Tensor,
    lse: torch.Tensor,
) -> bool:
    """Fills ``out`` and ``lse``; False where the compiler did not split the loop, once and for all.

    Args:
        query: As for :func:`launch_forward`, contiguous; key and value alike.
        key: As for :func:`launch_forward`.
        value: As for :func:`launch_forward`.
        cu_seqlens: As for :func:`launch_forward`.
        scale: As for :func:`launch_forward`.
        out: (T, H, D).
        lse: (T, H), base 2.
    """
    import triton

    from vol3d_kernels.attention.triton import attention_forward_specialised

    num_tokens, heads, dim = query.shape
    form = _INTERPRETED if is_interpreted() else SPECIALISED
    tiles = work.dense_tiles(cu_seqlens, num_tokens, form.block_m)

    def scratch(size: int, _alignment: int, _stream: int | None) -> torch.Tensor:
        return torch.empty(size, dtype=torch.int8, device=query.device)

    triton.set_allocator(scratch)
    programs = 3 if is_interpreted() else multiprocessors_of(query)
    try:
        made = attention_forward_specialised[(min(programs, len(tiles) * heads),)](
            query, key, value, out, lse, tiles, num_tokens, heads, len(tiles), scale * LOG2_E,
            D=dim, BLOCK_M=form.block_m, BLOCK_N=form.block_n, SPECIALISE=True,
            num_warps=form.num_warps, num_stages=form.num_stages,
        )  # fmt: skip
    except RuntimeError as error:  # the compiler's passes fail on forms they do not know
        warnings.warn(f"attention: no warp-specialised form here ({error})", stacklevel=2)
        _refused.add((dim, query.dtype))
        return False
    if is_interpreted() or "setmaxnreg" in made.asm["ptx"]:
        return True
    warnings.warn("attention: the compiler did not specialise the warps", stacklevel=2)
    _refused.add((dim, query.dtype))
    return False


def launch_forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output (T, H, D) and base-2 log-sum-exp (T, H).

    Args:
        query: (T, H, D); key and value alike.
        key: (T, H, D).
        value: (T, H, D).
        cu_seqlens: (V + 1,).
        key_bias: (T,), natural, or ``None``.
        block_mask: (B, B) bool, or ``None``.
        block_size: Tokens of its blocks, 0 without.
        scale: Factor on the scores.
    """
    from vol3d_kernels.attention.triton import attention_forward

    query, key, value = _aligned(query, key, value)
    num_tokens, heads, dim = query.shape
    padded = padded_head_dim(dim)
    blocks = _checked_blocks(forward_blocks(padded, query.dtype), block_size, num_tokens)
    out = torch.empty((num_tokens, heads, dim), dtype=query.dtype, device=query.device)
    wide = torch.promote_types(query.dtype, torch.float32)
    lse = torch.empty((num_tokens, heads), dtype=wide, device=query.device)
    if not num_tokens:
        return out, lse
    if can_specialise(query, key, value, key_bias, block_mask) and launch_specialised(
        query, key, value, cu_seqlens, scale, out, lse
    ):
        return out, lse
    block_mask = within_volumes(block_mask, cu_seqlens, num_tokens, block_size)
    lists = _lists(cu_seqlens, num_tokens, blocks.block_m, block_mask, block_size)
    attention_forward[(len(lists.tiles), heads)](
        query, key, value, _bias(key_bias, query), out, lse,
        lists.tiles, lists.others, lists.counts, lists.bounds,
        query.stride(0), query.stride(1), key.stride(0), key.stride(1),
        value.stride(0), value.stride(1), out.stride(0), out.stride(1),
        heads, lists.width, scale * LOG2_E,
        D=dim, BLOCK_D=padded, BLOCK_M=blocks.block_m, BLOCK_N=blocks.block_n,
        BLOCK_SIZE=block_size or blocks.block_n, SPARSE=block_mask is not None,
        HAS_BIAS=key_bias is not None, **_flags(query),
        num_warps=blocks.num_warps, num_stages=blocks.num_stages,
    )  # fmt: skip
    return out, lse


def launch_backward(
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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value, each (T, H, D); the same bits on every run.

    Args:
        grad: (T, H, D), of the output.
        query: As for :func:`launch_forward`.
        key: As for :func:`launch_forward`.
        value: As for :func:`launch_forward`.
        out: Of the forward.
        lse: Of the forward, base 2.
        cu_seqlens: As for :func:`launch_forward`.
        key_bias: As for :func:`launch_forward`.
        block_mask: As for :func:`launch_forward`.
        block_size: As for :func:`launch_forward`.
        scale: As for :func:`launch_forward`.
    """
    from vol3d_kernels.attention.triton import attention_backward_keys, attention_backward_queries

    query, key, value, grad = _aligned(query, key, value, grad)
    num_tokens, heads, dim = query.shape
    padded = padded_head_dim(dim)
    blocks = _checked_blocks(
        backward_blocks(padded, query.dtype, capability_of(query)), block_size, num_tokens
    )
    dq, dk, dv = (
        torch.empty((num_tokens, heads, dim), dtype=query.dtype, device=query.device)
        for _ in range(3)
    )
    if not num_tokens:
        return dq, dk, dv
    delta = (grad.to(lse.dtype) * out.to(lse.dtype)).sum(dim=-1)
    bias = _bias(key_bias, query)
    strides = (
        query.stride(0), query.stride(1), key.stride(0), key.stride(1),
        value.stride(0), value.stride(1), grad.stride(0), grad.stride(1),
    )  # fmt: skip
    options = {
        "D": dim, "BLOCK_D": padded, "BLOCK_M": blocks.block_m, "BLOCK_N": blocks.block_n,
        "SPARSE": block_mask is not None, "HAS_BIAS": key_bias is not None, **_flags(query),
        "num_warps": blocks.num_warps, "num_stages": blocks.num_stages,
    }  # fmt: skip
    block_mask = within_volumes(block_mask, cu_seqlens, num_tokens, block_size)
    turned = None if block_mask is None else block_mask.T
    seen = bias if block_mask is None else block_mask.sum(dim=1).int()
    by_key = _lists(cu_seqlens, num_tokens, blocks.block_n, turned, block_size)
    attention_backward_keys[(len(by_key.tiles), heads)](
        query, key, value, bias, grad, lse, delta, dk, dv,
        by_key.tiles, by_key.others, by_key.counts, seen, by_key.bounds,
        *strides, heads, by_key.width, scale, scale * LOG2_E,
        BLOCK_SIZE=block_size or blocks.block_m, **options,
    )  # fmt: skip
    by_row = _lists(cu_seqlens, num_tokens, blocks.block_m, block_mask, block_size)
    attention_backward_queries[(len(by_row.tiles), heads)](
        query, key, value, bias, grad, lse, delta, dq,
        by_row.tiles, by_row.others, by_row.counts, by_row.bounds,
        *strides, heads, by_row.width, scale, scale * LOG2_E,
        BLOCK_SIZE=block_size or blocks.block_n, **options,
    )  # fmt: skip
    return dq, dk, dv
