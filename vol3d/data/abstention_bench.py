"""Questions that a scan does not settle: its organs are cut off by the field of view, or removed.

Beside each of them stands one about the same case that the scan does settle, in the same words and
with options of the same kind, so that only the scan tells them apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from vol3d.data.make_vqa import write_checksums
from vol3d.data.phantom_bench import SHAPE_ZYX, bench_config
from vol3d.data.seeds import ABSTENTION_BENCH_SEEDS_START
from vol3d.data.subject_cases import image_id, subject_facts, write_case
from vol3d.measure.facts import CaseFacts
from vol3d.phantom.subjects import SubjectConfig, make_subject
from vol3d.phantom.subjects.plan import NORMAL_CM3
from vol3d.report.schema import DISCLAIMER
from vol3d.vqa.dataset import NOT_ASSESSABLE, QaRecord, qa_record, write_json
from vol3d.vqa.generate import VqaQuestion
from vol3d.vqa.options import LETTERS, all_answers, make_distractors, option_texts
from vol3d.vqa.slots import possible_slots
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.table import is_clear
from vol3d.vqa.values import NO, YES, Number, Phrase, Slots, Value, organ_name, value_text
from vol3d.vqa.wording import question_text

ASKED = (
    "organ volume measurement",
    "organ aggregation",
    "organ enlargement",
    "splenomegaly detection",
    "splenomegaly grading",
    "kidney volume comparison",
)
"""Subtypes that need whole organs."""
PER_CASE = 5
"""Most questions of either kind about one case."""
_CARD = """# PhantomBench, questions to abstain from

{disclaimer}

- Cases: {cases}, seeds {first} to {last}; even ones are cut off by the field of view, odd ones lack
  a kidney.
- Questions: {questions}, of which {open} are not assessable: `is_assessable` is false, the answer
  "not assessable", the key letter empty. The rest are about whole organs of the same cases.
"""


def abstention_config(index: int, *, shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> SubjectConfig:
    """What the case of an index shows: even ones are cut off, odd ones lack a kidney.

    Args:
        index: 0-based number of the case.
        shape_zyx: Number of voxels.
    """
    base = replace(
        bench_config(ABSTENTION_BENCH_SEEDS_START + index, shape_zyx=shape_zyx), lesions=()
    )
    if index % 2 == 0:
        return replace(base, is_cut=True)
    side = ("no_kidney_left", "no_kidney_right")[index // 2 % 2]
    return replace(base, is_cut=False, pathologies=(side,))  # type: ignore[arg-type]


def make_abstention_bench(
    out_dir: Path,
    *,
    num_cases: int = 40,
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
    on_case: Callable[[str], None] = lambda case_id: None,
) -> Counter[str]:
    """Writes the cases and their questions in the layout of DeepTumorVQA 2.0.

    Args:
        out_dir: Its folder.
        num_cases: Number of cases.
        shape_zyx: Number of voxels of a scan.
        on_case: Is told of every case that is written.

    Returns:
        Number of questions by subtype.
    """
    records: list[QaRecord] = []
    for index in range(num_cases):
        seed = ABSTENTION_BENCH_SEEDS_START + index
        subject = make_subject(seed, abstention_config(index, shape_zyx=shape_zyx))
        facts = subject_facts(subject)
        write_case(subject, facts, out_dir / "benchmark" / "ct" / image_id(seed))
        for question, is_settled in abstention_questions(facts, seed=seed):
            record = qa_record(
                question,
                facts,
                qid=f"ab_{len(records) + 1:05d}",
            )
            update = {"is_assessable": False, "answer": NOT_ASSESSABLE, "correct_option": ""}
            records.append(record if is_settled else record.model_copy(update=update))
        on_case(facts.case_id)
    write_json(out_dir / "benchmark" / "test_qa.json", records)
    text = _CARD.format(
        disclaimer=DISCLAIMER,
        cases=num_cases,
        first=ABSTENTION_BENCH_SEEDS_START,
        last=ABSTENTION_BENCH_SEEDS_START + num_cases - 1,
        questions=len(records),
        open=sum(not record.is_assessable for record in records),
    )
    (out_dir / "README.md").write_text(text, encoding="utf-8")
    write_checksums(out_dir)
    return Counter(record.question_subtype for record in records)


def abstention_questions(facts: CaseFacts, *, seed: int) -> Iterator[tuple[VqaQuestion, bool]]:
    """Questions about one case with whether the scan settles them, of both kinds equally many.

    Args:
        facts: The case.
        seed: Chooses slots, wordings and options.
    """
    rng = random.Random(f"abstain/{seed}/{facts.case_id}")
    settled: list[tuple[str, Slots, Value]] = []
    not_settled: list[tuple[str, Slots, Value]] = []
    for name in ASKED:
        for slots in possible_slots(name, facts):
            value = SUBTYPES[name].answer(facts, slots)
            if value is not None and is_clear(name, facts, slots):
                settled.append((name, slots, value))
            elif value is None and _has_broken_organ(name, slots, facts):
                not_settled.append((name, slots, _stand_in(name, slots, rng)))
    count = min(PER_CASE, len(settled), len(not_settled))
    for pool, is_settled in ((settled, True), (not_settled, False)):
        rng.shuffle(pool)
        for name, filling, value in pool[:count]:
            question = _worded(name, facts, filling, value, rng)
            if question is not None:
                yield question, is_settled


def _has_broken_organ(subtype: str, slots: Slots, facts: CaseFacts) -> bool:
    """Whether an organ in question is cut off or absent, so that nobody can answer."""
    keys = {slots.get("organ"), slots.get("organ_b"), SUBTYPES[subtype].organ}
    if "kidney" in keys:
        keys |= {"kidney_left", "kidney_right"}
    states = [facts.organs[key].status for key in keys if key in facts.organs]
    return "truncated" in states or "absent" in states


def _stand_in(subtype: str, slots: Slots, rng: random.Random) -> Value:
    """An answer that could be true, around which options are made."""
    if SUBTYPES[subtype].answer_type == "numeric":
        organs = [slots[key] for key in ("organ", "organ_b") if key in slots]
        return Number(value=sum(rng.uniform(*NORMAL_CM3[organ]) for organ in organs))
    if SUBTYPES[subtype].answer_type == "binary":
        return rng.choice((YES, NO))
    return Phrase(key=rng.choice(all_answers(subtype)))


def _worded(
    subtype: str, facts: CaseFacts, slots: Slots, value: Value, rng: random.Random
) -> VqaQuestion | None:
    wrong = make_distractors(subtype, facts, slots, value, rng)
    if wrong is None:
        return None
    index = rng.randrange(len(wrong) + 1)
    organ = slots.get("organ", SUBTYPES[subtype].organ) or ""
    return VqaQuestion(
        subtype=subtype,
        slots=slots,
        language="en",
        question=question_text(subtype, slots, language="en", index=rng.randrange(1000)),
        answer=value_text(value, "en"),
        options=tuple(option_texts([*wrong[:index], value, *wrong[index:]], "en")),
        correct_option=LETTERS[index],
        organ=organ_name(organ, "en"),
    )
