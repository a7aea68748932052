"""Named configurations: one lookup for the checkout and for the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from vol3d.config import config_roots, find_config, list_configs
from vol3d.errors import ConfigError


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package folder of a fake wheel that carries one configuration."""
    package = tmp_path / "site-packages" / "vol3d"
    (package / "_configs" / "train").mkdir(parents=True)
    (package / "_configs" / "train" / "tiny.yaml").write_text("kind: train\n")
    return package


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package folder of a fake checkout that carries one configuration."""
    root = tmp_path / "checkout"
    (root / "configs" / "train").mkdir(parents=True)
    (root / "configs" / "train" / "tiny.yaml").write_text("kind: train\n")
    (root / "pyproject.toml").touch()
    (root / "vol3d").mkdir()
    return root / "vol3d"


@pytest.mark.parametrize("name", ["train/tiny", "train/tiny.yaml", "configs/train/tiny.yaml"])
def test_name_is_found_in_the_wheel(installed: Path, name: str) -> None:
    found = find_config(name, roots=config_roots(installed))
    assert found == installed / "_configs" / "train" / "tiny.yaml"


@pytest.mark.parametrize("name", ["train/tiny", "train/tiny.yaml", "configs/train/tiny.yaml"])
def test_name_is_found_in_the_checkout(checkout: Path, name: str) -> None:
    found = find_config(name, roots=config_roots(checkout))
    assert found == checkout.parent / "configs" / "train" / "tiny.yaml"


def test_folder_beside_an_installed_package_is_not_a_checkout(installed: Path) -> None:
    (installed.parent / "configs").mkdir()
    assert config_roots(installed) == (installed / "_configs",)


def test_this_installation_has_the_embedded_training() -> None:
    assert "train/embedded" in list_configs()


def test_existing_path_wins_over_a_name(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.touch()
    assert find_config(own, roots=config_roots(installed)) == own


def test_unknown_name_lists_what_there_is(installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"'train/none'.*train/tiny"):
        find_config("train/none", roots=config_roots(installed))


def test_name_cannot_leave_the_folder(installed: Path) -> None:
    (installed / "secret.yaml").touch()
    with pytest.raises(ConfigError):
        find_config("../secret", roots=config_roots(installed))
