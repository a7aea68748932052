from pathlib import Path

import pytest

from vol3d.config import csv_rows, json_lines, read_utf8
from vol3d.errors import DataError


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_cell_may_hold_a_line_end(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b'a,b\r\n"one\ntwo",3\r\n')
    assert list(csv_rows(path)) == [(1, {"a": "one\ntwo", "b": "3"})]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"\xef\xbb\xbfqid\n1\n")
    assert list(csv_rows(path)) == [(1, {"qid": "1"})]


def test_a_missing_cell_is_empty(tmp_path: Path) -> None:
    assert list(csv_rows(write(tmp_path / "t.csv", b"a,b\n1\n"))) == [(1, {"a": "1", "b": ""})]


def test_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more cells than columns in row 1"):
        list(csv_rows(write(tmp_path / "t.csv", b"a\n1,2\n")))


def test_a_line_separator_of_unicode_ends_no_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", '{"a": "x\u2028y\u0085z"}\n'.encode())
    assert list(json_lines(path)) == [(1, {"a": "x\u2028y\u0085z"})]


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.jsonl, line 2"):
        list(json_lines(write(tmp_path / "t.jsonl", b"1\n{\n")))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="RecursionError"):
        list(json_lines(write(tmp_path / "t.jsonl", b"[" * 200_000)))


@pytest.mark.parametrize("content", [b"\xff\xfea\x00", b"\xe9t\xe9"])
def test_another_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="UTF-8"):
        read_utf8(write(tmp_path / "t.txt", content))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="IsADirectoryError"):
        read_utf8(tmp_path)
