import json
import os
import random
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dtvqa_double
import numpy as np
import pytest
from toy_systems import toy_record

from vol3d.errors import ConfigError
from vol3d.evaluate.cases import Case
from vol3d.evaluate.prompt import direct_prompt
from vol3d.evaluate.systems import Asked, Cascade, Given, PriorSystem, shipped_prior
from vol3d.integrations.dtvqa import Answerer, build_evaluator, options_from
from vol3d.volume import Grid, Volume, write_nifti
from vol3d.vqa.dataset import write_json

ARGS = Namespace(mode="vqa", model="Qwen/default", input="3d_volume", format="mc")
QUESTIONS = (
    toy_record(1, image=0),
    toy_record(
        2,
        image=1,
        question_subtype="organ volume measurement",
        question_type="measurement",
        answer="287.4",
        question="What is the volume of the spleen in cm3?",
        mc_question="What is the volume of the spleen in cm3? A: 1.8 B: 287.4",
    ),
    toy_record(
        3,
        image=1,
        question_subtype="organ enlargement",
        answer="Yes",
        question="Is the liver enlarged?",
        mc_question="Is the liver enlarged? A: Yes B: No",
        correct_option="A",
    ),
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Three questions about two images, of which the second has no scan."""
    write_json(tmp_path / "benchmark" / "test_qa.json", QUESTIONS)
    folder = tmp_path / "benchmark" / "ct" / "TOY_00000000"
    folder.mkdir(parents=True)
    grid = Grid(affine=np.eye(4), shape_zyx=(8, 8, 8))
    array = np.zeros((8, 8, 8), np.int16)
    write_nifti(Volume.from_array(array, grid, modality="CT", unit="HU"), folder / "ct.nii.gz")
    return tmp_path


@pytest.fixture
def evaluator(monkeypatch: pytest.MonkeyPatch) -> Any:
    dtvqa_double.install(monkeypatch)
    monkeypatch.setenv("VOL3D_DTVQA_MODEL", "none")
    return build_evaluator(ARGS)


@pytest.mark.parametrize("form", ["mc", "freeform"])
def test_the_official_loop_gets_bare_answers(evaluator: Any, data_dir: Path, form: str) -> None:
    out = data_dir / "out.json"
    evaluator.run(fmt=form, output_path=out, data_dir=data_dir)
    said = [row["pred_answer"] for row in json.loads(out.read_text())["results"]]
    assert evaluator.num_faults == 0
    if form == "mc":
        assert set(said) <= set("ABCD")
    else:
        assert float(said[1]) > 0
        assert said[2].lower() in ("yes", "no")


def test_a_missing_scan_is_answered_from_the_words(evaluator: Any) -> None:
    prompt = direct_prompt(QUESTIONS[1], "mc")
    assert evaluator.generate(prompt, images=None, video_path=None) == "B"
    assert evaluator.num_faults == 0


class Broken:
    """A system that always fails."""

    name = "broken"

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def look(self, case: Case) -> None:
        raise RuntimeError("a bad header")

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        raise RuntimeError("never reached")


def test_a_fault_is_counted_and_answered_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    answerer = Answerer(Broken(), None)
    assert answerer.answer(direct_prompt(QUESTIONS[1], "mc"), None) == "B"
    assert answerer.num_faults == 1
    assert "RuntimeError" in caplog.text
    assert "header" not in caplog.text


class Watching(Broken):
    """A system that says A and counts how often it looks."""

    def __init__(self) -> None:
        self.looks: list[str] = []

    def look(self, case: Case) -> None:
        self.looks.append(case.place.image_id)

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        return [Given(text="A") for _ in asked]


def test_a_volume_is_opened_once_for_questions_in_a_row(data_dir: Path) -> None:
    system = Watching()
    answerer = Answerer(system, None)
    path = str(data_dir / "benchmark" / "ct" / "TOY_00000000" / "ct.nii.gz")
    for record in QUESTIONS:
        answerer.answer(direct_prompt(record, "mc"), path)
    assert system.looks == ["TOY_00000000"]


def damaged(prompt: str, rng: random.Random) -> str:
    """A prompt with something cut out, doubled, put in or shuffled."""
    odd = "".join(rng.choice("\x00\n\r:ABCD .,()[]{}%\u9009\u0661\ud83d\ude00'=") for _ in range(9))
    start, end = sorted(rng.randrange(len(prompt) + 1) for _ in range(2))
    kind = rng.randrange(5)
    if kind == 0:
        return prompt[:start] + prompt[end:]
    if kind == 1:
        return prompt[:start] + odd + prompt[start:]
    if kind == 2:
        return prompt[start:end] * rng.randrange(4)
    if kind == 3:
        lines = prompt.splitlines()
        rng.shuffle(lines)
        return "\n".join(lines)
    return "".join(rng.sample(prompt, len(prompt)))


def test_ten_thousand_malformed_prompts_raise_nothing() -> None:
    rng = random.Random(0)
    answerer = Answerer(Cascade("vol3d", [PriorSystem(shipped_prior())]), None)
    prompts = [direct_prompt(r, f) for r in QUESTIONS for f in ("mc", "freeform")]  # type: ignore[arg-type]
    for _ in range(10_000):
        said = answerer.answer(damaged(rng.choice(prompts), rng), None)
        assert said
        assert "ERROR" not in said


@pytest.mark.parametrize("prompt", [None, 3, b"bytes", ["list"]])
def test_a_prompt_that_is_no_text_is_answered(prompt: Any) -> None:
    answerer = Answerer(Cascade("vol3d", [PriorSystem(shipped_prior())]), None)
    assert answerer.answer(prompt, None)
    assert answerer.num_faults == 1


def test_without_the_official_package_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOL3D_DTVQA_MODEL", "none")
    with pytest.raises(ConfigError, match=r"Install DeepTumorVQA 2\.0"):
        build_evaluator(ARGS)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("EVIDENCE", "some", "masks"), ("PROFILE", "x", "radgpt"), ("COLOUR", "x", "MODEL")],
)
def test_a_wrong_option_is_named(name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        options_from({f"VOL3D_DTVQA_{name}": value})


def test_predicted_masks_need_a_folder() -> None:
    with pytest.raises(ConfigError, match="MASKS"):
        options_from({"VOL3D_DTVQA_EVIDENCE": "predicted"})


def test_other_variables_do_not_matter() -> None:
    assert options_from(dict(os.environ)).model == "embedded"


AGENT = Namespace(mode="agent", model="Qwen/default", agent_mode="oracle", max_steps=4)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    dtvqa_double.install(monkeypatch)
    return build_evaluator(AGENT)


def test_the_agents_options_are_passed_on(agent: Any) -> None:
    assert (agent.mode, agent.max_steps) == ("oracle", 4)


def test_the_agent_answers_from_the_cache(agent: Any, data_dir: Path) -> None:
    """The spleen of the second image has 287.4 cm3."""
    values = {"volume_cm3": {"value": 287.4, "unit": "cm3"}}
    cache = {"TOY_00000001": {"segment": {}, "measure": {"spleen": values}}}
    folder = data_dir / "tool_cache"
    folder.mkdir()
    (folder / "benchmark_oracle_tool_cache.json").write_text(json.dumps({"cache": cache}))
    agent.run(fmt="mc", output_path=data_dir / "out.json", data_dir=data_dir)
    rows = json.loads((data_dir / "out.json").read_text())["results"]
    assert rows[1]["pred_answer"] == "B"
    assert {row["pred_answer"] for row in rows} <= set("ABCD")
    assert agent.num_faults == 0


@pytest.mark.parametrize("messages", [[], [{"role": "user", "content": None}], [{}]])
def test_a_malformed_conversation_is_answered(agent: Any, messages: list[Any]) -> None:
    assert agent.chat(messages, []) == {"content": "no", "tool_calls": []}
    assert agent.num_faults == 1
