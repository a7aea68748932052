"""Patch embedding in Triton: a fused implicit GEMM, and windowing with gathering for a GEMM.

Both read each listed patch of a flat pack of volumes where it lies. Window c of volume v turns a
voxel into ``(clamp(voxel, lower, upper) - centre) * power * rest``. With ``power`` a power of two
the first product is exact in float16 for HU windows up to 4096 wide, and in -1..1 for any window:
the fused kernel multiplies it as float16, and by ``rest``, between 1 and 2, afterwards.
"""

# triton kernels are compiled from these functions: their parameters have no Python types
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _voxel_offsets(inside, stride_z, stride_y, PY: tl.constexpr, PX: tl.constexpr):
    """Where the voxels of a patch lie from its first one: rows are patches, columns voxels."""
    z = inside // (PY * PX)
    y = (inside // PX) % PY
    x = inside % PX
    return z[None, :] * stride_z[:, None] + y[None, :] * stride_y[:, None] + x[None, :]


@triton.jit
def _clamped(raw, lower, upper):
    """Voxels within the window of their row; NaN stays NaN, as in torch."""
    above = tl.maximum(raw, lower[:, None], propagate_nan=tl.PropagateNan.ALL)
    return tl.minimum(above, upper[:, None], propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def patchify(
    voxels_ptr, start_ptr, stride_z_ptr, stride_y_ptr, volume_ptr, window_ptr, out_ptr,
    num_patches, CHANNELS: tl.constexpr, VOXELS: tl.constexpr, PY: tl.constexpr, PX: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Windowed voxels of the listed patches, (N, channels * voxels of a patch)."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    is_row, is_voxel = rows < num_patches, inside < VOXELS
    start = tl.load(start_ptr + rows, mask=is_row, other=0)
    stride_z = tl.load(stride_z_ptr + rows, mask=is_row, other=0)
    stride_y = tl.load(stride_y_ptr + rows, mask=is_row, other=0)
    volume = tl.load(volume_ptr + rows, mask=is_row, other=0)
    mask = is_row[:, None] & is_voxel[None, :]
    where = start[:, None] + _voxel_offsets(inside, stride_z, stride_y, PY, PX)
    raw = tl.load(voxels_ptr + where, mask=mask, other=0).to(WIDE)
    for channel in tl.static_range(CHANNELS):
        window = window_ptr + (volume * CHANNELS + channel) * 5
        lower = tl.load(window, mask=is_row, other=0.0).to(WIDE)
        upper = tl.load(window + 1, mask=is_row, other=1.0).to(WIDE)
        centre = tl.load(window + 2, mask=is_row, other=0.0).to(WIDE)
        power = tl.load(window + 3, mask=is_row, other=0.0).to(WIDE)
        rest = tl.load(window + 4, mask=is_row, other=1.0).to(WIDE)
        seen = _clamped(raw, lower, upper)
        seen = (seen - centre[:, None]) * (power * rest)[:, None]
        place = rows[:, None] * (CHANNELS * VOXELS) + channel * VOXELS + inside[None, :]
        tl.store(out_ptr + place, seen.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def patch_embed_fused(
    voxels_ptr, start_ptr, stride_z_ptr, stride_y_ptr, volume_ptr, window_ptr,
    weight_ptr, bias_ptr, position_ptr, out_ptr, num_patches, width,
    CHANNELS: tl.constexpr, VOXELS: tl.constexpr, PY: tl.constexpr, PX: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_K: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_POSITION: tl.constexpr, OPERAND: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Tokens of the listed patches, (N, E), without ever storing a patch."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    columns = tl.program_id(1) * BLOCK_E + tl.arange(0, BLOCK_E)
    is_row, is_column = rows < num_patches, columns < width
    # what lies beyond the last patch or column repeats it: loads in the loop need no mask
    own = tl.minimum(rows, num_patches - 1)
    column = tl.minimum(columns, width - 1).to(tl.int64)
    start = tl.load(start_ptr + own)
    stride_z, stride_y = tl.load(stride_z_ptr + own), tl.load(stride_y_ptr + own)
    volume = tl.load(volume_ptr + own)
    rows_ptr = voxels_ptr + start  # 64-bit places; inside of a patch 32 bits do
    near_z, near_y = stride_z.to(tl.int32), stride_y.to(tl.int32)
    acc = tl.zeros([BLOCK_N, BLOCK_E], ACC)
    before = tl.full([BLOCK_N], 1.0, ACC)
    for channel in range(CHANNELS):
        window = window_ptr + (volume * CHANNELS + channel) * 5
        lower, upper = tl.load(window).to(ACC), tl.load(window + 1).to(ACC)
        centre, power = tl.load(window + 2).to(ACC), tl.load(window + 3).to(ACC)
        factor = tl.load(window + 4).to(ACC)
        if CHANNELS > 1:  # one accumulator for all windows, in units of the present one
            acc = acc * (before / factor)[:, None]
        for first in range(0, VOXELS, BLOCK_K):
            inside = first + tl.arange(0, BLOCK_K)
            where = _voxel_offsets(inside, near_z, near_y, PY, PX)
            place = weight_ptr + column * (CHANNELS * VOXELS) + channel * VOXELS
            if VOXELS % BLOCK_K == 0:
                raw = tl.load(rows_ptr[:, None] + where)
                weight = tl.load(place[None, :] + inside[:, None])
            else:
                is_voxel = inside < VOXELS
                raw = tl.load(rows_ptr[:, None] + where, mask=is_voxel[None, :], other=0)
                weight = tl.load(place[None, :] + inside[:, None], mask=is_voxel[:, None], other=0)
            raw = raw.to(ACC)
            seen = (_clamped(raw, lower, upper) - centre[:, None]) * power[:, None]
            seen = seen.to(OPERAND)
            acc += tl.dot(seen, weight.to(OPERAND), input_precision="ieee", out_dtype=ACC)
        before = factor
    total = acc * before[:, None]
    if HAS_BIAS:
        total += tl.load(bias_ptr + columns, mask=is_column, other=0.0).to(ACC)[None, :]
    place = rows[:, None] * width + columns[None, :]
    mask = is_row[:, None] & is_column[None, :]
    if HAS_POSITION:
        total += tl.load(position_ptr + place, mask=mask, other=0.0).to(ACC)
    tl.store(out_ptr + place, total.to(out_ptr.dtype.element_ty), mask=mask)
