"""``vol3d data``: data sets made from scans and masks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from vol3d.cli.mask_options import (
    LanguageFlag,
    LanguageOption,
    ProfileFlag,
    ProfileOption,
    to_profile,
)
from vol3d.cli.options import JsonFlag, QuietFlag, VerboseFlag
from vol3d.cli.outcome import OK, SOME_FAILED, print_json

app = typer.Typer(help="Data sets made from scans and masks.", no_args_is_help=True)


@app.command("make-vqa")
def make_vqa(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="CSV or JSONL file with case_id, scan, masks ..., or a folder of case folders "
            "(ct.nii.gz beside segmentations/).",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the data set.")],
    seed: Annotated[int, typer.Option("--seed", help="Of questions and splits.")] = 0,
    per_subtype: Annotated[
        int, typer.Option("--per-subtype", min=1, help="Most questions of a subtype per case.")
    ] = 1,
    language: LanguageFlag = LanguageOption.EN,
    profile: ProfileFlag = ProfileOption.NATIVE,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes at once.")] = 1,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Make tumour questions in the layout of DeepTumorVQA 2.0 from scans with masks.

    Cases that were measured before are kept; a case that fails is named and the rest go on.
    """
    from vol3d.data.case_manifest import read_manifest
    from vol3d.data.make_vqa import VqaOptions
    from vol3d.data.make_vqa import make_vqa as make
    from vol3d.report.schema import DISCLAIMER

    entries = read_manifest(manifest)
    options = VqaOptions(
        seed=seed,
        per_subtype=per_subtype,
        language=language.value,
        profile=to_profile(profile),
    )
    with _progress(len(entries), is_quiet=quiet, is_verbose=verbose) as on_case:
        result = make(entries, output, options, workers=workers, on_case=on_case)
    if is_json:
        print_json(
            {
                "disclaimer": DISCLAIMER,
                "questions": dict(result.counts),
                "failed_cases": result.failures,
            }
        )
    for case_id, problem in result.failures.items():
        print(f"vol3d: case {case_id}: {problem}", file=sys.stderr)
    if not quiet:
        num_cases = len(entries) - len(result.failures)
        text = f"{sum(result.counts.values())} questions about {num_cases} cases"
        print(f"{DISCLAIMER}\nWrote {text} to {output}", file=sys.stderr)
    return SOME_FAILED if result.failures else OK


@contextmanager
def _progress(
    total: int, *, is_quiet: bool, is_verbose: bool
) -> Iterator[Callable[[str, str | None], None]]:
    """A callback that names the case that ends, or advances a bar on a terminal."""
    if is_verbose:
        yield lambda case_id, problem: print(
            f"{case_id}: {'measured' if problem is None else 'failed'}", file=sys.stderr
        )
        return
    if is_quiet or not sys.stderr.isatty():
        yield lambda case_id, problem: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Measuring", total=total)
        yield lambda case_id, problem: bar.advance(task)
