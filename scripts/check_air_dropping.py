"""How often the embedded model's answers stay the same when air is not dropped.

Run: python scripts/check_air_dropping.py --per-type 20. Prints agreement over held-out phantoms,
and how often either way is right; those whose crop exceeds the patch budget are counted apart.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from vol3d.data.phantom_cases import balanced_bench, make_case
from vol3d.errors import BudgetError
from vol3d.evaluate.phantom_bench import normalise
from vol3d.infer.engine import Engine
from vol3d.preprocess.pipeline import prepare


def main() -> None:
    """Answers every question twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-type", type=int, default=20)
    parser.add_argument("--whole", action="store_true", help="keep the air outside the crop too")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    engine = Engine.load("embedded")
    dense = replace(
        engine.spec, is_air_dropped=False, is_body_cropped=not given.whole, max_patches=20_000
    )
    items = sorted(balanced_bench(given.per_type), key=lambda item: item.seed)
    counts = {"questions": 0, "same": 0, "right_dropped": 0, "right_dense": 0, "over_budget": 0}
    fractions = []
    for seed, group in groupby(items, key=lambda item: item.seed):
        asked = list(group)
        volume = make_case(seed).phantom.volume
        texts = [item.question.text for item in asked]
        said = []
        try:
            views = [prepare(volume, engine.spec), prepare(volume, dense)]
        except BudgetError as error:
            print(f"seed {seed}: {error}")
            counts["over_budget"] += len(asked)
            continue
        fractions.append(len(views[0].patch_index_zyx) / len(views[1].patch_index_zyx))
        for view in views:
            # the engine refuses what another spec prepared; here that is the question
            encoded = engine.encode(replace(view, spec_sha256=engine.spec.sha256))
            told = engine.generate_batch([encoded] * len(texts), texts, max_new_tokens=16)
            said.append([normalise(text) for text in told])
        for item, dropped, whole in zip(asked, *said, strict=True):
            counts["questions"] += 1
            counts["same"] += dropped == whole
            counts["right_dropped"] += dropped == normalise(item.question.answer)
            counts["right_dense"] += whole == normalise(item.question.answer)
    kept = sum(fractions) / len(fractions)
    record = {**counts, "kept_fraction": round(kept, 3), "is_whole_scan": given.whole}
    record["agreement_percent"] = round(100 * counts["same"] / counts["questions"], 1)
    print(json.dumps(record, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
