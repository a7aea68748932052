import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_systems import HashSystem, toy_benchmark

from vol3d.errors import ConfigError
from vol3d.evaluate.prompts import (
    check_template,
    load_templates,
    read_prompt_choice,
    select_prompt,
)
from vol3d.evaluate.run import RunPlan
from vol3d.evaluate.systems import Asked, Given


class Picky(HashSystem):
    """Right only in the wording that it likes."""

    name = "picky"

    def __init__(self, template: str) -> None:
        super().__init__()
        self.template = template

    def fingerprint(self) -> Mapping[str, str]:
        return {"template": self.template}

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        text = "B" if "please" in self.template else "A"
        return [Given(text=text) for _ in asked]


TEMPLATES = {"rude": "{prompt}", "kind": "please {prompt}", "kinder": "please, please {prompt}"}


def test_the_best_wording_is_chosen_and_the_first_of_equals(tmp_path: Path) -> None:
    plan = RunPlan(benchmark=toy_benchmark())
    chosen = select_prompt(Picky, TEMPLATES, plan, tmp_path)
    assert (chosen.name, chosen.template) == ("kind", "please {prompt}")
    assert chosen.scores == {"rude": 0.0, "kind": 1.0, "kinder": 1.0}
    assert "Research use only" in (tmp_path / "prompt.json").read_text()


def test_a_chosen_wording_reads_back_for_other_volumes(tmp_path: Path) -> None:
    select_prompt(Picky, TEMPLATES, RunPlan(benchmark=toy_benchmark()), tmp_path)
    assert read_prompt_choice(tmp_path / "prompt.json", ("OTHER_1",)) == "please {prompt}"


def test_a_wording_chosen_on_an_evaluated_volume_is_refused(tmp_path: Path) -> None:
    select_prompt(Picky, TEMPLATES, RunPlan(benchmark=toy_benchmark()), tmp_path)
    with pytest.raises(ConfigError, match="1 volumes in both"):
        read_prompt_choice(tmp_path / "prompt.json", ("TOY_00000001", "OTHER_1"))


def test_shipped_wordings_can_be_filled() -> None:
    for text in load_templates().values():
        assert "Q?" in text.format(prompt="Q?", facts="F\n")


@pytest.mark.parametrize("text", ["no place", "{prompt} {colour}", "{prompt", "{0}"])
def test_a_wording_that_cannot_be_filled_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a text with \{prompt\}"):
        check_template(text, where="x")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompt.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ConfigError, match=r"prompt\.json"):
        read_prompt_choice(tmp_path / "prompt.json", ())
