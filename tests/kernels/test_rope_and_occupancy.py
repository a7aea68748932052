"""Rotary packing and patch occupancy in Triton against long double and plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_errors import Exact, assert_as_exact_as_torch, exact
from vol3d_kernels import patch_occupancy, qkv_rope_pack, window_mask

pytest.importorskip("triton")
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def turned(states: Exact, angle: Exact) -> Exact:
    """Pairs (i, i + P) turned by the textbook's formula."""
    pairs = angle.shape[1]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    first, second, rest = np.split(states, [pairs, 2 * pairs], axis=-1)
    parts = [first * cos - second * sin, first * sin + second * cos, rest]
    found: Exact = np.concatenate(parts, axis=-1)
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("tokens", "dim"), [(1, 32), (15, 32), (17, 6), (33, 100), (0, 32)])
def test_rotary_packing(dtype: torch.dtype, tokens: int, dim: int, device: str) -> None:
    torch.manual_seed(dim)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    qkv = torch.randn(tokens, 3, 2, dim).to(dtype).to(device).requires_grad_()
    places = (torch.rand(tokens, 3, dtype=wide) * 400 - 200).to(device)
    bands = torch.rand(dim // 6, dtype=wide, device=device) * 0.3
    grad = torch.randn(3, tokens, 2, dim).to(dtype).to(device)
    found = {}
    for name in ("triton", "reference"):
        out = torch.stack(qkv_rope_pack(qkv, places, bands, implementation=name))
        found[name] = [out, *torch.autograd.grad(out, qkv, grad)]
    # angles are products in the wide type: this rounding belongs to the operation's definition
    angle = exact((places[:, :, None] * bands).flatten(1))
    q, k, v = exact(qkv).transpose(1, 0, 2, 3)
    dq, dk, dv = exact(grad)
    truths = [
        np.stack([turned(q, angle), turned(k, angle), v]),
        np.stack([turned(dq, -angle), turned(dk, -angle), dv], axis=1),
    ]
    for got, plain, truth in zip(found["triton"], found["reference"], truths, strict=True):
        assert_as_exact_as_torch(got, plain, truth)


def test_rotary_packing_takes_views(device: str) -> None:
    flat = torch.randn(9, 6 * 32, device=device)
    view = flat.unflatten(-1, (2, 3, 32)).transpose(1, 2)  # (T, 3, H, D)
    assert not view.is_contiguous()
    places, bands = torch.rand(9, 3, device=device), torch.rand(5, device=device)
    got = qkv_rope_pack(view, places, bands, implementation="triton")
    plain = qkv_rope_pack(view, places, bands, implementation="reference")
    for a, b in zip(got, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_opcheck(implementation: str, device: str) -> None:
    from vol3d_kernels.patch_occupancy.op import patch_occupancy_op
    from vol3d_kernels.qkv_rope_pack.op import qkv_rope_pack_op

    qkv = torch.randn(5, 3, 1, 16, device=device, requires_grad=True)
    places, bands = torch.rand(5, 3, device=device), torch.rand(2, device=device)
    torch.library.opcheck(qkv_rope_pack_op, (qkv, places, bands, implementation))
    voxels = torch.zeros(16, dtype=torch.uint8, device=device)
    shape, index = torch.tensor([[2, 2, 4]]), torch.tensor([[0, 0, 0], [0, 0, 1]])
    told = (voxels, shape, torch.tensor([0, 0]), index, 2, 2, 2, 0.0, implementation)
    torch.library.opcheck(patch_occupancy_op, told)


SHAPES = torch.tensor([[8, 8, 16], [4, 4, 8]])


def marked(*places: int) -> torch.Tensor:
    mask = torch.zeros(int(SHAPES.prod(dim=1).sum()), dtype=torch.bool)
    mask[list(places)] = True
    return mask


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_one_voxel_keeps_one_patch(implementation: str) -> None:
    last = int(SHAPES[0].prod())
    mask = marked(0, last + 127)  # first voxel of the first, last voxel of the second volume
    kept = patch_occupancy(
        mask, SHAPES, (4, 4, 4), dilate=0, plausible=(0.0, 1.0), implementation=implementation
    )
    assert kept.patch_volume.tolist() == [0, 1]
    assert kept.patch_index_zyx.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert kept.cu_seqlens.tolist() == [0, 1, 2]
    assert kept.totals.tolist() == [16, 2]


@pytest.mark.parametrize("seed", range(3))
def test_both_implementations_agree(seed: int) -> None:
    mask = torch.rand(1024 + 128, generator=torch.Generator().manual_seed(seed)) > 0.99
    got, plain = (
        patch_occupancy(mask, SHAPES, (4, 4, 4), dilate=0, implementation=name)
        for name in ("triton", "reference")
    )
    assert torch.equal(got.patch_index_zyx, plain.patch_index_zyx)


def test_neighbours_are_kept_too() -> None:
    kept = patch_occupancy(marked(0), SHAPES, (4, 4, 4), dilate=1, plausible=(0.0, 1.0))
    assert kept.counts.tolist() == [8, 0]  # 2 x 2 x 2 of 2 x 2 x 4


def test_an_implausible_fraction_keeps_all() -> None:
    kept = patch_occupancy(marked(0), SHAPES, (4, 4, 4), dilate=0, plausible=(0.1, 0.9))
    assert kept.is_dense.tolist() == [True, True]
    assert kept.counts.tolist() == [16, 2]


def test_threshold_of_hu() -> None:
    hu = torch.full((1152,), -1000, dtype=torch.int16)
    hu[0] = -500
    kept = patch_occupancy(
        hu, SHAPES, (4, 4, 4), threshold=-600.0, dilate=0, plausible=(0.0, 1.0),
        implementation="triton",
    )  # fmt: skip
    assert kept.counts.tolist() == [1, 0]


def test_128_consecutive_patches_form_a_brick() -> None:
    shape = torch.tensor([[16, 16, 32]])
    mask = torch.ones(int(shape.prod()), dtype=torch.bool)
    kept = patch_occupancy(mask, shape, (2, 2, 2))
    for first in range(0, 512, 128):
        brick = kept.patch_index_zyx[first : first + 128]
        assert (brick.amax(dim=0) - brick.amin(dim=0) + 1).tolist() == [4, 4, 8]


def test_bricks_make_window_masks_sparse() -> None:
    shape = torch.tensor([[32, 32, 64]])
    mask = torch.ones(int(shape.prod()), dtype=torch.bool)
    kept = patch_occupancy(mask, shape, (2, 2, 2))
    places = kept.patch_index_zyx.float()
    near = window_mask(places, kept.cu_seqlens, window=(1.0, 1.0, 1.0), block_size=128)
    used = int(kept.counts[0]) // 128
    assert near.allowed[:used, :used].float().mean().item() < 0.5


def test_volumes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of the patch"):
        patch_occupancy(marked(), SHAPES, (3, 4, 4))
    with pytest.raises(ValueError, match="1152"):
        patch_occupancy(marked()[1:], SHAPES, (4, 4, 4))
