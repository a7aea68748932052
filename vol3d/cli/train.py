"""``vol3d train``: a checkpoint from a configuration."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vol3d.cli.options import QuietFlag, VerboseFlag
from vol3d.errors import ConfigError, explain

EXTRA = ("accelerate", "peft")
"""Packages of the extra ``train``; only the first is needed for every run."""
INSTALL = 'pip install "vol3d[train]"'


def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="YAML file or name, such as train/embedded.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the checkpoint; made if missing.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")
    ] = None,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Train a model as a configuration says."""
    from vol3d.config import find_config
    from vol3d.export import check_output_dir

    check_extra()
    folder = check_output_dir(output)
    find_config(config)
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("vol3d").setLevel(level)
    from vol3d.train.run import train_from_config

    train_from_config(config, list(overrides or ()), folder)


def check_extra() -> None:
    """Nothing, if what every training run needs is installed.

    Raises:
        ConfigError: accelerate is not installed.
    """
    if find_spec(EXTRA[0]) is None:
        raise ConfigError(
            explain(
                expected=f"the package {EXTRA[0]}",
                got="an installation without it",
                where="vol3d train",
                remedy=f"Run {INSTALL}.",
            )
        )
