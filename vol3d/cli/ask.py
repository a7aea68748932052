"""``vol3d ask``: one question about one scan."""

from __future__ import annotations

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
from vol3d.cli.outcome import FAILED, OK, REFUSED, USAGE
from vol3d.cli.progress import show_stages


def ask(
    scan: ScanArgument,
    question: Annotated[str, typer.Argument(help="A question in English, in quotes.")],
    choices: Annotated[
        str | None, typer.Option("--choices", help='Possible answers: "yes|no".')
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", help="One possible answer; repeat it.")
    ] = None,
    model: ModelFlag = "embedded",
    device: DeviceFlag = "auto",
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    allow_download: DownloadFlag = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Answer one question about a scan, or say why not.

    A refused question ends with exit code 2, a scan the model must not judge with 3.
    """
    from vol3d.infer import StageClock, Vol3d, examine
    from vol3d.infer.questions import check_choices

    options = [*(choices.split("|") if choices is not None else ()), *(choice or ())]
    check_choices(options)
    with show_stages(is_quiet=quiet, is_verbose=verbose) as on_stage:
        clock = StageClock(on_stage)
        examined = examine(scan, series=series, modality=to_modality(modality), clock=clock)
        with clock.stage("load"):
            loaded = Vol3d.from_pretrained(model, device=device, allow_download=allow_download)
        answer = loaded.answer_about(examined, question, choices=options, clock=clock)
    if is_json:
        print(answer.model_dump_json(indent=2))
    else:
        print(f"Refused. {answer.refused_reason}" if answer.text is None else answer.text)
        for option, probability in zip(answer.choices, answer.probabilities, strict=False):
            print(f"  {option}: {probability:.3f}")
        label = "" if answer.text is None else "Unvalidated model output. "
        print(f"{label}{answer.disclaimer}")
    return {None: OK, "question": USAGE, "scan": REFUSED, "model": FAILED}[answer.refused]
