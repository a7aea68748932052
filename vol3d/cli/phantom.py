"""``vol3d phantom``: synthetic patients with masks, facts, questions and reports."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.cli.options import JsonFlag, QuietFlag, VerboseFlag
from vol3d.cli.outcome import print_json

if TYPE_CHECKING:
    from vol3d.volume import Volume
    from vol3d.vqa.dataset import QaRecord

app = typer.Typer(help="Synthetic patients, for training and tests.", no_args_is_help=True)


class FormatOption(StrEnum):
    """What ``--format`` accepts."""

    NIFTI = "nifti"
    DICOM = "dicom"


class RegionOption(StrEnum):
    """What ``--region`` accepts."""

    ABDOMEN = "abdomen"
    CHEST = "chest"
    HEAD = "head"


class SizeOption(StrEnum):
    """What ``--size`` accepts."""

    SMALL = "small"
    FULL = "full"


FormatFlag = Annotated[
    FormatOption, typer.Option("--format", case_sensitive=False, help="Of the scans.")
]
OutputFlag = Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")]
ShapeFlag = Annotated[
    str | None,
    typer.Option("--shape", metavar="Z,Y,X", help="Voxels; default: fine, as scanners make them."),
]


@app.command("make")
def make(
    output: OutputFlag,
    num: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first; then upwards.")] = 0,
    region: Annotated[
        RegionOption, typer.Option("--region", case_sensitive=False, help="Part of the body.")
    ] = RegionOption.ABDOMEN,
    file_format: FormatFlag = FormatOption.NIFTI,
    shape: ShapeFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Make synthetic patients: scans, masks, facts, questions, reports, a contact sheet."""
    from vol3d.data.subject_cases import image_id, questions_of, subject_facts, write_case
    from vol3d.export.contact_sheet import contact_sheet
    from vol3d.export.writer import check_output_dir
    from vol3d.phantom.subjects import SubjectConfig, make_subject
    from vol3d.report.schema import DISCLAIMER
    from vol3d.vqa.dataset import write_json

    folder = check_output_dir(output)
    config = SubjectConfig(region=region.value, shape_zyx=to_shape(shape))
    rows: list[tuple[str, Volume]] = []
    records: list[QaRecord] = []
    for number in range(seed, seed + num):
        subject = make_subject(number, config)
        facts = subject_facts(subject)
        write_case(subject, facts, folder / image_id(number), file_format=file_format.value)
        records += questions_of(facts, seed=number, first=len(records) + 1)
        rows.append((f"{image_id(number)} {subject.plan.phase}", subject.volume))
        if verbose:
            print(f"{image_id(number)}: written", file=sys.stderr)
    write_json(folder / "questions.json", records)
    contact_sheet(rows[:24], folder / "contact_sheet.png", is_lung=region is RegionOption.CHEST)
    if is_json:
        print_json({"disclaimer": DISCLAIMER, "cases": num, "questions": len(records)})
    if not quiet:
        text = f"{num} cases and {len(records)} questions"
        print(f"{DISCLAIMER}\nWrote {text} to {folder}", file=sys.stderr)


@app.command("bench")
def bench(
    output: OutputFlag,
    size: Annotated[
        SizeOption, typer.Option("--size", case_sensitive=False, help="40 or 400 cases.")
    ] = SizeOption.SMALL,
    file_format: FormatFlag = FormatOption.NIFTI,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Make PhantomBench: held-out synthetic abdomens in the layout of DeepTumorVQA 2.0."""
    from vol3d.data.phantom_bench import make_phantom_bench
    from vol3d.export.writer import check_output_dir
    from vol3d.report.schema import DISCLAIMER

    folder = check_output_dir(output)
    counts = make_phantom_bench(
        folder,
        size=size.value,
        file_format=file_format.value,
        on_case=lambda case_id: print(case_id, file=sys.stderr) if verbose else None,
    )
    if is_json:
        print_json({"disclaimer": DISCLAIMER, "questions": dict(counts)})
    if not quiet:
        print(f"{DISCLAIMER}\nWrote {counts.total()} questions to {folder}", file=sys.stderr)


def to_shape(text: str | None) -> tuple[int, int, int] | None:
    """Three voxel counts from ``96,128,128``.

    Raises:
        BadParameter: Not three whole numbers of at least 16.
    """
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) >= 16 for part in parts):
        raise typer.BadParameter(f"--shape is {text!r}; expected three numbers such as 96,128,128.")
    z, y, x = (int(part) for part in parts)
    return z, y, x
