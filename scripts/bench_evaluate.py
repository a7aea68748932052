"""Evaluation grouped by volume against question by question, on one data set in one run.

Run: python scripts/bench_evaluate.py DATA --volumes 6. Multiple choice, no evidence, NIfTI, ten
questions per volume; the model is loaded before. Writes scripts/results/bench_evaluate.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from vol3d.evaluate.benchmark import Benchmark, load_benchmark
from vol3d.evaluate.build import ModelChoice, systems_of
from vol3d.evaluate.run import RunPlan, run
from vol3d.evaluate.systems import System

OUT = Path(__file__).parent / "results" / "bench_evaluate.json"
PER_VOLUME = 10


def chosen(data: Path, volumes: int) -> Benchmark:
    """Ten questions about each of the first volumes that have so many."""
    whole = load_benchmark(data)
    counts = Counter(record.image_id for record in whole.questions)
    images = [image for image in whole.image_ids if counts[image] >= PER_VOLUME][:volumes]
    kept = [
        record
        for image in images
        for record in [r for r in whole.questions if r.image_id == image][:PER_VOLUME]
    ]
    return replace(whole, questions=tuple(kept))


def timed(benchmark: Benchmark, system: System, *, is_grouped: bool) -> float:
    """Seconds for all questions."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if is_grouped:
            run(RunPlan(benchmark=benchmark), system, Path(folder))
        else:
            for record in benchmark.questions:
                alone = replace(benchmark, questions=(record,))
                run(RunPlan(benchmark=alone), system, Path(folder) / record.qid)
    return time.perf_counter() - start


def main() -> None:
    """Times both, each twice and in turn, and prints the ratio of the faster times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--volumes", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    benchmark = chosen(given.data, given.volumes)
    (system,) = systems_of(["whole"], ModelChoice(device="cpu"))
    timed(replace(benchmark, questions=benchmark.questions[:1]), system, is_grouped=True)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(given.repeats):
        for is_grouped in (True, False):
            seconds[is_grouped].append(timed(benchmark, system, is_grouped=is_grouped))
    record = {
        "volumes": len(benchmark.image_ids),
        "questions": len(benchmark.questions),
        "grouped_s": round(min(seconds[True]), 2),
        "question_by_question_s": round(min(seconds[False]), 2),
        "ratio": round(min(seconds[False]) / min(seconds[True]), 2),
        "ratios": [round(b / a, 2) for a, b in zip(seconds[True], seconds[False], strict=True)],
        "cpus": os.cpu_count(),
    }
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
