"""The tiny training run, from configuration to a checkpoint that reports on a scan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vol3d.errors import CheckpointError, ConfigError
from vol3d.infer import Vol3d
from vol3d.infer.engine import Engine, choose_device, resolve_checkpoint
from vol3d.models.card import ModelCard
from vol3d.train.run import train_from_config


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    train_from_config("tiny/train", [], folder)
    return folder


def test_log_has_both_losses(run_folder: Path) -> None:
    lines = [json.loads(line) for line in (run_folder / "log.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"dense", "instruct", "align"}
    assert any("patch_loss" in line for line in lines)
    assert any("language_loss" in line for line in lines)


def test_same_configuration_gives_the_same_weights(run_folder: Path, tmp_path: Path) -> None:
    again = train_from_config("tiny/train", [], tmp_path)
    first, second = (
        Engine.load(folder).model.state_dict() for folder in (run_folder / "checkpoint", again)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_checkpoint_reports_on_a_scan(run_folder: Path) -> None:
    report = Vol3d.from_pretrained(run_folder / "checkpoint").report("example")
    assert report.model.name == "tiny"


def test_checkpoint_says_what_it_is(run_folder: Path) -> None:
    card = ModelCard.load(run_folder / "checkpoint")
    assert card.patch_size_zyx_mm == (48.0, 48.0, 48.0)
    assert card.disclaimer in (run_folder / "checkpoint" / "README.md").read_text()


def test_misspelt_model_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hiden_size"):
        train_from_config("tiny/train", ["model.vision.hiden_size=8"], tmp_path)


def test_training_on_held_out_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="held-out"):
        train_from_config("tiny/train", ["data.first_seed=10000000"], tmp_path)


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    for file in (run_folder / "checkpoint").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_missing_weights_are_never_filled_in(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    kept = {name: t for name, t in tensors.items() if "blocks.0.mlp" not in name}
    save_file(kept, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="missing_keys"):
        Engine.load(copied)


def test_damaged_weights_are_a_checkpoint_error(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="Copy or train"):
        Engine.load(copied)


def test_checkpoint_without_card_is_refused(copied: Path) -> None:
    (copied / "vol3d_card.json").unlink()
    with pytest.raises(CheckpointError, match=r"vol3d_card\.json"):
        Engine.load(copied)


def test_processor_of_another_model_is_refused(copied: Path) -> None:
    path = copied / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["feature_extractor"]["pool_sizes"] = [4]
    path.write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="pool sizes"):
        Engine.load(copied)


def test_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="--device"):
        choose_device("abacus")


def test_unknown_checkpoint_is_not_downloaded() -> None:
    with pytest.raises(CheckpointError, match="not in the cache"):
        resolve_checkpoint("nobody/no-such-model")
