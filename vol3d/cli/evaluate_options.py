"""Options that commands of ``vol3d evaluate`` share, and the values they stand for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from vol3d.errors import ConfigError, explain

if TYPE_CHECKING:
    from vol3d.evaluate.benchmark import Benchmark
    from vol3d.evaluate.evidence import Facts, Segmenter
    from vol3d.measure.facts import Profile


class FormOption(StrEnum):
    """What ``--format`` accepts."""

    MC = "mc"
    FREEFORM = "freeform"


class EvidenceOption(StrEnum):
    """What ``--evidence`` accepts."""

    NONE = "none"
    PREDICTED = "predicted"
    MASKS = "masks"


class SystemOption(StrEnum):
    """What ``--system`` accepts."""

    WHOLE = "whole"
    RULES = "rules"
    MODEL = "model"
    PRIOR = "prior"


class AblateOption(StrEnum):
    """What ``--ablate`` accepts."""

    BLANK = "blank"
    SHUFFLE = "shuffle"
    TEXT_ONLY = "text-only"


class SplitOption(StrEnum):
    """What ``--split`` accepts."""

    BENCHMARK = "benchmark"
    TRAIN = "train"
    VALIDATION = "validation"


DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Folder in the layout of DeepTumorVQA (or PhantomBench), or v1 or v2 for the hub's "
        "cache.",
    ),
]
OutputFlag = Annotated[
    Path, typer.Option("--output", "-o", help="Folder; continued if it holds the same run.")
]
FormFlag = Annotated[
    FormOption, typer.Option("--format", help="Multiple choice (mc) or free form.")
]
EvidenceFlag = Annotated[
    EvidenceOption,
    typer.Option("--evidence", help="Facts beside the scan: none, from masks, or predicted."),
]
SplitFlag = Annotated[SplitOption, typer.Option("--split", help="Which questions.")]
QuestionsFlag = Annotated[
    Path | None,
    typer.Option(
        "--questions", exists=True, dir_okay=False, help="A question file that lies elsewhere."
    ),
]
SubtypeFlag = Annotated[
    list[str] | None, typer.Option("--subtype", help="Only this one; may be given repeatedly.")
]
LimitFlag = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only the first so many questions.")
]
MasksDirFlag = Annotated[
    Path | None,
    typer.Option("--masks-dir", help="Masks by image id; default: segmentations/ by the scan."),
]
DegradeFlag = Annotated[
    str | None,
    typer.Option(
        "--degrade",
        metavar="MM,SHARE",
        help="With --evidence predicted: true masks displaced by MM, with this SHARE of lesions "
        "missed, in place of a segmenter.",
    ),
]
ApiBaseFlag = Annotated[
    str | None,
    typer.Option("--api-base", help="Address of an OpenAI-compatible server, up to /v1."),
]
EvaluatedModelFlag = Annotated[
    str,
    typer.Option(
        "--model",
        help="embedded, a checkpoint of vol3d or of a transformers language model, "
        "openai:NAME with --api-base, or none.",
    ),
]


MOST_MM = 50.0
"""Largest displacement of degraded masks; beyond it they have nothing of the true ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which questions are asked."""

    split: str = "benchmark"
    questions: Path | None = None
    subtypes: tuple[str, ...] = ()
    limit: int | None = None
    masks_dir: Path | None = None
    allow_download: bool = False


def selected(data: str, selection: Selection) -> Benchmark:
    """The questions of a data set.

    Args:
        data: Folder, or ``v1`` or ``v2``.
        selection: Which of them.

    Raises:
        DataError: There is no such data set, or a record is wrong.
        ConfigError: A subtype that it does not have.
    """
    from vol3d.evaluate.benchmark import load_benchmark

    whole = load_benchmark(
        data,
        split=selection.split,
        questions=selection.questions,
        masks_dir=selection.masks_dir,
        allow_download=selection.allow_download,
    )
    return whole.only(subtypes=selection.subtypes, limit=selection.limit)


def facts_source(
    evidence: EvidenceOption,
    *,
    profile: Profile,
    masks_dir: Path | None,
    degrade: str | None,
    cache_dir: Path,
) -> Facts | None:
    """Where facts come from; ``None`` without evidence.

    Args:
        evidence: What was asked for.
        profile: Conventions of measuring.
        masks_dir: Masks of another tool, for ``predicted``.
        degrade: Errors put into true masks, for ``predicted``.
        cache_dir: Keeps measured facts.

    Raises:
        ConfigError: ``predicted`` without a source of masks, or ``--degrade`` without it.
    """
    from vol3d.evaluate.evidence import Facts, FolderSegmenter, TrueMasks

    if degrade is not None and evidence is not EvidenceOption.PREDICTED:
        _refuse("--degrade", "--evidence predicted", evidence.value)
    if degrade is not None and masks_dir is not None:
        _refuse("--masks-dir", "masks or --degrade", "both")
    if masks_dir is not None and evidence is EvidenceOption.NONE:
        _refuse("--masks-dir", "--evidence masks or predicted", "none")
    if masks_dir is not None and not masks_dir.is_dir():
        _refuse("--masks-dir", "a folder", "none there")
    if evidence is EvidenceOption.NONE:
        return None
    segmenter: Segmenter = TrueMasks()
    if evidence is EvidenceOption.PREDICTED:
        if degrade is not None:
            segmenter = _degraded(degrade)
        elif masks_dir is not None:
            segmenter = FolderSegmenter(masks_dir)
        else:
            _refuse(
                "--evidence predicted", "--masks-dir with predicted masks, or --degrade", "none"
            )
    is_true = evidence is EvidenceOption.MASKS
    return Facts(
        segmenter,
        profile=profile,
        mask_source="annotator" if is_true else "segmenter",
        cache_dir=cache_dir,
    )


def _degraded(text: str) -> Segmenter:
    from vol3d.evaluate.degraded import DegradedMasks

    parts = text.split(",")
    try:
        displacement_mm, missed_share = (float(part) for part in parts)
    except ValueError:
        _refuse("--degrade", "two numbers such as 2,0.2", repr(text))
    if not 0 <= displacement_mm <= MOST_MM or not 0 <= missed_share <= 1:
        _refuse("--degrade", f"MM from 0 to {MOST_MM:g}, SHARE from 0 to 1", repr(text))
    return DegradedMasks(displacement_mm=displacement_mm, missed_share=missed_share)


def _refuse(where: str, expected: str, got: str) -> NoReturn:
    raise ConfigError(
        explain(expected=expected, got=got, where=where, remedy="See --help for what it takes.")
    )


@contextmanager
def volume_progress(
    *, is_quiet: bool, is_verbose: bool
) -> Iterator[Callable[[str], Callable[[int, int, int], None]]]:
    """Given a row's name, a callback that shows how many volumes are done.

    Args:
        is_quiet: Show nothing.
        is_verbose: One line per volume, also where stderr is no terminal.
    """
    if is_verbose:
        yield (
            lambda name: (
                lambda done, total, failed: print(
                    f"{name}: {done}/{total} volumes, {failed} failed questions", file=sys.stderr
                )
            )
        )
    elif is_quiet or not sys.stderr.isatty():
        yield lambda name: lambda done, total, failed: None
    else:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as bar:

            def start(name: str) -> Callable[[int, int, int], None]:
                task = bar.add_task(name, total=None)
                return lambda done, total, failed: bar.update(task, completed=done, total=total)

            yield start
