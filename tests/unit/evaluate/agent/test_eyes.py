"""The network's view: each scan is encoded once, and not asked about where it must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agent_cases import spleen_record

from vol3d.errors import BudgetError, DataError
from vol3d.evaluate.agent import eyes as module
from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.agent.eyes import NetworkEyes, embedded_clients
from vol3d.evaluate.agent.run import run_agent

QUESTION = "Is the spleen enlarged?"


@dataclass
class FakeEngine:
    """Says yes with 0.8, and keeps what it was given."""

    encoded: list[Any] = field(default_factory=list)
    card: Any = field(default_factory=lambda: SimpleNamespace(question_grammar="phantom-v1"))
    spec: Any = None
    is_too_large: bool = False

    def encode(self, prepared: Any) -> Any:
        if self.is_too_large:
            raise BudgetError("too large")
        self.encoded.append(prepared)
        return prepared

    def choose(self, encoded: Any, prompt: str, choices: Any) -> tuple[int, list[float]]:
        assert tuple(choices) == ("yes", "no")
        return 0, [0.8, 0.2]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the scans that were read; reading and preparing cost nothing here."""
    seen: list[Path] = []

    def examine(path: Path) -> Any:
        seen.append(path)
        return SimpleNamespace(volume=path, body=None, scan=path.name)

    monkeypatch.setattr(module, "examine", examine)
    monkeypatch.setattr("vol3d.preprocess.pipeline.prepare", lambda volume, spec, body: volume)
    monkeypatch.setattr(
        module, "why_withheld", lambda scan, card: "a brain" if scan == "brain" else None
    )
    return seen


def test_a_scan_is_encoded_once(reads: list[Path]) -> None:
    engine = FakeEngine()
    eyes = NetworkEyes(engine, Path)  # type: ignore[arg-type]
    look = eyes.look_at("abdomen")
    assert [look(QUESTION, ("yes", "no")) for _ in range(3)] == [0.8] * 3
    assert (len(reads), len(engine.encoded)) == (1, 1)


def test_only_the_last_scans_are_kept(reads: list[Path]) -> None:
    eyes = NetworkEyes(FakeEngine(), Path)  # type: ignore[arg-type]
    for name in ("a", "b", "c", "a"):
        eyes.look_at(name)(QUESTION, ("yes", "no"))
    assert [path.name for path in reads] == ["a", "b", "c", "a"]


def test_a_scan_that_the_model_does_not_know_is_not_asked_about(reads: list[Path]) -> None:
    look = NetworkEyes(FakeEngine(), Path).look_at("brain")  # type: ignore[arg-type]
    assert look(QUESTION, ("yes", "no")) is None


def test_a_scan_that_is_too_large_is_not_asked_about(reads: list[Path]) -> None:
    look = NetworkEyes(FakeEngine(is_too_large=True), Path).look_at("a")  # type: ignore[arg-type]
    assert look(QUESTION, ("yes", "no")) is None


def test_a_question_outside_of_the_grammar_is_not_asked(reads: list[Path]) -> None:
    look = NetworkEyes(FakeEngine(), Path).look_at("a")  # type: ignore[arg-type]
    assert look("Is there a fracture?", ("yes", "no")) is None


def test_clients_look_at_the_scan_of_their_question(reads: list[Path], tmp_path: Path) -> None:
    settled: list[str] = []
    clients = embedded_clients(NetworkEyes(FakeEngine(), Path), on_settled=settled.append)  # type: ignore[arg-type]
    run = run_agent([spleen_record()], clients, tools=CacheTools({}), out=tmp_path / "t.jsonl")
    assert run.rows[0].pred_answer == "A"
    assert settled == ["network"]
    assert reads == [Path("BDMAP_00000001")]


def test_a_missing_scan_fails_its_question(tmp_path: Path) -> None:
    eyes = NetworkEyes(FakeEngine(), lambda image_id: tmp_path / image_id)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        eyes.look_at("none")(QUESTION, ("yes", "no"))
    clients = embedded_clients(eyes)
    run = run_agent([spleen_record()], clients, tools=CacheTools({}), out=tmp_path / "t.jsonl")
    assert run.rows == ()
    assert run.failed["bench_00001"].startswith("scan:")
