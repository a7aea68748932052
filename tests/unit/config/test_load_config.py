"""YAML and overrides to checked dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vol3d.config import config_to_yaml, load_config, read_mapping
from vol3d.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimiser:
    rate: float = 0.1
    steps: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    name: str
    mode: Literal["fast", "slow"] = "fast"
    size_zyx: tuple[int, int, int] = (1, 2, 3)
    optimiser: Optimiser = field(default_factory=Optimiser)
    note: str | None = None
    is_dry: bool = False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\nsize_zyx: [4, 5, 6]\noptimiser: {rate: 1e-3}\n")
    return path


def test_file_gives_the_dataclass(file: Path) -> None:
    expected = Run(name="a", size_zyx=(4, 5, 6), optimiser=Optimiser(rate=0.001))
    assert load_config(Run, file) == expected


def test_override_reaches_a_nested_key(file: Path) -> None:
    assert load_config(Run, file, ["optimiser.steps=7"]).optimiser == Optimiser(rate=0.001, steps=7)


def test_override_value_is_yaml(file: Path) -> None:
    run = load_config(Run, file, ["size_zyx=[7, 8, 9]", "note=a=b", "is_dry=true"])
    assert (run.size_zyx, run.note, run.is_dry) == ((7, 8, 9), "a=b", True)


def test_exponent_without_a_point_is_a_number(file: Path) -> None:
    assert load_config(Run, file, ["optimiser.rate=3e-4"]).optimiser.rate == 3e-4


@pytest.mark.parametrize("word", ["no", "on", "2026-01-01", "0x10", "1_000"])
def test_words_that_yaml_1_1_converts_stay_text(file: Path, word: str) -> None:
    assert load_config(Run, file, [f"note={word}"]).note == word


def test_all_errors_come_at_once_with_file_and_key(file: Path) -> None:
    overrides = ["optimiser.steps=x", "mode=medium", "unknown=1"]
    with pytest.raises(ConfigError) as caught:
        load_config(Run, file, overrides)
    message = str(caught.value)
    assert "3 errors" in message
    for key in ("optimiser.steps", "mode", "unknown"):
        assert f"run.yaml: {key}: got" in message


def test_unknown_key_in_a_section_fails(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.momentum"):
        load_config(Run, file, ["optimiser.momentum=0.9"])


def test_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    with pytest.raises(ConfigError, match=r"name: got nothing"):
        load_config(Run, path)


def test_text_is_not_taken_for_a_number(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.steps"):
        load_config(Run, file, ['optimiser.steps="7"'])


@pytest.mark.parametrize("override", ["steps", "=1", "optimiser.=1", "name.x=1"])
def test_bad_override_is_refused(file: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="override"):
        read_mapping(file, [override])


@pytest.mark.parametrize(
    ("text", "reason"), [("a: 1\na: 2\n", "twice"), ("a: [1\n", "line 2"), ("- 1\n", "mapping")]
)
def test_damaged_yaml_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"bad\.yaml.*{reason}"):
        read_mapping(path)


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    rate=st.floats(allow_nan=False),
    steps=st.integers(-(2**62), 2**62),
    note=st.none() | st.sampled_from(["null", "~", "1e-5", "true", "no", "", "- a", "a: b", "1.0"]),
)
def test_yaml_text_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, name: str, rate: float, steps: int, note: str | None
) -> None:
    run = Run(name=name, optimiser=Optimiser(rate=rate, steps=steps), note=note)
    path = tmp_path_factory.mktemp("yaml") / "run.yaml"
    path.write_text(config_to_yaml(run), encoding="utf-8")
    assert load_config(Run, path) == run
