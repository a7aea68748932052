"""How intensities are stored as int16 and which windows the encoder sees.

CT in HU is stored as it is. Everything else is scaled by robust percentiles of the foreground, and
never gets an HU window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Unit

ROBUST_PERCENTILES = (0.5, 99.5)
STORED_RANGE = (-10000.0, 10000.0)
"""Stored values of the two robust percentiles; what lies beyond still fits in int16."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredIntensity:
    """An int16 code for intensities: intensity = stored * slope + intercept.

    Args:
        slope: Factor from stored to original intensity.
        intercept: Offset from stored to original intensity.
        windows: float32 (C, 2), (lower, upper) of each channel in stored units.
    """

    slope: float
    intercept: float
    windows: torch.Tensor

    def encode(self, intensities: torch.Tensor) -> torch.Tensor:
        """The intensities as int16, rounded and clipped to its range."""
        scaled = (intensities - self.intercept) / self.slope
        return scaled.round_().clamp_(-32768, 32767).to(torch.int16)


def stored_intensity(
    intensities: torch.Tensor, foreground: torch.Tensor, unit: Unit, spec: PreprocessSpec
) -> StoredIntensity:
    """The int16 code and windows for a resampled scan.

    Args:
        intensities: float32, any shape.
        foreground: bool of that shape; percentiles are taken here (everywhere, if it is empty).
        unit: ``HU`` gives the spec's CT windows and values stored as they are.
        spec: Windows and percentiles.
    """
    if unit == "HU":
        windows = torch.tensor(spec.ct_windows_hu, dtype=torch.float32)
        return StoredIntensity(slope=1.0, intercept=0.0, windows=windows)
    inside = intensities[foreground.to(torch.bool)]
    values = (inside if inside.numel() else intensities).numpy().astype(np.float64).ravel()
    low, high = np.percentile(values, ROBUST_PERCENTILES)
    lowest, highest = STORED_RANGE
    slope = float(high - low) / (highest - lowest) if high > low else 1.0
    intercept = float(low) - slope * lowest if high > low else float(low)
    bounds = np.percentile(values, np.array(spec.mr_percentiles).ravel()).reshape(-1, 2)
    stored = (bounds - intercept) / slope
    stored[:, 1] = np.maximum(stored[:, 1], stored[:, 0] + 1)  # a constant scan has no range
    return StoredIntensity(
        slope=slope, intercept=intercept, windows=torch.from_numpy(stored.astype(np.float32))
    )
