"""Packed attention in Triton: online softmax forward, two deterministic kernels backward.

A tile is a row of the work list (first row, end of rows, first key, end of keys, block). In a dense
tile the keys are consecutive; in a sparse one they are those of the listed blocks. Scores are kept
in base 2. ``UPCAST`` computes in float32 whatever is stored, for Triton's interpreter and bfloat16.
"""

# triton kernels are compiled from these functions: their parameters have no Python types
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _load(
    pointer, rows, is_row, stride_t, head_offset, D: tl.constexpr, BLOCK_D: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK_D)
    where = rows.to(tl.int64)[:, None] * stride_t + head_offset + columns[None, :]
    mask = is_row[:, None] & (columns < D)[None, :]
    values = tl.load(pointer + where, mask=mask, other=0.0)
    if UPCAST:
        values = values.to(tl.float32)
    return values


@triton.jit
def _store(
    pointer, values, rows, is_row, stride_t, head_offset, D: tl.constexpr, BLOCK_D: tl.constexpr
):
    columns = tl.arange(0, BLOCK_D)
    where = rows.to(tl.int64)[:, None] * stride_t + head_offset + columns[None, :]
    mask = is_row[:, None] & (columns < D)[None, :]
    tl.store(pointer + where, values.to(pointer.dtype.element_ty), mask=mask)


@triton.jit
def _other(
    step, first, stop, block, list_ptr, bounds_ptr, list_width, STEP: tl.constexpr,
    BLOCK_SIZE: tl.constexpr, SPARSE: tl.constexpr,
):  # fmt: skip
    """First token of a step over keys (or queries), and the end of valid tokens."""
    if SPARSE:
        parts = BLOCK_SIZE // STEP
        other = tl.load(list_ptr + block.to(tl.int64) * list_width + step // parts)
        start = tl.load(bounds_ptr + 2 * other) + (step % parts) * STEP
        end = tl.load(bounds_ptr + 2 * other + 1)
    else:
        start = first + step * STEP
        end = stop
    return start, end


@triton.jit
def _steps(
    first, stop, block, count_ptr, STEP: tl.constexpr, BLOCK_SIZE: tl.constexpr,
    SPARSE: tl.constexpr,
):  # fmt: skip
    if SPARSE:
        steps = tl.load(count_ptr + block) * (BLOCK_SIZE // STEP)
    else:
        steps = tl.cdiv(stop - first, STEP)
    return steps


@triton.jit
def _is_single(
    first, stop, block, list_ptr, count_ptr, bounds_ptr, list_width, SPARSE: tl.constexpr
):
    """Whether a tile sees one token only: its weight is 1 whatever the score, the gradient 0."""
    if SPARSE:
        count = tl.load(count_ptr + block)
        other = tl.load(list_ptr + block.to(tl.int64) * list_width, mask=count > 0, other=0)
        size = tl.load(bounds_ptr + 2 * other + 1) - tl.load(bounds_ptr + 2 * other)
        single = (count == 1) & (size == 1)
    else:
        single = stop - first == 1
    return single


@triton.jit
def attention_forward(
    q_ptr, k_ptr, v_ptr, bias_ptr, out_ptr, lse_ptr, work_ptr, list_ptr, count_ptr, bounds_ptr,
    q_stride_t, q_stride_h, k_stride_t, k_stride_h, v_stride_t, v_stride_h,
    out_stride_t, out_stride_h, num_heads, list_width, scale_log2,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_SIZE: tl.constexpr, SPARSE: tl.constexpr, HAS_BIAS: tl.constexpr,
    UPCAST: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    tile, head = tl.program_id(0), tl.program_id(1)
    base = work_ptr + tile * 5
    row0, row1, key0, key1 = tl.load(base), tl.load(base + 1), tl.load(base + 2), tl.load(base + 3)
    block = tl.load(base + 4)
    head64 = head.to(tl.int64)
    rows = row0 + tl.arange(0, BLOCK_M)
    is_row = rows < row1
    q = _load(q_ptr, rows, is_row, q_stride_t, head64 * q_stride_h, D, BLOCK_D, UPCAST)
    best = tl.full([BLOCK_M], float("-inf"), ACC)
    total = tl.zeros([BLOCK_M], ACC)
    acc = tl.zeros([BLOCK_M, BLOCK_D], ACC)
    steps = _steps(key0, key1, block, count_ptr, BLOCK_N, BLOCK_SIZE, SPARSE)
    # a tile without rows has nothing to do
    steps = tl.where(row0 < row1, steps, 0)
    for step in range(steps):
        start, end = _other(
            step, key0, key1, block, list_ptr, bounds_ptr, list_width, BLOCK_N, BLOCK_SIZE, SPARSE
        )
        keys = start + tl.arange(0, BLOCK_N)
        is_key = keys < end
        k = _load(k_ptr, keys, is_key, k_stride_t, head64 * k_stride_h, D, BLOCK_D, UPCAST)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee", out_dtype=ACC) * scale_log2
        if HAS_BIAS:
            scores += tl.load(bias_ptr + keys, mask=is_key, other=0.0).to(ACC)[None, :]
        scores = tl.where(is_key[None, :], scores, float("-inf"))
        new = tl.maximum(best, tl.max(scores, 1))
        safe = tl.where(new == float("-inf"), 0.0, new)
        weights = tl.exp2(scores - safe[:, None])
        shrink = tl.exp2(best - safe)
        total = total * shrink + tl.sum(weights, 1)
        v = _load(v_ptr, keys, is_key, v_stride_t, head64 * v_stride_h, D, BLOCK_D, UPCAST)
        acc = acc * shrink[:, None] + tl.dot(
            weights.to(v.dtype), v, input_precision="ieee", out_dtype=ACC
        )
        best = new
    is_seen = total > 0
    acc = acc / tl.where(is_seen, total, 1.0)[:, None]
    _store(out_ptr, acc, rows, is_row, out_stride_t, head64 * out_stride_h, D, BLOCK_D)
    lse = tl.where(is_seen, best + tl.log2(tl.where(is_seen, total, 1.0)), float("-inf"))
    tl.store(lse_ptr + rows.to(tl.int64) * num_heads + head, lse, mask=is_row)


@triton.jit
def attention_forward_specialised(
    q_ptr, k_ptr, v_ptr, out_ptr, lse_ptr, work_ptr, num_tokens, num_heads, num_tiles, scale_log2,
    D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, SPECIALISE: tl.constexpr,
):  # fmt: skip
    """The forward pass of dense tiles for Hopper: one group of warps loads, two multiply.

    As many programs as the chip has multiprocessors take the tiles of all heads in turn, head after
    head, so that those at work at one time read the same keys. Tensors are contiguous (T, H, D).
    The compiler splits the loop only in this narrow form: four warps, descriptors made here, no
    early exit, and the last block masked like every other. Values beyond a volume are read and
    weighted with 0: they must be finite.
    """
    width = num_heads * D
    q_tile = tl.make_tensor_descriptor(q_ptr, [num_tokens, width], [width, 1], [BLOCK_M, D])
    k_tile = tl.make_tensor_descriptor(k_ptr, [num_tokens, width], [width, 1], [BLOCK_N, D])
    v_tile = tl.make_tensor_descriptor(v_ptr, [num_tokens, width], [width, 1], [BLOCK_N, D])
    jobs = num_tiles * num_heads
    for job in tl.range(tl.program_id(0), jobs, tl.num_programs(0), warp_specialize=SPECIALISE):
        head, tile = job // num_tiles, job % num_tiles
        base = work_ptr + tile * 5
        row0, row1 = tl.load(base), tl.load(base + 1)
        key0, key1 = tl.load(base + 2), tl.load(base + 3)
        column = head * D
        q = q_tile.load([row0, column])
        best = tl.full([BLOCK_M], float("-inf"), tl.float32)
        total = tl.zeros([BLOCK_M], tl.float32)
        acc = tl.zeros([BLOCK_M, D], tl.float32)
        for start in tl.range(key0, key1, BLOCK_N):
            k = k_tile.load([start, column])
            scores = tl.dot(q, k.T) * scale_log2
            is_key = start + tl.arange(0, BLOCK_N) < key1
            scores = tl.where(is_key[None, :], scores, float("-inf"))
            new = tl.maximum(best, tl.max(scores, 1))
            weights = tl.exp2(scores - new[:, None])
            shrink = tl.exp2(best - new)
            total = total * shrink + tl.sum(weights, 1)
            acc = acc * shrink[:, None]
            v = v_tile.load([start, column])
            acc = tl.dot(weights.to(v.dtype), v, acc)
            best = new
        rows = row0 + tl.arange(0, BLOCK_M)
        is_row = rows < row1
        acc = acc / total[:, None]
        place = rows.to(tl.int64)[:, None] * width + column + tl.arange(0, D)[None, :]
        tl.store(out_ptr + place, acc.to(out_ptr.dtype.element_ty), mask=is_row[:, None])
        lse = best + tl.log2(total)
        tl.store(lse_ptr + rows.to(tl.int64) * num_heads + head, lse, mask=is_row)


@triton.jit
def attention_backward_keys(
    q_ptr, k_ptr, v_ptr, bias_ptr, do_ptr, lse_ptr, delta_ptr, dk_ptr, dv_ptr,
    work_ptr, list_ptr, count_ptr, seen_ptr, bounds_ptr,
    q_stride_t, q_stride_h, k_stride_t, k_stride_h, v_stride_t, v_stride_h,
    do_stride_t, do_stride_h, num_heads, list_width, scale, scale_log2,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_SIZE: tl.constexpr, SPARSE: tl.constexpr, HAS_BIAS: tl.constexpr,
    UPCAST: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Gradients of the keys and values of one tile; the work list's rows are keys here."""
    tile, head = tl.program_id(0), tl.program_id(1)
    base = work_ptr + tile * 5
    row0, row1, first, stop = tl.load(base), tl.load(base + 1), tl.load(base + 2), tl.load(base + 3)
    block = tl.load(base + 4)
    head64 = head.to(tl.int64)
    keys = row0 + tl.arange(0, BLOCK_N)
    is_key = keys < row1
    k = _load(k_ptr, keys, is_key, k_stride_t, head64 * k_stride_h, D, BLOCK_D, UPCAST)
    v = _load(v_ptr, keys, is_key, v_stride_t, head64 * v_stride_h, D, BLOCK_D, UPCAST)
    dk = tl.zeros([BLOCK_N, BLOCK_D], ACC)
    dv = tl.zeros([BLOCK_N, BLOCK_D], ACC)
    if HAS_BIAS:
        bias = tl.load(bias_ptr + keys, mask=is_key, other=0.0).to(ACC)
    steps = _steps(first, stop, block, count_ptr, BLOCK_M, BLOCK_SIZE, SPARSE)
    steps = tl.where(row0 < row1, steps, 0)
    for step in range(steps):
        start, end = _other(
            step, first, stop, block, list_ptr, bounds_ptr, list_width, BLOCK_M, BLOCK_SIZE, SPARSE
        )
        rows = start + tl.arange(0, BLOCK_M)
        is_row = rows < end
        flat = rows.to(tl.int64) * num_heads + head
        lse = tl.load(lse_ptr + flat, mask=is_row, other=float("inf")).to(ACC)
        lse = tl.where(lse == float("-inf"), float("inf"), lse)
        delta = tl.load(delta_ptr + flat, mask=is_row, other=0.0).to(ACC)
        q = _load(q_ptr, rows, is_row, q_stride_t, head64 * q_stride_h, D, BLOCK_D, UPCAST)
        do = _load(do_ptr, rows, is_row, do_stride_t, head64 * do_stride_h, D, BLOCK_D, UPCAST)
        scores = tl.dot(k, tl.trans(q), input_precision="ieee", out_dtype=ACC) * scale_log2
        if HAS_BIAS:
            scores += bias[:, None]
        weights = tl.exp2(scores - lse[None, :])
        weights = tl.where(is_key[:, None] & is_row[None, :], weights, 0.0)
        dv += tl.dot(weights.to(do.dtype), do, input_precision="ieee", out_dtype=ACC)
        dweights = tl.dot(v, tl.trans(do), input_precision="ieee", out_dtype=ACC)
        dscores = weights * (dweights - delta[None, :])
        dk += tl.dot(dscores.to(q.dtype), q, input_precision="ieee", out_dtype=ACC)
    single = _is_single(first, stop, block, list_ptr, count_ptr, bounds_ptr, list_width, SPARSE)
    if SPARSE:  # the one query must see this key alone, not only be its one query
        single = single & (tl.load(seen_ptr + block) == 1)
    dk = tl.where(single & (row1 - row0 == 1), 0.0, dk)
    stride_t = num_heads * D
    _store(dk_ptr, dk * scale, keys, is_key, stride_t, head64 * D, D, BLOCK_D)
    _store(dv_ptr, dv, keys, is_key, stride_t, head64 * D, D, BLOCK_D)


@triton.jit
def attention_backward_queries(
    q_ptr, k_ptr, v_ptr, bias_ptr, do_ptr, lse_ptr, delta_ptr, dq_ptr,
    work_ptr, list_ptr, count_ptr, bounds_ptr,
    q_stride_t, q_stride_h, k_stride_t, k_stride_h, v_stride_t, v_stride_h,
    do_stride_t, do_stride_h, num_heads, list_width, scale, scale_log2,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_SIZE: tl.constexpr, SPARSE: tl.constexpr, HAS_BIAS: tl.constexpr,
    UPCAST: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Gradient of the queries of one tile."""
    tile, head = tl.program_id(0), tl.program_id(1)
    base = work_ptr + tile * 5
    row0, row1, first, stop = tl.load(base), tl.load(base + 1), tl.load(base + 2), tl.load(base + 3)
    block = tl.load(base + 4)
    head64 = head.to(tl.int64)
    rows = row0 + tl.arange(0, BLOCK_M)
    is_row = rows < row1
    flat = rows.to(tl.int64) * num_heads + head
    lse = tl.load(lse_ptr + flat, mask=is_row, other=float("inf")).to(ACC)
    lse = tl.where(lse == float("-inf"), float("inf"), lse)
    delta = tl.load(delta_ptr + flat, mask=is_row, other=0.0).to(ACC)
    q = _load(q_ptr, rows, is_row, q_stride_t, head64 * q_stride_h, D, BLOCK_D, UPCAST)
    do = _load(do_ptr, rows, is_row, do_stride_t, head64 * do_stride_h, D, BLOCK_D, UPCAST)
    dq = tl.zeros([BLOCK_M, BLOCK_D], ACC)
    steps = _steps(first, stop, block, count_ptr, BLOCK_N, BLOCK_SIZE, SPARSE)
    steps = tl.where(row0 < row1, steps, 0)
    for step in range(steps):
        start, end = _other(
            step, first, stop, block, list_ptr, bounds_ptr, list_width, BLOCK_N, BLOCK_SIZE, SPARSE
        )
        keys = start + tl.arange(0, BLOCK_N)
        is_key = keys < end
        k = _load(k_ptr, keys, is_key, k_stride_t, head64 * k_stride_h, D, BLOCK_D, UPCAST)
        v = _load(v_ptr, keys, is_key, v_stride_t, head64 * v_stride_h, D, BLOCK_D, UPCAST)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee", out_dtype=ACC) * scale_log2
        if HAS_BIAS:
            scores += tl.load(bias_ptr + keys, mask=is_key, other=0.0).to(ACC)[None, :]
        weights = tl.exp2(scores - lse[:, None])
        weights = tl.where(is_key[None, :] & is_row[:, None], weights, 0.0)
        dweights = tl.dot(do, tl.trans(v), input_precision="ieee", out_dtype=ACC)
        dscores = weights * (dweights - delta[:, None])
        dq += tl.dot(dscores.to(k.dtype), k, input_precision="ieee", out_dtype=ACC)
    single = _is_single(first, stop, block, list_ptr, count_ptr, bounds_ptr, list_width, SPARSE)
    dq = tl.where(single, 0.0, dq)
    _store(dq_ptr, dq * scale, rows, is_row, num_heads * D, head64 * D, D, BLOCK_D)
