"""The benchmark script runs and writes what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_tiny_run_times_both_chains(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    script = ROOT / "scripts" / "bench_preprocess.py"
    command = [sys.executable, str(script), "--shape", "8", "24", "20", "--repeats", "1"]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(out.read_text())
    assert result == json.loads(done.stdout)
    assert result["shape_zyx"] == [8, 24, 20]
    for kind in ("nifti_gz", "dicom"):
        # figures are rounded to 0.1 ms, so the ratio of a tiny run is only near
        ratio = result[kind]["monai_s"] / result[kind]["vol3d_s"]
        assert result[kind]["monai_over_vol3d"] == pytest.approx(ratio, rel=0.05)


def test_less_noise_and_aliasing_are_left_than_with_monai_spacing() -> None:
    script = ROOT / "scripts" / "bench_resampling.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    for name, rms in json.loads(done.stdout).items():
        assert rms["vol3d"] < 0.5 * rms["monai_spacing"] <= 0.5 * rms["before"] * 1.01, name
