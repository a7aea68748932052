"""How long a synthetic subject takes, by size: median of five seeds.

Run: python scripts/bench_phantom.py [--device cuda]. Writes results/bench_phantom.json for CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from vol3d.phantom.subjects import SubjectConfig, make_subject

SHAPES_ZYX = ((96, 128, 128), (128, 256, 256))


def main() -> None:
    """Prints and writes seconds per subject."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    record: dict[str, object] = {"device": device, "threads": torch.get_num_threads()}
    for shape in SHAPES_ZYX:
        seconds = []
        for seed in range(6):
            start = time.perf_counter()
            make_subject(seed, SubjectConfig(shape_zyx=shape), device=device)
            seconds.append(time.perf_counter() - start)
        name = "x".join(map(str, shape))
        record[f"{name}_median_s"] = round(statistics.median(seconds[1:]), 2)
        record[f"{name}_max_s"] = round(max(seconds[1:]), 2)
    text = json.dumps(record, indent=2)
    print(text)
    if device == "cpu":
        path = Path(__file__).parent / "results" / "bench_phantom.json"
        path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
