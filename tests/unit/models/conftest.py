"""A tiny model and hand-made prepared volumes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vol3d.models import (
    Vol3dConfig,
    Vol3dFeatureExtractor,
    Vol3dForConditionalGeneration,
    Vol3dProcessor,
)
from vol3d.models.tokenizer import train_tokenizer
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid

SPEC = PreprocessSpec(patch_zyx=(4, 4, 4), spacings_zyx_mm=((6.0, 6.0, 6.0),))


@pytest.fixture(scope="session")
def processor() -> Vol3dProcessor:
    tokenizer = train_tokenizer(["Is there a lesion in the liver? yes no 12 mm"] * 3)
    return Vol3dProcessor(
        Vol3dFeatureExtractor(SPEC.to_dict(), pool_sizes=(2, 3), max_tokens_per_volume=400),
        tokenizer,
    )


def build_model(processor: Vol3dProcessor, **text: object) -> Vol3dForConditionalGeneration:
    torch.manual_seed(0)
    config = Vol3dConfig(
        vision_config={
            "hidden_size": 24,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "intermediate_size": 48,
            "patch_classes": ["liver", "spleen"],
        },
        connector_config={"hidden_size": 32, "pool_sizes": [2, 3]},
        text_config={
            "model_type": "llama",
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "initializer_range": 0.2,
            "pad_token_id": processor.tokenizer.pad_token_id,
            "bos_token_id": processor.tokenizer.bos_token_id,
            "eos_token_id": processor.tokenizer.eos_token_id,
            **text,
        },
        volume_token_id=processor.volume_token_id,
    )
    return Vol3dForConditionalGeneration(config).eval()


@pytest.fixture(name="build_model")
def build_model_fixture() -> Callable[..., Vol3dForConditionalGeneration]:
    return build_model


@pytest.fixture
def model(processor: Vol3dProcessor) -> Vol3dForConditionalGeneration:
    return build_model(processor)


@pytest.fixture(scope="session")
def make_volume() -> Callable[..., PreparedVolume]:
    def make(
        shape_zyx: tuple[int, int, int], seed: int, *, kept: float = 0.7, origin_mm: float = 0.0
    ) -> PreparedVolume:
        generator = torch.Generator().manual_seed(seed)
        voxels = torch.randint(-1000, 1000, shape_zyx, generator=generator).to(torch.int16)
        index = torch.cartesian_prod(*[torch.arange(n // 4) for n in shape_zyx])
        index = index[torch.rand(len(index), generator=generator) < kept]
        affine = np.diag([6.0, 6.0, 6.0, 1.0])
        affine[:3, 3] = origin_mm
        grid = Grid(shape_zyx=shape_zyx, affine=affine)
        return PreparedVolume(
            voxels_zyx=voxels,
            body_zyx=torch.ones(shape_zyx, dtype=torch.bool),
            patch_index_zyx=index,
            windows=torch.tensor(SPEC.ct_windows_hu),
            grid=grid,
            scan_grid=grid,
            slope=1.0,
            intercept=0.0,
            modality="CT",
            spec_sha256=SPEC.sha256,
        )

    return make
