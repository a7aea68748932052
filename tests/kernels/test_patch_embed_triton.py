"""Triton patch embedding against long double: number types, windows, edges of HU, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kernel_errors import Exact, assert_as_exact_as_torch, exact
from vol3d_kernels import patch_embed
from vol3d_kernels.patch_embed import launch

pytest.importorskip("triton")
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
PATCH = (2, 4, 8)
SHAPES = torch.tensor([[6, 8, 16], [2, 4, 8], [4, 4, 16]])
VOLUME = torch.tensor([0, 2, 0, 0, 1, 2, 0])
INDEX = torch.tensor([[0, 0, 0], [1, 0, 1], [2, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
WINDOWS = torch.tensor(
    [
        [[-160.0, 240.0], [-1024.0, 3071.0]],
        [[-150.0, 251.0], [0.0, 1.0]],
        [[10.0, 12.5], [-9.0, 9.0]],
    ]
)


def pack(device: str, kind: torch.dtype = torch.int16) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    voxels = torch.randint(-1100, 3200, (int(SHAPES.prod(dim=1).sum()),))
    voxels[:4] = torch.tensor([-32768, 32767, -32768, 32767])
    made = {
        "voxels": voxels.to(kind),
        "shapes_zyx": SHAPES,
        "patch_volume": VOLUME,
        "patch_index_zyx": INDEX,
        "windows": WINDOWS,
    }
    return {key: value.to(device) for key, value in made.items()}


def leaves(
    dtype: torch.dtype, device: str, *, width: int = 20, channels: int = 2, is_normed: bool = False
) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    size = channels * PATCH[0] * PATCH[1] * PATCH[2]
    made = {
        "weight": torch.randn(width, channels, *PATCH) * size**-0.5,
        "bias": torch.randn(width),
        "position": torch.randn(len(VOLUME), width),
    }
    if is_normed:
        made |= {"norm_scale": torch.rand(size) + 0.5, "norm_shift": torch.randn(size)}
    return {key: value.to(dtype).to(device).requires_grad_() for key, value in made.items()}


def run(given: dict[str, torch.Tensor], own: dict[str, torch.Tensor], implementation: str) -> Any:
    torch.manual_seed(3)
    norm = (own["norm_scale"], own["norm_shift"]) if "norm_scale" in own else None
    out = patch_embed(
        **given, weight=own["weight"], bias=own["bias"], position=own["position"], norm=norm,
        implementation=implementation,
    )  # fmt: skip
    grad = torch.randn(out.shape, dtype=torch.float64).to(out.dtype).to(out.device)
    return [out, *torch.autograd.grad(out, list(own.values()), grad)], grad


def truth(
    given: dict[str, torch.Tensor], own: dict[str, torch.Tensor], grad: torch.Tensor
) -> list[Exact]:
    """Output and gradients by loops over patches."""
    rows = []
    voxels, first = exact(given["voxels"]), [0, *SHAPES.prod(dim=1).cumsum(0).tolist()]
    for volume, place in zip(VOLUME.tolist(), INDEX.tolist(), strict=True):
        array = voxels[first[volume] : first[volume + 1]].reshape(SHAPES[volume].tolist())
        z, y, x = (p * i for p, i in zip(PATCH, place, strict=True))
        patch = array[z : z + PATCH[0], y : y + PATCH[1], x : x + PATCH[2]].ravel()
        low, high = exact(given["windows"])[volume].T[:, :, None]
        rows.append((np.clip((patch[None] - low) / (high - low), 0, 1) * 2 - 1).ravel())
    seen, plain = np.array(rows), {key: exact(value) for key, value in own.items()}
    weight, dtokens = plain["weight"].reshape(len(plain["weight"]), -1), exact(grad)
    added: list[Exact] = []
    if "norm_scale" in plain:
        seen = seen - seen.mean(axis=1, keepdims=True)
        seen = seen / np.sqrt((seen**2).mean(axis=1, keepdims=True) + np.longdouble(1e-5))
        dseen = dtokens @ weight
        added = [(dseen * seen).sum(axis=0), dseen.sum(axis=0)]
        seen = seen * plain["norm_scale"] + plain["norm_shift"]
    out = seen @ weight.T + plain["bias"] + plain["position"]
    dweight = (dtokens.T @ seen).reshape(plain["weight"].shape)
    return [out, dweight, dtokens.sum(axis=0), dtokens, *added]


def check(given: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    (got, grad), (plain, _) = run(given, own, "triton"), run(given, own, "reference")
    names = ["out", *own]
    for name, *three in zip(names, got, plain, truth(given, own, grad), strict=True):
        assert_as_exact_as_torch(*three, where=name)


@pytest.mark.parametrize("is_normed", [False, True], ids=["plain", "norm"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_windows_edges_and_gradients(dtype: torch.dtype, is_normed: bool, device: str) -> None:
    check(pack(device), leaves(dtype, device, is_normed=is_normed))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_two_steps_and_fused_agree_with_the_truth(
    dtype: torch.dtype, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for plan in ("fused", "two_step"):
        monkeypatch.setattr(launch, "plan_for", lambda *_, plan=plan: plan)
        check(pack(device), leaves(dtype, device))


@pytest.mark.parametrize("width", [1, 15, 16, 17])
def test_odd_widths(width: int, device: str) -> None:
    check(pack(device), leaves(torch.float32, device, width=width))


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.int32])
def test_other_voxel_types(kind: torch.dtype, device: str) -> None:
    given = pack(device)
    given["voxels"] = given["voxels"].clamp(-2000, 2000).to(kind)
    check(given, leaves(torch.float32, device))


def test_voxels_that_are_not_contiguous(device: str) -> None:
    given, own = pack(device), leaves(torch.float32, device)
    expected = run(given, own, "triton")[0][0]
    given["voxels"] = torch.stack([given["voxels"]] * 2, dim=1)[:, 0]
    assert not given["voxels"].is_contiguous()
    assert torch.equal(run(given, own, "triton")[0][0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("low", "high"), [(0.0, 2e5), (-1e-3, 1e-3)])
def test_windows_of_any_width(low: float, high: float, dtype: torch.dtype, device: str) -> None:
    given = pack(device)
    given["windows"] = torch.tensor([[[low, high]] * 2] * 3, device=device)
    check(given, leaves(dtype, device))


def test_bias_and_position_that_are_views_of_another_type(device: str) -> None:
    given, own = pack(device), leaves(torch.bfloat16, device)
    bias = torch.stack([own["bias"].float()] * 2, dim=1)[:, 0]
    position = own["position"].float().T.contiguous().T
    outs = [
        patch_embed(
            **given, weight=own["weight"], bias=bias, position=position, implementation=name
        )
        for name in ("triton", "reference")
    ]
    assert {out.dtype for out in outs} == {torch.bfloat16}
    torch.testing.assert_close(*outs, atol=3e-2, rtol=1e-2)


def test_the_plan_may_be_told(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, own = pack(device), leaves(torch.float32, device)
    for plan in ("fused", "two_step"):
        monkeypatch.setenv("VOL3D_PATCH_EMBED", plan)
        check(given, own)


def test_nan_voxels_stay_nan(device: str) -> None:
    given, own = pack(device, torch.float32), leaves(torch.float32, device)
    given["voxels"][-1] = float("nan")
    given["patch_volume"], given["patch_index_zyx"] = (
        torch.tensor([2], device=device),
        torch.tensor([[1, 0, 1]], device=device),
    )
    out = patch_embed(**given, weight=own["weight"], implementation="triton")
    assert out.isnan().all()


def test_no_patch_gives_no_token(device: str) -> None:
    given, own = pack(device), leaves(torch.float32, device)
    given |= {"patch_volume": VOLUME[:0].to(device), "patch_index_zyx": INDEX[:0].to(device)}
    out = patch_embed(**given, weight=own["weight"], bias=own["bias"], implementation="triton")
    assert out.shape == (0, 20)


def test_same_bits_on_every_run(device: str) -> None:
    given, own = pack(device), leaves(torch.float16, device)
    first, again = run(given, own, "triton")[0], run(given, own, "triton")[0]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_weight_gradient_does_not_depend_on_the_chunk(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "CHUNK", 3)
    check(pack(device), leaves(torch.float32, device, is_normed=True))


def test_gradcheck(device: str) -> None:
    given, own = pack(device), leaves(torch.float64, device, width=3)

    def tokens(weight: torch.Tensor, bias: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        return patch_embed(
            **given, weight=weight, bias=bias, position=position, implementation="triton"
        )

    assert torch.autograd.gradcheck(tokens, list(own.values()), fast_mode=True)


@pytest.mark.parametrize("implementation", ["triton", "reference"])
@pytest.mark.parametrize("is_normed", [False, True], ids=["plain", "norm"])
def test_opcheck(implementation: str, is_normed: bool, device: str) -> None:
    from vol3d_kernels.patch_embed.op import patch_embed_op

    given, own = pack(device), leaves(torch.float32, device, width=4, is_normed=is_normed)
    norm = (own.get("norm_scale"), own.get("norm_shift"))
    told = (*given.values(), own["weight"], own["bias"], own["position"], *norm, 1e-5)
    torch.library.opcheck(patch_embed_op, (*told, implementation))


def test_no_graph_break_under_compile(device: str) -> None:
    given, own = pack(device), leaves(torch.float32, device)

    def step(weight: torch.Tensor) -> torch.Tensor:
        return patch_embed(**given, weight=weight, implementation="triton") * 2

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(own["weight"]), step(own["weight"]))


def test_offsets_beyond_32_bits(device: str) -> None:
    """A pack of 2**31 + 2**20 voxels, of which only the last patch is read."""
    if device != "cpu":
        pytest.skip("needs no GPU memory")
    shapes = torch.tensor([[2048, 1024, 1024], [4, 512, 512]])
    total = int(shapes.prod(dim=1).sum())
    assert total > 2**31
    voxels = torch.from_numpy(np.zeros(total, dtype=np.int8))  # pages that nobody touches
    voxels.view(-1)[-8:] = torch.arange(8, dtype=torch.int8)
    weight = torch.ones(16, 1, 1, 1, 8)
    given: dict[str, Any] = {
        "voxels": voxels,
        "shapes_zyx": shapes,
        "patch_volume": torch.tensor([1]),
        "patch_index_zyx": torch.tensor([[3, 511, 63]]),
        "windows": torch.tensor([[[0.0, 1.0]], [[0.0, 14.0]]]),
    }
    out = patch_embed(**given, weight=weight, implementation="triton")
    # sum over 0..7 of 2 * v / 14 - 1
    assert out[0, 0].item() == pytest.approx(28 * 2 / 14 - 8, abs=1e-5)
