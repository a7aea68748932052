"""A loaded model with the words of the command line: ``report`` and ``ask``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vol3d.errors import BudgetError
from vol3d.infer.claims import list_candidates, why_withheld, withhold_candidates
from vol3d.infer.describe import BoolArray, to_notes, write_sections
from vol3d.infer.protocol import EngineLike
from vol3d.infer.questions import check_choices, check_question, find_choice
from vol3d.infer.recorder import StageClock, input_sha256, num_threads, versions
from vol3d.infer.scans import Examined, examine
from vol3d.report import Answer, Candidates, ModelInfo, Note, Report, RunManifest, Scan
from vol3d.report.memory import peak_memory_mb
from vol3d.report.schema import RefusedKind
from vol3d.volume import Modality, Volume

OnStage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Analysis:
    """Everything one run leaves: the report, what its pictures need, and how it was made."""

    report: Report
    volume: Volume
    body: BoolArray
    manifest: RunManifest


class Vol3d:
    """A model, loaded once, that reports on scans and answers questions about them.

    Research use only, not for clinical use.
    """

    def __init__(self, engine: EngineLike, *, load_seconds: float = 0.0) -> None:
        self._engine = engine
        self._load_seconds = load_seconds

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "embedded",
        *,
        device: str = "auto",
        allow_download: bool = False,
    ) -> Vol3d:
        """A model that is ready to use.

        Args:
            name_or_path: ``embedded`` (in the package), a folder, or a hub id.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            allow_download: Whether a hub id may be fetched; otherwise only the local cache is read.

        Raises:
            CheckpointError: There is no such model, or it is incomplete or damaged.
            ConfigError: There is no such device.
        """
        from vol3d.infer.engine import Engine

        start = time.perf_counter()
        engine = Engine.load(name_or_path, device=device, allow_download=allow_download)
        return cls(engine, load_seconds=round(time.perf_counter() - start, 3))

    @property
    def model_info(self) -> ModelInfo:
        """Which model this is, and what it may claim."""
        card = self._engine.card
        return ModelInfo(
            name=card.name,
            weights_sha256=self._engine.weights_sha256,
            spec_sha256=self._engine.spec.sha256,
            trained_on=card.trained_on,
            validated=tuple(", ".join(triple) for triple in card.validated),
        )

    def report(
        self,
        path: str | Path,
        *,
        series: str | None = None,
        modality: Modality | None = None,
        on_stage: OnStage | None = None,
    ) -> Report:
        """A report on one scan; ``analyse`` also returns the volume and the run's record.

        Args:
            path: NIfTI, NRRD or MetaImage file, DICOM file or folder, or ``example``.
            series: Which series of a folder, when it holds several.
            modality: What the scan is, when its file does not say.
            on_stage: Called with the name of each stage as it begins.

        Raises:
            DataError: The scan cannot be read.
            GeometryError: Its geometry is unusable.
        """
        return self.analyse(path, series=series, modality=modality, on_stage=on_stage).report

    def analyse(
        self,
        path: str | Path,
        *,
        series: str | None = None,
        modality: Modality | None = None,
        on_stage: OnStage | None = None,
    ) -> Analysis:
        """A report with the volume, the body mask and the manifest that ``write_report`` needs.

        Args and Raises: as ``report``.
        """
        clock = StageClock(on_stage)
        return self.report_on(examine(path, series=series, modality=modality, clock=clock), clock)

    def report_on(self, examined: Examined, clock: StageClock | None = None) -> Analysis:
        """A report on a scan that was read and measured before.

        Args:
            examined: From ``vol3d.infer.examine``.
            clock: The stages so far; the stages of the model are added.
        """
        clock = clock or StageClock()
        scan, candidates = self._find_candidates(examined, clock)
        with clock.stage("compose"):
            report = Report(
                scan=scan,
                candidates=candidates,
                model=self.model_info,
                sections=write_sections(scan, (), candidates),
            )
            digest = input_sha256(examined.volume)
        return Analysis(
            report=report,
            volume=examined.volume,
            body=examined.body,
            manifest=self._manifest(examined.volume, report, digest, clock),
        )

    def ask(
        self,
        path: str | Path,
        question: str,
        *,
        choices: Sequence[str] | None = None,
        series: str | None = None,
        modality: Modality | None = None,
        on_stage: OnStage | None = None,
    ) -> Answer:
        """An answer to one question about a scan, or the reason why there is none.

        Args:
            path: As in ``report``.
            question: In English. A small model refuses what is outside of its grammar.
            choices: If given, the answer is one of these, with the probability of each.
            series: As in ``report``.
            modality: As in ``report``.
            on_stage: As in ``report``.

        Raises:
            ConfigError: ``choices`` holds fewer than two different texts, or one is empty.
            DataError: The scan cannot be read.
        """
        options = check_choices(choices)
        clock = StageClock(on_stage)
        examined = examine(path, series=series, modality=modality, clock=clock)
        return self.answer_about(examined, question, choices=options, clock=clock)

    def answer_about(
        self,
        examined: Examined,
        question: str,
        *,
        choices: Sequence[str] | None = None,
        clock: StageClock | None = None,
    ) -> Answer:
        """An answer about a scan that was read and measured before; otherwise as ``ask``."""
        options = check_choices(choices)
        clock = clock or StageClock()
        checked = check_question(question, options, self._engine.card.question_grammar)
        if checked.refused_reason is not None:
            return self._refuse(question, options, checked.refused_reason, "question")
        withheld = why_withheld(examined.scan, self._engine.card)
        if withheld is not None:
            return self._refuse(question, options, withheld, "scan")
        try:
            encoded, _ = self._encode(examined, clock)
        except BudgetError as error:
            return self._refuse(question, options, _too_large(error), "scan")
        with clock.stage("answer"):
            if options:
                best, probabilities = self._engine.choose(encoded, checked.prompt, checked.choices)
                return self._answer(question, options[best], options, tuple(probabilities))
            text = self._engine.generate(encoded, checked.prompt).strip()
        if not text:
            return self._refuse(question, options, "The model gave an empty answer.", "model")
        if checked.choices:
            known = find_choice(text, checked.choices)
            if known is None:
                return self._refuse(question, options, _not_an_answer(checked.choices), "model")
            text = known
        return self._answer(question, text)

    def _find_candidates(self, examined: Examined, clock: StageClock) -> tuple[Scan, Candidates]:
        """The scan's record with the notes of preparation, and the model's own sentences."""
        scan, card = examined.scan, self._engine.card
        withheld = why_withheld(scan, card)
        if withheld is not None:
            return scan, withhold_candidates(withheld, card)
        try:
            encoded, notes = self._encode(examined, clock)
        except BudgetError as error:
            return scan, withhold_candidates(_too_large(error), card)
        with clock.stage("generate"):
            text = self._engine.generate(encoded, card.report_prompt)
        return scan.model_copy(update={"notes": scan.notes + notes}), list_candidates(text, card)

    def _encode(self, examined: Examined, clock: StageClock) -> tuple[Any, tuple[Note, ...]]:
        """The encoded volume, and what preparation adds to the notes of reading."""
        from vol3d.preprocess.pipeline import prepare

        with clock.stage("prepare"):
            prepared = prepare(examined.volume, self._engine.spec, body=examined.body)
        with clock.stage("encode"):
            encoded = self._engine.encode(prepared)
        known = {note.code for note in examined.volume.notes}
        return encoded, to_notes(note for note in prepared.notes if note.code not in known)

    def _answer(
        self,
        question: str,
        text: str,
        choices: tuple[str, ...] = (),
        probabilities: tuple[float, ...] = (),
    ) -> Answer:
        return Answer(
            question=question,
            text=text,
            choices=choices,
            probabilities=probabilities,
            model=self.model_info,
        )

    def _refuse(
        self, question: str, choices: tuple[str, ...], reason: str, kind: RefusedKind
    ) -> Answer:
        return Answer(
            question=question,
            text=None,
            refused=kind,
            refused_reason=reason,
            choices=choices,
            model=self.model_info,
        )

    def _manifest(
        self, volume: Volume, report: Report, digest: str, clock: StageClock
    ) -> RunManifest:
        return RunManifest(
            versions=versions(),
            weights_sha256=report.model.weights_sha256,
            spec_sha256=report.model.spec_sha256,
            series_uid_sha256=volume.acquisition.series_uid_sha256,
            input_sha256=digest,
            seed=None,
            device=self._engine.device,
            num_threads=num_threads(),
            seconds_per_stage={"load": self._load_seconds, **clock.seconds},
            peak_memory_mb=peak_memory_mb(),
            warnings=tuple(note.code for note in report.scan.notes),
        )


def _too_large(error: BudgetError) -> str:
    return f"The scan does not fit the model, which was not asked. {error}"


def _not_an_answer(choices: Sequence[str]) -> str:
    return (
        "The model's words are none of the possible answers to this question and are not shown. "
        f"Possible are: {', '.join(choices)}."
    )
