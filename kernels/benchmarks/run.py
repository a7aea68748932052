"""Checks every kernel and then times it beside what torch offers; needs torch and triton alone.

Run: python kernels/benchmarks/run.py [--quick]. Prints one table and writes
``kernels/benchmarks/results/<gpu>-<date>.json``. A kernel whose check is red is not timed. Without
a GPU only the checks run, in Triton's interpreter, and nothing is written.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

IS_GPU = torch.cuda.is_available()
if not IS_GPU:
    os.environ["TRITON_INTERPRET"] = "1"

import triton  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from vol3d_kernels import (  # noqa: E402
    attention,
    patch_embed,
    patch_occupancy,
    qkv_rope_pack,
    window_mask,
)
from vol3d_kernels.attention.launch import FORM_VARIABLE  # noqa: E402
from vol3d_kernels.qkv_rope_pack.reference import angles, rotate_reference  # noqa: E402

DEVICE = "cuda" if IS_GPU else "cpu"
Row = dict[str, Any]
CAPS = {torch.bfloat16: 4e-3, torch.float16: 6e-4, torch.float32: 1e-5}
"""Largest relative error (L2) of a forward pass, by number type; 2.5 times it for gradients."""


# --- checks


def relative(got: torch.Tensor, truth: torch.Tensor) -> float:
    """L2 of the difference over L2 of the truth."""
    got, truth = got.detach(), truth.detach()
    return float((got.double() - truth).norm() / truth.norm().clamp(min=1e-30))


def check_attention(dtype: torch.dtype, dim: int, *, is_sparse: bool) -> Row:
    """Forward and gradients against float64 on the same rounded inputs."""
    torch.manual_seed(0)
    lengths = [257, 0, 1, 130] if IS_GPU else [33, 0, 1, 17]
    tokens, heads = sum(lengths), 2
    bounds = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32, device=DEVICE)
    made = [torch.randn(tokens, heads, dim, dtype=dtype, device=DEVICE) for _ in range(4)]
    mask = None
    if is_sparse:
        along = torch.cat([torch.arange(n) for n in lengths]).float().to(DEVICE)
        places = torch.stack([along, along * 0, along * 0], dim=1)
        size = 64 if IS_GPU else 16
        mask = window_mask(places, bounds, window=(size, 0.0, 0.0), block_size=size)
    found = {}
    for name, wide in (("triton", dtype), ("reference", torch.float64)):
        leaves = [t.to(wide).requires_grad_() for t in made[:3]]
        out = attention(*leaves, bounds, block_mask=mask, implementation=name)
        found[name] = [out, *torch.autograd.grad(out, leaves, made[3].to(wide))]
    errors = [relative(a, b) for a, b in zip(found["triton"], found["reference"], strict=True)]
    limits = [CAPS[dtype], *[2.5 * CAPS[dtype]] * 3]
    return _row("attention" + (" sparse" if is_sparse else ""), dtype, f"d{dim}", errors, limits)


def check_specialised(dim: int) -> Row:
    """The warp-specialised form: as exact as the plain one, and the same bits a thousand times."""
    torch.manual_seed(0)
    lengths = [1500, 1, 700] if IS_GPU else [33, 1, 17]
    bounds = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32, device=DEVICE)
    made = [torch.randn(sum(lengths), 4, dim, dtype=torch.float16, device=DEVICE) for _ in range(3)]
    truth = attention(*(t.double() for t in made), bounds, implementation="reference")
    os.environ[FORM_VARIABLE] = "specialised"
    first = attention(*made, bounds, implementation="triton")
    runs = 1000 if IS_GPU else 2
    differing = sum(
        not torch.equal(first, attention(*made, bounds, implementation="triton"))
        for _ in range(runs)
    )
    del os.environ[FORM_VARIABLE]
    errors = [relative(first, truth), float(differing)]
    return _row("attention specialised", torch.float16, f"d{dim}", errors, [6e-4, 0.0])


def check_patch_embed(dtype: torch.dtype, patch: tuple[int, int, int]) -> Row:
    """Tokens and the weight's gradient against float64."""
    torch.manual_seed(0)
    grid = (2, 3, 2)
    shape = torch.tensor([[n * p for n, p in zip(grid, patch, strict=True)]], device=DEVICE)
    voxels = torch.randint(-1100, 2000, (int(shape.prod()),), dtype=torch.int16, device=DEVICE)
    index = torch.cartesian_prod(*[torch.arange(n) for n in grid]).to(DEVICE)
    volume = torch.zeros(len(index), dtype=torch.int64, device=DEVICE)
    windows = torch.tensor([[[-160.0, 240.0], [-1024.0, 1024.0]]], device=DEVICE)
    weight = (
        torch.randn(80, 2, *patch, device=DEVICE) * (2 * patch[0] * patch[1] * patch[2]) ** -0.5
    )
    grad = torch.randn(len(index), 80, device=DEVICE)
    found = {}
    for name, wide in (("triton", dtype), ("reference", torch.float64)):
        own = weight.to(dtype).to(wide).requires_grad_()
        out = patch_embed(voxels, shape, volume, index, windows, own, implementation=name)
        found[name] = [out, *torch.autograd.grad(out, own, grad.to(dtype).to(wide))]
    errors = [relative(a, b) for a, b in zip(found["triton"], found["reference"], strict=True)]
    return _row("patch_embed", dtype, str(patch), errors, [2 * CAPS[dtype], 2.5 * CAPS[dtype]])


def check_rope(dtype: torch.dtype) -> Row:
    """Rotated queries and the gradient against float64."""
    torch.manual_seed(0)
    qkv = torch.randn(77, 3, 2, 64, dtype=dtype, device=DEVICE)
    places = torch.rand(77, 3, device=DEVICE) * 300
    bands = torch.rand(10, device=DEVICE) * 0.2
    found = {}
    for name, wide in (("triton", dtype), ("reference", torch.float64)):
        own = qkv.to(wide).requires_grad_()
        if name == "triton":
            out = torch.stack(qkv_rope_pack(own, places, bands, implementation=name))
        else:  # the same float32 angles
            angle = angles(places, bands).double()
            q, k, v = own.unbind(1)
            out = torch.stack([rotate_reference(q, angle), rotate_reference(k, angle), v])
        found[name] = [out, *torch.autograd.grad(out.sum(), own)]
    errors = [relative(a, b) for a, b in zip(found["triton"], found["reference"], strict=True)]
    return _row("qkv_rope_pack", dtype, "d64", errors, [CAPS[dtype], CAPS[dtype]])


def check_occupancy() -> Row:
    """The same kept patches as plain torch."""
    shape = torch.tensor([[32, 32, 64], [16, 16, 16]], device=DEVICE)
    mask = torch.rand(int(shape.prod(dim=1).sum()), device=DEVICE) > 0.998
    a, b = (
        patch_occupancy(mask, shape, (8, 8, 8), dilate=0, implementation=name)
        for name in ("triton", "reference")
    )
    is_same = torch.equal(a.patch_index_zyx, b.patch_index_zyx)
    return _row("patch_occupancy", torch.bool, "8x8x8", [float(not is_same)], [0.5])


def _row(op: str, dtype: torch.dtype, shape: str, errors: list[float], limits: list[float]) -> Row:
    is_green = all(e <= limit for e, limit in zip(errors, limits, strict=True))
    worst = max(errors)
    print(f"{'ok ' if is_green else 'RED'} {op} {dtype} {shape}: {worst:.2e}", flush=True)
    return {"op": op, "dtype": str(dtype), "shape": shape, "errors": errors, "is_green": is_green}


# --- times


def timed(run: Callable[[], Any], *, rep: int) -> dict[str, float]:
    """Median, p20 and p80 in ms; the L2 cache is flushed between runs."""
    median, low, high = triton.testing.do_bench(
        run, warmup=rep // 5, rep=rep, quantiles=[0.5, 0.2, 0.8]
    )
    return {"ms": median, "p20_ms": low, "p80_ms": high}


def entry(op: str, shape: str, name: str, run: Callable[[], Any], flops: float, rep: int) -> Row:
    """One line of the table; what a backend cannot do is recorded with its reason."""
    row: Row = {"op": op, "shape": shape, "name": name}
    try:
        row |= timed(run, rep=rep)
        row["tflops"] = flops / row["ms"] / 1e9
        print(f"{op:28s} {shape:34s} {name:26s} {row['ms']:9.3f} ms {row['tflops']:7.1f} TFLOP/s")
    except Exception as error:  # a backend that refuses a shape is no failure of ours
        row["refused"] = f"{type(error).__name__}: {error}"[:160]
        print(f"{op:28s} {shape:34s} {name:26s} refused: {row['refused'][:60]}")
    sys.stdout.flush()
    return row


def ceilings(rep: int) -> list[Row]:
    """What copying and multiplying reach on this card."""
    a = torch.randn(8192, 8192, dtype=torch.bfloat16, device=DEVICE)
    b = torch.randn(8192, 8192, dtype=torch.bfloat16, device=DEVICE)
    big = torch.empty(2**29, dtype=torch.int16, device=DEVICE)
    rows = [entry("ceiling", "8192^3 bf16", "matmul", lambda: a @ b, 2 * 8192**3, rep)]
    copied = timed(lambda: big.clone(), rep=rep)
    rows.append({"op": "ceiling", "name": "copy", "gb_s": 2 * big.nbytes / copied["ms"] / 1e6})
    print(f"copy {rows[-1]['gb_s']:.0f} GB/s")
    return rows


def time_attention(rep: int, *, is_quick: bool) -> list[Row]:
    """Dense attention forward and backward beside SDPA's backends, varlen and FlexAttention."""
    rows = []
    lengths = (4096, 16384) if is_quick else (2048, 4096, 8192, 16384, 32768)
    for dim in (64, 128):
        heads = 1024 // dim
        for length in lengths:
            batch = max(1, 16384 // length)
            shape = f"bf16 d{dim} h{heads} {batch}x{length}"
            tokens = batch * length
            packed = [
                torch.randn(tokens, heads, dim, dtype=torch.bfloat16, device=DEVICE)
                for _ in range(4)
            ]
            bounds = torch.arange(0, tokens + 1, length, dtype=torch.int32, device=DEVICE)
            batched = [
                t.reshape(batch, length, heads, dim).transpose(1, 2).contiguous() for t in packed
            ]
            flops = 4.0 * batch * heads * length**2 * dim
            for name, forward, inputs, grad in _attentions(packed, bounds, batched, length):
                leaves = [t.detach().requires_grad_() for t in inputs]

                def run(f: Any = forward, x: Any = inputs) -> Any:
                    with torch.no_grad():
                        return f(*x)

                rows.append(entry("attention forward", shape, name, run, flops, rep))
                if "refused" in rows[-1]:
                    continue
                out = forward(*leaves)

                def back(o: Any = out, x: Any = leaves, g: Any = grad) -> Any:
                    return torch.autograd.grad(o, x, g, retain_graph=True)

                rows.append(entry("attention backward", shape, name, back, 2.5 * flops, rep))
    return rows


def _attentions(
    packed: list[torch.Tensor], bounds: torch.Tensor, batched: list[torch.Tensor], length: int
) -> list[tuple[str, Callable[..., Any], list[torch.Tensor], torch.Tensor]]:
    sdpa = torch.nn.functional.scaled_dot_product_attention

    def specialised(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        os.environ[FORM_VARIABLE] = "specialised"
        try:
            return attention(q, k, v, bounds)
        finally:
            del os.environ[FORM_VARIABLE]

    found: list[tuple[str, Callable[..., Any], list[torch.Tensor], torch.Tensor]] = [
        ("vol3d", lambda q, k, v: attention(q, k, v, bounds), packed[:3], packed[3]),
        ("vol3d specialised", specialised, packed[:3], packed[3]),
        ("SDPA default", sdpa, batched[:3], batched[3]),
    ]
    for backend in (
        SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION,
    ):  # fmt: skip

        def forced(q: Any, k: Any, v: Any, b: Any = backend) -> Any:
            with sdpa_kernel(b):
                return sdpa(q, k, v)

        found.append((f"SDPA {backend.name.lower()[:9]}", forced, batched[:3], batched[3]))
    try:
        from torch.nn.attention.varlen import varlen_attn

        found.append((
            "torch varlen",
            lambda q, k, v: varlen_attn(q, k, v, bounds, bounds, length, length),
            packed[:3], packed[3],
        ))  # fmt: skip
    except ImportError as error:
        print(f"torch varlen attention is not here: {error}")
    from torch.nn.attention.flex_attention import flex_attention

    flex = torch.compile(flex_attention)
    found.append(("FlexAttention", lambda q, k, v: flex(q, k, v), batched[:3], batched[3]))
    return found


PATCH_SHAPES = (
    # volume, patch, width, batch, windows
    ((32, 256, 256), (4, 16, 16), 768, 8, 1),
    ((160, 256, 256), (16, 16, 16), 1152, 1, 1),
    ((304, 512, 512), (8, 16, 16), 1152, 1, 1),
    ((304, 512, 512), (8, 8, 8), 768, 1, 1),
    ((304, 512, 512), (8, 16, 16), 1152, 1, 3),
)


def time_patch_embed(rep: int, *, is_quick: bool) -> list[Row]:
    """Patch embedding beside convolution and windowed, unfolded Linear, eager and compiled."""
    rows = []
    for size, patch, width, batch, channels in PATCH_SHAPES[:3] if is_quick else PATCH_SHAPES:
        shape = f"{batch}x{size} p{patch} e{width} c{channels}".replace(" ", "")
        torch.manual_seed(0)
        voxels = torch.randint(-1100, 1500, (batch, *size), dtype=torch.int16, device=DEVICE)
        grid = [n // p for n, p in zip(size, patch, strict=True)]
        index = torch.cartesian_prod(*[torch.arange(n) for n in grid]).to(DEVICE).repeat(batch, 1)
        volume = torch.arange(batch, device=DEVICE).repeat_interleave(len(index) // batch)
        shapes = torch.tensor([size] * batch, device=DEVICE)
        bounds = torch.tensor([[-160.0, 240.0], [-1000.0, 600.0], [-200.0, 1000.0]], device=DEVICE)
        windows = bounds[:channels].expand(batch, -1, -1).contiguous()
        weight = torch.randn(width, channels, *patch, dtype=torch.bfloat16, device=DEVICE) * 0.02
        bias = torch.randn(width, dtype=torch.bfloat16, device=DEVICE)

        def linear(v: torch.Tensor, w: Any = weight, b: Any = bias, n: Any = windows) -> Any:
            seen = _windowed(v, n)
            pz, py, px = w.shape[2:]
            cut = seen.unfold(2, pz, pz).unfold(3, py, py).unfold(4, px, px)
            flat = cut.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4).flatten(0, 3)
            return torch.nn.functional.linear(flat, w.flatten(1), b)

        def conv(v: torch.Tensor, w: Any = weight, b: Any = bias, n: Any = windows) -> Any:
            return torch.nn.functional.conv3d(_windowed(v, n), w, b, stride=w.shape[2:])

        def ours(v: torch.Tensor, a: Any = (shapes, volume, index, windows, weight, bias)) -> Any:
            return patch_embed(v.flatten(), *a)

        flops = 2.0 * len(index) * weight.numel()
        for name, run in (
            ("vol3d", ours), ("Linear eager", linear), ("Linear compiled", torch.compile(linear)),
            ("conv3d eager", conv), ("conv3d compiled", torch.compile(conv)),
        ):  # fmt: skip

            def once(f: Any = run, v: Any = voxels) -> Any:
                with torch.no_grad():
                    return f(v)

            rows.append(entry("patch_embed forward", shape, name, once, flops, rep))
    return rows


def _windowed(voxels: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
    """(B, C, Z, Y, X) bfloat16 in -1..1."""
    low, high = (windows[..., i, None, None, None] for i in (0, 1))
    seen = ((voxels[:, None].float() - low) / (high - low)).clamp(0, 1) * 2 - 1
    return seen.to(torch.bfloat16)


def time_encoder(rep: int) -> list[Row]:
    """12 layers over four CT: kept tokens packed (with windows too), and all tokens padded.

    Token counts are those of an abdominal CT of 336 mm in patches of 8x8x8 voxels of 1.5 mm (see
    scripts/measure_kept_patches.py), and of three quarters, a half and a quarter of its length.
    """
    width, heads, layers = 1024, 8, 12
    kept, every = [int(17842 * share) for share in (1.0, 0.75, 0.5, 0.25)], 22568
    blocks = [_block(width) for _ in range(layers)]
    bands = torch.rand(width // heads // 6, device=DEVICE) * 0.1
    rows = []
    for name, lengths, window in (
        ("dropped and packed", kept, None), ("dropped, packed, windows", kept, 60.0),
        ("dense and padded", [every] * len(kept), None),
    ):  # fmt: skip
        tokens = torch.randn(sum(lengths), width, dtype=torch.bfloat16, device=DEVICE)
        places = torch.rand(sum(lengths), 3, device=DEVICE) * 12
        # consecutive tokens form bricks of 48 x 48 x 96 mm
        brick = torch.cat([torch.arange(n) for n in lengths]).to(DEVICE) // 128
        corner = torch.stack([brick // 32, (brick // 4) % 8, brick % 4], dim=1) * 48.0
        places = places * 4 + corner
        bounds = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32)
        bounds = bounds.to(DEVICE)
        mask = None
        if window is not None:
            mask = window_mask(places, bounds, window=(window,) * 3, block_size=128)

        def step(x: Any = tokens, p: Any = places, b: Any = bounds, m: Any = mask) -> Any:
            with torch.no_grad():
                for layer, (qkv, out, up, down) in enumerate(blocks):
                    q, k, v = qkv_rope_pack(qkv(_norm(x)).unflatten(-1, (3, heads, -1)), p, bands)
                    is_windowed = m is not None and (layer + 1) % 4
                    mixed = attention(q, k, v, b, block_mask=m if is_windowed else None)
                    x = x + out(mixed.flatten(1))
                    x = x + down(torch.nn.functional.gelu(up(_norm(x))))
                return x

        total = sum(lengths)
        flops = layers * (24.0 * total * width**2 + 4.0 * width * sum(n * n for n in lengths))
        rows.append(entry("encoder step", f"4 CT, {total} tokens", name, step, flops, rep))
    return rows


def _block(width: int) -> tuple[torch.nn.Linear, ...]:
    sizes = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
    return tuple(torch.nn.Linear(*s, dtype=torch.bfloat16, device=DEVICE) for s in sizes)


def _norm(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def machine() -> Row:
    """What the figures were measured on."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,power.limit", "--format=csv"]
    told = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout.strip()
    return {
        "gpu": torch.cuda.get_device_name(), "nvidia_smi": told.strip().splitlines()[-1:],
        "torch": torch.__version__, "triton": triton.__version__, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(), "commit": commit or "not a checkout",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }  # fmt: skip


def main() -> int:
    """Checks, then times; 1 if a check is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer shapes, shorter")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    half = (torch.bfloat16, torch.float16) if IS_GPU else (torch.float16,)
    checks = [
        check_attention(dtype, dim, is_sparse=is_sparse)
        for dtype in (*half, torch.float32)
        for dim in ((32, 64, 96, 128) if IS_GPU else (32,))
        for is_sparse in (False, True)
    ]
    for dtype in (*half, torch.float32):
        patches = ((4, 16, 16), (8, 8, 8)) if IS_GPU else ((2, 4, 8),)
        checks += [check_patch_embed(dtype, patch) for patch in patches]
        checks.append(check_rope(dtype))
    checks += [check_specialised(dim) for dim in ((64, 128) if IS_GPU else (64,))]
    checks.append(check_occupancy())
    green = {
        op
        for op in {c["op"] for c in checks}
        if all(c["is_green"] for c in checks if c["op"] == op)
    }
    red = {c["op"] for c in checks} - green
    if not IS_GPU:
        print(f"No GPU: {len(checks)} checks, {len(red)} red operations; nothing is timed.")
        return int(bool(red))
    rep = 100 if given.quick else 300
    rows = ceilings(rep)
    if "attention" in green:
        rows += time_attention(rep, is_quick=given.quick)
    if "patch_embed" in green:
        rows += time_patch_embed(rep, is_quick=given.quick)
    if {"attention", "attention sparse", "qkv_rope_pack"} <= green:
        rows += time_encoder(rep)
    record = {"machine": machine(), "checks": checks, "times": rows}
    given.out.mkdir(parents=True, exist_ok=True)
    name = record["machine"]["gpu"].replace(" ", "-").lower()
    path = given.out / f"{name}-{record['machine']['date']}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")
    return int(bool(red))


if __name__ == "__main__":
    sys.exit(main())
