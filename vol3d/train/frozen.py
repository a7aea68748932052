"""What a frozen encoder makes of every case, computed once for all later visits."""

from __future__ import annotations

import torch

from vol3d.data.phantom_samples import PhantomSamples
from vol3d.models import Vol3dForConditionalGeneration, Vol3dProcessor


def encode_cases(
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    samples: PhantomSamples,
    *,
    use_bf16: bool,
) -> dict[int, torch.Tensor]:
    """The encoder's output of each sample, (patches, width) in bfloat16 on the CPU, by seed.

    Args:
        model: Its ``vision`` part is run without gradients, on the device it lies on.
        processor: Packs the samples.
        samples: Each is read once.
        use_bf16: Whether matrix products run in bfloat16, as in training.
    """
    device = model.device
    encodings: dict[int, torch.Tensor] = {}
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=use_bf16):
        for index in range(len(samples)):
            sample = samples[index]
            packed, _ = processor.feature_extractor([sample.prepared])
            inputs = {name: tensor.to(device) for name, tensor in packed.items()}
            encodings[sample.seed] = model.vision(**inputs).to("cpu", torch.bfloat16)
    return {seed: encoded.clone() for seed, encoded in encodings.items()}
