"""Rows of published tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_set_files import write_table

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.tables import Row, first_file, read_rows

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_every_cell_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    write_table(path, ["a", "b"], rows)
    assert [(row.cells["a"], row.cells["b"]) for row in read_rows(path, ["a", "b"])] == rows


def test_a_line_break_within_a_cell_does_not_shift_the_row_number(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["a", "b"], [["1\n2", "x"], ["3", ""]])
    *_, last = read_rows(path, ["b"])
    with pytest.raises(DataError, match=r"t\.csv, row 2: got an empty cell"):
        last.text("b")


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert next(read_rows(path, ["a"])).cells == {"a": "1", "b": "2"}


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["a"], [["1"]])
    with pytest.raises(DataError, match=r"t\.csv, header: got no 'b'"):
        list(read_rows(path, ["a", "b"]))


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["a", "a"], [["1", "2"]])
    with pytest.raises(DataError, match="'a' more than once"):
        list(read_rows(path, ["a"]))


@pytest.mark.parametrize("cells", [["1"], ["1", "2", "3"]])
def test_a_row_of_another_length_is_refused(tmp_path: Path, cells: list[str]) -> None:
    path = write_table(tmp_path / "t.csv", ["a", "b"], [["1", "2"], cells])
    with pytest.raises(DataError, match=f"row 2: got {len(cells)}; expected 2 cells"):
        list(read_rows(path, ["a"]))


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(DataError, match="UnicodeDecodeError"):
        list(read_rows(path, ["a"]))


@pytest.mark.parametrize("text", ["", "x", "nan", "inf"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="row 7"):
        Row(file="t.csv", number=7, cells={"a": text}).number_in("a")


def test_no_table_at_all_is_told_with_its_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected x\.csv or y/x\.csv"):
        first_file(tmp_path, ["x.csv", "y/x.csv"], what="set")


def test_an_excel_sheet_reads_as_the_same_table(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in (["study id", "n", "text"], [7, 2.0, None]):
        book.active.append(line)
    book.save(tmp_path / "t.xlsx")
    (row,) = read_rows(tmp_path / "t.xlsx", ["study id"])
    assert row.cells == {"study id": "7", "n": "2", "text": ""}


def test_a_damaged_excel_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match=r"t\.xlsx: got BadZipFile"):
        list(read_rows(tmp_path / "t.xlsx", ["a"]))
