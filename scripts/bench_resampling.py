"""Noise and aliasing that are left after going from 1 mm to 2.7 mm: ours beside MONAI's Spacing.

    python scripts/bench_resampling.py

Two patterns of 96 x 256 x 256 voxels: white noise of standard deviation 12, and a sine of root
mean square 71 along x whose wavelength of 4 mm the output (shortest wavelength 5.4 mm) cannot
hold: all of it that is left is false structure.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.spatial.array import Spacing

from vol3d.preprocess.metatensor import to_metatensor
from vol3d.preprocess.resample import ResampleAntialiasedd
from vol3d.volume import Grid

COARSE_MM = 2.7
SHAPE_ZYX = (96, 256, 256)


def patterns(shape_zyx: tuple[int, int, int]) -> dict[str, npt.NDArray[np.float32]]:
    """White noise, and a sine above the output's Nyquist frequency, by name."""
    noise = np.random.default_rng(0).normal(0, 12, shape_zyx)
    sine = np.sin(2 * np.pi * (np.arange(shape_zyx[2]) + 0.3) / 4) * 71 * np.sqrt(2)
    wave = np.broadcast_to(sine, shape_zyx)
    return {"noise": noise.astype(np.float32), "aliasing": np.ascontiguousarray(wave, np.float32)}


def residual_rms(image: torch.Tensor) -> float:
    """Root mean square away from the edges, about the mean."""
    inner = image[0, 2:-2, 2:-2, 2:-2].float()
    return round(float((inner - inner.mean()).square().mean().sqrt()), 2)


def resampling_quality(
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
) -> dict[str, dict[str, float]]:
    """What is left of each pattern: root mean square before, with vol3d, and with MONAI."""
    grid = Grid(shape_zyx=shape_zyx, affine=np.eye(4))
    ours = ResampleAntialiasedd(["image"], (COARSE_MM,) * 3)
    monai = Spacing(pixdim=(COARSE_MM,) * 3, mode="bilinear", padding_mode="border")
    result = {}
    for name, voxels in patterns(shape_zyx).items():
        image: MetaTensor = to_metatensor(voxels, grid)
        result[name] = {
            "before": residual_rms(image),
            "vol3d": residual_rms(ours({"image": image})["image"]),
            "monai_spacing": residual_rms(monai(image)),
        }
    return result


if __name__ == "__main__":
    print(json.dumps(resampling_quality(), indent=2))
