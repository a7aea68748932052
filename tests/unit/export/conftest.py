"""A report of a small scan, made without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vol3d.infer.claims import list_candidates, withhold_candidates
from vol3d.infer.describe import describe_scan, write_sections
from vol3d.report import Candidates, ModelInfo, Quality, Region, Report, RunManifest
from vol3d.volume import Volume

MODEL = ModelInfo(
    name="fake", weights_sha256="f" * 64, spec_sha256="e" * 64, trained_on="nothing", validated=()
)


def make_report(volume: Volume, candidates: Candidates) -> Report:
    region = Region(names=("abdomen",), is_abdomen=True, length_mm={}, reasons=("By hand.",))
    quality = Quality(facts={}, sentences=())
    body = np.ones(volume.grid.shape_zyx, dtype=bool)
    scan = describe_scan(volume, body, region, quality)
    sections = write_sections(scan, (), candidates)
    return Report(scan=scan, candidates=candidates, model=MODEL, sections=sections)


@pytest.fixture
def listed_report(trunk_ct: Volume, fake_engine: Any) -> Report:
    """A report with one listed candidate, whose text needs escaping in HTML."""
    return make_report(trunk_ct, list_candidates("A lesion < 5 mm & one more.", fake_engine.card))


@pytest.fixture
def withheld_report(trunk_mr: Volume, fake_engine: Any) -> Report:
    """A report on an MR scan with withheld candidates."""
    return make_report(trunk_mr, withhold_candidates("It is MR, not CT.", fake_engine.card))


@pytest.fixture
def manifest() -> RunManifest:
    return RunManifest(
        versions={"python": "3", "vol3d": "0.9.9"},
        weights_sha256="f" * 64,
        spec_sha256="e" * 64,
        series_uid_sha256=None,
        input_sha256="d" * 64,
        seed=None,
        device="cpu",
        num_threads=1,
        seconds_per_stage={"read": 0.5},
        peak_memory_mb=1.0,
        warnings=(),
    )
