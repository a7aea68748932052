"""Prepared volumes and text to model inputs.

Shape legend: V volumes, N kept patches, B prompts, L text positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin
from transformers.feature_extraction_utils import FeatureExtractionMixin

from vol3d.errors import ConfigError, DataError, explain
from vol3d.models.connector import choose_pool_size
from vol3d.models.vision import MODALITIES
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec

VOLUME_TOKEN = "<volume>"


class Vol3dFeatureExtractor(FeatureExtractionMixin):
    """Packs prepared volumes; carries the preprocessing spec of the checkpoint.

    Args:
        preprocess_spec: The spec as a dictionary; scans must be prepared with exactly this one.
        pool_sizes: Allowed cell edges of the connector, as in its configuration.
        max_tokens_per_volume: Token budget of the connector, as in its configuration.
        num_summary_tokens: Tokens in front of each volume's grid tokens, likewise.
    """

    model_input_names = [  # noqa: RUF012  (read by transformers from the class)
        "voxels",
        "volume_shapes_zyx",
        "volume_windows",
        "volume_modality",
        "patch_volume",
        "patch_index_zyx",
        "patch_position_mm",
        "patch_fraction",
        "pool_size",
    ]

    def __init__(
        self,
        preprocess_spec: dict[str, Any],
        pool_sizes: Sequence[int],
        max_tokens_per_volume: int,
        num_summary_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.preprocess_spec = preprocess_spec
        self.pool_sizes = list(pool_sizes)
        self.max_tokens_per_volume = max_tokens_per_volume
        self.num_summary_tokens = num_summary_tokens

    @property
    def spec(self) -> PreprocessSpec:
        """The preprocessing spec of the checkpoint."""
        return PreprocessSpec.from_dict(self.preprocess_spec)

    def __call__(self, volumes: Sequence[PreparedVolume]) -> tuple[BatchFeature, list[int]]:
        """Packed tensors of the volumes (see ``Vit3d.forward``) and the visual tokens of each.

        Raises:
            DataError: A volume was prepared with another spec, or exceeds the token budget.
        """
        columns: dict[str, list[torch.Tensor]] = {name: [] for name in self.model_input_names}
        num_tokens = []
        for number, volume in enumerate(volumes):
            if volume.spec_sha256 != self.spec.sha256:
                raise DataError(
                    explain(
                        expected=f"a volume prepared with spec {self.spec.sha256[:12]}",
                        got=f"spec {volume.spec_sha256[:12]}",
                        where=f"volume {number}",
                        remedy="Prepare it with processor.spec.",
                    )
                )
            pool, count = choose_pool_size(
                volume.patch_index_zyx,
                pool_sizes=tuple(self.pool_sizes),
                max_tokens=self.max_tokens_per_volume,
            )
            num_tokens.append(count + self.num_summary_tokens)
            position_mm, fraction = patch_positions(volume, self.spec.patch_zyx)
            columns["voxels"].append(volume.voxels_zyx.flatten())
            columns["volume_shapes_zyx"].append(torch.tensor([volume.voxels_zyx.shape]))
            columns["volume_windows"].append(volume.windows.unsqueeze(0))
            columns["volume_modality"].append(torch.tensor([MODALITIES.index(volume.modality)]))
            columns["patch_volume"].append(torch.full((len(volume.patch_index_zyx),), number))
            columns["patch_index_zyx"].append(volume.patch_index_zyx)
            columns["patch_position_mm"].append(position_mm)
            columns["patch_fraction"].append(fraction)
            columns["pool_size"].append(torch.tensor([pool]))
        data = {name: torch.cat(parts) for name, parts in columns.items()}
        return BatchFeature(data), num_tokens


def patch_positions(
    volume: PreparedVolume, patch_zyx: tuple[int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Patch centres, (N, 3) each and ordered R, A, S: mm from the body-box centre, and fraction.

    The fraction runs along the axes of the *uncropped* scan: 0 at its left, posterior, inferior
    face, 1 at the opposite one, so slice positions survive the crop.
    """
    patch = np.asarray(patch_zyx, dtype=np.float64)
    center_zyx = (volume.patch_index_zyx.numpy() + 0.5) * patch - 0.5
    world = volume.grid.index_to_world_mm(center_zyx)
    inside = volume.body_zyx.numpy()
    corners = (
        np.array([[np.flatnonzero(inside.any(axis=other))[i] for i in (0, -1)] for other in _OTHER])
        if inside.any()
        else np.array([[0, n - 1] for n in inside.shape])
    )
    center = volume.grid.index_to_world_mm(corners.mean(axis=1))
    scan_zyx = volume.scan_grid.world_to_index_zyx(world)
    fraction = (scan_zyx + 0.5) / np.asarray(volume.scan_grid.shape_zyx, dtype=np.float64)
    return (
        torch.from_numpy((world - center).astype(np.float32)),
        torch.from_numpy(np.ascontiguousarray(fraction[:, ::-1]).astype(np.float32)),
    )


_OTHER = ((1, 2), (0, 2), (0, 1))


class Vol3dProcessor(ProcessorMixin):
    """Text with ``<volume>`` placeholders and prepared volumes to model inputs.

    Args:
        feature_extractor: Packs the volumes and holds the preprocessing spec.
        tokenizer: Any fast tokenizer that knows the ``<volume>`` token.
        chat_template: Jinja template that turns messages into a prompt.
    """

    def __init__(
        self,
        feature_extractor: Vol3dFeatureExtractor | None = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)
        self.volume_token_id = int(tokenizer.convert_tokens_to_ids(VOLUME_TOKEN))

    @property
    def spec(self) -> PreprocessSpec:
        """How scans must be prepared for this checkpoint."""
        return self.feature_extractor.spec

    def build_prompt(self, question: str, *, num_volumes: int = 1) -> str:
        """The prompt that asks ``question`` about the given number of volumes."""
        content = VOLUME_TOKEN * num_volumes + question
        messages = [{"role": "user", "content": content}]
        prompt: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return prompt

    def __call__(
        self,
        text: str | Sequence[str],
        volumes: Sequence[PreparedVolume] | None = None,
        *,
        volume_slots: Sequence[int] | None = None,
        max_length: int | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Left-padded ``input_ids`` and ``attention_mask`` (B, L) with the packed volumes.

        Args:
            text: One or more prompts; each ``<volume>`` in them shows one volume.
            volumes: Prepared volumes, in the order of the placeholders.
            volume_slots: For each placeholder in reading order the volume it shows, so that many
                prompts may share one volume; every volume once and in order when None.
            max_length: Longest prompt in tokens; a longer one is an error, because a cut would
                lose part of a volume, of the question, or the mark where the answer begins.
            return_tensors: Only ``pt``.

        Raises:
            ConfigError: Placeholders and volumes do not match, or a prompt is too long.
            DataError: A volume was prepared with another spec or exceeds its token budget.
        """
        if return_tensors != "pt":
            raise ConfigError(
                explain(
                    expected="return_tensors='pt'",
                    got=repr(return_tensors),
                    where="Vol3dProcessor",
                    remedy="vol3d packs torch tensors only.",
                )
            )
        prompts = [text] if isinstance(text, str) else list(text)
        volumes = list(volumes or [])
        num_slots = sum(prompt.count(VOLUME_TOKEN) for prompt in prompts)
        slots = list(range(len(volumes)) if volume_slots is None else volume_slots)
        if num_slots != len(slots) or set(slots) != set(range(len(volumes))):
            raise ConfigError(
                explain(
                    expected=f"every one of {len(volumes)} volumes shown by the placeholders",
                    got=f"{num_slots} {VOLUME_TOKEN} placeholders and slots {slots}",
                    where="Vol3dProcessor",
                    remedy=f"Write {VOLUME_TOKEN} once per volume, or pass volume_slots.",
                )
            )
        packed, num_tokens = self.feature_extractor(volumes) if volumes else (BatchFeature({}), [])
        queue = iter(slots)
        expanded = [self._expand(prompt, queue, num_tokens) for prompt in prompts]
        encoded = [
            self.tokenizer(prompt, add_special_tokens=False).input_ids for prompt in expanded
        ]
        self._check_lengths(encoded, max_length)
        padded = self.tokenizer.pad(
            {"input_ids": encoded}, padding_side="left", return_tensors="pt"
        )
        data: dict[str, Any] = {
            "input_ids": padded["input_ids"],
            "attention_mask": padded["attention_mask"],
            **packed,
        }
        if volume_slots is not None:
            data["volume_slots"] = torch.tensor(slots)
        return BatchFeature(data)

    def _expand(self, prompt: str, queue: Any, num_tokens: list[int]) -> str:
        first, *rest = prompt.split(VOLUME_TOKEN)
        return first + "".join(VOLUME_TOKEN * num_tokens[next(queue)] + part for part in rest)

    def _check_lengths(self, encoded: list[list[int]], max_length: int | None) -> None:
        for row, ids in enumerate(encoded):
            if max_length is not None and len(ids) > max_length:
                visual = ids.count(self.volume_token_id)
                raise ConfigError(
                    explain(
                        expected=f"at most max_length {max_length} tokens",
                        got=f"{len(ids)} tokens, {visual} of them visual",
                        where=f"prompt {row}",
                        remedy="Raise max_length or shorten the text; prompts are never cut.",
                    )
                )

    def decode_new(self, generated: torch.Tensor, input_ids: torch.Tensor) -> list[str]:
        """Text that was generated after each prompt, special tokens removed."""
        new = generated[:, input_ids.shape[1] :]
        texts: list[str] = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return [text.strip() for text in texts]
