"""How a command ends: one clear message, and the exit code that belongs to it."""

from __future__ import annotations

import json
import os
import sys
import traceback

import typer

from vol3d.errors import ConfigError, DataError, Vol3dError

OK = 0
FAILED = 1
USAGE = 2
REFUSED = 3
SOME_FAILED = 4
INTERRUPTED = 130

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""The class of typer's own complaints about options and arguments."""


def exit_code_of(error: BaseException) -> int:
    """0 ok, 1 failure, 2 usage, 3 input refused, 130 interrupted; 4 is a batch's own."""
    if isinstance(error, (ConfigError, UsageError)):
        return USAGE
    if isinstance(error, DataError):
        return REFUSED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    return FAILED


def tell_error(error: BaseException, *, is_json: bool, is_verbose: bool) -> int:
    """Prints an error on stderr, and as JSON on stdout if asked; returns the exit code.

    With ``is_verbose`` the traceback of a failure or refusal comes before its message; wrong usage
    and an interrupt never have one.
    """
    code = exit_code_of(error)
    message = _message(error).encode("ascii", "backslashreplace").decode()
    if is_verbose and code in (FAILED, REFUSED):
        traceback.print_exception(error, file=sys.stderr)
    print(f"vol3d: {message}", file=sys.stderr)
    is_unexpected = code == FAILED and not isinstance(error, Vol3dError)
    if is_unexpected and not is_verbose:
        print("Run again with --verbose for the traceback.", file=sys.stderr)
    if is_json:
        record = {"type": type(error).__name__, "message": message, "exit_code": code}
        print_json({"error": record})
    return code


def print_json(record: object) -> None:
    """Prints one JSON document on stdout, in ASCII so that any terminal and pipe can take it."""
    print(json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False))


def close_stdout() -> None:
    """Lets a reader that went away (``vol3d info x | head``) be no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted."
    if isinstance(error, Vol3dError):
        return str(error)
    if isinstance(error, UsageError):
        return f"{getattr(error, 'format_message', error.__str__)()} Try --help."
    return f"{type(error).__name__}: {error}"
