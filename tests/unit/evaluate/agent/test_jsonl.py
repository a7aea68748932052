"""Files of JSON lines survive a run that was killed while it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from vol3d.errors import DataError
from vol3d.evaluate.agent.jsonl import append_row, read_rows


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    assert read_rows(path) == []
    append_row(path, {"a": 1})
    append_row(path, {"a": "\ud800"})  # half a pair, as a model may write it
    assert read_rows(path) == [{"a": 1}, {"a": "\ud800"}]


@pytest.mark.parametrize("half", [b'{"a": 2', b"{", b'{"a": 2}'])
def test_half_a_line_is_left_out_and_written_over(tmp_path: Path, half: bytes) -> None:
    path = tmp_path / "a.jsonl"
    append_row(path, {"a": 1})
    path.write_bytes(path.read_bytes() + half)
    assert read_rows(path) == [{"a": 1}]
    append_row(path, {"a": 3})
    assert read_rows(path) == [{"a": 1}, {"a": 3}]


def test_a_file_of_half_a_line_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a"')
    assert read_rows(path) == []
    append_row(path, {"a": 3})
    assert read_rows(path) == [{"a": 3}]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\nnothing\n{"a": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        read_rows(path)
