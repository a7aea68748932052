"""Positions in millimetres: rotary for attention, Fourier features for the connector.

Shape legend: T tokens, H heads, D head width, P rotated pairs, F Fourier features.
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


def rotary_angles(
    positions_mm: torch.Tensor, *, head_dim: int, shortest_mm: float, longest_mm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine, each (T, 3 * (head_dim // 6)), of the rotary angles of every token.

    The pairs of a head are dealt evenly to R, A and S; pairs left over are not rotated. Angles are
    computed in float32 from the wavelengths, never stored, so no checkpoint can hold stale ones.

    Args:
        positions_mm: (T, 3) patch centres along R, A, S.
        head_dim: Width of one head, at least 6.
        shortest_mm: Shortest wavelength, usually two patch widths.
        longest_mm: Longest wavelength, usually twice the largest extent.
    """
    pairs_per_axis = head_dim // 6
    waves = _wavelengths_mm(pairs_per_axis, shortest_mm, longest_mm)
    frequency = (2.0 * math.pi / waves).to(device=positions_mm.device, dtype=torch.float32)
    angle_T3P = positions_mm.to(torch.float32)[:, :, None] * frequency
    angle_TP = angle_T3P.flatten(1)
    return angle_TP.cos(), angle_TP.sin()


def rotate(states_THD: torch.Tensor, cos_TP: torch.Tensor, sin_TP: torch.Tensor) -> torch.Tensor:
    """``states_THD`` with its first P channel pairs (i, i + P) rotated by the given angles."""
    pairs = cos_TP.shape[1]
    cos, sin = (t[:, None, :].to(states_THD.dtype) for t in (cos_TP, sin_TP))
    first, second = states_THD[..., :pairs], states_THD[..., pairs : 2 * pairs]
    rotated = (first * cos - second * sin, first * sin + second * cos)
    return torch.cat((*rotated, states_THD[..., 2 * pairs :]), dim=-1)


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
