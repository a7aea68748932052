"""Whether PhantomBench can be solved without looking: priors, prompt, header, bright or dark blobs.

Run: python scripts/check_phantom_bench.py --cases 400. Prints accuracies and counts.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from shortcuts import LESION_SUBTYPES, blob_case, blob_points, guess_rates  # type: ignore[import-not-found]  # noqa: E402

from vol3d.data.phantom_bench import PER_SUBTYPE, BenchCase, bench_records  # noqa: E402
from vol3d.vqa.parse import split_options  # noqa: E402
from vol3d.vqa.subtypes import SUBTYPES  # noqa: E402


def main() -> None:
    """Makes the cases, chooses the questions, and tries to do without the scan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--size", default="full")
    given = parser.parse_args()
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        found = list(pool.map(blob_case, range(given.cases)))
    cases: list[BenchCase] = [case for case, _ in found]
    blobs = {case.facts.case_id: facts for case, facts in found}
    records = bench_records(cases, per_subtype=PER_SUBTYPE[given.size])
    counts = Counter(record.question_subtype for record in records)
    for name in SUBTYPES:
        own = [record for record in records if record.question_subtype == name]
        letters = Counter[str](record.correct_option for record in own)
        answers = Counter(record.answer for record in own).most_common(5)
        shown = " ".join(f"{letter}={letters[letter]}" for letter in "ABCD" if letters[letter])
        print(f"{name}: {counts[name]} | {shown} | {answers}")
    print(f"{len(records)} questions, {len(counts)} subtypes, fewest {min(counts.values())}")
    for name, value in guess_rates(records).items():
        print(f"{name}: {100 * value:.1f} %")
    own = [each for each in records if each.question_subtype in LESION_SUBTYPES]
    chance = sum(1 / len(split_options(each.mc_question)[1]) for each in own) / len(own)
    score = sum(blob_points(each, blobs[each.image_id]) for each in own) / len(own)
    print(
        f"blob detector: {100 * score:.1f} % of {len(own)} lesion questions, chance "
        f"{100 * chance:.1f} %, normalised {100 * (score - chance) / (1 - chance):.1f} %"
    )


if __name__ == "__main__":
    main()
