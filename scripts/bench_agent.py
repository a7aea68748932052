"""The embedded model as an agent on PhantomBench: live tools beside caches and direct rules.

Run: python scripts/bench_agent.py BENCH --out FOLDER [--form freeform] [--network]. BENCH is a
folder of `vol3d data phantom-bench`; a run that was broken off goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.agent.cases import MeasuredFolder, find_cases, phases_of
from vol3d.evaluate.agent.embedded_client import Settled
from vol3d.evaluate.agent.eyes import NetworkEyes, embedded_clients
from vol3d.evaluate.agent.loop import question_text
from vol3d.evaluate.agent.run import AgentSettings, run_agent
from vol3d.evaluate.agent.tool_choice import PUBLISHED_CACHES
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.toolset import OFFICIAL_TOOLS, ToolSet
from vol3d.evaluate.rows import Form
from vol3d.infer.engine import Engine
from vol3d.report.schema import DISCLAIMER
from vol3d.vqa.answerer import answer_prompt
from vol3d.vqa.dataset import QaRecord, load_questions
from vol3d.vqa.values import means_the_same


def main() -> None:
    """Runs all and prints percent right by super type."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--form", choices=("mc", "freeform"), default="mc")
    parser.add_argument("--masks-dir", type=Path, help="other masks, in folders by image id")
    parser.add_argument("--network", action="store_true", help="let the network see the scans")
    given = parser.parse_args()
    form: Form = given.form
    records = load_questions(given.bench / "benchmark" / "test_qa.json")
    cases = find_cases(given.bench, masks_dir=given.masks_dir)
    folder = MeasuredFolder(cases=cases, phases=phases_of(records), keep=len(cases))
    engine = Engine.load(device="cpu") if given.network else None
    eyes = None if engine is None else NetworkEyes(engine, lambda image_id: cases[image_id].scan)
    sets: list[ToolSet] = [
        LiveTools(folder.facts, scan_of=folder.scan),
        LiveTools(folder.facts, name="live, official tools only", only=OFFICIAL_TOOLS),
        CacheTools.load(given.bench / PUBLISHED_CACHES["oracle cache"]),
        CacheTools({}, name="empty cache"),
    ]
    table = {"direct rules": score(records, direct(records, folder, form), form)}
    for tools in sets:
        settled: list[Settled] = []
        start = time.perf_counter()
        run = run_agent(
            records,
            embedded_clients(eyes, on_settled=settled.append),
            tools=tools,
            out=given.out / f"{tools.name.replace(' ', '_')}_{form}.jsonl",
            settings=AgentSettings(form=form),
        )
        table[tools.name] = {
            **score(records, {row.qid: row.pred_answer for row in run.rows}, form),
            "settled_by": dict(Counter(settled)),
            "faults": run.num_faults,
            "failed": len(run.failed),
            "seconds": round(time.perf_counter() - start, 1),
        }
    print(f"{DISCLAIMER}; form {form}; percent right and number of questions")
    for name, row in table.items():
        print(f"{name}: {json.dumps(row)}")


def direct(records: Iterable[QaRecord], folder: MeasuredFolder, form: Form) -> dict[str, str]:
    """Answers of the rules to the same prompts, from the facts themselves."""
    return {
        record.qid: answer_prompt(question_text(record, form), folder.facts(record.image_id)) or ""
        for record in records
    }


def score(records: Iterable[QaRecord], answers: dict[str, str], form: Form) -> dict[str, Any]:
    """Percent right by super type: the key letter, or the very same answer in free form."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for record in records:
        said = answers.get(record.qid, "")
        key = record.correct_option if form == "mc" else record.answer
        for group in (record.question_type, "overall"):
            total[group] += 1
            right[group] += means_the_same(said, key)
    return {group: [round(100 * right[group] / total[group], 1), total[group]] for group in total}


if __name__ == "__main__":
    main()
