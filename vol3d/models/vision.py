"""The 3-D vision transformer over packed volumes.

Shape legend: V volumes, N kept patches of all volumes, E width, K patch classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from vol3d.models.configuration import Vol3dVisionConfig
from vol3d.nn import EncoderBlock, FourierPosition, PatchEmbedding, rotary_angles

MODALITIES = ("CT", "MR", "unknown")


def init_module(module: nn.Module, std: float) -> None:
    """Initialises one layer in place without touching weights that were loaded."""
    if isinstance(module, nn.Linear | nn.Embedding):
        init.normal_(module.weight, mean=0.0, std=std)
        if getattr(module, "bias", None) is not None:
            init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    elif isinstance(module, PatchEmbedding):
        init.normal_(module.weight, mean=0.0, std=module.weight[0].numel() ** -0.5)
        init.zeros_(module.bias)


class Vit3d(PreTrainedModel):
    """Encoder: windows and patches by one kernel, then blocks that attend inside each volume."""

    config_class = Vol3dVisionConfig
    base_model_prefix = "vision"
    main_input_name = "voxels"
    _no_split_modules = ["EncoderBlock"]  # noqa: RUF012  (read by transformers)
    supports_gradient_checkpointing = False

    def __init__(self, config: Vol3dVisionConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        patch = (config.patch_size_zyx[0], config.patch_size_zyx[1], config.patch_size_zyx[2])
        self.patch_embedding = PatchEmbedding(width, config.num_channels, patch)
        self.modality_embedding = nn.Embedding(len(MODALITIES), width)
        self.position = (
            FourierPosition(
                width,
                num_bands=config.num_fourier_bands,
                shortest_mm=config.rope_shortest_mm,
                longest_mm=config.rope_longest_mm,
            )
            if config.has_absolute_position
            else None
        )
        self.blocks = nn.ModuleList(
            EncoderBlock(
                width, config.num_attention_heads, config.intermediate_size, config.layer_norm_eps
            )
            for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.patch_head = (
            nn.Linear(width, len(config.patch_classes)) if config.patch_classes else None
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        init_module(module, self.config.initializer_range)

    def forward(
        self,
        voxels: torch.Tensor,
        volume_shapes_zyx: torch.Tensor,
        volume_windows: torch.Tensor,
        volume_modality: torch.Tensor,
        patch_volume: torch.Tensor,
        patch_index_zyx: torch.Tensor,
        patch_position_mm: torch.Tensor,
        patch_fraction: torch.Tensor,
        **_: Any,
    ) -> torch.Tensor:
        """Encoded tokens (N, E) of all kept patches, volume after volume.

        Args:
            voxels: (sum of Z*Y*X,) int16, the volumes one after the other.
            volume_shapes_zyx: (V, 3).
            volume_windows: (V, C, 2) bounds in stored units.
            volume_modality: (V,) index into :data:`MODALITIES`.
            patch_volume: (N,) ascending volume number of every kept patch.
            patch_index_zyx: (N, 3) grid index of every kept patch.
            patch_position_mm: (N, 3) patch centre along R, A, S from the body-box centre.
            patch_fraction: (N, 3) patch centre as fraction of the uncropped scan, R, A, S.
        """
        config = self.config
        tokens = self.patch_embedding(
            voxels, volume_shapes_zyx, patch_volume, patch_index_zyx, volume_windows
        )
        tokens = tokens + self.modality_embedding(volume_modality)[patch_volume]
        if self.position is not None:
            tokens = tokens + self.position(patch_position_mm, patch_fraction)
        assert bool((patch_volume.diff() >= 0).all()), "patches must be sorted by volume"
        counts = torch.bincount(patch_volume, minlength=len(volume_shapes_zyx))
        cu_seqlens = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
        rotary = rotary_angles(
            patch_position_mm,
            head_dim=config.hidden_size // config.num_attention_heads,
            shortest_mm=config.rope_shortest_mm,
            longest_mm=config.rope_longest_mm,
        )
        for block in self.blocks:
            tokens = block(tokens, cu_seqlens, rotary)
        encoded: torch.Tensor = self.norm(tokens)
        return encoded
