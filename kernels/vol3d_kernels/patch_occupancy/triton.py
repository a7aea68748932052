"""One pass over a pack of volumes: whether any voxel of a patch is above a threshold."""

# triton kernels are compiled from these functions: their parameters have no Python types
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def patch_occupancy(
    voxels_ptr, start_ptr, stride_z_ptr, stride_y_ptr, flag_ptr, num_patches, threshold,
    VOXELS: tl.constexpr, PY: tl.constexpr, PX: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Flags, 0 or 1, of a block of patches."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_row = rows < num_patches
    start = tl.load(start_ptr + rows, mask=is_row, other=0)
    stride_z = tl.load(stride_z_ptr + rows, mask=is_row, other=0)
    stride_y = tl.load(stride_y_ptr + rows, mask=is_row, other=0)
    found = tl.zeros([BLOCK_N], tl.int32)
    for first in range(0, VOXELS, BLOCK_K):
        inside = first + tl.arange(0, BLOCK_K)
        z, y, x = inside // (PY * PX), (inside // PX) % PY, inside % PX
        where = start[:, None] + z[None, :] * stride_z[:, None]
        where += y[None, :] * stride_y[:, None] + x[None, :]
        mask = is_row[:, None] & (inside < VOXELS)[None, :]
        values = tl.load(voxels_ptr + where, mask=mask, other=0).to(WIDE)
        found = tl.maximum(found, tl.max(((values > threshold) & mask).to(tl.int32), 1))
    tl.store(flag_ptr + rows, found.to(flag_ptr.dtype.element_ty), mask=is_row)
