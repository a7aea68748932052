"""Counts the answers of synthetic training cases: the shipped table of priors.

Run: python scripts/make_priors.py --cases 120. Seeds are far below those of PhantomBench.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from vol3d.data.phantom_bench import BenchCase, bench_config, bench_records
from vol3d.data.subject_cases import subject_facts
from vol3d.evaluate.systems import prior_of
from vol3d.phantom.subjects import make_subject
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.options import KeyBalancer
from vol3d.vqa.subtypes import SUBTYPES

OUT = Path(__file__).resolve().parents[1] / "vol3d" / "evaluate" / "priors.json"
FIRST_SEED = 5_000_000


def made(index: int) -> BenchCase:
    """One training case with its questions."""
    torch.set_num_threads(1)
    seed = FIRST_SEED + index
    config = bench_config(FIRST_SEED + index, shape_zyx=(96, 128, 128))
    facts = subject_facts(make_subject(seed, config))
    asked = generate_questions(facts, seed=seed, balancer=KeyBalancer(), per_subtype=3)
    return BenchCase(facts=facts, questions=tuple(q for q in asked if q.subtype in SUBTYPES))


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=120)
    given = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        cases = list(pool.map(made, range(given.cases)))
    records = bench_records(cases, per_subtype=10**6)
    origin = f"{len(records)} questions about {given.cases} synthetic cases, seeds {FIRST_SEED} on"
    table = prior_of(records, origin=origin)
    whole = {"origin": origin, "phrases": table.phrases, "medians": table.medians}
    OUT.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(f"{origin} -> {OUT.name}")


if __name__ == "__main__":
    main()
