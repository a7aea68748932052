"""Reports and answers with a fake engine: what it is asked, and when it is not asked at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vol3d.errors import BudgetError, ConfigError, DataError
from vol3d.infer import Vol3d
from vol3d.volume import GateNote, Volume

ScanFile = Callable[[Volume], Path]


@pytest.fixture(autouse=True)
def light_prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparation is tested elsewhere; here it only leaves a note."""
    note = GateNote(code="prepared", message="Prepared for the model.")
    monkeypatch.setattr(
        "vol3d.preprocess.pipeline.prepare", lambda *a, **k: SimpleNamespace(notes=(note,))
    )


@pytest.fixture
def model(fake_engine: Any) -> Vol3d:
    return Vol3d(fake_engine)


def test_abdominal_ct_lists_the_models_sentences(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    report = model.report(scan_file(trunk_ct))
    assert report.candidates.status == "listed"
    assert [item.sentence for item in report.candidates.items] == [
        "There is a lesion in the liver.",
        "The spleen is enlarged.",
    ]
    assert fake_engine.prompts == ["Describe the findings."]


def test_mr_is_not_even_asked(
    model: Vol3d, fake_engine: Any, trunk_mr: Volume, scan_file: ScanFile
) -> None:
    report = model.report(scan_file(trunk_mr), modality="MR")
    assert report.candidates.status == "withheld"
    assert "lesion" not in report.text
    assert fake_engine.prompts == []


def test_head_is_not_even_asked(
    model: Vol3d, fake_engine: Any, volume_of: Callable[..., Volume], scan_file: ScanFile
) -> None:
    y, x = np.mgrid[0:60, 0:60]
    radius = np.hypot(x - 29.5, y - 29.5)
    hu = np.full((12, 60, 60), -1000, dtype=np.int16)
    hu[:, radius < 18] = 1000
    hu[:, radius < 16] = 35
    report = model.report(scan_file(volume_of(hu)), modality="CT")
    assert report.scan.region.names == ("head",)
    assert report.candidates.status == "withheld"
    assert fake_engine.prompts == []


def test_blank_scan_is_not_even_asked(
    model: Vol3d,
    fake_engine: Any,
    trunk_ct: Volume,
    volume_of: Callable[..., Volume],
    scan_file: ScanFile,
) -> None:
    blank = volume_of(np.zeros_like(trunk_ct.voxels_zyx))
    report = model.report(scan_file(blank), modality="CT")
    assert "no body" in str(report.candidates.withheld_reason)
    assert fake_engine.prompts == []


def test_text_changes_when_the_voxels_are_blanked(
    model: Vol3d, trunk_ct: Volume, volume_of: Callable[..., Volume], scan_file: ScanFile
) -> None:
    full = model.report(scan_file(trunk_ct), modality="CT").text
    blank = volume_of(np.full_like(trunk_ct.voxels_zyx, -1000))
    assert model.report(scan_file(blank), modality="CT").text != full


def test_notes_of_preparation_reach_the_report_and_the_manifest(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    analysis = model.analyse(scan_file(trunk_ct), modality="CT")
    assert "Prepared for the model." in analysis.report.text
    assert "prepared" in analysis.manifest.warnings


def test_manifest_has_stages_and_hashes(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    stages: list[str] = []
    manifest = model.analyse(scan_file(trunk_ct), on_stage=stages.append).manifest
    assert stages == ["read", "measure", "prepare", "encode", "generate", "compose"]
    assert list(manifest.seconds_per_stage) == ["load", *stages]
    assert manifest.weights_sha256 == "f" * 64
    assert len(manifest.input_sha256) == 64


def test_outputs_do_not_name_the_file(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile, tmp_path: Path
) -> None:
    named = scan_file(trunk_ct).rename(tmp_path / "DOE_JANE_1970.nii.gz")
    analysis = model.analyse(named)
    for record in (analysis.report, analysis.manifest):
        assert "DOE" not in record.model_dump_json()
        assert str(tmp_path) not in record.model_dump_json()


def test_free_answer_is_the_models_text(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    fake_engine.answer = " Yes. "
    answer = model.ask(scan_file(trunk_ct), "Is there splenomegaly?")
    assert (answer.text, answer.status) == ("yes", "unvalidated")
    assert fake_engine.prompts == ["Is the spleen enlarged?"]


def test_choice_comes_with_its_probabilities(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    answer = model.ask(scan_file(trunk_ct), "Is the spleen enlarged?", choices=["yes", "no"])
    assert (answer.text, answer.probabilities) == ("no", (0.25, 0.75))


def test_choice_is_scored_as_learned_and_told_as_typed(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    path = scan_file(trunk_ct)
    answer = model.ask(path, "Is the spleen enlarged?", choices=["Yes ", "No"])
    assert (answer.text, answer.choices) == ("No", ("Yes", "No"))
    assert fake_engine.choices == ("yes", "no")


def test_free_text_outside_of_the_possible_answers_is_refused(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    fake_engine.answer = "liver liver liver"
    answer = model.ask(scan_file(trunk_ct), "Is the spleen enlarged?")
    assert (answer.text, answer.refused) == (None, "model")
    assert "Possible are: yes, no." in str(answer.refused_reason)


def test_model_without_a_grammar_answers_in_its_own_words(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    fake_engine.card.question_grammar = None
    fake_engine.answer = "Hardly."
    assert model.ask(scan_file(trunk_ct), "Is there a fracture?").text == "Hardly."


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("vol3d.preprocess.pipeline.prepare", fail)


def test_scan_larger_than_the_model_takes_is_withheld_and_refused(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, BudgetError("9 patches; expected at most 8."))
    path = scan_file(trunk_ct)
    candidates = model.report(path).candidates
    assert candidates.status == "withheld"
    answer = model.ask(path, "Is the spleen enlarged?")
    assert (answer.text, answer.refused) == (None, "scan")
    for reason in (candidates.withheld_reason, answer.refused_reason):
        assert "does not fit the model" in str(reason)
        assert "at most 8" in str(reason)


def test_other_errors_of_preparation_are_not_taken_for_a_large_scan(
    model: Vol3d, trunk_ct: Volume, scan_file: ScanFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, DataError("wrong shape"))
    path = scan_file(trunk_ct)
    for call in (model.report, lambda scan: model.ask(scan, "Is the spleen enlarged?")):
        with pytest.raises(DataError, match="wrong shape"):
            call(path)


def test_question_outside_of_the_grammar_is_refused(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    answer = model.ask(scan_file(trunk_ct), "Is there a fracture?")
    assert (answer.text, answer.refused) == (None, "question")
    assert "Is the spleen enlarged?" in str(answer.refused_reason)
    assert fake_engine.prompts == []


def test_question_on_an_mr_is_refused(
    model: Vol3d, fake_engine: Any, trunk_mr: Volume, scan_file: ScanFile
) -> None:
    answer = model.ask(scan_file(trunk_mr), "Is the spleen enlarged?", modality="MR")
    assert (answer.text, answer.refused) == (None, "scan")
    assert fake_engine.prompts == []


def test_empty_answer_is_a_refusal(
    model: Vol3d, fake_engine: Any, trunk_ct: Volume, scan_file: ScanFile
) -> None:
    fake_engine.answer = " "
    assert model.ask(scan_file(trunk_ct), "Is the spleen enlarged?").refused == "model"


def test_bad_choices_fail_before_the_scan_is_read(model: Vol3d, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choices"):
        model.ask(tmp_path / "none.nii", "Is the spleen enlarged?", choices=["yes"])


def test_missing_scan_is_a_data_error(model: Vol3d, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.nii"):
        model.report(tmp_path / "none.nii")
