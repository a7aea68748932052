"""``vol3d measure``: a scan and its masks in, measured facts out; no model, no torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vol3d.cli.mask_options import (
    CaseIdFlag,
    LabelFlag,
    MasksList,
    PhaseFlag,
    ProfileFlag,
    ProfileOption,
    SourceFlag,
    SourceOption,
    to_names,
    to_phase,
    to_profile,
    to_source,
)
from vol3d.cli.options import (
    JsonFlag,
    LabelSchemeFlag,
    ModalityFlag,
    QuietFlag,
    ScanArgument,
    SeriesFlag,
    VerboseFlag,
    to_modality,
)
from vol3d.cli.outcome import print_json
from vol3d.cli.progress import show_stages


def measure(
    scan: ScanArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the files; made if missing.")
    ],
    masks: MasksList = None,
    label_scheme: LabelSchemeFlag = None,
    label: LabelFlag = None,
    profile: ProfileFlag = ProfileOption.NATIVE,
    phase: PhaseFlag = None,
    mask_source: SourceFlag = SourceOption.UNKNOWN,
    case_id: CaseIdFlag = "case",
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Measure organs and lesions on masks: facts.json and measurements.csv."""
    from vol3d.export.findings import facts_record, write_measurements
    from vol3d.export.writer import check_output_dir
    from vol3d.infer.examples import resolve_scan
    from vol3d.measure.engine import MeasureOptions
    from vol3d.measure.run import MaskInput, measure_paths
    from vol3d.report.compose import compose_report
    from vol3d.report.schema import DISCLAIMER

    folder = check_output_dir(output)
    with show_stages(is_quiet=quiet, is_verbose=verbose) as on_stage:
        on_stage("measure")
        case = measure_paths(
            resolve_scan(scan),
            MaskInput(paths=needed_masks(masks), scheme=label_scheme, names=to_names(label)),
            MeasureOptions(
                profile=to_profile(profile),
                phase=to_phase(phase),
                mask_source=to_source(mask_source),
                case_id=case_id,
            ),
            series=series,
            modality=to_modality(modality),
        )
        on_stage("compose")
        report = compose_report(case.facts, language="en", style="structured")
        write_measurements(case, report, folder)
    if is_json:
        print_json(facts_record(case.facts))
    if not quiet:
        for note in case.notes:
            print(f"Note: {note.message}", file=sys.stderr)
        print(f"{DISCLAIMER}\nWrote facts.json, measurements.csv to {folder}", file=sys.stderr)


def needed_masks(masks: list[str] | None) -> list[str]:
    """The masks that the user gave.

    Raises:
        BadParameter: None were given.
    """
    if not masks:
        raise typer.BadParameter("Missing option '--masks'.")
    return masks
