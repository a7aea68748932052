"""``vol3d compare``: two scans of one patient with masks in, what changed out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from vol3d.cli.mask_options import (
    LabelFlag,
    LanguageFlag,
    LanguageOption,
    MasksList,
    to_names,
)
from vol3d.cli.measure import needed_masks
from vol3d.cli.options import (
    JsonFlag,
    LabelSchemeFlag,
    ModalityFlag,
    QuietFlag,
    VerboseFlag,
    to_modality,
)
from vol3d.cli.outcome import print_json
from vol3d.cli.progress import show_stages


def compare(
    prior: Annotated[str, typer.Argument(metavar="PRIOR", help="The earlier scan.")],
    current: Annotated[str, typer.Argument(metavar="CURRENT", help="The later scan.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the files; made if missing.")
    ],
    prior_masks: Annotated[
        list[str] | None,
        typer.Option("--prior-masks", metavar="MASKS", help="Masks of the earlier scan."),
    ] = None,
    masks: MasksList = None,
    label_scheme: LabelSchemeFlag = None,
    label: LabelFlag = None,
    interval_days: Annotated[
        int | None, typer.Option("--interval-days", min=1, help="Days between the scans.")
    ] = None,
    language: LanguageFlag = LanguageOption.EN,
    modality: ModalityFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Compare lesions of two scans: grown, shrunk, new, gone; comparison.json and .txt."""
    from vol3d.export.writer import check_output_dir, write_file
    from vol3d.measure.compare import compare_cases
    from vol3d.measure.engine import MeasureOptions
    from vol3d.measure.run import MaskInput, measure_paths
    from vol3d.report.compare_text import comparison_sentences
    from vol3d.report.schema import DISCLAIMER
    from vol3d.volume.registration import register_rigid

    folder = check_output_dir(output)
    names = to_names(label)
    if not prior_masks:
        raise typer.BadParameter("Missing option '--prior-masks'.")
    with show_stages(is_quiet=quiet, is_verbose=verbose) as on_stage:
        on_stage("measure")
        cases = [
            measure_paths(
                scan,
                MaskInput(paths=paths, scheme=label_scheme, names=names),
                MeasureOptions(case_id=case_id),
                modality=to_modality(modality),
            )
            for scan, paths, case_id in (
                (prior, prior_masks, "prior"),
                (current, needed_masks(masks), "current"),
            )
        ]
        old, new = cases
        on_stage("register")
        transform = register_rigid(new.volume, old.volume)
        found = compare_cases(
            old.facts,
            new.facts,
            transform,
            grids=(old.volume.grid, new.volume.grid),
            interval_days=interval_days,
        )
    sentences = comparison_sentences(found, old.facts, new.facts, language.value)
    record = {
        "disclaimer": DISCLAIMER,
        "comparison": found.model_dump(mode="json"),
        "sentences": [each.model_dump(mode="json") for each in sentences],
        "prior": old.facts.model_dump(mode="json"),
        "current": new.facts.model_dump(mode="json"),
    }
    lines = [DISCLAIMER, "", *(each.text for each in sentences)]
    if not found.is_registration_reliable:
        lines.insert(
            2, "The scans could not be laid over each other reliably; see comparison.json."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "comparison.txt", ("\n".join(lines) + "\n").encode())
    write_file(folder / "comparison.json", json.dumps(record, indent=2).encode())
    if is_json:
        print_json(record)
    if not quiet:
        names_written = "comparison.txt, comparison.json"
        print(f"{DISCLAIMER}\nWrote {names_written} to {folder}", file=sys.stderr)
