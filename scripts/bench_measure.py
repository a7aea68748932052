"""Measuring a 512x512x300 case with 25 organs and 30 lesions, beside plain scipy.

Run: python scripts/bench_measure.py [--small]. Writes scripts/results/bench_measure.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from measure_benchmark import make_case, measure_with_scipy  # type: ignore[import-not-found]  # noqa: E402

from vol3d.measure.engine import measure_case_masks  # noqa: E402
from vol3d.report.memory import peak_memory_mb  # noqa: E402


def main() -> None:
    """Measures both in one run and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="128x128x64, to try the script")
    shape = (64, 128, 128) if parser.parse_args().small else (300, 512, 512)
    volume, masks, organs, lesions = make_case(shape)
    start = time.perf_counter()
    facts = measure_case_masks(volume, masks)
    ours_s = time.perf_counter() - start
    memory_mb = peak_memory_mb()
    start = time.perf_counter()
    measure_with_scipy(volume, organs, lesions)
    scipy_s = time.perf_counter() - start
    record = {
        "shape_zyx": shape,
        "organs": len(facts.organs),
        "lesions": len(facts.lesions),
        "vol3d_s": round(ours_s, 2),
        "vol3d_peak_memory_mb": memory_mb,
        "scipy_s": round(scipy_s, 2),
        "ratio": round(scipy_s / ours_s, 1),
    }
    text = json.dumps(record, indent=2)
    print(text)
    if shape[0] == 300:
        path = Path(__file__).parent / "results" / "bench_measure.json"
        path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
