"""Time and memory of a whole `vol3d report` on a 512x512x300 int16 scan, in a process of its own.

python scripts/bench_report.py [--size 300 512 512] [--out results.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from vol3d.phantom import make_phantom
from vol3d.volume import Grid, Volume, write_nifti

SEED = 5_000_012


def large_phantom(shape_zyx: tuple[int, int, int]) -> Volume:
    """A phantom sampled to ``shape_zyx`` (nearest) with new noise, so that it compresses badly."""
    phantom = make_phantom(SEED).volume
    old = phantom.voxels_zyx.shape
    pairs = zip(old, shape_zyx, strict=True)
    index = [np.linspace(0, n - 1, target).round().astype(np.int64) for n, target in pairs]
    voxels = phantom.voxels_zyx[np.ix_(*index)].astype(np.int16)
    noise = np.random.default_rng(0)
    for slice_yx in voxels:
        slice_yx += noise.normal(0, 12, size=slice_yx.shape).astype(np.int16)
    factor = np.array(old[::-1]) / np.array(shape_zyx[::-1])
    affine = phantom.grid.affine @ np.diag([*factor, 1.0])
    return Volume.from_array(
        voxels, Grid(shape_zyx=shape_zyx, affine=affine), modality="CT", unit="HU"
    )


def main() -> None:
    """Writes the scan, runs the command line once, and prints what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, default=(300, 512, 512), metavar="N")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--out", type=Path, help="file for the figures")
    args = parser.parse_args()
    z, y, x = args.size
    with tempfile.TemporaryDirectory() as folder:
        scan = write_nifti(large_phantom((z, y, x)), Path(folder) / "scan.nii.gz")
        command = [sys.executable, "-m", "vol3d", "report", str(scan), "-o", f"{folder}/out"]
        started = time.monotonic()
        subprocess.run([*command, "--model", args.model, "--quiet"], check=True)
        seconds = round(time.monotonic() - started, 1)
        run = json.loads((Path(folder) / "out" / "run.json").read_text())
    result = {
        "shape_zyx": [z, y, x],
        "seconds": seconds,
        "peak_memory_mb": run["peak_memory_mb"],
        "seconds_per_stage": run["seconds_per_stage"],
        "warnings": run["warnings"],
    }
    print(json.dumps(result, indent=2))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
