"""Small scans and a fake engine that several packages' tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Acquisition, Grid, Modality, Unit, Volume, write_nifti

FINDINGS = "There is a lesion in the liver. The spleen is enlarged."


def _trunk_hu() -> np.ndarray:
    """A trunk of 12 slices, 5 mm voxels: fat around soft tissue, a spine, a liver on the right."""
    y, x = np.mgrid[0:60, 0:80]
    hu = np.full((12, 60, 80), -1000, dtype=np.int16)
    ellipse = ((x - 39.5) / 34) ** 2 + ((y - 29.5) / 22) ** 2
    hu[:, ellipse < 1] = -100
    hu[:, ellipse < 0.75] = 40
    hu[:, (abs(x - 39.5) < 4) & (abs(y - 14) < 4)] = 400
    hu[:, ((x - 56) / 9) ** 2 + ((y - 32) / 10) ** 2 < 1] = 110
    return hu


def make_volume(
    voxels_zyx: np.ndarray,
    *,
    modality: Modality = "CT",
    unit: Unit = "HU",
    spacing_zyx_mm: tuple[float, float, float] = (5.0, 5.0, 5.0),
    acquisition: Acquisition | None = None,
) -> Volume:
    """A RAS volume of these voxels with its corner at the origin."""
    z, y, x = spacing_zyx_mm
    affine = np.diag([x, y, z, 1.0])
    shape = voxels_zyx.shape
    grid = Grid(shape_zyx=(shape[0], shape[1], shape[2]), affine=affine)
    return Volume.from_array(
        voxels_zyx, grid, modality=modality, unit=unit, acquisition=acquisition
    )


@dataclass
class FakeCard:
    name: str = "fake"
    trained_on: str = "nothing"
    trained_on_short: str = "synthetic phantoms"
    applies_to: tuple[tuple[str, str], ...] = (("CT", "abdomen"),)
    validated: tuple[tuple[str, str, str], ...] = ()
    question_grammar: str | None = "phantom-v1"
    report_prompt: str = "Describe the findings."


@dataclass
class FakeEngine:
    """Answers from a script and remembers what it was asked."""

    spec: PreprocessSpec = field(default_factory=PreprocessSpec)
    card: FakeCard = field(default_factory=FakeCard)
    weights_sha256: str = "f" * 64
    device: str = "cpu"
    answer: str = FINDINGS
    prompts: list[str] = field(default_factory=list)
    choices: tuple[str, ...] = ()

    def encode(self, prepared: Any) -> Any:
        return prepared

    def generate(
        self,
        encoded: Any,
        prompt: str,
        *,
        max_new_tokens: int = 96,
        on_text: Callable[[str], None] | None = None,
    ) -> str:
        self.prompts.append(prompt)
        return self.answer

    def choose(self, encoded: Any, prompt: str, choices: Sequence[str]) -> tuple[int, list[float]]:
        self.prompts.append(prompt)
        self.choices = tuple(choices)
        return 1, [0.25, 0.75, *[0.0] * (len(choices) - 2)]


@pytest.fixture
def volume_of() -> Callable[..., Volume]:
    """``make_volume``."""
    return make_volume


@pytest.fixture
def trunk_ct() -> Volume:
    """A CT whose region is the abdomen by the rules of ``vol3d.measure.region``."""
    return make_volume(_trunk_hu())


@pytest.fixture
def trunk_mr() -> Volume:
    """The same shape as ``trunk_ct`` with MR-like values."""
    voxels = (_trunk_hu().astype(np.float32) + 1000.0) / 3.0
    return make_volume(voxels.astype(np.int16), modality="MR", unit="arbitrary")


@pytest.fixture
def scan_file(tmp_path: Path) -> Callable[[Volume], Path]:
    """Writes a volume as NIfTI and returns the path."""

    def write(volume: Volume) -> Path:
        return write_nifti(volume, tmp_path / "scan.nii.gz")

    return write


@pytest.fixture
def fake_engine() -> FakeEngine:
    """An engine without weights."""
    return FakeEngine()
