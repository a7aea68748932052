"""The embedded model, loaded once; tests that need it are skipped while it is not built."""

from __future__ import annotations

from pathlib import Path

import pytest

import vol3d
from vol3d.infer import Vol3d


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """Folder of the embedded model."""
    folder = Path(vol3d.__file__).parent / "_models" / "embedded"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("vol3d/_models/embedded holds no weights")
    return folder


@pytest.fixture(scope="session")
def loaded(embedded_model: Path) -> Vol3d:
    """The embedded model, ready to be asked."""
    return Vol3d.from_pretrained("embedded", device="cpu")
