"""Kernels of the vol3d encoder: patch embedding and attention for packed volumes.

Each operation is a folder with a public function, ``reference.py`` (plain torch, the truth that
every faster implementation is measured against), ``triton.py`` and ``op.py`` (a torch operator).
Which one a call uses is said by its argument, by ``VOL3D_KERNELS``, or by the device.
"""

from vol3d_kernels.attention import BlockMask, attention, window_mask
from vol3d_kernels.patch_embed import patch_embed
from vol3d_kernels.patch_occupancy import KeptPatches, patch_occupancy
from vol3d_kernels.qkv_rope_pack import qkv_rope_pack

__all__ = [
    "BlockMask",
    "KeptPatches",
    "attention",
    "patch_embed",
    "patch_occupancy",
    "qkv_rope_pack",
    "window_mask",
]
