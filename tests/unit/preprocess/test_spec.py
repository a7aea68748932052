"""The spec: what it refuses, and that its hash follows its meaning."""

from __future__ import annotations

import dataclasses

import pytest

from vol3d.errors import ConfigError
from vol3d.preprocess.spec import PreprocessSpec


def test_dictionary_and_back_is_equal() -> None:
    spec = PreprocessSpec(spacings_zyx_mm=((3.0, 2.0, 1.0), (6.0, 6.0, 6.0)), max_patches=7)
    assert PreprocessSpec.from_dict(spec.to_dict()) == spec


def test_hash_changes_with_every_field_that_matters() -> None:
    spec = PreprocessSpec()
    assert spec.sha256 == PreprocessSpec().sha256
    assert spec.sha256 != dataclasses.replace(spec, pad_value_hu=-1000).sha256


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="spacing_mm"):
        PreprocessSpec.from_dict({"spacing_mm": 3})


def test_reversed_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="lower < upper"):
        PreprocessSpec(ct_windows_hu=((1.0, 0.0),), mr_percentiles=((1.0, 99.0),))


def test_channels_must_agree() -> None:
    with pytest.raises(ConfigError, match="as many MR percentile ranges"):
        PreprocessSpec(ct_windows_hu=((0.0, 1.0),))


@pytest.mark.parametrize("spacings", [(), ((0.0, 1.0, 1.0),)])
def test_impossible_spacing_is_refused(spacings: tuple[tuple[float, float, float], ...]) -> None:
    with pytest.raises(ConfigError, match="spacings > 0"):
        PreprocessSpec(spacings_zyx_mm=spacings)
