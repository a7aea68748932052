"""What the shipped model does: on phantoms, in any storage order, and when it sees nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from vol3d.data.phantom_cases import balanced_bench, make_case
from vol3d.data.seeds import BENCH_SEEDS_START
from vol3d.evaluate.phantom_bench import run_bench, summarise
from vol3d.infer import Vol3d
from vol3d.infer.engine import Engine
from vol3d.models.card import ModelCard
from vol3d.preprocess.pipeline import blank_like, prepare
from vol3d.volume import write_dicom_series, write_nifti

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def engine(embedded_model: Path) -> Engine:
    return Engine.load("embedded", device="cpu")


def test_everything_that_ships_is_below_40_mb(embedded_model: Path) -> None:
    assert sum(p.stat().st_size for p in embedded_model.rglob("*")) < 40e6


def test_card_and_readme_tell_the_same_figures(embedded_model: Path) -> None:
    bench = ModelCard.load(embedded_model).evaluation["phantom_bench"]
    for readme in (embedded_model / "README.md", ROOT / "README.md"):
        words = readme.read_text()
        assert f"{bench['accuracy']['percent']} %" in words
        assert f"{bench['blank']['percent']} %" in words


def test_card_belongs_to_these_weights(engine: Engine) -> None:
    assert engine.card.evaluation["phantom_bench"]["weights_sha256"] == engine.weights_sha256


def test_few_held_out_questions_beat_the_blank_volume(engine: Engine) -> None:
    summary = summarise(run_bench(engine, balanced_bench(4)))
    assert summary["accuracy"]["percent"] > summary["blank"]["percent"]


def test_gain_over_the_blank_volume_is_at_least_15_points(embedded_model: Path) -> None:
    bench = ModelCard.load(embedded_model).evaluation["phantom_bench"]
    assert bench["intervals_disjoint"]
    assert bench["gain"]["percent"] >= 15


def test_findings_change_when_the_scan_is_blanked(engine: Engine) -> None:
    prepared = prepare(make_case(BENCH_SEEDS_START + 5).phantom.volume, engine.spec)
    prompt = engine.card.report_prompt
    seen = engine.generate(engine.encode(prepared), prompt)
    assert engine.generate(engine.encode(blank_like(prepared)), prompt) != seen


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SAL", "PIR"])
def test_report_says_the_same_side_in_every_storage_order(
    axcodes: str, loaded: Vol3d, tmp_path: Path
) -> None:
    volume = make_case(BENCH_SEEDS_START + 3).phantom.volume
    write_dicom_series(volume, tmp_path / "dicom", axcodes=axcodes)
    nifti = write_nifti(volume, tmp_path / "scan.nii.gz", axcodes=axcodes)
    reference = write_nifti(volume, tmp_path / "reference.nii.gz")
    expected = loaded.report(reference).candidates
    assert expected.status == "listed"
    assert loaded.report(nifti).candidates == expected
    assert loaded.report(tmp_path / "dicom").candidates == expected


def test_streamed_text_is_the_answer(engine: Engine) -> None:
    encoded = engine.encode(prepare(make_case(BENCH_SEEDS_START).phantom.volume, engine.spec))
    pieces: list[str] = []
    text = engine.generate(encoded, engine.card.report_prompt, on_text=pieces.append)
    assert "".join(pieces).strip() == text
    assert len(pieces) > 3


def test_choice_agrees_with_the_free_answer(engine: Engine) -> None:
    encoded = engine.encode(prepare(make_case(BENCH_SEEDS_START).phantom.volume, engine.spec))
    question = "Is the spleen enlarged?"
    best, probabilities = engine.choose(encoded, question, ["yes", "no"])
    assert ["yes", "no"][best] == engine.generate(encoded, question)
    assert sum(probabilities) == pytest.approx(1.0)
