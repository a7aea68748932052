"""``vol3d config``: show, validate and explain configurations and published records."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Annotated, Any

import typer

from vol3d.cli.options import JsonFlag, QuietFlag, VerboseFlag, VerdictOnlyFlag
from vol3d.cli.outcome import print_json

app = typer.Typer(help="Show, check and explain configurations.", no_args_is_help=True)

KINDS = {"train": "vol3d.train.config:TrainConfig"}
"""The type of each ``kind:`` of configuration."""
RECORDS = {
    "report": "vol3d.report:Report",
    "answer": "vol3d.report:Answer",
    "run": "vol3d.report:RunManifest",
    "case": "vol3d.measure.embedded_facts:EmbeddedFacts",
}
"""The published records whose schema can be printed."""

ConfigArgument = Annotated[
    str, typer.Argument(metavar="CONFIG", help="YAML file or name, such as train/embedded.")
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")
]


@app.command("show")
def show(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Print a configuration with every default filled in, as YAML."""
    from vol3d.config import config_to_yaml

    print(config_to_yaml(_load(config, overrides)), end="")


@app.command("validate")
def validate(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    is_json: JsonFlag = False,
    quiet: VerdictOnlyFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Check a configuration; all its errors come in one message."""
    kind = type(_load(config, overrides)).__name__
    if is_json:
        print_json({"valid": True, "type": kind})
    elif not quiet:
        print(f"Valid {kind}.")


@app.command("schema")
def schema(
    name: Annotated[
        str, typer.Argument(help=f"One of: {', '.join([*RECORDS, *KINDS])}.")
    ] = "report",
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Print the JSON schema of a published record or of a kind of configuration."""
    from pydantic import TypeAdapter

    print(json.dumps(TypeAdapter(_find_type(name, {**RECORDS, **KINDS})).json_schema(), indent=2))


def _load(config: str, overrides: list[str] | None) -> Any:
    from vol3d.config import load_config, read_mapping

    given = list(overrides or ())
    kind = read_mapping(config, given).get("kind")
    return load_config(_find_type(kind, KINDS), config, given)


def _find_type(name: object, known: dict[str, str]) -> Any:
    """The class that a name stands for, imported now.

    Raises:
        ConfigError: The name stands for nothing.
    """
    from vol3d.errors import ConfigError, explain

    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            explain(
                expected=f"one of: {', '.join(known)}",
                got="nothing" if name is None else repr(name),
                where="kind",
                remedy="Write the kind as the first key of the file, such as kind: train.",
            )
        )
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)
