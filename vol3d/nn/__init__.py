"""Layers of the volume encoder; the only importer of ``vol3d_kernels``."""

from vol3d.nn.encoder import EncoderBlock, PackedAttention, PatchEmbedding
from vol3d.nn.positions import FourierPosition, rotary_angles, rotate

__all__ = [
    "EncoderBlock",
    "FourierPosition",
    "PackedAttention",
    "PatchEmbedding",
    "rotary_angles",
    "rotate",
]
