"""Positions in millimetres: rotary for attention, Fourier features for the connector.

Shape legend: T tokens, F frequencies of an axis.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def _wavelengths_mm(count: int, shortest_mm: float, longest_mm: float) -> torch.Tensor:
    """``count`` wavelengths in geometric progression, shortest first; float64 for exactness."""
    if count == 1:
        return torch.tensor([shortest_mm], dtype=torch.float64)
    ratio = (longest_mm / shortest_mm) ** (1.0 / (count - 1))
    waves: torch.Tensor = shortest_mm * ratio ** torch.arange(count, dtype=torch.float64)
    return waves


def rotary_frequencies(
    head_dim: int, *, shortest_mm: float, longest_mm: float, device: torch.device
) -> torch.Tensor:
    """Radians per mm (F,) float32 of the rotary bands of one axis, F = head_dim // 6.

    The pairs of a head are dealt evenly to R, A and S; pairs left over are not rotated. They are
    computed from the wavelengths, never stored, so no checkpoint can hold stale ones.

    Args:
        head_dim: Width of one head, at least 6.
        shortest_mm: Shortest wavelength, usually two patch widths.
        longest_mm: Longest wavelength, usually twice the largest extent.
        device: Of the result.
    """
    waves = _wavelengths_mm(head_dim // 6, shortest_mm, longest_mm)
    return (2.0 * math.pi / waves).to(device=device, dtype=torch.float32)


class FourierPosition(nn.Module):
    """Adds where a token lies: mm from the body's centre and fraction along the whole scan.

    Rotary positions are only relative; questions about sides and slices need this.
    """

    def __init__(
        self, out_features: int, *, num_bands: int, shortest_mm: float, longest_mm: float
    ) -> None:
        super().__init__()
        self.num_bands = num_bands
        self.shortest_mm = shortest_mm
        self.longest_mm = longest_mm
        self.projection = nn.Linear(3 * 2 * num_bands + 3 + 3 * 2 * 4 + 3, out_features)

    def forward(self, centered_mm: torch.Tensor, fraction: torch.Tensor) -> torch.Tensor:
        """(T, out_features) for (T, 3) mm from the body centre and (T, 3) fractions in 0..1.

        Both are ordered R, A, S; fraction 0 is the left, posterior, inferior end of the scan.
        """
        waves = _wavelengths_mm(self.num_bands, self.shortest_mm, self.longest_mm)
        frequency = (2.0 * math.pi / waves).to(device=centered_mm.device, dtype=torch.float32)
        mm_angle = (centered_mm.float()[:, :, None] * frequency).flatten(1)
        octave = math.pi * 2.0 ** torch.arange(4, device=fraction.device, dtype=torch.float32)
        part_angle = (fraction.float()[:, :, None] * octave).flatten(1)
        features = torch.cat(
            [
                mm_angle.sin(),
                mm_angle.cos(),
                centered_mm.float() / self.longest_mm,
                part_angle.sin(),
                part_angle.cos(),
                fraction.float(),
            ],
            dim=1,
        )
        out: torch.Tensor = self.projection(features.to(self.projection.weight.dtype))
        return out
