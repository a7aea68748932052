"""Asks and answers the 42 subtypes on phantoms, real cases and random facts; prints what came out.

Run: python scripts/check_vqa.py --cases 2000 [--phantoms 60]. Real cases come from VOL3D_TEST_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fact_builders import random_case  # type: ignore[import-not-found]  # noqa: E402
from phantom_facts import phantom_facts  # type: ignore[import-not-found]  # noqa: E402

from vol3d.measure.engine import MeasureOptions  # noqa: E402
from vol3d.measure.facts import CaseFacts  # noqa: E402
from vol3d.measure.run import MaskInput, measure_paths  # noqa: E402
from vol3d.vqa.answerer import answer_prompt  # noqa: E402
from vol3d.vqa.generate import generate_questions  # noqa: E402
from vol3d.vqa.options import KeyBalancer  # noqa: E402
from vol3d.vqa.parse import parse_prompt  # noqa: E402
from vol3d.vqa.table import ALL_SUBTYPES  # noqa: E402


def real_facts() -> Iterator[CaseFacts]:
    """Facts of the real cases with masks."""
    data = Path(os.environ.get("VOL3D_TEST_DATA", ROOT / ".." / "shared")) / "data"
    for name, scan in (("ct_abdomen", "ct.nii.gz"), ("ct_abdomen_small", "ct.nii.gz")):
        folder = data / name
        if folder.is_dir():
            masks = MaskInput(paths=[folder / "seg_total.nii.gz"])
            options = MeasureOptions(case_id=name)
            yield measure_paths(folder / scan, masks, options).facts


def main() -> None:
    """Prints counts by subtype, letter and answer, and every wrong answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--phantoms", type=int, default=60)
    given = parser.parse_args()
    cases = [*real_facts(), *(phantom_facts(seed) for seed in range(given.phantoms))]
    print(f"{len(cases)} measured cases")
    cases += [random_case(seed) for seed in range(given.cases - len(cases))]
    balancer, counts, wrong = KeyBalancer(), Counter[str](), 0
    letters: dict[str, Counter[str]] = {name: Counter() for name in ALL_SUBTYPES}
    answers: dict[str, Counter[str]] = {name: Counter() for name in ALL_SUBTYPES}
    for number, facts in enumerate(cases):
        for question in generate_questions(facts, seed=number, balancer=balancer):
            counts[question.subtype] += 1
            letters[question.subtype][question.correct_option] += 1
            if question.row.answer_type != "numeric":
                answers[question.subtype][question.answer] += 1
            parsed = parse_prompt(question.mc_question)
            is_read = parsed is not None and parsed.subtype == question.subtype
            letter = answer_prompt(question.mc_question, facts)
            text = answer_prompt(question.question, facts)
            if not is_read or letter != question.correct_option or text != question.answer:
                wrong += 1
                print("WRONG", question)
    for name in ALL_SUBTYPES:
        shown = " ".join(f"{k}={v}" for k, v in sorted(letters[name].items()))
        most = "; ".join(f"{k}: {v}" for k, v in answers[name].most_common(6))
        print(f"{name}: {counts[name]} | {shown} | {most}")
    print(f"{len(cases)} cases, {sum(counts.values())} questions, {wrong} wrong")


if __name__ == "__main__":
    main()
