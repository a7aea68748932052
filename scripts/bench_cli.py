"""How long ``vol3d --help`` takes, beside an empty Python and the import of its parser.

Run: python scripts/bench_cli.py. Writes scripts/results/bench_cli.json. The ratio counts: it hardly
depends on the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
COMMANDS = {
    "python": ["-c", "pass"],
    "import typer": ["-c", "import typer"],
    "vol3d --help": ["-m", "vol3d", "--help"],
    "vol3d --version": ["-m", "vol3d", "--version"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Runs the commands in turn, so that a busy moment hits all of them."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
    medians = {name: round(statistics.median(values), 3) for name, values in taken.items()}
    result = {
        "cpus": os.cpu_count(),
        "median_s": medians,
        "least_s": {name: round(min(values), 3) for name, values in taken.items()},
        "help_over_typer": round(medians["vol3d --help"] / medians["import typer"], 2),
    }
    path = Path(__file__).parent / "results" / "bench_cli.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
