"""Times our way from a file to encoder input against MONAI's usual chain, in one run.

    python scripts/bench_preprocess.py --out bench.json
    python scripts/bench_preprocess.py --shape 20 48 48 --repeats 1   # a few seconds, for tests

Both read the same synthetic CT, as .nii.gz and as a folder of uncompressed DICOM slices. MONAI's
Spacing does not low-pass, so the results differ: what is left of noise and of waves that the
output cannot hold stands beside the times (scripts/bench_resampling.py).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from bench_chains import medians_s, monai_chain, synthetic_ct
from bench_resampling import resampling_quality
from monai import __version__ as monai_version

from vol3d.measure.body import body_mask
from vol3d.preprocess.pipeline import prepare
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Volume, read_volume, write_dicom_series, write_nifti


def info_s(path: Path) -> float:
    """Wall time of ``vol3d info`` on a path in a process of its own, start-up included."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vol3d", "info", str(path), "--json"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def compare(folder: Path, volume: Volume, spec: PreprocessSpec, repeats: int) -> dict[str, Any]:
    """Medians in seconds and ratios for the scan as .nii.gz and as DICOM, written to ``folder``."""
    spacing_mm = spec.spacings_zyx_mm[0][0]
    plain, packed = folder / "ct.nii", folder / "ct.nii.gz"
    for file in (plain, packed):
        write_nifti(volume, file)
    write_dicom_series(volume, folder / "dicom")

    def both(path: Path) -> dict[str, float]:
        ours, theirs, read = medians_s(
            repeats,
            lambda: prepare(read_volume(path), spec),
            monai_chain(path, spacing_mm),
            lambda: read_volume(path),
        )
        return {
            "vol3d_s": round(ours, 4),
            "monai_s": round(theirs, 4),
            "monai_over_vol3d": round(theirs / ours, 2),
            "vol3d_read_s": round(read, 4),
        }

    nifti = both(packed)
    inflation = nifti["vol3d_read_s"] - medians_s(repeats, lambda: read_volume(plain))[0]
    nifti["inflation_share"] = round(inflation / nifti["vol3d_s"], 3)
    dicom = both(folder / "dicom")
    dicom["info_s"] = round(statistics.median(info_s(folder / "dicom") for _ in range(repeats)), 2)
    (body,) = medians_s(repeats, lambda: body_mask(volume))
    return {"nifti_gz": nifti, "dicom": dicom, "body_mask_s": round(body, 4)}


def main() -> None:
    """Runs both chains and prints (and writes) seconds and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(300, 512, 512), metavar="ZYX")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        volume = synthetic_ct(tuple(options.shape))
        times = compare(Path(folder), volume, PreprocessSpec(), options.repeats)
    result = {
        "shape_zyx": list(options.shape),
        "repeats": options.repeats,
        "threads": torch.get_num_threads(),
        "cpu": platform.processor() or platform.machine(),
        "versions": {"torch": torch.__version__, "monai": monai_version},
        **times,
        "residual_rms": resampling_quality(),
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
