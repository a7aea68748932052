"""Configurations of the vision encoder, the connector and the whole model."""

from __future__ import annotations

from typing import Any, Literal

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from vol3d.errors import ConfigError, explain


class Vol3dVisionConfig(PreTrainedConfig):
    """Shape of the 3-D vision transformer.

    Args:
        hidden_size: Token width.
        num_hidden_layers: Transformer blocks.
        num_attention_heads: Heads; the head width is ``hidden_size / heads``, at least 6.
        intermediate_size: Width of the feed-forward layers.
        num_channels: HU windows (MR ranges) per voxel.
        patch_size_zyx: Voxels of a patch along z, y, x.
        rope_shortest_mm: Shortest rotary wavelength: two patch widths.
        rope_longest_mm: Longest rotary wavelength: twice the largest extent.
        has_absolute_position: Whether Fourier positions are added to the patch tokens as well.
        num_fourier_bands: Wavelengths per axis of the Fourier positions.
        patch_classes: Names of what the dense patch head recognises; empty for no head.
        layer_norm_eps: Epsilon of every layer norm.
        window_mm: Largest gap in mm between blocks of tokens that see each other in windowed
            layers; ``None`` makes every layer global.
        global_every: One layer in so many is global all the same, the last of each group.
        window_block: Tokens of a block: 16, 32, 64 or 128.
    """

    model_type = "vol3d_vision"
    base_config_key = "vision_config"

    hidden_size: int = 192
    num_hidden_layers: int = 6
    num_attention_heads: int = 6
    intermediate_size: int = 768
    num_channels: int = 3
    patch_size_zyx: list[int] | tuple[int, ...] = (4, 4, 4)
    rope_shortest_mm: float = 48.0
    rope_longest_mm: float = 1000.0
    has_absolute_position: bool = True
    num_fourier_bands: int = 6
    patch_classes: list[str] | tuple[str, ...] = ()
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    window_mm: float | None = None
    global_every: int = 4
    window_block: int = 128

    def is_windowed(self, layer: int) -> bool:
        """Whether a layer, counted from 0, sees windows only."""
        return self.window_mm is not None and (layer + 1) % self.global_every != 0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.patch_size_zyx = tuple(self.patch_size_zyx)
        head_dim = self.hidden_size // self.num_attention_heads
        if self.hidden_size % self.num_attention_heads or head_dim < 6 or head_dim % 2:
            raise ConfigError(
                explain(
                    expected="an even head width of at least 6",
                    got=f"hidden_size {self.hidden_size} with {self.num_attention_heads} heads",
                    where="Vol3dVisionConfig",
                    remedy="Choose hidden_size as heads times an even number.",
                )
            )


class Vol3dConnectorConfig(PreTrainedConfig):
    """Shape of the spatial-pooling connector between encoder and language model.

    Args:
        pooling: ``mean`` averages the kept tokens of a cell; ``concat`` lays all k*k*k children
            side by side, missing ones as a learned token (needs a single pool size).
        pool_sizes: Allowed cell edges k in patches, smallest first; the first one whose cells fit
            ``max_tokens`` is used for a volume.
        max_tokens: Budget of language-model tokens per volume.
        num_summary_tokens: Tokens in front of each volume's grid tokens that sum up how much of
            every patch class the dense head sees; 0 for none.
        num_fourier_bands: Wavelengths per axis of the position features.
        fourier_shortest_mm: Shortest of these wavelengths.
        fourier_longest_mm: Longest of these wavelengths.
    """

    model_type = "vol3d_connector"
    base_config_key = "connector_config"

    pooling: Literal["mean", "concat"] = "mean"
    pool_sizes: list[int] | tuple[int, ...] = (2, 3, 4)
    max_tokens: int = 400
    num_summary_tokens: int = 0
    hidden_size: int = 384
    num_fourier_bands: int = 6
    fourier_shortest_mm: float = 48.0
    fourier_longest_mm: float = 1000.0
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.pool_sizes = tuple(self.pool_sizes)
        ordered = tuple(sorted(self.pool_sizes)) == self.pool_sizes and min(self.pool_sizes) >= 1
        if not ordered or (self.pooling == "concat" and len(self.pool_sizes) != 1):
            raise ConfigError(
                explain(
                    expected="increasing pool sizes >= 1; exactly one with pooling 'concat'",
                    got=f"{self.pool_sizes} with pooling {self.pooling!r}",
                    where="Vol3dConnectorConfig.pool_sizes",
                    remedy="List the allowed cell edges in patches, smallest first.",
                )
            )


class Vol3dConfig(PreTrainedConfig):
    """Configuration of :class:`~vol3d.models.Vol3dForConditionalGeneration`.

    Args:
        vision_config: The encoder's configuration.
        connector_config: The connector's configuration.
        text_config: Configuration of any causal language model known to transformers.
        volume_token_id: Token that stands for one visual token in the prompt.
        patch_loss_weight: Weight of the dense patch loss beside the language loss.
        patch_positive_weight: Weight of positive patches in that loss (lesions are rare).
        patch_class_weights: Weight of every patch class in that loss; all equal when empty.
    """

    model_type = "vol3d"
    sub_configs_defaults = {  # noqa: RUF012  (read by transformers from the class)
        "vision_config": Vol3dVisionConfig,
        "connector_config": Vol3dConnectorConfig,
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    connector_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    volume_token_id: int = 4
    patch_loss_weight: float = 1.0
    patch_positive_weight: float = 4.0
    patch_class_weights: list[float] | tuple[float, ...] = ()
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
