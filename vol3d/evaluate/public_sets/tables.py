"""Rows of published tables, with errors that name the file and the row."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vol3d.errors import ConfigError, DataError, explain
from vol3d.volume.names import shown_name

_SHOWN = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a table.

    Args:
        file: Name of the file, for messages.
        number: From 1, the header not counted.
        cells: Column to text without surrounding blanks.
    """

    file: str
    number: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The text of a cell.

        Raises:
            DataError: It is empty.
        """
        value = self.cells[column]
        if not value:
            raise self.wrong(f"text in column {column!r}", "an empty cell")
        return value

    def optional(self, column: str, *absent: str) -> str | None:
        """The text of a cell; ``None`` if it is empty, one of ``absent``, or has no column."""
        value = self.cells.get(column, "")
        return None if not value or value in absent else value

    def one_of(self, column: str, allowed: Collection[str]) -> str:
        """The text of a cell that is one of a few words.

        Raises:
            DataError: It is another.
        """
        value = self.cells[column]
        if value not in allowed:
            expected = f"one of {', '.join(map(repr, allowed))} in column {column!r}"
            raise self.wrong(expected, repr(value[:_SHOWN]))
        return value

    def number_in(self, column: str) -> float:
        """The finite number in a cell.

        Raises:
            DataError: It holds none.
        """
        try:
            value = float(self.cells[column])
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            shown = repr(self.cells[column][:_SHOWN])
            raise self.wrong(f"a number in column {column!r}", shown)
        return value

    def wrong(self, expected: str, got: str) -> DataError:
        """The refusal of this row."""
        return DataError(
            explain(
                expected=expected,
                got=got,
                where=f"{self.file}, row {self.number}",
                remedy="Correct the row; none is replaced or left out.",
            )
        )


def first_file(root: Path, candidates: Sequence[str], *, what: str) -> Path:
    """The first of several published places of a file that exists.

    Args:
        root: Folder of the data set.
        candidates: Paths relative to it, with ``/``.
        what: The table's name for the message.

    Raises:
        DataError: None of them exists.
    """
    for candidate in candidates:
        path = root / candidate
        if path.is_file():
            return path
    raise DataError(
        explain(
            expected=" or ".join(candidates),
            got="none of these files",
            where=f"{what} in {shown_name(root)}",
            remedy="Pass the folder that the data set was downloaded to.",
        )
    )


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file or of the first sheet of an Excel file.

    Args:
        path: ``.csv`` in UTF-8, with or without a byte order mark, or ``.xlsx``.
        columns: Names that the header must have.

    Raises:
        DataError: A column is missing or comes twice, a row has more or fewer cells than the
            header, or the file cannot be read.
        ConfigError: An Excel file without openpyxl installed.
    """
    lines = _excel(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    name = shown_name(path)
    header = [cell.strip() for cell in next(lines, [])]
    _check_header(header, columns, name)
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            row = Row(file=name, number=number, cells={})
            raise row.wrong(f"{len(header)} cells, as the header has", str(len(line)))
        cells = dict(zip(header, (cell.strip() for cell in line), strict=True))
        yield Row(file=name, number=number, cells=cells)


def _check_header(header: Sequence[str], columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in header]
    twice = sorted({column for column in header if header.count(column) > 1})
    if missing or twice:
        got = f"no {missing[0]!r}" if missing else f"{twice[0]!r} more than once"
        raise DataError(
            explain(
                expected=f"columns {', '.join(map(repr, columns))}, each once",
                got=got,
                where=f"{name}, header",
                remedy="Use the table as it was published.",
            )
        )


def _csv(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (line for line in csv.reader(file, strict=True) if line)
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unreadable(path, type(error).__name__) from None


def _excel(path: Path) -> Iterator[list[str]]:
    try:
        openpyxl = importlib.import_module("openpyxl")
    except ImportError:
        raise ConfigError(
            explain(
                expected="openpyxl, which reads Excel files",
                got="no such package",
                where=shown_name(path),
                remedy="Install openpyxl, or save the first sheet as CSV beside the file.",
            )
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises many kinds on damaged archives and XML
        raise _unreadable(path, type(error).__name__) from None
    try:
        sheet = book.worksheets[0]
        for line in sheet.iter_rows(values_only=True):
            if any(cell is not None for cell in line):
                yield [_cell_text(cell) for cell in line]
    finally:
        book.close()


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _unreadable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a readable table (.csv in UTF-8, or .xlsx)",
            got=got,
            where=shown_name(path),
            remedy="Download the file again.",
        )
    )
