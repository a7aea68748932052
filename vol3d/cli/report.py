"""``vol3d report``: one scan in, five files out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vol3d.cli.options import (
    DeviceFlag,
    DownloadFlag,
    JsonFlag,
    ModalityFlag,
    ModelFlag,
    QuietFlag,
    ScanArgument,
    SeriesFlag,
    VerboseFlag,
    to_modality,
)
from vol3d.cli.progress import show_stages


def report(
    scan: ScanArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the five files; made if missing.")
    ],
    model: ModelFlag = "embedded",
    device: DeviceFlag = "auto",
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    allow_download: DownloadFlag = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Write a report on one scan: text, JSON, page, preview and run record."""
    from vol3d.export import check_output_dir, write_report
    from vol3d.infer import StageClock, Vol3d, examine

    folder = check_output_dir(output)
    with show_stages(is_quiet=quiet, is_verbose=verbose) as on_stage:
        clock = StageClock(on_stage)
        examined = examine(scan, series=series, modality=to_modality(modality), clock=clock)
        with clock.stage("load"):
            loaded = Vol3d.from_pretrained(model, device=device, allow_download=allow_download)
        analysis = loaded.report_on(examined, clock)
        on_stage("export")
        write_report(analysis.report, analysis.volume, analysis.body, folder, analysis.manifest)
    if is_json:
        print(analysis.report.model_dump_json(indent=2))
    if not quiet:
        names = "report.html, report.txt, report.json, preview.png, run.json"
        print(f"{analysis.report.disclaimer}\nWrote {names} to {folder}", file=sys.stderr)
