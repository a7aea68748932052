"""How paths are named in messages, and which of them may be opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vol3d.errors import DataError, explain


def shown_name(path: Path) -> str:
    r"""The last part of a path for messages, safe to print on a terminal.

    Paths such as ``.`` are named after the folder that they lead to. Characters that do not print
    (line ends, escape codes, bytes that are no text) are written as escapes.

    >>> shown_name(Path("scan\n.nii"))
    'scan\\n.nii'
    """
    name = path.name
    if name in ("", ".."):
        name = os.path.basename(os.path.realpath(path)) or str(path)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def is_regular(path: Path) -> bool:
    """Whether a path (or what its link leads to) is a plain file: no pipe, device, or socket.

    Opening one of the others can wait for ever.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def check_ending(path: Path, *endings: str) -> None:
    """Refuses to write a file whose name does not tell what it will hold.

    Raises:
        DataError: The name has none of the endings.
    """
    if not path.name.endswith(endings):
        raise DataError(
            explain(
                expected=f"a file name ending in {' or '.join(endings)}",
                got=path.suffix or "no ending",
                where=shown_name(path),
                remedy="Change the name.",
            )
        )


def is_utf8(path: Path) -> bool:
    """Whether a path's name is valid UTF-8; Python keeps other bytes as lone surrogates."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
