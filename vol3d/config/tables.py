"""Rows of text files that people edit: CSV and JSON lines, in UTF-8 with or without a mark."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vol3d.errors import DataError, explain


def read_utf8(path: Path) -> str:
    """The text of a file; a byte order mark at its begin, as spreadsheets write it, is left out.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, type(error).__name__) from None


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file by column, with their numbers; cells may hold line ends.

    Args:
        path: The file; its first line names the columns.

    Raises:
        DataError: It cannot be read, or a row has more cells than there are columns.
    """
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""))
    try:
        for number, row in enumerate(reader, start=1):
            if None in row:
                raise _unreadable(path, f"more cells than columns in row {number}")
            yield number, {name: value or "" for name, value in row.items()}
    except csv.Error as error:
        raise _unreadable(path, str(error)) from None


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Values of a file with one JSON value per line, with the numbers of their lines.

    Args:
        path: The file; empty lines are passed over.

    Raises:
        DataError: It cannot be read, or a line is no JSON.
    """
    for number, line in enumerate(read_utf8(path).split("\n"), start=1):
        if line.strip():
            yield number, parse_json(line, where=f"{path.name}, line {number}")


def parse_json(text: str, *, where: str) -> Any:
    """The value of a JSON text.

    Args:
        text: The text.
        where: Names it in the error.

    Raises:
        DataError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            explain(
                expected="JSON",
                got=type(error).__name__,
                where=where,
                remedy="Correct it, or write the file again.",
            )
        ) from None


def _unreadable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a text file in UTF-8",
            got=got,
            where=path.name,
            remedy="Save it as UTF-8, with the cells in quotes where they hold commas.",
        )
    )
