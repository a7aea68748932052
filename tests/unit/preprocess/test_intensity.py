"""int16 storage and windows: HU for CT, percentiles for everything else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vol3d.preprocess.intensity import stored_intensity
from vol3d.preprocess.spec import PreprocessSpec

SPEC = PreprocessSpec()


def test_hu_is_stored_as_it_is() -> None:
    values = torch.tensor([-1024.0, 39.6, 3000.0])
    store = stored_intensity(values, torch.ones(3, dtype=torch.bool), "HU", SPEC)
    assert store.encode(values).tolist() == [-1024, 40, 3000]
    assert (store.slope, store.intercept) == (1.0, 0.0)
    assert store.windows.tolist() == [list(pair) for pair in SPEC.ct_windows_hu]


def test_hu_beyond_int16_is_clipped() -> None:
    values = torch.tensor([-1e6, 1e6])
    store = stored_intensity(values, torch.ones(2, dtype=torch.bool), "HU", SPEC)
    assert store.encode(values).tolist() == [-32768, 32767]


def test_arbitrary_units_come_back_by_slope_and_intercept() -> None:
    values = torch.linspace(0.0, 1.0, 500)
    store = stored_intensity(values, torch.ones(500, dtype=torch.bool), "arbitrary", SPEC)
    back = store.encode(values).to(torch.float64) * store.slope + store.intercept
    np.testing.assert_allclose(back.numpy(), values.numpy(), atol=store.slope)


def test_mr_windows_are_percentiles_of_the_foreground_and_not_hu() -> None:
    values = torch.cat([torch.zeros(1000), torch.linspace(100.0, 200.0, 1001)])
    store = stored_intensity(values, values > 0, "arbitrary", SPEC)
    original = store.windows.to(torch.float64) * store.slope + store.intercept
    np.testing.assert_allclose(original[2].numpy(), [125.0, 175.0], atol=0.1)
    np.testing.assert_allclose(original[1].numpy(), [105.0, 195.0], atol=0.1)
    assert store.windows.tolist() != [list(pair) for pair in SPEC.ct_windows_hu]


@pytest.mark.parametrize("has_foreground", [True, False])
def test_constant_mr_has_windows_of_positive_width(has_foreground: bool) -> None:
    values = torch.full((50,), 7.0)
    foreground = torch.full((50,), has_foreground)
    store = stored_intensity(values, foreground, "arbitrary", SPEC)
    assert (store.windows[:, 1] > store.windows[:, 0]).all()
    assert store.encode(values).unique().numel() == 1
