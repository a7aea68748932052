"""The command line run in this process with a fake engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from vol3d.cli import main
from vol3d.infer import Vol3d


@dataclass(frozen=True)
class Outcome:
    """What one command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(
    fake_engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs ``vol3d`` with the given arguments; the model is the fake engine."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "unset")
    monkeypatch.setattr(Vol3d, "from_pretrained", lambda *args, **kwargs: Vol3d(fake_engine))
    monkeypatch.setattr(
        "vol3d.preprocess.pipeline.prepare", lambda *args, **kwargs: SimpleNamespace(notes=())
    )

    def run(*arguments: object) -> Outcome:
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code=code, out=captured.out, err=captured.err)

    return run
