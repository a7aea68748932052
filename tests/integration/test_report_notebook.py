"""The tutorial notebook runs from top to bottom on the bundled scan."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import vol3d

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "report_from_a_scan.ipynb"
PACKAGE = Path(vol3d.__file__).parent


@pytest.fixture
def bundled_scan() -> Path:
    """The example scan; the embedded model must be there too."""
    scan = PACKAGE / "_examples" / "abdomen_phantom.nii.gz"
    for part in (scan, PACKAGE / "_models" / "embedded" / "model.safetensors"):
        if not part.is_file():
            pytest.skip(f"vol3d/{part.relative_to(PACKAGE)} is missing")
    return scan


def test_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_notebook_runs(bundled_scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    kernels = tmp_path / "kernels" / "python3"
    kernels.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "test", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("VOL3D_SCAN", str(bundled_scan))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    texts = [
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert any("Unvalidated candidates" in text for text in texts)
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    assert any("image/png" in picture["data"] for picture in pictures)
