"""RadEval in a process of its own, with a double in its place: offline, and never a download."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.report_metrics import ReportPair, score_with_radeval

DOUBLE = """
import os

class RadEval:
    def __init__(self, do_f1radbert_ct=False, do_ratescore=False, show_progress=True):
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
        assert not show_progress
        self.names = ["f1radbert_ct_micro_f1"] * do_f1radbert_ct + ["ratescore"] * do_ratescore

    def __call__(self, refs, hyps):
        print("noise on stdout")
        if "fail" in hyps:
            raise RuntimeError("out of memory")
        equal = sum(r == h for r, h in zip(refs, hyps)) / len(refs)
        return {name: equal for name in self.names}
"""
PAIRS = [
    ReportPair(case_id="a", reference="No lesion.", prediction="No lesion."),
    ReportPair(case_id="b", reference="A cyst.", prediction="No lesion."),
]
PYTHON = Path(sys.executable)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the double installed and an empty cache of models, which is returned."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "RadEval.py").write_text(DOUBLE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # whoever asks it would fail
    return tmp_path / "hub" / "hub"


def put_model(cache: Path, model: str) -> None:
    """The files of a model as the hub's own cache lays them out."""
    folder = cache / f"models--{model.replace('/', '--')}"
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("0" * 40) / "config.json").write_text("{}", encoding="utf-8")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40, encoding="utf-8")


def test_scores_come_back_by_name(machine: Path) -> None:
    put_model(machine, "IAMJB/RadBERT-CT")
    found = score_with_radeval(PAIRS, ["f1radbert_ct"], python=PYTHON)
    assert found == {"f1radbert_ct_micro_f1": 0.5}


def test_models_that_are_not_on_disk_are_refused_by_name(machine: Path) -> None:
    put_model(machine, "Angelakeke/RaTE-NER-Deberta")
    with pytest.raises(ConfigError, match="FremyCompany/BioLORD-2023-C") as caught:
        score_with_radeval(PAIRS, ["ratescore"], python=PYTHON)
    assert "RaTE-NER" not in str(caught.value)
    assert "downloads nothing" in str(caught.value)


@pytest.mark.usefixtures("machine")
def test_a_missing_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(ConfigError, match="no module RadEval"):
        score_with_radeval(PAIRS, ["f1radbert_ct"], python=PYTHON)


def test_a_failure_of_radeval_is_told(machine: Path) -> None:
    put_model(machine, "IAMJB/RadBERT-CT")
    pairs = [ReportPair(case_id="a", reference="x", prediction="fail")]
    with pytest.raises(ConfigError, match="out of memory"):
        score_with_radeval(pairs, ["f1radbert_ct"], python=PYTHON)


def test_metrics_that_use_the_network_are_not_offered(tmp_path: Path) -> None:
    for name in ("srrbert", "temporal", "radfact_ct", "mammo_green"):
        with pytest.raises(ConfigError, match=name):
            score_with_radeval(PAIRS, [name], python=PYTHON)  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="got none"):
        score_with_radeval(PAIRS, [], python=PYTHON)
    with pytest.raises(ConfigError, match="Python of an environment"):
        score_with_radeval(PAIRS, ["green"], python=tmp_path / "python")


def test_references_must_be_texts() -> None:
    with pytest.raises(DataError, match="0 pairs"):
        score_with_radeval([], ["green"], python=PYTHON)
