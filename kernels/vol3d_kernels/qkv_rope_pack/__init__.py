"""Queries, keys and values of a projection, turned by positions in millimetres and packed."""

from __future__ import annotations

import torch

from vol3d_kernels.dispatch import implementation_for
from vol3d_kernels.qkv_rope_pack.reference import qkv_rope_pack_reference

__all__ = ["qkv_rope_pack"]


def qkv_rope_pack(
    qkv: torch.Tensor,
    positions_mm: torch.Tensor,
    frequencies: torch.Tensor,
    *,
    implementation: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns query, key and value (T, H, D), each contiguous, query and key rotated.

    Channel pairs (i, i + P) of a head with P = 3 F are turned by ``position * frequency``: the
    first F pairs by the first axis, and so on; channels from 2 P on stay. Values are only copied.

    Shapes: T tokens, H heads, D head width, F frequencies of an axis.

    Args:
        qkv: (T, 3, H, D), a projection's output; may be a view.
        positions_mm: (T, 3) places of tokens, such as R, A, S.
        frequencies: (F,) radians per mm, ``6 F <= D``.
        implementation: ``auto``, ``triton`` or ``reference``; ``None`` asks ``VOL3D_KERNELS``.

    Returns:
        Three (T, H, D). Gradients reach ``qkv`` only.

    Raises:
        ValueError: Shapes contradict each other.

    Source:
        Rotary position embedding (Su et al. 2021), one frequency band per axis.
    """
    if qkv.ndim != 4 or qkv.shape[1] != 3 or positions_mm.shape != (len(qkv), 3):
        raise ValueError(
            f"qkv_rope_pack: qkv {tuple(qkv.shape)}, positions_mm {tuple(positions_mm.shape)}; "
            "expected (T, 3, H, D) and (T, 3)."
        )
    if frequencies.ndim != 1 or 6 * len(frequencies) > qkv.shape[-1]:
        raise ValueError(
            f"qkv_rope_pack: frequencies {tuple(frequencies.shape)} for heads of {qkv.shape[-1]}; "
            "expected (F,) with 6 F at most the head width."
        )
    used = implementation_for(qkv, implementation)
    positions_mm, frequencies = positions_mm.detach(), frequencies.detach()
    if used == "reference" and not torch.compiler.is_compiling():
        packed = qkv_rope_pack_reference(qkv, positions_mm, frequencies)
    else:
        from vol3d_kernels.qkv_rope_pack.op import qkv_rope_pack_op

        packed = qkv_rope_pack_op(qkv, positions_mm, frequencies, used)
    query, key, value = packed.unbind(0)
    return query, key, value
