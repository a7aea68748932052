"""The wheel alone in an empty environment. Minutes long: `make test-slow`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def test_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    wheel = next(tmp_path.glob("vol3d-*.whl"))
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    constraints = ["-c", str(ROOT / "constraints.txt")]
    for what in (["torch==2.13.0"], [str(wheel)]):
        subprocess.run([python, "-m", "pip", "install", "-q", *constraints, *what], check=True)
    report = [str(tmp_path / "venv" / "bin" / "vol3d"), "report", "example", "-o", str(tmp_path)]
    subprocess.run(report, check=True, cwd="/")
    assert (tmp_path / "report.html").is_file()
