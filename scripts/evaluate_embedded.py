"""Scores a checkpoint on held-out phantoms and writes the figures into its card.

python scripts/evaluate_embedded.py --model CHECKPOINT --per-type 120 --out results.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from vol3d.data.phantom_cases import balanced_bench
from vol3d.evaluate.phantom_bench import run_bench, summarise
from vol3d.infer.engine import Engine, resolve_checkpoint


def main() -> None:
    """Runs the bench and prints its summary as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded", help="folder or name of the checkpoint")
    parser.add_argument("--per-type", type=int, default=120, help="questions of each type")
    parser.add_argument("--out", type=Path, help="file for the summary and all answers")
    parser.add_argument("--write-card", action="store_true", help="store the summary in the card")
    args = parser.parse_args()
    started = time.monotonic()
    engine = Engine.load(args.model)
    items = balanced_bench(args.per_type)
    answers = run_bench(
        engine, items, on_volume=lambda n: print(f"\r{n} volumes", end="", file=sys.stderr)
    )
    summary = summarise(answers)
    summary["seconds"] = round(time.monotonic() - started)
    summary["weights_sha256"] = engine.weights_sha256
    print(json.dumps(summary, indent=2))
    if args.out:
        rows = [{**dataclasses.asdict(a), "is_right": a.is_right} for a in answers]
        args.out.write_text(json.dumps({"summary": summary, "answers": rows}, indent=1))
    if args.write_card:
        card = engine.card.model_copy(update={"evaluation": {"phantom_bench": summary}})
        card.save(resolve_checkpoint(args.model))


if __name__ == "__main__":
    main()
