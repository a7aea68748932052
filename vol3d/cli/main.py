"""Entry point of ``vol3d``; imports nothing heavy, so that ``vol3d --help`` answers at once."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

import vol3d
from vol3d.cli import (
    ask,
    compare,
    config,
    data,
    doctor,
    evaluate,
    evaluate_agent,  # noqa: F401  (adds its commands to evaluate.app)
    evaluate_sets,  # noqa: F401  (so does this)
    info,
    measure,
    outcome,
    phantom,
    report,
    train,
)

app = typer.Typer(
    name="vol3d",
    help="CT and MR volumes in, a checkable report and answers out. "
    "Research use only, not for clinical use.",
    epilog="Exit codes: 0 ok, 1 failure, 2 usage, 3 input refused, 4 some cases of a batch failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("report")(report.report)
app.command("ask")(ask.ask)
app.command("measure")(measure.measure)
app.command("compare")(compare.compare)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(data.app, name="data")
app.add_typer(phantom.app, name="phantom")
app.add_typer(config.app, name="config")


_SHORT_VERBOSE = re.compile("-q*v")
"""``-v``, also together with other short options, such as ``-qv`` or ``-vo out``."""


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"vol3d {vol3d.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options of ``vol3d`` itself."""


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of one command line; every error becomes one message on stderr.

    Args:
        arguments: As in ``sys.argv[1:]``.
    """
    _set_environment(arguments)
    _open_closed_streams()
    options = list(arguments)
    if "--" in options:
        options = options[: options.index("--")]
    is_json = "--json" in options
    is_verbose = any(option == "--verbose" or _SHORT_VERBOSE.match(option) for option in options)
    try:
        code = app(args=list(arguments), prog_name="vol3d", standalone_mode=False)
        sys.stdout.flush()
        if code == outcome.INTERRUPTED:  # typer catches the interrupt itself
            raise KeyboardInterrupt
    except BrokenPipeError:
        outcome.close_stdout()
        return outcome.FAILED
    except (Exception, KeyboardInterrupt) as error:
        return _tell(error, is_json=is_json, is_verbose=is_verbose)
    return int(code or outcome.OK)


def _tell(error: BaseException, *, is_json: bool, is_verbose: bool) -> int:
    """Tells an error; a stream that takes no more text changes nothing about the exit code."""
    try:
        code = outcome.tell_error(error, is_json=is_json, is_verbose=is_verbose)
        sys.stdout.flush()
    except OSError:
        outcome.close_stdout()
        return outcome.exit_code_of(error)
    return code


def _open_closed_streams() -> None:
    """Gives a process that was started with ``>&-`` or ``2>&-`` somewhere to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (kept for the process)


def _set_environment(arguments: Sequence[str]) -> None:
    """Offline unless a download is asked for; no telemetry; no header values in warnings."""
    offline = "0" if "--allow-download" in arguments else "1"
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ[name] = offline
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # pydicom quotes values of damaged elements in its warnings; they may be names.
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
