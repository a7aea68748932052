"""Files of JSON lines that only grow, and survive being cut off in the middle of a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vol3d.errors import DataError, explain


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; none if there is no file. A last line without its end is left out.

    Args:
        path: Of the file.

    Raises:
        DataError: A line with its end is no JSON object.
    """
    if not path.exists():
        return []
    rows = []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(
                explain(
                    expected="one JSON object in each line",
                    got="another content",
                    where=f"{path.name}, line {number}",
                    remedy="Delete the line, or start a new file.",
                )
            )
        rows.append(row)
    return rows


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Adds one row and puts it on the disk; half a line from a broken run is dropped first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (json.dumps(row) + "\n").encode("ascii")
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
