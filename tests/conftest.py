"""Shared fixtures. TRITON_INTERPRET must be set before anything imports triton."""

from __future__ import annotations

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the processors: more threads only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real scans (``VOL3D_TEST_DATA``); tests that need it are skipped without it."""
    folder = Path(os.environ.get("VOL3D_TEST_DATA", ROOT / ".." / "shared")).resolve()
    if not (folder / "data" / "facts.json").is_file():
        pytest.skip(f"no test data at VOL3D_TEST_DATA={folder}")
    return folder / "data"


@pytest.fixture(scope="session")
def facts(test_data: Path) -> dict[str, Any]:
    """The measured facts of every real case, by case name."""
    cases: dict[str, Any] = json.loads((test_data / "facts.json").read_text())["cases"]
    return cases
