"""Spatial pooling that is exact when patches are missing.

Shape legend: N kept patches, M cells (visual tokens), E encoder width, H language-model width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from vol3d.errors import BudgetError, explain
from vol3d.models.configuration import Vol3dConnectorConfig
from vol3d.models.vision import init_module
from vol3d.nn import FourierPosition


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cells:
    """Which cell each patch falls into; cells are ordered by volume, then z, y, x.

    Args:
        of_patch: (N,) cell number of every patch.
        slot: (N,) place of the patch inside its cell, 0 .. k**3 - 1, in (z, y, x) order.
        volume: (M,) volume number of every cell.
        count: (M,) kept patches per cell.
        capacity: (M,) k**3 of the cell's volume.
    """

    of_patch: torch.Tensor
    slot: torch.Tensor
    volume: torch.Tensor
    count: torch.Tensor
    capacity: torch.Tensor


def group_patches(
    patch_volume: torch.Tensor, patch_index_zyx: torch.Tensor, pool_size: torch.Tensor
) -> Cells:
    """Cells of all kept patches: cell = floor(grid index / k), k per volume; no empty cells.

    Args:
        patch_volume: (N,) volume number of every patch.
        patch_index_zyx: (N, 3) grid index counted from the crop's corner.
        pool_size: (V,) cell edge k of every volume.
    """
    k_N1 = pool_size[patch_volume].unsqueeze(1)
    cell_N3 = torch.div(patch_index_zyx, k_N1, rounding_mode="floor")
    within_N3 = patch_index_zyx - cell_N3 * k_N1
    slot = (within_N3[:, 0] * k_N1[:, 0] + within_N3[:, 1]) * k_N1[:, 0] + within_N3[:, 2]
    extent = cell_N3.amax(dim=0) + 1
    key = ((patch_volume * extent[0] + cell_N3[:, 0]) * extent[1] + cell_N3[:, 1]) * extent[
        2
    ] + cell_N3[:, 2]
    unique, of_patch, count = torch.unique(
        key, sorted=True, return_inverse=True, return_counts=True
    )
    volume = torch.div(unique, extent.prod(), rounding_mode="floor")
    return Cells(
        of_patch=of_patch,
        slot=slot,
        volume=volume,
        count=count,
        capacity=pool_size[volume] ** 3,
    )


def choose_pool_size(
    patch_index_zyx: torch.Tensor, *, pool_sizes: tuple[int, ...], max_tokens: int
) -> tuple[int, int]:
    """The smallest allowed cell edge k that fits the token budget, and the cells it gives.

    Raises:
        BudgetError: Even the largest k gives more cells than ``max_tokens``.
    """
    num_cells = 0
    for k in pool_sizes:
        cells = torch.unique(torch.div(patch_index_zyx, k, rounding_mode="floor"), dim=0)
        num_cells = len(cells)
        if num_cells <= max_tokens:
            return k, num_cells
    raise BudgetError(
        explain(
            expected=f"at most {max_tokens} visual tokens for one volume",
            got=f"{num_cells} with the largest pool size {pool_sizes[-1]}",
            where="connector token budget",
            remedy="Use a coarser spacing, crop the scan, or a checkpoint with a larger budget.",
        )
    )


def pool_mean(values: torch.Tensor, cells: Cells) -> torch.Tensor:
    """Mean over the kept patches of each cell, (M, ...); the divisor is the number kept."""
    total = values.new_zeros((len(cells.count), *values.shape[1:]))
    total = total.index_add(0, cells.of_patch, values)
    return total / cells.count.to(values.dtype).unsqueeze(-1)


AMOUNT_LEVELS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Expected numbers of patches of a class around which its summary token changes."""
SHARE_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
"""Largest probabilities of a class around which its summary token changes."""


class ClassSummary(nn.Module):
    """A few tokens per volume that say how much of every patch class the dense head sees.

    For each class: soft steps of the expected number of patches and of the largest probability.
    Patches that were dropped are air and hold nothing of any class, so dropping changes nothing.
    """

    def __init__(self, num_classes: int, num_tokens: int, text_width: int) -> None:
        super().__init__()
        num_steps = len(AMOUNT_LEVELS) + len(SHARE_LEVELS)
        self.num_tokens = num_tokens
        self.feed_forward = nn.Sequential(
            nn.Linear(num_classes * num_steps, 2 * text_width),
            nn.GELU(),
            nn.Linear(2 * text_width, num_tokens * text_width),
        )
        self.norm = nn.LayerNorm(text_width)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(G, H) tokens of one volume from the class logits (N, K) of its patches."""
        share_NK = logits.float().sigmoid()
        amount_K, most_K = share_NK.sum(dim=0), share_NK.amax(dim=0)
        steps = [((amount_K / level).log() * 3.0).sigmoid() for level in AMOUNT_LEVELS]
        steps += [((most_K - level) * 20.0).sigmoid() for level in SHARE_LEVELS]
        features = 2.0 * torch.cat(steps) - 1.0
        tokens = self.feed_forward(features.to(self.norm.weight.dtype))
        out: torch.Tensor = self.norm(tokens.unflatten(0, (self.num_tokens, -1)))
        return out


class SpatialPoolingConnector(PreTrainedModel):
    """Cells of k*k*k patches to language-model tokens, with occupancy and position."""

    config_class = Vol3dConnectorConfig
    base_model_prefix = "connector"

    def __init__(
        self,
        config: Vol3dConnectorConfig,
        *,
        vision_width: int,
        text_width: int,
        num_classes: int = 0,
    ) -> None:
        super().__init__(config)
        children = config.pool_sizes[0] ** 3 if config.pooling == "concat" else 1
        self.missing = (
            nn.Parameter(torch.zeros(vision_width)) if config.pooling == "concat" else None
        )
        self.feed_forward = nn.Sequential(
            nn.Linear(vision_width * children + 1, config.hidden_size),
            nn.GELU(),
            nn.Linear(config.hidden_size, text_width),
        )
        self.position = FourierPosition(
            text_width,
            num_bands=config.num_fourier_bands,
            shortest_mm=config.fourier_shortest_mm,
            longest_mm=config.fourier_longest_mm,
        )
        self.summary = (
            ClassSummary(num_classes, config.num_summary_tokens, text_width)
            if config.num_summary_tokens
            else None
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        init_module(module, self.config.initializer_range)

    def forward(
        self,
        encoded: torch.Tensor,
        cells: Cells,
        patch_position_mm: torch.Tensor,
        patch_fraction: torch.Tensor,
        **_: Any,
    ) -> torch.Tensor:
        """Visual tokens (M, H) of encoded patches (N, E); positions are means over kept patches."""
        if self.missing is None:
            merged = pool_mean(encoded, cells)
        else:
            k3 = self.config.pool_sizes[0] ** 3
            table = self.missing.to(encoded.dtype).expand(len(cells.count) * k3, -1)
            merged = table.index_copy(0, cells.of_patch * k3 + cells.slot, encoded)
            merged = merged.reshape(len(cells.count), -1)
        occupancy = (cells.count / cells.capacity).to(encoded.dtype).unsqueeze(1)
        tokens: torch.Tensor = self.feed_forward(torch.cat([merged, occupancy], dim=1))
        return tokens + self.position(
            pool_mean(patch_position_mm, cells), pool_mean(patch_fraction, cells)
        )
