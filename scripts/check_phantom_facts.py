"""Whether SimpleITK and numpy, from the files alone, measure the facts that PhantomBench states.

Run: python scripts/check_phantom_facts.py --cases 400 --size full. Prints differences as they are
found, and in the end for every kind of fact how many were compared and equal, and how far off.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from compare_facts import checks  # type: ignore[import-not-found]  # noqa: E402

from vol3d.data.phantom_bench import SIZES, bench_case  # noqa: E402
from vol3d.data.subject_cases import write_case  # noqa: E402


def checked(index: int) -> tuple[str, list[Any]]:
    """Every compared fact of a case of the bench, which is written to a folder and read back."""
    torch.set_num_threads(1)
    subject, case = bench_case(index)
    with tempfile.TemporaryDirectory() as folder:
        written = write_case(subject, case.facts, Path(folder))
        return case.facts.case_id, checks(written.folder, written.scan)


def main() -> None:
    """Compares case by case; exit code 1 where a fact is not confirmed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    stop = min(given.start + (given.cases or SIZES[given.size]), SIZES[given.size])
    found: dict[str, list[Any]] = defaultdict(list)
    with ProcessPoolExecutor(given.workers) as pool:
        for number, (case_id, own) in enumerate(pool.map(checked, range(given.start, stop)), 1):
            for each in own:
                found[each.kind].append(each)
                if not each.is_equal:
                    print(f"{case_id} {each}", flush=True)
            if number % 10 == 0 or given.start + number == stop:
                print(f"\n{number} cases. Research use only, not for clinical use.")
                _print_table(found)
    sys.exit(any(not e.is_equal for kind in found.values() for e in kind))


def _print_table(found: dict[str, list[Any]]) -> None:
    for kind, own in found.items():
        equal = sum(each.is_equal for each in own)
        off = [each.off for each in own]
        text = f"{kind}: {len(own)} compared, {equal} equal"
        if any(off):
            text += f", off by {statistics.median(off):.2g} (median) to {max(off):.2g}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
