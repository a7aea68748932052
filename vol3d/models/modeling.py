"""The whole model: packed volumes and text in, text out.

Shape legend: B prompts, L text positions, V volumes, N kept patches, M visual tokens, H width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.utils import ModelOutput

from vol3d.errors import DataError, explain
from vol3d.models.configuration import Vol3dConfig
from vol3d.models.connector import SpatialPoolingConnector, group_patches
from vol3d.models.vision import Vit3d, init_module

VOLUME_INPUTS = (
    "encoded",
    "voxels",
    "volume_shapes_zyx",
    "volume_windows",
    "volume_modality",
    "patch_volume",
    "patch_index_zyx",
    "patch_position_mm",
    "patch_fraction",
    "pool_size",
)


@dataclass
class Vol3dVisualTokens(ModelOutput):
    """What the vision part makes of a pack of volumes.

    Args:
        embeds: (M, H) visual tokens of all volumes, volume after volume.
        tokens_per_volume: Number of visual tokens of each volume.
        patch_logits: (N, K) logits of the dense patch head, or None.
    """

    embeds: torch.Tensor | None = None
    tokens_per_volume: list[int] | None = None
    patch_logits: torch.Tensor | None = None


@dataclass
class Vol3dOutput(ModelOutput):
    """Output of the model: losses, next-token logits, cache, and dense patch logits."""

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    cache: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    patch_logits: torch.Tensor | None = None
    language_loss: torch.Tensor | None = None
    patch_loss: torch.Tensor | None = None


class Vol3dForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """3-D encoder, spatial-pooling connector and any causal language model."""

    config_class = Vol3dConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("volume", "text")
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["EncoderBlock"]  # noqa: RUF012  (read by transformers)

    def __init__(self, config: Vol3dConfig) -> None:
        super().__init__(config)
        vision: Any = config.vision_config
        connector: Any = config.connector_config
        text: Any = config.text_config
        self.vision = Vit3d(vision)
        self.connector = SpatialPoolingConnector(
            connector,
            vision_width=vision.hidden_size,
            text_width=text.get_text_config().hidden_size,
            num_classes=len(vision.patch_classes),
        )
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        init_module(module, getattr(self.config.text_config, "initializer_range", 0.02))

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def get_volume_features(
        self,
        voxels: torch.Tensor | None,
        volume_shapes_zyx: torch.Tensor,
        volume_windows: torch.Tensor,
        volume_modality: torch.Tensor,
        patch_volume: torch.Tensor,
        patch_index_zyx: torch.Tensor,
        patch_position_mm: torch.Tensor,
        patch_fraction: torch.Tensor,
        pool_size: torch.Tensor,
        encoded: torch.Tensor | None = None,
    ) -> Vol3dVisualTokens:
        """Visual tokens of packed volumes; see :meth:`Vit3d.forward` for the arguments.

        Args:
            pool_size: (V,) cell edge of the connector for each volume, chosen by the processor.
            encoded: (N, E) output of ``vision`` for these patches, where it is known already (a
                frozen encoder); the voxels are then not needed.
        """
        if encoded is None:
            assert voxels is not None, "voxels, or what the encoder made of them"
            encoded = self.vision(
                voxels,
                volume_shapes_zyx,
                volume_windows,
                volume_modality,
                patch_volume,
                patch_index_zyx,
                patch_position_mm,
                patch_fraction,
            )
        encoded = encoded.to(self.connector.dtype)
        cells = group_patches(patch_volume, patch_index_zyx, pool_size)
        embeds = self.connector(encoded, cells, patch_position_mm, patch_fraction)
        head = self.vision.patch_head
        logits = None if head is None else head(encoded)
        counts = torch.bincount(cells.volume, minlength=len(volume_shapes_zyx)).tolist()
        if self.connector.summary is not None:
            assert logits is not None, "num_summary_tokens needs vision_config.patch_classes"
            kept = torch.bincount(patch_volume, minlength=len(volume_shapes_zyx)).tolist()
            per_volume = zip(torch.split(embeds, counts), torch.split(logits, kept), strict=True)
            pieces = [
                torch.cat([self.connector.summary(scores).to(grid.dtype), grid])
                for grid, scores in per_volume
            ]
            embeds, counts = torch.cat(pieces), [len(piece) for piece in pieces]
        return Vol3dVisualTokens(embeds=embeds, tokens_per_volume=counts, patch_logits=logits)

    def rows_of_embeds(
        self,
        features: Vol3dVisualTokens,
        input_ids: torch.Tensor,
        volume_slots: torch.Tensor | None,
    ) -> torch.Tensor:
        """Visual tokens laid out per prompt, (B, most in a row, H), zero-padded at the end.

        Args:
            features: Output of :meth:`get_volume_features`.
            input_ids: (B, L) with one volume token per visual token.
            volume_slots: Which volume each placeholder in the prompts shows, in reading order;
                every volume once and in order when None. One volume may be shown many times.

        Raises:
            DataError: The prompts hold another number of placeholders than the volumes have tokens.
        """
        assert features.embeds is not None
        assert features.tokens_per_volume is not None
        per_volume = torch.split(features.embeds, features.tokens_per_volume)
        slots = range(len(per_volume)) if volume_slots is None else volume_slots.tolist()
        wanted = (input_ids == self.config.volume_token_id).sum(dim=1).tolist()
        queue = [per_volume[index] for index in slots]
        rows = []
        for row, count in enumerate(wanted):
            pieces: list[torch.Tensor] = []
            held = 0
            while queue and held < count:
                pieces.append(queue.pop(0))
                held += len(pieces[-1])
            if held != count:
                raise _placeholder_error(row, count, held)
            rows.append(torch.cat(pieces) if pieces else features.embeds[:0])
        if queue:
            raise _placeholder_error(len(wanted) - 1, 0, sum(len(piece) for piece in queue))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        voxels: torch.Tensor | None = None,
        volume_shapes_zyx: torch.Tensor | None = None,
        volume_windows: torch.Tensor | None = None,
        volume_modality: torch.Tensor | None = None,
        patch_volume: torch.Tensor | None = None,
        patch_index_zyx: torch.Tensor | None = None,
        patch_position_mm: torch.Tensor | None = None,
        patch_fraction: torch.Tensor | None = None,
        pool_size: torch.Tensor | None = None,
        volume_slots: torch.Tensor | None = None,
        volume_embeds: torch.Tensor | None = None,
        patch_targets: torch.Tensor | None = None,
        encoded: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Vol3dOutput:
        """Next-token logits, and losses where labels or patch targets are given.

        Volumes without ``input_ids`` run the vision part alone (dense supervision).

        Args:
            input_ids: (B, L), with ``volume_token_id`` once per visual token.
            labels: (B, L), -100 where no loss is wanted.
            voxels: The packed volumes; this and the following as in :meth:`Vit3d.forward`.
            volume_slots: See :meth:`rows_of_embeds`.
            volume_embeds: (B, most, H) from :meth:`rows_of_embeds`, in place of the volumes.
            patch_targets: (N, K) in 0..1, what the dense patch head should say.
            encoded: See :meth:`get_volume_features`.

        Raises:
            DataError: Placeholders and visual tokens do not match.
        """
        features = None
        if voxels is not None or encoded is not None:
            features = self.get_volume_features(
                voxels,
                volume_shapes_zyx,  # type: ignore[arg-type]
                volume_windows,  # type: ignore[arg-type]
                volume_modality,  # type: ignore[arg-type]
                patch_volume,  # type: ignore[arg-type]
                patch_index_zyx,  # type: ignore[arg-type]
                patch_position_mm,  # type: ignore[arg-type]
                patch_fraction,  # type: ignore[arg-type]
                pool_size,  # type: ignore[arg-type]
                encoded,
            )
            if input_ids is None:
                return self._dense_only(features, patch_targets)
            volume_embeds = self.rows_of_embeds(features, input_ids, volume_slots)
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self.get_input_embeddings()(input_ids)
            if volume_embeds is not None:
                inputs_embeds = self._insert(inputs_embeds, input_ids, volume_embeds)
        is_whole_prompt = position_ids is None and cache is None
        if is_whole_prompt and attention_mask is not None and attention_mask.ndim == 2:
            # left padding must not shift absolute positions
            position_ids = (attention_mask.long().cumsum(-1) - 1).clamp_min(0)
        out = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            labels=labels,
            **{**kwargs, "return_dict": True},
        )
        patch_loss = None
        if patch_targets is not None and features is not None:
            patch_loss = self._patch_loss(features.patch_logits, patch_targets)
        loss = out.loss
        if patch_loss is not None:
            weighted = self.config.patch_loss_weight * patch_loss
            loss = weighted if loss is None else loss + weighted
        return Vol3dOutput(
            loss=loss,
            logits=out.logits,
            cache=out.cache,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            patch_logits=None if features is None else features.patch_logits,
            language_loss=None if out.loss is None else out.loss.detach(),
            patch_loss=None if patch_loss is None else patch_loss.detach(),
        )

    def _dense_only(
        self, features: Vol3dVisualTokens, patch_targets: torch.Tensor | None
    ) -> Vol3dOutput:
        loss = None
        if patch_targets is not None:
            loss = self._patch_loss(features.patch_logits, patch_targets)
        return Vol3dOutput(
            loss=loss,
            patch_logits=features.patch_logits,
            patch_loss=None if loss is None else loss.detach(),
        )

    def _insert(
        self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor, volume_embeds: torch.Tensor
    ) -> torch.Tensor:
        mask = input_ids == self.config.volume_token_id
        count = mask.sum(dim=1, keepdim=True)
        if bool((count > volume_embeds.shape[1]).any()):
            raise _placeholder_error(
                int(count.argmax()), int(count.max()), int(volume_embeds.shape[1])
            )
        valid = torch.arange(volume_embeds.shape[1], device=mask.device) < count
        return inputs_embeds.masked_scatter(
            mask.unsqueeze(-1), volume_embeds[valid].to(inputs_embeds.dtype)
        )

    def _patch_loss(self, logits: torch.Tensor | None, targets: torch.Tensor) -> torch.Tensor:
        assert logits is not None, "patch_targets need vision_config.patch_classes"
        positive = logits.new_tensor(self.config.patch_positive_weight)
        loss_NK = nn.functional.binary_cross_entropy_with_logits(
            logits.float(), targets.float(), pos_weight=positive, reduction="none"
        )
        weights = self.config.patch_class_weights
        if weights:
            loss_NK = loss_NK * loss_NK.new_tensor(weights)
        return loss_NK.mean()

    def generate(self, inputs: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """Generated token ids; the volumes are encoded once, whatever the number of beams."""
        volume = {name: kwargs.pop(name, None) for name in VOLUME_INPUTS}
        slots = kwargs.pop("volume_slots", None)
        if volume["voxels"] is not None or volume["encoded"] is not None:
            ids = inputs if inputs is not None else kwargs["input_ids"]
            with torch.no_grad():
                features = self.get_volume_features(**volume)
                kwargs["volume_embeds"] = self.rows_of_embeds(features, ids, slots)
        return super().generate(inputs, **kwargs)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        volume_embeds: torch.Tensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Inputs of one decoding step; visual tokens go in only with the whole prompt."""
        model_inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            model_inputs["volume_embeds"] = volume_embeds
        return model_inputs


def _placeholder_error(row: int, placeholders: int, tokens: int) -> DataError:
    return DataError(
        explain(
            expected="one placeholder per visual token",
            got=f"{placeholders} placeholders and {tokens} visual tokens",
            where=f"prompt {row}",
            remedy="Build prompts with Vol3dProcessor; never cut a prompt inside a volume.",
        )
    )
