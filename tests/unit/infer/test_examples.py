"""The word ``example`` and paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from vol3d.errors import ConfigError, DataError
from vol3d.infer import examples
from vol3d.infer.examples import resolve_scan


def test_example_is_the_bundled_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = tmp_path / "abdomen_phantom.nii.gz"
    scan.touch()
    monkeypatch.setattr(examples, "_EXAMPLES", tmp_path)
    assert examples.resolve_scan("example") == scan


def test_a_path_is_taken_as_it_is() -> None:
    assert examples.resolve_scan("./example") == Path("example")
    assert examples.resolve_scan(Path("example")) == Path("example")
    assert examples.resolve_scan("scan.nii") == Path("scan.nii")


def test_missing_example_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_EXAMPLES", tmp_path)
    with pytest.raises(DataError, match="Install the package again"):
        examples.resolve_scan("example")


def test_empty_path_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="empty path"):
        resolve_scan("")
