"""What scripts/bench_preprocess.py compares: a synthetic CT, MONAI's usual chain, and a clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from monai import transforms as mt

from vol3d.volume import Grid, Volume


def synthetic_ct(shape_zyx: tuple[int, int, int]) -> Volume:
    """An elliptic body of noisy soft tissue in air, 400 mm wide and 300 mm long."""
    z, y, x = shape_zyx
    spacing_zyx_mm = (300 / z, 400 / y, 400 / x)
    rows, columns = np.ogrid[-1 : 1 : y * 1j, -1 : 1 : x * 1j]
    is_body = (rows / 0.65) ** 2 + (columns / 0.9) ** 2 <= 1
    plane = np.where(is_body, 40, -1000).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 12, (y, x)).astype(np.int16)
    voxels = np.stack([plane + np.roll(noise, 7 * k, axis=0) for k in range(z)])
    grid = Grid(shape_zyx=shape_zyx, affine=np.diag([*spacing_zyx_mm[::-1], 1.0]))
    return Volume.from_array(voxels, grid, modality="CT", unit="HU")


def monai_chain(path: Path, spacing_mm: float) -> Callable[[], Any]:
    """MONAI's usual chain from file to a fixed grid."""
    keys = ["image"]
    chain = mt.Compose(
        [
            mt.LoadImaged(keys, ensure_channel_first=True),
            mt.Orientationd(keys, axcodes="RAS", labels=None),
            mt.Spacingd(keys, pixdim=(spacing_mm,) * 3, mode="bilinear"),
            mt.ScaleIntensityRanged(keys, a_min=-1000, a_max=1000, b_min=0, b_max=1, clip=True),
            mt.CropForegroundd(keys, source_key="image", allow_smaller=True),
            mt.Resized(keys, spatial_size=(64, 64, 64)),
        ]
    )
    return lambda: chain({"image": str(path)})


def medians_s(repeats: int, *runs: Callable[[], Any]) -> list[float]:
    """Median wall time of each call, made in turn; the first two rounds are not counted."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 2):
        for run, times in zip(runs, seconds, strict=True):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return [statistics.median(times[2:]) for times in seconds]
