"""Quality facts on scans whose flaws are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from vol3d.measure.body import body_mask
from vol3d.measure.quality import QualityFacts, assess_quality
from vol3d.volume import Grid, Volume


def scan(
    voxels: npt.NDArray[np.int16] | npt.NDArray[np.float32],
    *,
    is_ct: bool = True,
    spacing_zyx_mm: tuple[float, float, float] = (3.0, 3.0, 3.0),
) -> Volume:
    z, y, x = spacing_zyx_mm
    grid = Grid(shape_zyx=voxels.shape, affine=np.diag([x, y, z, 1.0]))
    return Volume.from_array(
        voxels, grid, modality="CT" if is_ct else "MR", unit="HU" if is_ct else "arbitrary"
    )


def box(noise_sd: float = 0.0, num_slices: int = 12) -> npt.NDArray[np.int16]:
    """A box of 40 HU in air, 10 voxels from every lateral edge."""
    voxels = np.full((num_slices, 60, 60), -1000, dtype=np.int16)
    noise = np.random.default_rng(0).normal(40, noise_sd, (num_slices, 40, 40))
    voxels[:, 10:50, 10:50] = noise.round()
    return voxels


def quality_of(volume: Volume) -> QualityFacts:
    return assess_quality(volume, body_mask(volume))


@pytest.mark.parametrize("noise_sd", [5.0, 20.0])
def test_noise_is_measured_in_hu(noise_sd: float) -> None:
    facts = quality_of(scan(box(noise_sd)))
    assert facts.noise_sd == pytest.approx(noise_sd, rel=0.2)
    assert facts.noise_unit == "HU"


def test_mr_noise_is_never_in_hu() -> None:
    facts = quality_of(scan((box(20.0) + 1000).astype(np.float32), is_ct=False))
    assert facts.noise_unit == "arbitrary"
    assert facts.metal_share is None
    assert not any("HU" in sentence for sentence in facts.sentences)


def test_body_inside_the_field_of_view_is_not_truncated() -> None:
    assert quality_of(scan(box())).truncated_sides == ()


@pytest.mark.parametrize(
    ("side", "window"),
    [
        ("left", (slice(None), slice(10, 50), slice(0, 20))),
        ("right", (slice(None), slice(10, 50), slice(40, 60))),
        ("back", (slice(None), slice(0, 20), slice(10, 50))),
        ("front", (slice(None), slice(40, 60), slice(10, 50))),
    ],
)
def test_truncated_side_is_named_by_the_patient(side: str, window: tuple[slice, ...]) -> None:
    voxels = box()
    voxels[window] = 40
    facts = quality_of(scan(voxels))
    assert facts.truncated_sides == (side,)
    assert any(f"on the {side}" in sentence for sentence in facts.sentences)


def test_coarse_and_few_slices_are_said() -> None:
    facts = quality_of(scan(box(num_slices=4), spacing_zyx_mm=(7.5, 3.0, 3.0)))
    assert facts.is_coarse
    assert facts.anisotropy == pytest.approx(2.5)
    assert "The scan has only 4 slices." in facts.sentences
    assert any("7.5 mm apart" in sentence for sentence in facts.sentences)


def test_metal_and_padding_are_counted() -> None:
    voxels = box()
    voxels[:, 20:24, 20:24] = 3000
    voxels[:, :6, :] = -2000
    facts = quality_of(scan(voxels))
    assert facts.metal_share == pytest.approx(16 / 1600, rel=0.15)
    assert facts.implausible_share == pytest.approx(0.1)


def test_values_that_are_not_finite_are_counted() -> None:
    voxels = (box() + 1000).astype(np.float32)
    voxels[0, 0, :6] = np.nan
    facts = quality_of(scan(voxels, is_ct=False))
    assert facts.implausible_share == pytest.approx(6 / voxels.size)


def test_blank_scan_is_said_to_be_blank() -> None:
    facts = quality_of(scan(np.zeros((12, 30, 30), dtype=np.int16)))
    assert facts.is_blank
    assert facts.body_share == 0
    assert facts.noise_sd is None
    assert facts.sentences[0] == "All voxels have the same value: the scan is blank."
