"""Synthetic subjects made while a model trains: no files, every worker its own seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch.utils.data import IterableDataset, get_worker_info

from vol3d.data.seeds import BENCH_SEEDS_START
from vol3d.data.subject_cases import questions_of, subject_facts
from vol3d.errors import ConfigError, explain
from vol3d.measure.facts import CaseFacts
from vol3d.phantom.subjects import Subject, SubjectConfig, make_subject
from vol3d.preprocess.pipeline import prepare_labels
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.vqa.dataset import QaRecord

_DEFAULT = SubjectConfig()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SubjectSample:
    """One subject, ready for the encoder, with what a model can learn from it.

    Args:
        prepared: The scan.
        labels_zyx: uint8 on the prepared grid: ``organs`` and ``parts`` with values of ``LABELS``,
            ``lesions`` with ids.
        facts: Measured on the scan's own grid.
        questions: Every question that the facts settle.
        seed: Of the subject.
    """

    prepared: PreparedVolume
    labels_zyx: dict[str, torch.Tensor]
    facts: CaseFacts
    questions: tuple[QaRecord, ...]
    seed: int


def subject_sample(subject: Subject, spec: PreprocessSpec) -> SubjectSample:
    """A subject as a training sample.

    Args:
        subject: Made, rendered from labels, or a real CT with implants.
        spec: Preprocessing of the model.
    """
    prepared, labels = prepare_labels(
        subject.volume,
        {
            "organs": subject.labels_zyx,
            "parts": subject.parts_zyx,
            "lesions": subject.lesions_zyx,
        },
        spec,
    )
    facts = subject_facts(subject)
    return SubjectSample(
        prepared=prepared,
        labels_zyx=labels,
        facts=facts,
        questions=tuple(questions_of(facts, seed=subject.seed, first=1)),
        seed=subject.seed,
    )


class SubjectStream(IterableDataset[SubjectSample]):
    """Subjects of consecutive seeds, shared out among the workers of a data loader.

    With W workers, worker k makes seeds ``first + k``, ``first + k + W`` and so on: together they
    make each seed once, whatever W is.

    Args:
        spec: Preprocessing of the model.
        config: What may be drawn, or a function of the seed that says so.
        first_seed: Where to begin.
        num_subjects: How many; without end if ``None``.
        make: Makes a subject of a seed, in place of ``make_subject``: for label maps and implants.

    Raises:
        ConfigError: Seeds that are held out for PhantomBench.
    """

    def __init__(
        self,
        spec: PreprocessSpec,
        *,
        config: SubjectConfig | Callable[[int], SubjectConfig] = _DEFAULT,
        first_seed: int = 0,
        num_subjects: int | None = None,
        make: Callable[[int, SubjectConfig], Subject] = make_subject,
    ) -> None:
        last = first_seed + (num_subjects or 1) - 1
        if first_seed < 0 or last >= BENCH_SEEDS_START:
            raise ConfigError(
                explain(
                    expected=f"seeds within 0..{BENCH_SEEDS_START - 1}",
                    got=f"{first_seed}..{last}",
                    where="SubjectStream",
                    remedy="Later seeds are held out for the benchmarks; begin lower.",
                )
            )
        self.spec, self.config, self.make = spec, config, make
        self.first_seed, self.num_subjects = first_seed, num_subjects

    def __iter__(self) -> Iterator[SubjectSample]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        stop = BENCH_SEEDS_START - self.first_seed
        if self.num_subjects is not None:
            stop = self.num_subjects
        for place in islice(count(number, workers), max(0, -(-(stop - number) // workers))):
            seed = self.first_seed + place
            config = self.config(seed) if callable(self.config) else self.config
            yield subject_sample(self.make(seed, config), self.spec)
