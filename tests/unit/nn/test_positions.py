"""Rotary and Fourier positions in millimetres."""

from __future__ import annotations

import math

import pytest
import torch
from vol3d_kernels import qkv_rope_pack

from vol3d.nn import FourierPosition, rotary_frequencies


def _bands(head_dim: int) -> torch.Tensor:
    return rotary_frequencies(
        head_dim, shortest_mm=48.0, longest_mm=800.0, device=torch.device("cpu")
    )


def _rotated(states: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Queries (T, H, D) at places in mm."""
    qkv = torch.stack([states, states, states], dim=1)
    return qkv_rope_pack(qkv, position, _bands(states.shape[-1]).to(position.dtype))[0]


def _scores(shift_mm: float) -> torch.Tensor:
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 1, 12, dtype=torch.float64)
    position = torch.rand(5, 3, dtype=torch.float64) * 200 + shift_mm
    return torch.einsum("qhd,khd->hqk", _rotated(query, position), _rotated(key, position))


def test_rotary_scores_depend_on_relative_position_only() -> None:
    torch.testing.assert_close(_scores(0.0), _scores(37.0), rtol=1e-4, atol=1e-4)


def test_rotation_keeps_the_length_of_every_head() -> None:
    torch.manual_seed(0)
    states = torch.randn(4, 2, 14)
    turned = _rotated(states, torch.rand(4, 3) * 300)
    torch.testing.assert_close(turned.norm(dim=-1), states.norm(dim=-1))


def test_token_at_the_origin_is_not_rotated() -> None:
    states = torch.randn(1, 1, 12)
    assert torch.equal(_rotated(states, torch.zeros(1, 3)), states)


def test_each_axis_turns_its_own_pairs() -> None:
    """A step along A must leave the pairs of R and S alone."""
    turned = _rotated(torch.ones(1, 1, 12), torch.tensor([[0.0, 20.0, 0.0]]))
    assert (turned != 1.0).flatten().tolist() == [False, False, True, True, False, False] * 2


def test_a_full_turn_takes_one_wavelength() -> None:
    wave_mm = 2 * math.pi / _bands(6)[0].item()
    assert wave_mm == pytest.approx(48.0)


def test_fourier_position_tells_left_from_right() -> None:
    torch.manual_seed(0)
    layer = FourierPosition(8, num_bands=4, shortest_mm=48.0, longest_mm=800.0)
    fraction = torch.full((1, 3), 0.5)
    right = layer(torch.tensor([[60.0, 0.0, 0.0]]), fraction)
    left = layer(torch.tensor([[-60.0, 0.0, 0.0]]), fraction)
    assert (right - left).abs().max() > 1e-3
