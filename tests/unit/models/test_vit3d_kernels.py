"""The encoder with either implementation, with air dropped, with windows, and compiled."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import ViTConfig, ViTModel
from vol3d_kernels import attention, patch_embed

from vol3d.models import Vit3d, Vol3dVisionConfig
from vol3d.nn import vol3d_attention

GRIDS = [(4, 5, 6), (3, 4, 4)]
PATCH = (4, 4, 4)


def encoder(**more: Any) -> Vit3d:
    torch.manual_seed(0)
    config = Vol3dVisionConfig(
        hidden_size=48, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64,
        num_channels=2, patch_size_zyx=PATCH, **more,
    )  # fmt: skip
    return Vit3d(config).eval()


def inputs(*, share: float = 1.0) -> dict[str, torch.Tensor]:
    """Two volumes, of whose patches a share is kept."""
    rng = torch.Generator().manual_seed(1)
    shapes = torch.tensor([[n * p for n, p in zip(g, PATCH, strict=True)] for g in GRIDS])
    index = [torch.cartesian_prod(*[torch.arange(n) for n in grid]) for grid in GRIDS]
    kept = [i[torch.rand(len(i), generator=rng) < share] for i in index]
    volume = torch.cat([torch.full((len(k),), v) for v, k in enumerate(kept)])
    place = torch.cat(kept)
    return {
        "voxels": torch.randint(
            -1000, 1000, (int(shapes.prod(dim=1).sum()),), generator=rng, dtype=torch.int16
        ),
        "volume_shapes_zyx": shapes,
        "volume_windows": torch.tensor([[[-160.0, 240.0], [-1000.0, 1000.0]]]).repeat(2, 1, 1),
        "volume_modality": torch.tensor([0, 0]),
        "patch_volume": volume,
        "patch_index_zyx": place,
        "patch_position_mm": place.float() * 20.0 - 50.0,
        "patch_fraction": place.float() / 6.0,
    }


def kept_rows(everything: dict[str, torch.Tensor], some: dict[str, torch.Tensor]) -> torch.Tensor:
    """Rows of the dense token list that are kept."""
    rows = {
        (int(v), *i): n
        for n, (v, i) in enumerate(
            zip(everything["patch_volume"], everything["patch_index_zyx"].tolist(), strict=True)
        )
    }
    chosen = zip(some["patch_volume"].tolist(), some["patch_index_zyx"].tolist(), strict=True)
    return torch.tensor([rows[v, *i] for v, i in chosen])


@torch.no_grad()
def test_dropping_air_equals_masking_its_keys_at_every_layer() -> None:
    model, every, some = encoder(), inputs(), inputs(share=0.6)
    rows = kept_rows(every, some)
    bias = torch.full((len(every["patch_volume"]),), float("-inf"))
    bias[rows] = 0.0
    dropped: list[torch.Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, out: dropped.append(out))
    model(**some)
    hooked, dropped = dropped, []
    masked: list[torch.Tensor] = []

    def masking(*args: Any, **kwargs: Any) -> torch.Tensor:
        return attention(*args, key_bias=bias, **kwargs)

    model = encoder()
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, out: masked.append(out))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vol3d.nn.encoder.attention", masking)
        model(**every)
    assert len(hooked) == len(masked) == 4
    for kept, dense in zip(hooked, masked, strict=True):
        torch.testing.assert_close(kept, dense[rows], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_windows_wider_than_the_body_change_nothing() -> None:
    given = inputs()
    wide = encoder(window_mm=1e4, window_block=16)(**given)
    torch.testing.assert_close(wide, encoder()(**given), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_narrow_windows_change_tokens_but_not_their_order() -> None:
    given = inputs()
    narrow = encoder(window_mm=5.0, window_block=16)
    out = narrow(**given)
    assert not torch.allclose(out, encoder()(**given), atol=1e-4)
    # another volume in the pack has no influence, wherever the order puts it
    alone = {k: v[given["patch_volume"] == 0] for k, v in given.items() if k.startswith("patch")}
    first = int(given["volume_shapes_zyx"][0].prod())
    more = {k: given[k][:1] for k in ("volume_shapes_zyx", "volume_windows", "volume_modality")}
    single = narrow(voxels=given["voxels"][:first], **more, **alone)
    torch.testing.assert_close(single, out[: len(single)], atol=1e-5, rtol=1e-5)


def test_every_fourth_layer_is_global() -> None:
    config = Vol3dVisionConfig(num_hidden_layers=8, window_mm=50.0)
    assert [config.is_windowed(n) for n in range(8)] == [True, True, True, False] * 2
    assert not Vol3dVisionConfig().is_windowed(0)


def test_no_graph_break_in_the_encoder() -> None:
    model, given = encoder(), inputs(share=0.5)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(**given), model(**given), atol=1e-5, rtol=1e-5)


SAME = """
import sys, torch
sys.path.insert(0, {folder!r})
from test_vit3d_kernels import encoder, inputs
model, given = encoder({options}), inputs(share=0.7)
out = model(**given)
out.square().mean().backward()
grads = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
torch.save({{"out": out.detach(), "grads": grads}}, sys.argv[1])
"""


@pytest.mark.parametrize("options", ["", "window_mm=30.0, window_block=16"])
def test_triton_and_reference_give_the_same_encoder(options: str, tmp_path: Any) -> None:
    pytest.importorskip("triton")
    found = {}
    for name in ("reference", "triton"):
        code = SAME.format(folder=os.path.dirname(__file__), options=options)
        env = {**os.environ, "VOL3D_KERNELS": name, "TRITON_INTERPRET": "1"}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], env=env, check=True)
        found[name] = torch.load(tmp_path / name, weights_only=True)
    for key in ("out", "grads"):
        torch.testing.assert_close(
            found["triton"][key], found["reference"][key], atol=2e-5, rtol=1e-4
        )


def test_transformers_encoder_may_use_it() -> None:
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        image_size=16, patch_size=4,
    )  # fmt: skip
    torch.manual_seed(0)
    model = ViTModel(config).eval()
    image = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        plain = model(image).last_hidden_state
        model.set_attn_implementation("vol3d")
        ours = model(image).last_hidden_state
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)


def test_masks_by_query_and_causal_layers_are_refused() -> None:
    states = torch.randn(2, 2, 5, 8)
    module = torch.nn.Module()
    by_query = torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()
    with pytest.raises(ValueError, match="by query or head"):
        vol3d_attention(module, states, states, states, by_query)
    module.is_causal = True  # type: ignore[assignment]
    with pytest.raises(ValueError, match="bidirectional"):
        vol3d_attention(module, states, states, states, None)


def test_hidden_keys_of_a_batch() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, 5, 8)
    seen = torch.tensor([[True] * 5, [True, True, False, True, False]])[:, None, None]
    ours, _ = vol3d_attention(torch.nn.Module(), q, k, v, seen.expand(2, 1, 5, 5))
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    torch.testing.assert_close(ours, plain.transpose(1, 2))


def test_one_window_equals_a_linear_layer_over_the_patch() -> None:
    voxels = torch.arange(64, dtype=torch.int16)
    weight = torch.ones(1, 1, 4, 4, 4)
    out = patch_embed(
        voxels, torch.tensor([[4, 4, 4]]), torch.tensor([0]), torch.tensor([[0, 0, 0]]),
        torch.tensor([[[0.0, 63.0]]]), weight,
    )  # fmt: skip
    assert math.isclose(out.item(), 0.0, abs_tol=1e-4)  # as many voxels below as above the middle
