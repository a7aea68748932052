"""Training configurations: what ships is valid, what cannot be run is refused."""

from __future__ import annotations

import pytest

from vol3d.config import load_config
from vol3d.errors import ConfigError
from vol3d.train.config import TrainConfig


@pytest.mark.parametrize("name", ["train/embedded", "tiny/train"])
def test_shipped_configurations_are_valid(name: str) -> None:
    assert load_config(TrainConfig, name).kind == "train"


@pytest.mark.parametrize(
    "override",
    [
        "seed=-1",
        "stages=[]",
        "data.noise_hu=.nan",
        "data.num_cases=-3",
        "data.num_workers=-1",
        "log_every=0",
        "num_threads=-2",
        "data.first_seed=10000000",
        "name=!!binary aGVsbG8=",
        "name={[1]: 2}",
        "preprocess.patch_zyx=[0, 4, 4]",
    ],
)
def test_impossible_values_are_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load_config(TrainConfig, "tiny/train", [override])
