"""Scans with masks become a data set of questions in the layout of DeepTumorVQA 2.0."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vol3d.anatomy import Language, thresholds_sha256
from vol3d.data.case_manifest import CaseEntry
from vol3d.errors import Vol3dError
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import CaseFacts, Profile
from vol3d.measure.run import MaskInput, measure_paths
from vol3d.vqa.dataset import QaRecord, qa_record, write_csv, write_json
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.options import KeyBalancer
from vol3d.vqa.subtypes import SUBTYPES
from vol3d.vqa.tool_cache import write_tool_cache

Split = Literal["benchmark", "train", "validation"]
README = """Questions made from measured facts by vol3d. Research use only, not for clinical use.

benchmark/test_qa.json, test_qa.jsonl   held-out questions
train/train_qa.csv, val_qa_pool.csv     training and validation questions
chest_brain/                            the same three files of questions about chest and brain
tool_cache/                             what measuring tools answer about each case
metadata/subtype_schema.csv             the 42 subtypes with their numbers of questions
facts/                                  measured facts of every case
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class VqaOptions:
    """How a data set is made.

    Args:
        seed: Of questions and splits.
        language: Of the questions.
        per_subtype: Most questions of one subtype about one case.
        profile: Conventions of sizes.
        prefix: Of question ids.
        benchmark_share: Share of patients whose questions are held out.
        validation_share: Share of patients whose questions are for validation.
    """

    seed: int = 0
    language: Language = "en"
    per_subtype: int = 1
    profile: Profile = "native"
    prefix: str = "v3d"
    benchmark_share: float = 0.1
    validation_share: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class VqaResult:
    """What was made: numbers of questions by subtype, and the cases that failed, by reason."""

    counts: Counter[str]
    failures: dict[str, str]


def make_vqa(
    entries: Iterable[CaseEntry],
    out_dir: Path,
    options: VqaOptions,
    *,
    workers: int = 1,
    on_case: Callable[[str, str | None], None] = lambda case_id, problem: None,
) -> VqaResult:
    """Writes the data set; cases that were measured before with the same inputs are not again.

    Args:
        entries: The cases.
        out_dir: Folder of the data set.
        options: How to make it.
        workers: Processes that measure at once.
        on_case: Is told of every case that ends, with its problem if it failed.
    """
    entries = list(entries)
    facts: dict[str, CaseFacts] = {}
    failures: dict[str, str] = {}
    for entry, found, problem in _measure_all(entries, out_dir, options.profile, workers):
        if found is not None:
            facts[entry.case_id] = found
        else:
            failures[entry.case_id] = problem or "unknown"
        on_case(entry.case_id, problem)
    patients = {entry.case_id: entry.patient or entry.case_id for entry in entries}
    ordered = [facts[entry.case_id] for entry in entries if entry.case_id in facts]
    records = _records(ordered, patients, options)
    _write_all(out_dir, records, ordered, patients, options)
    return VqaResult(
        counts=Counter(record.question_subtype for record in records), failures=failures
    )


def _measure_all(
    entries: list[CaseEntry], out_dir: Path, profile: Profile, workers: int
) -> Iterator[tuple[CaseEntry, CaseFacts | None, str | None]]:
    folder = out_dir / "facts"
    folder.mkdir(parents=True, exist_ok=True)
    if workers <= 1:
        for entry in entries:
            yield (entry, *_measure(entry, folder, profile))
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        jobs = {pool.submit(_measure, entry, folder, profile): entry for entry in entries}
        for job in as_completed(jobs):
            yield (jobs[job], *job.result())


def _measure(
    entry: CaseEntry, folder: Path, profile: Profile
) -> tuple[CaseFacts | None, str | None]:
    """The facts of one case, from the folder if they were measured before, or its problem."""
    path, key = folder / f"{entry.case_id}.json", _key(entry, profile)
    known = _stored(path, key)
    if known is not None:
        return known, None
    try:
        case = measure_paths(
            entry.scan,
            MaskInput(paths=entry.masks, scheme=entry.label_scheme, names=entry.labels),
            MeasureOptions(
                profile=profile,
                phase=entry.phase,
                case_id=entry.case_id,
                mask_source=entry.mask_source,
                sex=entry.sex,
                age_years=entry.age_years,
            ),
            modality=entry.modality,
        )
    except (Vol3dError, OSError, MemoryError) as error:
        return None, f"{type(error).__name__}: {error}"
    record = {"key": key, "facts": case.facts.model_dump(mode="json")}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
    return case.facts, None


def _stored(path: Path, key: str) -> CaseFacts | None:
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["key"] != key:
            return None
        return CaseFacts.model_validate(record["facts"])
    except (ValueError, KeyError, TypeError):
        return None  # half written or of another version: measured anew


def _key(entry: CaseEntry, profile: Profile) -> str:
    """Changes when the inputs, the options or the rules do; tells nothing of paths."""
    parts = [entry.model_dump_json(exclude={"patient"}), profile, thresholds_sha256()]
    for path in (entry.scan, *entry.masks):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                state = file.stat()
                parts.append(f"{state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def split_of(patient: str, options: VqaOptions) -> Split:
    """The split of a patient: by hash, so that more cases change no one's.

    Args:
        patient: Who the scan is of.
        options: Shares and seed.
    """
    digest = hashlib.sha256(f"{options.seed}/{patient}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < options.benchmark_share:
        return "benchmark"
    is_validation = place < options.benchmark_share + options.validation_share
    return "validation" if is_validation else "train"


def _records(
    cases: list[CaseFacts], patients: dict[str, str], options: VqaOptions
) -> list[QaRecord]:
    balancer = KeyBalancer()
    records: list[QaRecord] = []
    for facts in cases:
        split = split_of(patients[facts.case_id], options)
        for question in generate_questions(
            facts,
            seed=options.seed,
            balancer=balancer,
            language=options.language,
            per_subtype=options.per_subtype,
        ):
            qid = f"{options.prefix}_{len(records) + 1:05d}"
            records.append(qa_record(question, facts, qid=qid, split=split))
    return records


def _write_all(
    out_dir: Path,
    records: list[QaRecord],
    cases: list[CaseFacts],
    patients: dict[str, str],
    options: VqaOptions,
) -> None:
    def is_of_the_42(record: QaRecord) -> bool:
        return record.question_subtype in SUBTYPES

    others = [record for record in records if not is_of_the_42(record)]
    records = [record for record in records if is_of_the_42(record)]
    _write_splits(out_dir, records)
    if others:
        _write_splits(out_dir / "chest_brain", others)
    held_out = [c for c in cases if split_of(patients[c.case_id], options) == "benchmark"]
    rest = [c for c in cases if split_of(patients[c.case_id], options) != "benchmark"]
    caches = out_dir / "tool_cache"
    write_tool_cache(caches / "benchmark_oracle_tool_cache.json", held_out)
    write_tool_cache(caches / "training_oracle_tool_cache.json", rest)
    bench = _of_split(records, "benchmark")
    write_schema(out_dir / "metadata" / "subtype_schema.csv", bench, records)
    (out_dir / "README.txt").write_text(README, encoding="utf-8")
    write_checksums(out_dir)


def _of_split(records: list[QaRecord], split: Split) -> list[QaRecord]:
    return [record for record in records if record.split == split]


def _write_splits(folder: Path, records: list[QaRecord]) -> None:
    write_json(folder / "benchmark" / "test_qa.json", _of_split(records, "benchmark"))
    write_csv(folder / "train" / "train_qa.csv", _of_split(records, "train"))
    write_csv(folder / "train" / "val_qa_pool.csv", _of_split(records, "validation"))


def write_schema(path: Path, held_out: list[QaRecord], records: list[QaRecord]) -> None:
    """Writes ``subtype_schema.csv``: the 42 subtypes with their numbers of questions."""
    bench = Counter(record.question_subtype for record in held_out)
    full = Counter(record.question_subtype for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("subtype_name", "task_group", "required_primitives", "n_benchmark", "n_full_dataset")
        )
        for name, row in SUBTYPES.items():
            tools = "+".join(row.requires_tools)
            writer.writerow((name, row.super_type, tools, bench[name], full[name]))


def write_checksums(out_dir: Path) -> None:
    """Writes ``MANIFEST.sha256`` over every file of a data set."""
    lines = []
    for path in sorted(out_dir.rglob("*")):
        if path.is_file() and path.name != "MANIFEST.sha256":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(out_dir).as_posix()}\n")
    (out_dir / "MANIFEST.sha256").write_text("".join(lines), encoding="utf-8")
