"""Progress on stderr: a spinner on a terminal, lines with --verbose, otherwise nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LABELS = {
    "load": "Loading the model",
    "read": "Reading the scan",
    "measure": "Measuring the scan",
    "register": "Laying the scans over each other",
    "prepare": "Preparing the model's input",
    "encode": "Looking at the scan",
    "generate": "Writing",
    "answer": "Answering",
    "compose": "Composing the report",
    "export": "Drawing the pictures",
}


@contextmanager
def show_stages(*, is_quiet: bool, is_verbose: bool) -> Iterator[Callable[[str], None]]:
    """A callback that shows the name of the stage that begins.

    Args:
        is_quiet: Show nothing.
        is_verbose: Print one line per stage, also where stderr is no terminal.
    """
    if is_verbose:
        yield lambda stage: print(LABELS.get(stage, stage), file=sys.stderr)
    elif is_quiet or not sys.stderr.isatty():
        yield lambda stage: None
    else:
        from rich.console import Console

        with Console(stderr=True).status("Starting") as status:
            yield lambda stage: status.update(LABELS.get(stage, stage))
