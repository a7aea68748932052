"""Compiles every shipped kernel configuration for sm_80 and sm_90, without a GPU.

Run: python kernels/benchmarks/compile_gate.py [--json FILE]. Prints registers, spills and shared
memory as ``ptxas`` reports them, and fails where a configuration spills, needs more shared memory
than the chip has, claims warp specialisation and has none, or does not compile. Needs torch and
triton alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.pop("TRITON_INTERPRET", None)

import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from vol3d_kernels.attention import launch as attention
from vol3d_kernels.attention import triton as attention_kernels
from vol3d_kernels.patch_embed import launch as patch_embed
from vol3d_kernels.patch_embed import triton as patch_kernels
from vol3d_kernels.patch_occupancy import triton as occupancy_kernels
from vol3d_kernels.qkv_rope_pack import triton as rope_kernels

SHARED_LIMIT = {80: 166_912, 90: 232_448}
"""Bytes of shared memory that a block may use, by compute capability."""
HALF = {torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """One compilation: a kernel, the types of its arguments, its constants, its options."""

    name: str
    kernel: Any
    types: dict[str, str]
    constants: dict[str, Any]
    num_warps: int
    num_stages: int = 3
    is_specialised: bool = False


def attention_configs(capability: int) -> Iterator[Config]:
    """Forward and both backward kernels, dense and sparse, by head width and number type."""
    for dtype, short in HALF.items():
        for dim in (32, 64, 96, 128):
            padded = attention.padded_head_dim(dim)
            for is_sparse in (False, True):
                shared = {
                    "D": dim, "BLOCK_D": padded, "SPARSE": is_sparse, "HAS_BIAS": False,
                    "UPCAST": False, "ACC": tl.float32,
                }  # fmt: skip
                name = f"{short} d{dim} {'sparse' if is_sparse else 'dense'}"
                forward = attention.forward_blocks(padded, dtype)
                backward = attention.backward_blocks(padded, dtype, capability)
                for kernel, blocks in (
                    (attention_kernels.attention_forward, forward),
                    (attention_kernels.attention_backward_keys, backward),
                    (attention_kernels.attention_backward_queries, backward),
                ):
                    yield Config(
                        name=f"{kernel.__name__} {name}",
                        kernel=kernel,
                        types=_attention_types(kernel, short),
                        constants={
                            **shared, "BLOCK_M": blocks.block_m, "BLOCK_N": blocks.block_n,
                            "BLOCK_SIZE": 128 if is_sparse else blocks.block_n,
                        },
                        num_warps=blocks.num_warps,
                        num_stages=blocks.num_stages,
                    )  # fmt: skip


def specialised_configs() -> Iterator[Config]:
    """The warp-specialised forward pass, for Hopper alone."""
    form = attention.SPECIALISED
    for short in HALF.values():
        for dim in (64, 128):
            kernel = attention_kernels.attention_forward_specialised
            types = {
                **{f"{name}_ptr": f"*{short}" for name in ("q", "k", "v", "out")},
                "lse_ptr": "*fp32", "work_ptr": "*i32", "num_tokens": "i32", "num_heads": "i32",
                "num_tiles": "i32",
                "scale_log2": "fp32",
            }  # fmt: skip
            yield Config(
                name=f"attention_forward_specialised {short} d{dim}",
                kernel=kernel,
                types=types,
                constants={
                    "D": dim, "BLOCK_M": form.block_m, "BLOCK_N": form.block_n, "SPECIALISE": True,
                },
                num_warps=form.num_warps,
                num_stages=form.num_stages,
                is_specialised=True,
            )  # fmt: skip


def _attention_types(kernel: Any, short: str) -> dict[str, str]:
    found = {}
    for name in kernel.arg_names:
        if name in ("lse_ptr", "delta_ptr"):
            found[name] = "*fp32"
        elif name in ("work_ptr", "list_ptr", "count_ptr", "seen_ptr", "bounds_ptr"):
            found[name] = "*i32"
        elif name.endswith("_ptr"):
            found[name] = f"*{short}"
        elif "stride" in name or name in ("num_heads", "list_width"):
            found[name] = "i32"
        elif name.startswith("scale"):
            found[name] = "fp32"
    return found


def other_configs(capability: int) -> Iterator[Config]:
    """Patch embedding (fused, and windowing), occupancy, and rotary packing."""
    places = {
        "voxels_ptr": "*i16", "start_ptr": "*i64", "stride_z_ptr": "*i64", "stride_y_ptr": "*i64",
        "volume_ptr": "*i64", "window_ptr": "*fp32", "num_patches": "i32",
    }  # fmt: skip
    for dtype, short in HALF.items():
        for channels, (pz, py, px) in ((1, (4, 16, 16)), (3, (8, 8, 8)), (1, (16, 16, 16))):
            size = {"CHANNELS": channels, "VOXELS": pz * py * px, "PY": py, "PX": px}
            block_n, block_e, block_k, warps, stages = patch_embed.fused_blocks(dtype, capability)
            name = f"{short} {channels}x{pz}x{py}x{px}"
            yield Config(
                name=f"patch_embed_fused {name}",
                kernel=patch_kernels.patch_embed_fused,
                types={
                    **places, "weight_ptr": f"*{short}", "bias_ptr": f"*{short}",
                    "position_ptr": f"*{short}", "out_ptr": f"*{short}", "width": "i32",
                },
                constants={
                    **size, "BLOCK_N": block_n, "BLOCK_E": block_e, "BLOCK_K": block_k,
                    "HAS_BIAS": True, "HAS_POSITION": True, "OPERAND": tl.float16,
                    "ACC": tl.float32,
                },
                num_warps=warps,
                num_stages=stages,
            )  # fmt: skip
            yield Config(
                name=f"patchify {name}",
                kernel=patch_kernels.patchify,
                types={**places, "out_ptr": f"*{short}"},
                constants={**size, "BLOCK_N": 8, "BLOCK_K": 512, "WIDE": tl.float32},
                num_warps=4,
            )
        for dim in (32, 64, 96, 128):
            yield Config(
                name=f"rope_pack {short} d{dim}",
                kernel=rope_kernels.rope_pack,
                types=_rope_types(short),
                constants={
                    "D": dim, "BLOCK_D": triton.next_power_of_2(dim), "BLOCK_T": 16,
                    "BANDS": dim // 6, "WIDE": tl.float32,
                },
                num_warps=4,
            )  # fmt: skip
    yield Config(
        name="patch_occupancy u8 8x16x16",
        kernel=occupancy_kernels.patch_occupancy,
        types={
            "voxels_ptr": "*u8", "start_ptr": "*i64", "stride_z_ptr": "*i64",
            "stride_y_ptr": "*i64", "flag_ptr": "*u8", "num_patches": "i32", "threshold": "fp32",
        },
        constants={
            "VOXELS": 2048, "PY": 16, "PX": 16, "BLOCK_N": 8, "BLOCK_K": 512, "WIDE": tl.float32,
        },
        num_warps=4,
    )  # fmt: skip


def _rope_types(short: str) -> dict[str, str]:
    found = {}
    for name in rope_kernels.rope_pack.arg_names:
        if name in ("in_ptr", "out_ptr"):
            found[name] = f"*{short}"
        elif name.endswith("_ptr"):
            found[name] = "*fp32"
        elif name.islower():
            found[name] = "fp32" if name == "sign" else "i32"
    return found


def compiled(config: Config, capability: int) -> dict[str, Any]:
    """What the compiler and ``ptxas`` say of a configuration."""
    names = config.kernel.arg_names
    signature = {name: config.types.get(name, "constexpr") for name in names}
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(names)
        if signature[name].startswith("*") or "stride" in name or name == "num_heads"
    }
    source = ASTSource(
        fn=config.kernel,
        signature=signature,
        constexprs={(names.index(k),): v for k, v in config.constants.items()},
        attrs=aligned,
    )
    options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    found = _ptxas(made.asm["ptx"], capability)
    found |= {"shared": made.metadata.shared, "threads": 32 * config.num_warps}
    found["has_wgmma"] = "wgmma" in made.asm["ptx"]
    found["is_warp_specialised"] = "setmaxnreg" in made.asm["ptx"]
    return found


def _ptxas(ptx: str, capability: int) -> dict[str, Any]:
    """Registers and spilled bytes, as the assembler of the wheel reports them."""
    folder = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    arch = f"sm_{capability}a" if capability >= 90 else f"sm_{capability}"
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "kernel.ptx"
        path.write_text(ptx)
        ran = subprocess.run(
            [folder / "ptxas", "-v", f"--gpu-name={arch}", path, "-o", Path(work) / "out"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    told = ran.stdout + ran.stderr
    spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", told)
    registers = re.search(r"Used (\d+) registers", told)
    assert spills is not None
    assert registers is not None
    return {
        "registers": int(registers.group(1)),
        "spilled": int(spills.group(1)) + int(spills.group(2)),
    }


def main() -> int:
    """Compiles all; 1 if one is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="names that contain this")
    given = parser.parse_args()
    rows, red = [], 0
    for capability in (80, 90):
        special = specialised_configs() if capability == 90 else ()
        for config in (*attention_configs(capability), *special, *other_configs(capability)):
            if given.only not in config.name:
                continue
            try:
                found = compiled(config, capability)
            except Exception as error:  # whatever the compiler throws makes the row red
                found = {"failed": f"{type(error).__name__}: {error}"[:200]}
            is_bad = "failed" in found or found["shared"] > SHARED_LIMIT[capability]
            is_bad = is_bad or found["spilled"] > 0
            is_bad = is_bad or found["is_warp_specialised"] != config.is_specialised
            red += is_bad
            print("RED " if is_bad else "ok  ", f"sm_{capability} {config.name}:", found)
            rows.append({"name": config.name, "sm": capability, "is_red": bool(is_bad), **found})
    print(f"triton {triton.__version__}: {len(rows)} configurations, {red} red")
    if given.json is not None:
        record = {"triton": triton.__version__, "rows": rows}
        given.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(red > 0)


if __name__ == "__main__":
    sys.exit(main())
