"""The patch-embedding reference against convolution and against hand-made voxels."""

from __future__ import annotations

import pytest
import torch
from vol3d_kernels import patch_embed
from vol3d_kernels.patch_embed.reference import gather_patches


def _grid(shape_zyx: tuple[int, int, int], patch: int) -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(n // patch) for n in shape_zyx])


def test_gathered_patch_holds_the_voxels_of_its_cell() -> None:
    voxels = torch.arange(4 * 4 * 8, dtype=torch.int16).reshape(4, 4, 8)
    patches = gather_patches(
        voxels.flatten(),
        torch.tensor([[4, 4, 8]]),
        torch.tensor([0]),
        torch.tensor([[1, 0, 3]]),
        (2, 2, 2),
    )
    assert torch.equal(patches[0], voxels[2:4, 0:2, 6:8])


def test_dense_grid_equals_strided_convolution() -> None:
    torch.manual_seed(0)
    voxels = torch.randint(-1000, 1000, (6, 4, 8)).to(torch.int16)
    weight, bias = torch.randn(5, 2, 2, 2, 2), torch.randn(5)
    windows = torch.tensor([[[-1000.0, 1000.0], [-100.0, 200.0]]])
    index = _grid((6, 4, 8), 2)
    tokens = patch_embed(
        voxels.flatten(),
        torch.tensor([[6, 4, 8]]),
        torch.zeros(len(index), dtype=torch.int64),
        index,
        windows,
        weight,
        bias,
    )
    lower, upper = windows[0, :, 0].view(2, 1, 1, 1), windows[0, :, 1].view(2, 1, 1, 1)
    channels = ((voxels.float() - lower) / (upper - lower)).clamp(0, 1) * 2 - 1
    expected = torch.nn.functional.conv3d(channels[None], weight, bias, stride=2)
    torch.testing.assert_close(tokens, expected[0].flatten(1).T, rtol=1e-5, atol=1e-4)


def test_each_volume_of_a_pack_uses_its_own_window_and_voxels() -> None:
    weight = torch.ones(1, 1, 1, 1, 1)
    tokens = patch_embed(
        torch.tensor([0, 10, 0, 10], dtype=torch.int16),
        torch.tensor([[1, 1, 2], [1, 1, 2]]),
        torch.tensor([0, 1]),
        torch.tensor([[0, 0, 1], [0, 0, 1]]),
        torch.tensor([[[0.0, 10.0]], [[0.0, 20.0]]]),
        weight,
    )
    assert tokens.flatten().tolist() == [1.0, 0.0]


def test_values_outside_the_window_are_clamped() -> None:
    tokens = patch_embed(
        torch.tensor([-32768, 32767], dtype=torch.int16),
        torch.tensor([[1, 1, 2]]),
        torch.tensor([0, 0]),
        torch.tensor([[0, 0, 0], [0, 0, 1]]),
        torch.tensor([[[-160.0, 240.0]]]),
        torch.ones(1, 1, 1, 1, 1),
    )
    assert tokens.flatten().tolist() == [-1.0, 1.0]


def test_volume_that_is_no_multiple_of_the_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of the patch"):
        patch_embed(
            torch.zeros(3, dtype=torch.int16),
            torch.tensor([[1, 1, 3]]),
            torch.tensor([0]),
            torch.tensor([[0, 0, 0]]),
            torch.tensor([[[0.0, 1.0]]]),
            torch.ones(1, 1, 1, 1, 2),
        )
