"""``vol3d report``: one scan in, five files out."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.cli.mask_options import (
    CaseIdFlag,
    LabelFlag,
    LanguageFlag,
    LanguageOption,
    MasksList,
    PhaseFlag,
    ProfileFlag,
    ProfileOption,
    SourceFlag,
    SourceOption,
    StyleFlag,
    StyleOption,
    to_names,
    to_phase,
    to_profile,
    to_source,
)
from vol3d.cli.options import (
    DeviceFlag,
    DownloadFlag,
    JsonFlag,
    LabelSchemeFlag,
    ModalityFlag,
    ModelFlag,
    QuietFlag,
    ScanArgument,
    SeriesFlag,
    VerboseFlag,
    to_modality,
)
from vol3d.cli.progress import show_stages

if TYPE_CHECKING:
    from vol3d.measure.run import MeasuredCase
    from vol3d.report.records import FindingsReport


def report(
    scan: ScanArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the five files; made if missing.")
    ],
    masks: MasksList = None,
    label_scheme: LabelSchemeFlag = None,
    label: LabelFlag = None,
    language: LanguageFlag = LanguageOption.EN,
    style: StyleFlag = StyleOption.STRUCTURED,
    profile: ProfileFlag = ProfileOption.NATIVE,
    phase: PhaseFlag = None,
    mask_source: SourceFlag = SourceOption.UNKNOWN,
    case_id: CaseIdFlag = "case",
    model: ModelFlag = "embedded",
    device: DeviceFlag = "auto",
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    allow_download: DownloadFlag = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Write a report on one scan: text, JSON, page, preview and run record.

    With --masks every sentence rests on what is measured on them, and no model is loaded.
    """
    if masks:
        from vol3d.infer.examples import resolve_scan
        from vol3d.measure.engine import MeasureOptions
        from vol3d.measure.run import MaskInput, measure_paths

        with show_stages(is_quiet=quiet, is_verbose=verbose) as on_stage:
            on_stage("measure")
            start = time.perf_counter()
            case = measure_paths(
                resolve_scan(scan),
                MaskInput(paths=masks, scheme=label_scheme, names=to_names(label)),
                MeasureOptions(
                    profile=to_profile(profile),
                    phase=to_phase(phase),
                    mask_source=to_source(mask_source),
                    case_id=case_id,
                ),
                series=series,
                modality=to_modality(modality),
            )
            seconds = {"measure": round(time.perf_counter() - start, 3)}
            on_stage("compose")
            findings = _write_findings(case, output, (language, style), seconds)
        _tell_findings(findings, output, is_json=is_json, quiet=quiet)
        return
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


def _write_findings(
    case: MeasuredCase,
    output: Path,
    form: tuple[LanguageOption, StyleOption],
    seconds: dict[str, float],
) -> FindingsReport:
    from vol3d.export.findings import write_findings
    from vol3d.report.compose import compose_report

    language, style = form
    start = time.perf_counter()
    findings = compose_report(case.facts, language=language.value, style=style.value)
    seconds["compose"] = round(time.perf_counter() - start, 3)
    write_findings(case, findings, output, seconds_per_stage=seconds)
    return findings


def _tell_findings(findings: FindingsReport, output: Path, *, is_json: bool, quiet: bool) -> None:
    if is_json:
        print(findings.model_dump_json(indent=2, ensure_ascii=True))
    if not quiet:
        names = "report.html, report.txt, report.json, facts.json, measurements.csv, run.json"
        print(f"{findings.disclaimer}\nWrote {names} to {output}", file=sys.stderr)
