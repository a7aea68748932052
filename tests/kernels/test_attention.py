"""Packed attention against the textbook formula."""

from __future__ import annotations

import pytest
import torch
from vol3d_kernels import attention


def _textbook(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    scores = torch.einsum("qhd,khd->hqk", q, k) * q.shape[-1] ** -0.5
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)


def test_each_volume_attends_only_to_itself() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 7, 2, 6, dtype=torch.float64)
    out = attention(q, k, v, torch.tensor([0, 3, 7]))
    expected = torch.cat([_textbook(q[:3], k[:3], v[:3]), _textbook(q[3:], k[3:], v[3:])])
    torch.testing.assert_close(out, expected)


def test_empty_volume_in_a_pack_adds_nothing() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 4, 1, 6)
    with_empty = attention(q, k, v, torch.tensor([0, 4, 4]))
    assert torch.equal(with_empty, attention(q, k, v, torch.tensor([0, 4])))


def test_bounds_that_miss_tokens_are_refused() -> None:
    q = torch.zeros(4, 1, 6)
    with pytest.raises(ValueError, match="from 0 to 4"):
        attention(q, q, q, torch.tensor([0, 3]))
