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
from vol3d.nn import (
    EncoderBlock,
    FourierPosition,
    PatchEmbedding,
    TokenPack,
    brick_pack,
    rotary_frequencies,
)

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
                width,
                config.num_attention_heads,
                config.intermediate_size,
                config.layer_norm_eps,
                is_windowed=config.is_windowed(layer),
            )
            for layer in range(config.num_hidden_layers)
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
        tokens = self.patch_embedding(
            voxels, volume_shapes_zyx, patch_volume, patch_index_zyx, volume_windows
        )
        tokens = tokens + self.modality_embedding(volume_modality)[patch_volume]
        if self.position is not None:
            tokens = tokens + self.position(patch_position_mm, patch_fraction)
        pack, order = self._pack(
            volume_shapes_zyx, patch_volume, patch_index_zyx, patch_position_mm
        )
        if order is not None:
            tokens = tokens[order]
        for block in self.blocks:
            tokens = block(tokens, pack)
        if order is not None:
            tokens = torch.empty_like(tokens).index_copy(0, order, tokens)
        encoded: torch.Tensor = self.norm(tokens)
        return encoded

    def _pack(
        self,
        volume_shapes_zyx: torch.Tensor,
        patch_volume: torch.Tensor,
        patch_index_zyx: torch.Tensor,
        patch_position_mm: torch.Tensor,
    ) -> tuple[TokenPack, torch.Tensor | None]:
        """What attention needs, and the order of tokens by bricks where layers are windowed."""
        config = self.config
        if not (torch.compiler.is_compiling() or patch_volume.is_cuda):
            assert bool((patch_volume.diff() >= 0).all()), "patches must be sorted by volume"
        counts = torch.zeros_like(volume_shapes_zyx[:, 0]).scatter_add_(
            0, patch_volume, torch.ones_like(patch_volume)
        )
        cu_seqlens = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
        frequencies = rotary_frequencies(
            config.hidden_size // config.num_attention_heads,
            shortest_mm=config.rope_shortest_mm,
            longest_mm=config.rope_longest_mm,
            device=patch_position_mm.device,
        )
        order, window = None, None
        if config.window_mm is not None:
            patch = volume_shapes_zyx.new_tensor(config.patch_size_zyx)
            grids = torch.div(volume_shapes_zyx, patch, rounding_mode="floor")
            order, window = brick_pack(
                patch_volume, patch_index_zyx, grids, patch_position_mm, cu_seqlens,
                config.window_mm, config.window_block,
            )  # fmt: skip
            patch_position_mm = patch_position_mm[order]
        pack = TokenPack(
            cu_seqlens=cu_seqlens,
            positions_mm=patch_position_mm,
            frequencies=frequencies,
            window=window,
        )
        return pack, order
