"""Kernels compile for GPUs that are not here; `make compile-gate` compiles all configurations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")
GATE = Path(__file__).resolve().parents[2] / "kernels" / "benchmarks" / "compile_gate.py"


def rows(only: str, tmp_path: Path) -> list[dict[str, Any]]:
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    out = tmp_path / "rows.json"
    ran = subprocess.run(
        [sys.executable, str(GATE), "--only", only, "--json", str(out)],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: list[dict[str, Any]] = json.loads(out.read_text())["rows"]
    return found


def test_patch_embedding_compiles_for_both_chips_without_spills(tmp_path: Path) -> None:
    found = rows("patch_embed_fused bf16 1x4", tmp_path)
    assert [row["sm"] for row in found] == [80, 90]
    assert [row["spilled"] for row in found] == [0, 0]
    assert [row["has_wgmma"] for row in found] == [False, True]


def test_specialised_attention_is_specialised(tmp_path: Path) -> None:
    (found,) = rows("attention_forward_specialised bf16 d128", tmp_path)
    assert found["is_warp_specialised"]
    assert found["shared"] <= 232_448
