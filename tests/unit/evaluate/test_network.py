"""A checkpoint as a system: silent where it must not be asked; encodings are kept."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_systems import toy_record

from vol3d.errors import BudgetError
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.cases import Case
from vol3d.evaluate.network import Vol3dSystem
from vol3d.evaluate.prompts import load_templates
from vol3d.evaluate.systems import asked_of_prompt, asked_of_record


class FakeEngine:
    """Says the first choice with 0.8."""

    weights_sha256, device = "0" * 64, "cpu"

    def __init__(self, grammar: str | None = "phantom-v1", *, is_small: bool = False) -> None:
        self.card = SimpleNamespace(name="fake", question_grammar=grammar)
        self.spec = SimpleNamespace(sha256="1" * 64)
        self.is_small, self.encoded, self.prompts = is_small, 0, list[str]()

    def encode(self, prepared: Any) -> Any:
        import torch

        if self.is_small:
            raise BudgetError("too large")
        self.encoded += 1
        return SimpleNamespace(embeds=torch.full((2, 3), 7.0), patch_logits=None)

    def choose(self, encoded: Any, prompt: str, choices: Any) -> tuple[int, list[float]]:
        self.prompts.append(prompt)
        return 0, [0.8] + [0.2 / (len(choices) - 1)] * (len(choices) - 1)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case whose scan is neither read nor prepared."""
    (tmp_path / "ct.nii.gz").write_bytes(b"scan")
    scan = SimpleNamespace(scan="abdomen", volume="v", body=None)
    monkeypatch.setattr("vol3d.evaluate.cases.read_volume", lambda path, modality: "volume")
    monkeypatch.setattr("vol3d.infer.scans.examine_volume", lambda volume: scan)
    monkeypatch.setattr("vol3d.infer.claims.why_withheld", lambda scan, card: None)
    monkeypatch.setattr("vol3d.preprocess.pipeline.prepare", lambda volume, spec, body: "prepared")
    return Case(place=ScanPlace(image_id="A", scan=tmp_path / "ct.nii.gz", masks=None))


def test_an_encoding_is_kept_on_disk(case: Case, tmp_path: Path) -> None:
    engine = FakeEngine()
    system = Vol3dSystem(engine, cache_dir=tmp_path / "kept")  # type: ignore[arg-type]
    first, second = system.look(case), system.look(case)
    assert engine.encoded == 1
    assert first is not None
    assert second is not None
    assert first.embeds.tolist() == second.embeds.tolist()


def test_a_scan_that_is_too_large_leaves_the_model_silent(case: Case) -> None:
    system = Vol3dSystem(FakeEngine(is_small=True))  # type: ignore[arg-type]
    assert system.answer(system.look(case), [asked_of_prompt("Is the spleen enlarged?")]) == [None]


def test_a_scan_that_the_model_does_not_know_is_not_asked_about(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vol3d.infer.claims.why_withheld", lambda scan, card: "a brain")
    assert Vol3dSystem(FakeEngine()).look(case) is None  # type: ignore[arg-type]


def test_an_answer_in_the_grammar_has_its_probability(case: Case) -> None:
    system = Vol3dSystem(FakeEngine())  # type: ignore[arg-type]
    asked = asked_of_prompt("Is the spleen enlarged? A: No B: Yes")
    (given,) = system.answer(system.look(case), [asked])
    assert given is not None
    assert (given.text, given.confidence) == ("B", pytest.approx(0.8))


@pytest.mark.parametrize("name", sorted(load_templates()))
def test_a_checkpoint_for_free_text_takes_every_shipped_wording(case: Case, name: str) -> None:
    engine = FakeEngine(grammar=None)
    system = Vol3dSystem(engine, template=load_templates()[name])  # type: ignore[arg-type]
    (given,) = system.answer(system.look(case), [asked_of_record(toy_record(1, image=0), "mc")])
    assert given is not None
    assert given.text == "A"
    assert "Which kidney is larger" in engine.prompts[0]
