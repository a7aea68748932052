"""Rotary and Fourier positions in millimetres."""

from __future__ import annotations

import torch

from vol3d.nn import FourierPosition, rotary_angles, rotate


def _scores(shift_mm: float) -> torch.Tensor:
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 1, 12, dtype=torch.float64)
    position = torch.rand(5, 3, dtype=torch.float64) * 200 + shift_mm
    cos, sin = rotary_angles(position, head_dim=12, shortest_mm=48.0, longest_mm=800.0)
    return torch.einsum(
        "qhd,khd->hqk", rotate(query, cos.double(), sin.double()), rotate(key, cos, sin).double()
    )


def test_rotary_scores_depend_on_relative_position_only() -> None:
    torch.testing.assert_close(_scores(0.0), _scores(37.0), rtol=1e-4, atol=1e-4)


def test_rotation_keeps_the_length_of_every_head() -> None:
    torch.manual_seed(0)
    states = torch.randn(4, 2, 14)
    cos, sin = rotary_angles(torch.rand(4, 3) * 300, head_dim=14, shortest_mm=48.0, longest_mm=800)
    torch.testing.assert_close(rotate(states, cos, sin).norm(dim=-1), states.norm(dim=-1))


def test_token_at_the_origin_is_not_rotated() -> None:
    states = torch.randn(1, 1, 12)
    cos, sin = rotary_angles(torch.zeros(1, 3), head_dim=12, shortest_mm=48.0, longest_mm=800.0)
    assert torch.equal(rotate(states, cos, sin), states)


def test_each_axis_turns_its_own_pairs() -> None:
    """A step along A must leave the pairs of R and S alone."""
    cos, _ = rotary_angles(
        torch.tensor([[0.0, 20.0, 0.0]]), head_dim=12, shortest_mm=48.0, longest_mm=800.0
    )
    assert (cos != 1.0).tolist() == [[False, False, True, True, False, False]]


def test_fourier_position_tells_left_from_right() -> None:
    torch.manual_seed(0)
    layer = FourierPosition(8, num_bands=4, shortest_mm=48.0, longest_mm=800.0)
    fraction = torch.full((1, 3), 0.5)
    right = layer(torch.tensor([[60.0, 0.0, 0.0]]), fraction)
    left = layer(torch.tensor([[-60.0, 0.0, 0.0]]), fraction)
    assert (right - left).abs().max() > 1e-3
