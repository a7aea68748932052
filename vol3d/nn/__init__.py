"""Layers of the volume encoder; the only importer of ``vol3d_kernels``."""

from vol3d.nn.encoder import EncoderBlock, PackedAttention, PatchEmbedding, TokenPack, brick_pack
from vol3d.nn.positions import FourierPosition, rotary_frequencies
from vol3d.nn.transformers_attention import vol3d_attention

__all__ = [
    "EncoderBlock",
    "FourierPosition",
    "PackedAttention",
    "PatchEmbedding",
    "TokenPack",
    "brick_pack",
    "rotary_frequencies",
    "vol3d_attention",
]
