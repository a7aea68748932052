"""``vol3d phantom``: synthetic patients with masks, facts, questions and reports."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.cli.mask_options import LabelFlag, MasksList, PhaseOption, to_names
from vol3d.cli.measure import needed_masks
from vol3d.cli.options import (
    JsonFlag,
    LabelSchemeFlag,
    ModalityOption,
    QuietFlag,
    VerboseFlag,
)
from vol3d.cli.outcome import print_json
from vol3d.errors import ConfigError, DataError, explain

if TYPE_CHECKING:
    from vol3d.data.case_manifest import CaseEntry
    from vol3d.measure.case_masks import CaseMasks
    from vol3d.phantom.subjects import Subject
    from vol3d.volume import Grid, Volume
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """How much a command prints."""

    is_json: bool
    is_quiet: bool
    is_verbose: bool


_MOST_ROWS = 24
NumFlag = Annotated[int, typer.Option("--n", min=1, help="How many.")]
SeedFlag = Annotated[
    int, typer.Option("--seed", min=0, max=9_000_000, help="Of the first; then upwards.")
]
PatientFlag = Annotated[
    str | None,
    typer.Option(
        "--patient",
        metavar="KEY",
        help="Pseudonym of the patient, never a name: cases of one KEY stay in one split. Its hash "
        "is written. Default: the path.",
    ),
]
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
    num: NumFlag = 1,
    seed: SeedFlag = 0,
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
    from vol3d.phantom.subjects import SubjectConfig, make_subject

    folder = _new_folder(output, "cases.jsonl")
    config = SubjectConfig(region=region.value, shape_zyx=to_shape(shape))
    _write_cases(
        (make_subject(number, config) for number in range(seed, seed + num)),
        folder,
        file_format,
        Shown(is_json=is_json, is_quiet=quiet, is_verbose=verbose),
    )


@app.command("from-labels")
def from_labels(
    labels: Annotated[Path, typer.Argument(help="File with labels, or a folder of masks.")],
    output: OutputFlag,
    num: NumFlag = 1,
    seed: SeedFlag = 0,
    label_scheme: LabelSchemeFlag = None,
    label: LabelFlag = None,
    modality: Annotated[
        ModalityOption,
        typer.Option("--modality", case_sensitive=False, help="Of the rendered scans."),
    ] = ModalityOption.CT,
    patient: PatientFlag = None,
    file_format: FormatFlag = FormatOption.NIFTI,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Render scans from a real label map, each deformed a little, with synthetic lesions."""
    from vol3d.measure.case_masks import read_case_masks
    from vol3d.phantom.subjects import SubjectConfig, subject_from_labels

    folder = _new_folder(output, "cases.jsonl")
    grid = _grid_of(labels)
    masks = read_case_masks([labels], grid, scheme=label_scheme, names=to_names(label))
    config = SubjectConfig(modality="CT" if modality is ModalityOption.CT else "MR")
    _tell(masks, is_quiet=quiet)
    source = _key(patient, labels)
    _write_cases(
        (
            subject_from_labels(number, masks, grid, source=source, config=config)
            for number in range(seed, seed + num)
        ),
        folder,
        file_format,
        Shown(is_json=is_json, is_quiet=quiet, is_verbose=verbose),
    )


@app.command("implant")
def implant(
    scan: Annotated[str, typer.Argument(help="CT to put lesions into: a file or a DICOM folder.")],
    output: OutputFlag,
    phase: Annotated[PhaseOption, typer.Option("--phase", help="Contrast phase of the scan.")],
    masks: MasksList = None,
    clear: Annotated[
        str,
        typer.Option(
            "--clear",
            metavar="ORGAN,...",
            help="Organs known to have no lesion of their own; lesions are put into these only.",
        ),
    ] = "",
    num: NumFlag = 1,
    seed: SeedFlag = 0,
    label_scheme: LabelSchemeFlag = None,
    label: LabelFlag = None,
    patient: PatientFlag = None,
    file_format: FormatFlag = FormatOption.NIFTI,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Put synthetic lesions into a real CT; all other voxels stay as they are."""
    from vol3d.infer.examples import resolve_scan
    from vol3d.measure.case_masks import read_case_masks
    from vol3d.phantom.subjects import SubjectConfig, implant_lesions
    from vol3d.volume import read_volume

    folder = _new_folder(output, "cases.jsonl")
    path = resolve_scan(scan)
    volume = read_volume(path)
    found = read_case_masks(
        needed_masks(masks), volume.grid, scheme=label_scheme, names=to_names(label)
    )
    organs = tuple(each.strip() for each in clear.split(",") if each.strip())
    _tell(found, is_quiet=quiet)
    source = _key(patient, Path(path))
    config = SubjectConfig(modality="CT", phase=phase.value)
    _write_cases(
        (
            implant_lesions(
                number, volume, found, source=source, clear_organs=organs, config=config
            )
            for number in range(seed, seed + num)
        ),
        folder,
        file_format,
        Shown(is_json=is_json, is_quiet=quiet, is_verbose=verbose),
    )


def _grid_of(labels: Path) -> Grid:
    """The grid of a label map, or of the first file of a folder of masks."""
    from vol3d.measure.organ_files import MASK_ENDINGS
    from vol3d.volume import read_volume
    from vol3d.volume.names import shown_name

    if labels.is_dir():
        files = sorted(f for f in labels.iterdir() if f.name.endswith(MASK_ENDINGS))
        if not files:
            raise DataError(
                explain(
                    expected="a file with labels, or a folder with one mask file per organ",
                    got="a folder without a mask file",
                    where=shown_name(labels),
                    remedy=f"Mask files end in {', '.join(MASK_ENDINGS)}.",
                )
            )
        labels = files[0]
    return read_volume(labels).grid


def _tell(masks: CaseMasks, *, is_quiet: bool) -> None:
    """Says what was found in the masks; a file with negative values is a scan."""
    if any(note.code == "negative_labels" for note in masks.notes):
        raise DataError(
            explain(
                expected="a label map: whole numbers from 0 upwards",
                got="negative values",
                where="masks",
                remedy="Is this the scan itself? Give its masks.",
            )
        )
    if not is_quiet:
        for note in masks.notes:
            print(f"vol3d: {note.message}", file=sys.stderr)


def _new_folder(output: Path, *names: str) -> Path:
    """The output folder, which must not hold cases already: they would mix."""
    from vol3d.export.writer import check_output_dir

    folder = check_output_dir(output)
    found = [name for name in names if (folder / name).exists()]
    if found:
        raise ConfigError(
            explain(
                expected="a folder without cases",
                got=f"{found[0]} in it",
                where="--output",
                remedy="Choose another folder, or remove this one.",
            )
        )
    return folder


def _key(patient: str | None, path: Path) -> str:
    if patient is not None and not patient.strip():
        raise typer.BadParameter("--patient is empty; expected a pseudonym.")
    return patient or str(path.resolve())


def _write_cases(
    subjects: Iterable[Subject], folder: Path, file_format: FormatOption, shown: Shown
) -> None:
    """Cases, their questions, a manifest, and a contact sheet of the first 24."""
    from vol3d.data.case_manifest import write_manifest
    from vol3d.data.subject_cases import (
        case_entry,
        case_id_of,
        questions_of,
        subject_facts,
        write_case,
    )
    from vol3d.export.contact_sheet import contact_sheet
    from vol3d.report.schema import DISCLAIMER
    from vol3d.vqa.dataset import write_json

    rows: list[tuple[str, Volume]] = []
    records: list[QaRecord] = []
    entries: list[CaseEntry] = []
    is_lung = False
    for subject in subjects:
        name, facts = case_id_of(subject), subject_facts(subject)
        written = write_case(subject, facts, folder / name, file_format=file_format.value)
        records += questions_of(facts, seed=subject.seed, first=len(records) + 1)
        entries.append(case_entry(subject, written, root=folder))
        if len(rows) < _MOST_ROWS:
            rows.append((f"{name} {subject.plan.phase}", subject.volume))
        is_lung = subject.plan.region == "chest"
        if shown.is_verbose:
            print(f"{name}: written", file=sys.stderr)
    write_json(folder / "questions.json", records)
    write_manifest(entries, folder / "cases.jsonl")
    contact_sheet(rows, folder / "contact_sheet.png", is_lung=is_lung)
    if shown.is_json:
        print_json({"disclaimer": DISCLAIMER, "cases": len(entries), "questions": len(records)})
    if not shown.is_quiet:
        text = f"{len(entries)} cases and {len(records)} questions"
        print(f"{DISCLAIMER}\nWrote {text} to {folder}", file=sys.stderr)


@app.command("bench")
def bench(
    output: OutputFlag,
    size: Annotated[
        SizeOption, typer.Option("--size", case_sensitive=False, help="40 or 400 cases.")
    ] = SizeOption.SMALL,
    file_format: FormatFlag = FormatOption.NIFTI,
    abstention: Annotated[
        bool,
        typer.Option(
            "--abstention",
            help="Cases with organs cut off or removed, half of whose questions the scan does not "
            "settle; NIfTI only.",
        ),
    ] = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Make PhantomBench: held-out synthetic abdomens in the layout of DeepTumorVQA 2.0."""
    from vol3d.data.abstention_bench import make_abstention_bench
    from vol3d.data.phantom_bench import SIZES, make_phantom_bench
    from vol3d.report.schema import DISCLAIMER

    if abstention and file_format is not FormatOption.NIFTI:
        raise typer.BadParameter("--abstention writes NIfTI only.")
    folder = _new_folder(output, "benchmark")

    def on_case(case_id: str) -> None:
        if verbose:
            print(case_id, file=sys.stderr)

    if abstention:
        counts = make_abstention_bench(folder, num_cases=SIZES[size.value], on_case=on_case)
    else:
        counts = make_phantom_bench(
            folder, size=size.value, file_format=file_format.value, on_case=on_case
        )
    if is_json:
        print_json({"disclaimer": DISCLAIMER, "questions": dict(counts)})
    if not quiet:
        print(f"{DISCLAIMER}\nWrote {counts.total()} questions to {folder}", file=sys.stderr)


def _is_count(text: str) -> bool:
    plain = text.strip()
    return plain.isascii() and plain.isdecimal() and int(plain) >= 16


def to_shape(text: str | None) -> tuple[int, int, int] | None:
    """Three voxel counts from ``96,128,128``.

    Raises:
        BadParameter: Not three whole numbers of at least 16.
    """
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(_is_count(part) for part in parts):
        raise typer.BadParameter(f"--shape is {text!r}; expected three numbers such as 96,128,128.")
    z, y, x = (int(part) for part in parts)
    return z, y, x
