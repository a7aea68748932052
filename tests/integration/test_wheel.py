"""A wheel built from the tree works from anywhere, named configurations included."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, cwd=ROOT)
    return next(folder.glob("vol3d-*.whl"))


def _run(wheel: Path, code: str) -> str:
    """Runs Python from ``/`` with the unpacked wheel ahead of everything else."""
    site = wheel.parent / "site"
    if not site.exists():
        zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheel_holds_both_packages_configs_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "vol3d/py.typed",
        "vol3d_kernels/py.typed",
        "vol3d_kernels/__init__.py",
        "vol3d/_configs/train/embedded.yaml",
        "vol3d/_examples/abdomen_phantom.nii.gz",
        "vol3d/anatomy/vocabularies/totalsegmentator_v2.json",
    } <= names


def test_wheel_holds_no_package_called_kernels(wheel: Path) -> None:
    assert not any(name.startswith("kernels/") for name in zipfile.ZipFile(wheel).namelist())


def test_named_config_is_found_in_the_wheel(wheel: Path) -> None:
    code = "from vol3d.config import find_config; print(find_config('train/embedded'))"
    found = Path(_run(wheel, code))
    assert found == wheel.parent / "site" / "vol3d" / "_configs" / "train" / "embedded.yaml"


def test_command_line_runs_from_the_wheel(wheel: Path) -> None:
    code = "import sys; from vol3d.cli.main import run; sys.exit(run(['info', 'example']))"
    assert "CT" in _run(wheel, code)
