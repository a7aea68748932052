"""PhantomBench: synthetic abdomens of held-out seeds in the layout of DeepTumorVQA 2.0.

The seeds, the drawing of cases, and the choice of questions are fixed: the same version gives the
same JSON. Answers are balanced within a subtype as far as the cases allow, key letters always.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vol3d.data.make_vqa import write_checksums, write_schema
from vol3d.data.seeds import SUBJECT_BENCH_SEEDS_START
from vol3d.data.subject_cases import Format, image_id, subject_facts, write_case
from vol3d.measure.facts import CaseFacts
from vol3d.phantom import Draw
from vol3d.phantom.subjects import LesionPlan, Subject, SubjectConfig, make_subject
from vol3d.phantom.subjects.plan import draw_diameter_mm, draw_lesions
from vol3d.phantom.subjects.tissues import Phase
from vol3d.vqa.dataset import QaRecord, qa_record, write_json
from vol3d.vqa.generate import VqaQuestion, generate_questions
from vol3d.vqa.options import LETTERS, KeyBalancer
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.tool_cache import write_tool_cache

SIZES = {"small": 40, "full": 400}
SHAPE_ZYX = (112, 176, 176)
PER_SUBTYPE = {"small": 10, "full": 75}
"""Most questions of one subtype."""
PER_CASE = 3
_PHASES: tuple[Phase, ...] = ("unenhanced", "venous", "unenhanced", "arterial", "venous", "delayed")
_CARD = """# PhantomBench {size}

Synthetic CT of the abdomen with exact masks; no patient was scanned. Research use only, not for
clinical use. What a model scores here says nothing about patients.

- Cases: {cases}, seeds {first} to {last} of vol3d {version}; {shape} voxels (z, y, x) each.
- Questions: {questions} of {subtypes} subtypes in the layout of DeepTumorVQA 2.0
  (benchmark/test_qa.json, .jsonl), answers measured on the masks by `vol3d.measure`.
- benchmark/ct/<image_id>/: ct.nii.gz (or series/), segmentations/, facts.json, two reports.
- tool_cache/benchmark_oracle_tool_cache.json: what measuring tools answer.
- Phases: unenhanced, arterial, portal venous, delayed. Pathologies and lesions are drawn more often
  than in any population, so that every subtype and answer occurs.
- Same seed, same case, for any number of threads, and with the instruction sets AVX2 and SSE.
"""


def bench_config(index: int, *, shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> SubjectConfig:
    """What the case of an index may show: phases in turn, tumours of the pancreas in every second.

    Args:
        index: 0-based number of the case.
        shape_zyx: Number of voxels.
    """
    draw = Draw(SUBJECT_BENCH_SEEDS_START - 1 - index)
    phase = _PHASES[index % len(_PHASES)]
    is_fatty = phase == "unenhanced"
    config = SubjectConfig(
        shape_zyx=shape_zyx,
        phase=phase,
        pathology_probability=0.28,
        likely=("splenomegaly", "steatosis", "pancreatic_steatosis") if is_fatty else (),
        max_lesions=8,
    )
    lesions = list(draw_lesions(draw, config, set()))
    if index % 2 == 0 and not any(each.kind in ("pdac", "pnet") for each in lesions):
        lesions.append(_pancreatic_tumour(draw))
    if index % 5 == 4:  # without any lesion
        lesions = []
    return replace(config, lesions=tuple(lesions))


def _pancreatic_tumour(draw: Draw) -> LesionPlan:
    kind = ("pdac", "pnet")[draw.integer(2)]
    part, vessel = (
        ("pancreas_head", "superior_mesenteric_artery"),
        ("pancreas_head", "superior_mesenteric_vein"),
        ("pancreas_body", "celiac_trunk"),
        ("pancreas_body", "portal_vein_and_splenic_vein"),
    )[draw.integer(4)]
    angle = (0.0, 70.0, 130.0, 230.0, 310.0)[draw.integer(5)]
    return LesionPlan(
        organ="pancreas",
        kind=kind,
        diameter_mm=draw_diameter_mm(draw, 12.0, 62.0),
        part=part,
        vessel=vessel if angle else None,
        vessel_angle_deg=angle,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchCase:
    """One case of the bench without its voxels."""

    facts: CaseFacts
    questions: tuple[VqaQuestion, ...]


def bench_case(
    index: int, *, shape_zyx: tuple[int, int, int] = SHAPE_ZYX
) -> tuple[Subject, BenchCase]:
    """A case of the bench with every question that it can be asked."""
    seed = SUBJECT_BENCH_SEEDS_START + index
    subject = make_subject(seed, bench_config(index, shape_zyx=shape_zyx))
    facts = subject_facts(subject)
    asked = generate_questions(facts, seed=seed, balancer=KeyBalancer(), per_subtype=PER_CASE)
    questions = tuple(each for each in asked if each.subtype in SUBTYPES)
    return subject, BenchCase(facts=facts, questions=questions)


def make_phantom_bench(
    out_dir: Path,
    *,
    size: str = "small",
    file_format: Format = "nifti",
    num_cases: int | None = None,
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
    on_case: Callable[[str], None] = lambda case_id: None,
) -> Counter[str]:
    """Writes the bench.

    Args:
        out_dir: Its folder.
        size: ``small`` (40 cases) or ``full`` (400).
        file_format: Of the scans.
        num_cases: Fewer cases, for trials.
        shape_zyx: Number of voxels of a scan.
        on_case: Is told of every case that is written.

    Returns:
        Number of questions by subtype.
    """
    count = num_cases or SIZES[size]
    cases = []
    for index in range(count):
        subject, case = bench_case(index, shape_zyx=shape_zyx)
        folder = out_dir / "benchmark" / "ct" / image_id(subject.seed)
        write_case(subject, case.facts, folder, file_format=file_format)
        cases.append(case)
        on_case(case.facts.case_id)
    records = bench_records(cases, per_subtype=PER_SUBTYPE[size])
    write_json(out_dir / "benchmark" / "test_qa.json", records)
    write_tool_cache(
        out_dir / "tool_cache" / "benchmark_oracle_tool_cache.json", [case.facts for case in cases]
    )
    write_schema(out_dir / "metadata" / "subtype_schema.csv", records, records)
    counts = Counter(record.question_subtype for record in records)
    _write_card(out_dir, size, count, (sum(counts.values()), len(counts)), shape_zyx)
    write_checksums(out_dir)
    return counts


def _write_card(
    out_dir: Path, size: str, cases: int, asked: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    from importlib.metadata import version

    text = _CARD.format(
        size=size,
        cases=cases,
        first=SUBJECT_BENCH_SEEDS_START,
        last=SUBJECT_BENCH_SEEDS_START + cases - 1,
        version=version("vol3d"),
        shape=" x ".join(map(str, shape)),
        questions=asked[0],
        subtypes=asked[1],
    )
    (out_dir / "README.md").write_text(text, encoding="utf-8")


def bench_records(cases: Iterable[BenchCase], *, per_subtype: int) -> list[QaRecord]:
    """The chosen questions: answers as even as the cases allow, letters even.

    Args:
        cases: With all their questions.
        per_subtype: Most questions of one subtype.
    """
    cases = list(cases)
    rng = random.Random(SUBJECT_BENCH_SEEDS_START)
    chosen: list[tuple[int, VqaQuestion]] = []
    for name in SUBTYPES:
        pool: dict[str, list[tuple[int, VqaQuestion]]] = {}
        for number, case in enumerate(cases):
            for question in case.questions:
                if question.subtype == name:
                    pool.setdefault(_balanced_over(question), []).append((number, question))
        chosen += _round_robin(_without_giveaways(pool, rng), per_subtype, rng)
    chosen.sort(key=lambda pair: pair[0])
    balancer = KeyBalancer()
    return [
        qa_record(rekeyed(question, balancer, rng), cases[number].facts, qid=f"pb_{place:05d}")
        for place, (number, question) in enumerate(chosen, start=1)
    ]


def _balanced_over(question: VqaQuestion) -> str:
    """Phrases by themselves, numbers by what is asked about."""
    if question.row.answer_type != "numeric":
        return question.answer
    return "/".join(question.slots.get(key, "") for key in ("organ", "lesion_type"))


def _without_giveaways(
    pool: dict[str, list[tuple[int, VqaQuestion]]], rng: random.Random
) -> dict[str, list[tuple[int, VqaQuestion]]]:
    """As many Yes as No about each organ, so that no organ tells its answer."""
    if set(pool) != {"Yes", "No"}:
        return pool
    by_organ: dict[str, dict[str, list[tuple[int, VqaQuestion]]]] = {}
    for answer in ("Yes", "No"):
        for pair in pool[answer]:
            by_organ.setdefault(_asked_about(pair[1]), {}).setdefault(answer, []).append(pair)
    kept: dict[str, list[tuple[int, VqaQuestion]]] = {"Yes": [], "No": []}
    for organ in sorted(by_organ):
        both = by_organ[organ]
        count = min(len(both.get("Yes", [])), len(both.get("No", [])))
        for answer, found in sorted(both.items()):
            rng.shuffle(found)
            kept[answer] += found[:count]
    return kept


def _asked_about(question: VqaQuestion) -> str:
    return "/".join(question.slots.get(key, "") for key in ("organ", "side", "lesion_type"))


def _round_robin(
    pool: dict[str, list[tuple[int, VqaQuestion]]], limit: int, rng: random.Random
) -> list[tuple[int, VqaQuestion]]:
    """Takes one of every answer in turn; an answer that has run out is passed over."""
    queues = [list(pool[key]) for key in sorted(pool)]
    for queue in queues:
        rng.shuffle(queue)
    taken: list[tuple[int, VqaQuestion]] = []
    while any(queues) and len(taken) < limit:
        for queue in queues:
            if queue and len(taken) < limit:
                taken.append(queue.pop())
    return taken


def rekeyed(question: VqaQuestion, balancer: KeyBalancer, rng: random.Random) -> VqaQuestion:
    """The same question with its right option under the letter that is due.

    Args:
        question: Any question.
        balancer: Of the data set.
        rng: Breaks ties.
    """
    options = list(question.options)
    right = options.pop(LETTERS.index(question.correct_option))
    index = balancer.place(question.subtype, len(question.options), rng)
    options.insert(index, right)
    return replace(question, options=tuple(options), correct_option=LETTERS[index])
