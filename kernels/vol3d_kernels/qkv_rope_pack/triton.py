"""Splitting, rotating and packing of queries, keys and values in one pass, and back."""

# triton kernels are compiled from these functions: their parameters have no Python types
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def rope_pack(
    in_ptr, position_ptr, frequency_ptr, out_ptr, num_tokens,
    in_part, in_token, in_head, out_part, out_token, out_head, sign,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_T: tl.constexpr, BANDS: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    """One part (query, key or value) of one head; ``sign`` is -1 in the backward pass."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_T + tl.arange(0, BLOCK_T)
    head, part = tl.program_id(1).to(tl.int64), tl.program_id(2)
    part64 = part.to(tl.int64)
    columns = tl.arange(0, BLOCK_D)
    is_row, is_column = rows < num_tokens, columns < D
    mask = is_row[:, None] & is_column[None, :]
    base = in_ptr + part64 * in_part + head * in_head + rows[:, None] * in_token
    own = tl.load(base + columns[None, :], mask=mask, other=0.0).to(WIDE)
    pairs = 3 * BANDS
    is_turned = (columns < 2 * pairs) & (part < 2)
    is_first = columns < pairs
    pair = tl.where(is_first, columns, columns - pairs)
    pair = tl.where(is_turned, pair, 0)
    partner = tl.where(is_first, columns + pairs, columns - pairs)
    other = tl.load(base + partner[None, :], mask=mask & is_turned[None, :], other=0.0).to(WIDE)
    position = tl.load(
        position_ptr + rows[:, None] * 3 + (pair // tl.maximum(BANDS, 1))[None, :],
        mask=mask & is_turned[None, :],
        other=0.0,
    ).to(WIDE)
    frequency = tl.load(frequency_ptr + pair % tl.maximum(BANDS, 1), mask=is_turned, other=0.0).to(
        WIDE
    )
    angle = position * frequency[None, :]
    sine = tl.sin(angle) * sign
    # the first of a pair loses the other's part, the second one gains it
    turned = own * tl.cos(angle) + tl.where(is_first[None, :], -other, other) * sine
    made = tl.where(is_turned[None, :], turned, own)
    where = out_ptr + part64 * out_part + head * out_head + rows[:, None] * out_token
    tl.store(where + columns[None, :], made.to(out_ptr.dtype.element_ty), mask=mask)
