"""``vol3d doctor``: is the installation complete, and would a scan be refused or flagged?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vol3d.cli.options import (
    JsonFlag,
    ModalityFlag,
    ModelFlag,
    SeriesFlag,
    VerboseFlag,
    to_modality,
)
from vol3d.cli.outcome import FAILED, OK, REFUSED, print_json
from vol3d.cli.train import EXTRA, INSTALL
from vol3d.errors import Vol3dError

if TYPE_CHECKING:
    from vol3d.infer.protocol import CardLike
    from vol3d.volume import Modality

Verdict = Literal["ok", "note", "problem", "refused"]
DoctorQuietFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only what is not in order.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One line of the doctor: what was looked at, what was found, and what helps.

    Args:
        subject: What was looked at.
        verdict: ``problem`` ends with exit code 1, ``refused`` with 3.
        found: What was found.
        remedy: What to do; empty when nothing needs to be done.
    """

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


def doctor(
    scan: Annotated[
        str | None, typer.Argument(metavar="[SCAN]", help="A scan to look at as well.")
    ] = None,
    model: ModelFlag = "embedded",
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    is_json: JsonFlag = False,
    quiet: DoctorQuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Check the installation, and what would be refused or flagged in a scan."""
    about_model, card = check_model(model)
    checks = [*_check_versions(), *check_optional(), _check_compute(), about_model]
    if scan is not None:
        checks += check_scan(scan, series=series, modality=to_modality(modality), card=card)
    verdicts = {check.verdict for check in checks}
    if quiet:
        checks = [check for check in checks if check.verdict != "ok"]
    if is_json:
        notice = "Research use only, not for clinical use."
        print_json({"notice": notice, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print(f"{check.verdict:8}{check.subject:22}{check.found}")
            if check.remedy:
                print(f"{'':30}-> {check.remedy}")
        print("Research use only, not for clinical use.")
    return REFUSED if "refused" in verdicts else FAILED if "problem" in verdicts else OK


def check_scan(
    scan: str, *, series: str | None, modality: Modality | None, card: CardLike | None
) -> list[Check]:
    """What would be refused, flagged or withheld in a scan.

    Args:
        scan: File or folder, or ``example``.
        series: Which series of a folder.
        modality: What the scan is, when its file does not say.
        card: Of the model that would be asked; ``None`` if there is no usable one.
    """
    from vol3d.errors import DataError
    from vol3d.infer import examine
    from vol3d.infer.claims import why_withheld

    try:
        found = examine(scan, series=series, modality=modality).scan
    except DataError as error:
        return [
            Check(
                subject="scan",
                verdict="refused",
                found=str(error),
                remedy='"vol3d info" lists every series of a folder; --series chooses one.',
            )
        ]
    shape = " x ".join(map(str, found.stored.shape_ijk))
    checks = [
        Check(subject="scan", verdict="ok", found=f"{found.modality}, {shape} voxels, accepted")
    ]
    flags = [(note.code, note.message) for note in found.notes]
    flags += [("quality", sentence) for sentence in found.quality.sentences]
    checks += [Check(subject=name, verdict="note", found=text) for name, text in flags]
    withheld = why_withheld(found, card) if card is not None else None
    if withheld is not None:
        checks.append(
            Check(
                subject="candidates",
                verdict="note",
                found=withheld,
                remedy="If the file does not name its modality, --modality ct or mr says it.",
            )
        )
    return checks


def _check_versions() -> list[Check]:
    from vol3d.infer.recorder import versions

    return [
        Check(
            subject=name,
            verdict="problem" if version == "not installed" else "ok",
            found=version,
            remedy="Install the package again." if version == "not installed" else "",
        )
        for name, version in versions().items()
    ]


def check_optional() -> list[Check]:
    """Packages that only some files or commands need."""
    from importlib.util import find_spec

    parts = {
        "JPEG 2000": ("openjpeg", "pip install pylibjpeg pylibjpeg-openjpeg"),
        "JPEG, JPEG-LS": ("gdcm", "pip install python-gdcm, if such files are refused"),
        **{f"training ({name})": (name, INSTALL) for name in EXTRA},
    }
    checks = []
    for name, (module, remedy) in parts.items():
        is_here = find_spec(module) is not None
        checks.append(
            Check(
                subject=name,
                verdict="ok" if is_here else "note",
                found=f"{module} {'found' if is_here else 'not installed'}",
                remedy="" if is_here else remedy,
            )
        )
    return checks


def _check_compute() -> Check:
    import torch

    threads = f"{torch.get_num_threads()} CPU threads"
    if torch.cuda.is_available():
        found = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}; {threads}"
    else:
        found = f"no CUDA device; {threads}"
    return Check(subject="compute", verdict="ok", found=found)


def check_model(model: str) -> tuple[Check, CardLike | None]:
    """Whether a model can be loaded, and its card if it can.

    Whatever stops the loading of a damaged checkpoint is what the doctor is there to tell, so no
    kind of error ends the command.
    """
    from vol3d.infer.engine import Engine

    try:
        engine = Engine.load(model, device="cpu")
    except Exception as error:
        kind = "" if isinstance(error, Vol3dError) else f"{type(error).__name__}: "
        remedy = "Train or copy the checkpoint again; --model names another one."
        found = f"{kind}{error}"
        return Check(subject="model", verdict="problem", found=found, remedy=remedy), None
    found = f"{engine.card.name}, weights SHA-256 {engine.weights_sha256}"
    return Check(subject="model", verdict="ok", found=found), engine.card
