"""Triton attention against float64: number types, lengths, windows, gradients, determinism."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kernel_errors import assert_as_exact_as_torch, attention_truth
from vol3d_kernels import BlockMask, attention, window_mask
from vol3d_kernels.attention import launch
from vol3d_kernels.attention.work import dense_tiles, max_tiles

pytest.importorskip("triton")
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
LENGTHS = [[1], [15], [16], [17], [5, 0, 33], [0], [40, 1, 16]]


def packed(
    lengths: list[int], heads: int, dim: int, dtype: torch.dtype, device: str, *, times: float = 1
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Query, key, value and a gradient, and the bounds."""
    torch.manual_seed(sum(lengths) + dim)
    shape = (sum(lengths), heads, dim)
    made = [torch.randn(shape, dtype=torch.float64) for _ in range(4)]
    made[0] *= times
    bounds = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    return [t.to(dtype).to(device) for t in made], bounds.to(device)


def out_and_grads(
    tensors: list[torch.Tensor], bounds: torch.Tensor, implementation: str, **more: object
) -> list[torch.Tensor]:
    leaves = [t.detach().clone().requires_grad_() for t in tensors[:3]]
    out = attention(*leaves, bounds, implementation=implementation, **more)  # type: ignore[call-overload]
    return [out.detach(), *torch.autograd.grad(out, leaves, tensors[3])]


def check(tensors: list[torch.Tensor], bounds: torch.Tensor, **more: Any) -> None:
    got = out_and_grads(tensors, bounds, "triton", **more)
    plain = out_and_grads(tensors, bounds, "reference", **more)
    truth = attention_truth(tensors, bounds.tolist(), **more)
    for name, *three in zip(("out", "dq", "dk", "dv"), got, plain, truth, strict=True):
        assert_as_exact_as_torch(*three, where=name)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_lengths_around_a_block(lengths: list[int], dtype: torch.dtype, device: str) -> None:
    check(*packed(lengths, 2, 32, dtype, device))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("dim", [24, 32, 64, 96, 128])
def test_head_widths(dim: int, dtype: torch.dtype, device: str) -> None:
    check(*packed([19, 7], 1, dim, dtype, device))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_logits(dtype: torch.dtype, device: str) -> None:
    check(*packed([33, 18], 1, 32, dtype, device, times=30))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_scale(dtype: torch.dtype, device: str) -> None:
    check(*packed([21], 2, 32, dtype, device), scale=0.7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_key_bias(dtype: torch.dtype, device: str) -> None:
    tensors, bounds = packed([21, 9], 2, 32, dtype, device)
    bias = torch.randn(30, device=device, dtype=dtype)
    bias[3] = float("-inf")
    check(tensors, bounds, key_bias=bias)


def test_a_hidden_key_has_no_influence(device: str) -> None:
    (query, key, value, _), bounds = packed([12], 1, 32, torch.float32, device)
    bias = torch.zeros(12, device=device)
    bias[5] = float("-inf")
    before = attention(query, key, value, bounds, key_bias=bias, implementation="triton")
    value[5] += 100.0
    after = attention(query, key, value, bounds, key_bias=bias, implementation="triton")
    assert torch.equal(before, after)


def test_all_keys_hidden_gives_zeros(device: str) -> None:
    (query, key, value, _), bounds = packed([9], 1, 32, torch.float32, device)
    bias = torch.full((9,), float("-inf"), device=device)
    out = attention(query, key, value, bounds, key_bias=bias, implementation="triton")
    assert torch.equal(out, torch.zeros_like(out))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_views_that_are_not_contiguous(dtype: torch.dtype, device: str) -> None:
    (query, key, value, grad), bounds = packed([26], 2, 32, dtype, device)
    wide = torch.stack([query, key, value], dim=1)  # (T, 3, H, D)
    views = [*wide.unbind(1), grad.transpose(0, 1).contiguous().transpose(0, 1)]
    assert not views[0].is_contiguous()
    check(views, bounds)


def test_log_sum_exp(device: str) -> None:
    (query, key, value, _), bounds = packed([18, 5], 2, 32, torch.float32, device)
    _, got = attention(query, key, value, bounds, return_lse=True, implementation="triton")
    _, exact = attention(
        query.double(), key.double(), value.double(), bounds, return_lse=True,
        implementation="reference",
    )  # fmt: skip
    torch.testing.assert_close(got.double(), exact, atol=1e-5, rtol=1e-5)


def test_same_bits_on_every_run(device: str) -> None:
    tensors, bounds = packed([40, 23], 2, 32, torch.float16, device)
    first = out_and_grads(tensors, bounds, "triton")
    again = out_and_grads(tensors, bounds, "triton")
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_strides_beyond_32_bits(device: str) -> None:
    """Three tokens that lie 2**30 numbers apart, in memory that nobody touches in between."""
    if device != "cpu":
        pytest.skip("needs no GPU memory")
    far = torch.from_numpy(np.zeros(2**31 + 32, dtype=np.float16))
    view = far.as_strided((3, 1, 32), (2**30, 32, 1))
    (query, _, value, _), bounds = packed([3], 1, 32, torch.float16, device)
    view.copy_(query)
    got = attention(view, view, value, bounds, implementation="triton")
    near = attention(query, query, value, bounds, implementation="triton")
    assert torch.equal(got, near)


def test_gradcheck(device: str) -> None:
    (query, key, value, _), bounds = packed([3, 17], 1, 8, torch.float64, device)
    leaves = [t.requires_grad_() for t in (query, key, value)]
    assert torch.autograd.gradcheck(
        lambda q, k, v: attention(q, k, v, bounds, implementation="triton"), leaves, fast_mode=True
    )


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_opcheck(implementation: str, device: str) -> None:
    from vol3d_kernels.attention.op import attention_op

    (query, key, value, _), bounds = packed([3, 17], 2, 16, torch.float32, device)
    leaves = [t.requires_grad_() for t in (query, key, value)]
    torch.library.opcheck(attention_op, (*leaves, bounds, None, None, 0, 0.25, implementation))


# --- the warp-specialised form


@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("lengths", [[1], [16], [17], [40, 0, 23]], ids=str)
def test_specialised_form(
    lengths: list[int], dim: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOL3D_ATTENTION_FORM", "specialised")
    tensors, bounds = packed(lengths, 2, dim, torch.float16, device)
    assert launch.can_specialise(*tensors[:3], None, None)
    check(tensors, bounds)


def test_specialised_form_is_not_the_default(device: str) -> None:
    (query, key, value, _), _ = packed([16], 2, 64, torch.float16, device)
    assert not launch.can_specialise(query, key, value, None, None)


def test_views_are_left_to_the_plain_form(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOL3D_ATTENTION_FORM", "specialised")
    (query, key, value, _), _ = packed([16], 2, 64, torch.float16, device)
    view = torch.stack([query, key], dim=1)[:, 0]
    assert not launch.can_specialise(view, key, value, None, None)


# --- blocks


def bricks(lengths: list[int], device: str) -> tuple[torch.Tensor, torch.Tensor, BlockMask]:
    """Places along a line, so that a block of 16 spans 15 mm, and a window of 20 mm."""
    _, bounds = packed(lengths, 1, 32, torch.float32, device)
    along = torch.cat([torch.arange(n, device=device) for n in lengths]).float()
    places = torch.stack([along, torch.zeros_like(along), torch.zeros_like(along)], dim=1)
    mask = window_mask(places, bounds, window=(20.0, 0.0, 0.0), block_size=16)
    return places, bounds, mask


def test_window_sees_neighbours_of_the_same_volume_only(device: str) -> None:
    _, _, mask = bricks([70, 20], device)
    allowed = mask.allowed.cpu()
    assert allowed[0].nonzero().flatten().tolist() == [0, 1, 2]
    assert allowed[4].nonzero().flatten().tolist() == [2, 3, 4]
    assert allowed[5].nonzero().flatten().tolist() == [5, 6]  # the second volume


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lengths", [[70], [70, 0, 20], [16, 1]], ids=str)
def test_sparse_attention(lengths: list[int], dtype: torch.dtype, device: str) -> None:
    _, bounds, mask = bricks(lengths, device)
    tensors, _ = packed(lengths, 2, 32, dtype, device)
    check(tensors, bounds, block_mask=mask)


def test_one_sided_mask(device: str) -> None:
    _, bounds, mask = bricks([64], device)
    lower = BlockMask(allowed=mask.allowed.tril(), block_size=16)
    tensors, _ = packed([64], 1, 32, torch.float32, device)
    check(tensors, bounds, block_mask=lower)


def test_one_token_that_one_query_sees_among_others(device: str) -> None:
    """Its weight is not 1, so its gradient is not 0."""
    tensors, bounds = packed([17], 1, 16, torch.float64, device)
    allowed = torch.tensor([[True, False], [True, True]], device=device)
    check(tensors, bounds, block_mask=BlockMask(allowed=allowed, block_size=16))


def test_entries_between_volumes_have_no_effect(device: str) -> None:
    tensors, bounds = packed([16, 16], 1, 16, torch.float32, device)
    every = BlockMask(allowed=torch.ones(4, 4, dtype=torch.bool, device=device), block_size=16)
    check(tensors, bounds, block_mask=every)
    sparse = attention(*tensors[:3], bounds, block_mask=every, implementation="triton")
    dense = attention(*tensors[:3], bounds, implementation="triton")
    torch.testing.assert_close(sparse, dense, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_large_biases_keep_their_differences(implementation: str, device: str) -> None:
    (query, key, value, _), bounds = packed([8], 1, 16, torch.float16, device)
    bias = torch.full((8,), -70000.0, device=device)
    bias[3] += 30.0
    out = attention(query, key, value, bounds, key_bias=bias, implementation=implementation)
    torch.testing.assert_close(out, value[3:4].expand_as(out), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_lowest_finite_biases_are_uniform(implementation: str, device: str) -> None:
    (query, key, value, _), bounds = packed([8], 1, 16, torch.float32, device)
    bias = torch.full((8,), torch.finfo(torch.float32).min, device=device)
    out = attention(query, key, value, bounds, key_bias=bias, implementation=implementation)
    torch.testing.assert_close(out, value.mean(dim=0, keepdim=True).expand_as(out))


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_no_gradient_reaches_the_bias(implementation: str, device: str) -> None:
    (query, key, value, _), bounds = packed([8], 1, 16, torch.float32, device)
    bias = torch.zeros(8, device=device, requires_grad=True)
    query.requires_grad_()
    attention(
        query, key, value, bounds, key_bias=bias, implementation=implementation
    ).sum().backward()
    assert bias.grad is None
    assert query.grad is not None


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_a_pack_of_no_volume_stays_in_the_graph(implementation: str, device: str) -> None:
    leaf = torch.zeros(0, 1, 16, device=device, requires_grad=True)
    bounds = torch.zeros(1, dtype=torch.int32, device=device)
    attention(leaf, leaf, leaf, bounds, implementation=implementation).sum().backward()
    assert leaf.grad is not None


def test_block_of_no_size_is_refused() -> None:
    tensors, bounds = packed([16], 1, 16, torch.float32, "cpu")
    mask = BlockMask(allowed=torch.ones(1, 1, dtype=torch.bool), block_size=0)
    with pytest.raises(ValueError, match="16, 32, 64 or 128"):
        attention(*tensors[:3], bounds, block_mask=mask)


def test_a_full_mask_is_dense_attention(device: str) -> None:
    tensors, bounds = packed([50, 30], 1, 32, torch.float32, device)
    places = torch.zeros(80, 3, device=device)
    mask = window_mask(places, bounds, window=(1.0, 1.0, 1.0), block_size=32)
    sparse = attention(*tensors[:3], bounds, block_mask=mask, implementation="triton")
    dense = attention(*tensors[:3], bounds, implementation="triton")
    torch.testing.assert_close(sparse, dense, atol=1e-6, rtol=1e-5)


def test_wrong_mask_shape_is_refused() -> None:
    tensors, bounds = packed([50], 1, 32, torch.float32, "cpu")
    mask = BlockMask(allowed=torch.ones(2, 2, dtype=torch.bool), block_size=16)
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        attention(*tensors[:3], bounds, block_mask=mask)


# --- work lists


def test_tiles_cover_every_token_once_longest_first() -> None:
    bounds = torch.tensor([0, 5, 5, 45, 62])
    tiles = dense_tiles(bounds, 62, 16)
    assert len(tiles) == max_tiles(62, 4, 16)
    used = tiles[tiles[:, 1] > tiles[:, 0]]
    rows = [row for first, stop, *_ in used.tolist() for row in range(first, stop)]
    assert sorted(rows) == list(range(62))
    assert used[:, 3].sub(used[:, 2]).tolist() == [40, 40, 40, 17, 17, 5]


# --- torch.compile


@pytest.mark.parametrize("implementation", ["triton", "reference"])
def test_no_graph_break_under_compile(implementation: str, device: str) -> None:
    tensors, bounds = packed([13, 9], 1, 16, torch.float32, device)

    def step(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return attention(q * 2, k, v, bounds, implementation=implementation) + 1

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*tensors[:3]), step(*tensors[:3]))
