"""Kernels of the vol3d encoder: patch embedding and attention for packed volumes.

Each operation is a folder with a public function and ``reference.py``, plain torch and the truth
that every faster implementation is measured against.
"""

from vol3d_kernels.attention import attention
from vol3d_kernels.patch_embed import patch_embed

__all__ = ["attention", "patch_embed"]
