"""Options that several commands share, and the values they stand for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vol3d.volume import Modality


class ModalityOption(StrEnum):
    """What ``--modality`` accepts."""

    CT = "ct"
    MR = "mr"


ScanArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCAN",
        help='NIfTI, NRRD or MetaImage file, DICOM file or folder, or the word "example".',
    ),
]
ModelFlag = Annotated[
    str, typer.Option("--model", help='"embedded", the folder of a checkpoint, or a hub id.')
]
DeviceFlag = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
SeriesFlag = Annotated[
    str | None,
    typer.Option("--series", help="Number of a series, as vol3d info lists it."),
]
ModalityFlag = Annotated[
    ModalityOption | None,
    typer.Option(
        "--modality",
        case_sensitive=False,
        help="What the scan is, if its file does not say.",
    ),
]
MasksFlag = Annotated[
    str | None,
    typer.Option(
        "--masks", metavar="MASKS", help="File with labels, or folder with one file per organ."
    ),
]
LabelSchemeFlag = Annotated[
    str | None,
    typer.Option(
        "--label-scheme",
        metavar="KEY",
        help="What the labels mean, such as totalsegmentator_v2; default: labels.json beside them.",
    ),
]
DownloadFlag = Annotated[
    bool, typer.Option("--allow-download", help="Let a hub id be fetched; otherwise offline.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")]
VerdictOnlyFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no text; the exit code is the answer.")
]
VerboseFlag = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print every stage, and tracebacks of failures.")
]


def to_modality(option: ModalityOption | None) -> Modality | None:
    """The modality an option names, or ``None`` to let the file say it."""
    if option is None:
        return None
    return "CT" if option is ModalityOption.CT else "MR"
