"""Whole phantoms: repeatable, the right way round, plausible in HU, true to their plan."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch

from vol3d.errors import ConfigError
from vol3d.phantom import Draw, Organ, Phantom, PhantomConfig, make_phantom, plan_case

SEEDS = (0, 1, 2, 3)
COARSE = PhantomConfig(in_plane_spacing_mm=(4.0, 4.0), slice_spacing_mm=(6.0, 6.0))
LONG = PhantomConfig(
    in_plane_spacing_mm=(4.0, 4.0), slice_spacing_mm=(6.0, 6.0), z_extent_mm=(370.0, 380.0)
)


@cache
def phantom(seed: int, config: PhantomConfig = COARSE) -> Phantom:
    return make_phantom(seed, config)


def centroid_ras(case: Phantom, organ: Organ) -> npt.NDArray[np.float64]:
    zyx = np.argwhere(case.organs_zyx == organ).mean(axis=0)
    return case.volume.grid.index_to_world_mm(zyx)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("seed", [0, 5])
def test_same_seed_gives_the_same_voxels_for_one_and_two_threads(seed: int) -> None:
    one = make_phantom(seed, COARSE)
    torch.set_num_threads(2)
    two = make_phantom(seed, COARSE)
    assert np.array_equal(one.volume.voxels_zyx, two.volume.voxels_zyx)
    assert np.array_equal(one.organs_zyx, two.organs_zyx)
    assert np.array_equal(one.lesions_zyx, two.lesions_zyx)


def test_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first = make_phantom(3, COARSE)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = make_phantom(3, COARSE)
    assert np.array_equal(first.volume.voxels_zyx, second.volume.voxels_zyx)
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_another_seed_gives_another_case() -> None:
    assert phantom(0).volume.voxels_zyx.shape != phantom(1).volume.voxels_zyx.shape


@pytest.mark.parametrize("seed", SEEDS)
def test_liver_is_on_the_patients_right_and_spleen_on_the_left(seed: int) -> None:
    spine = centroid_ras(phantom(seed), Organ.BONE)[0]
    assert centroid_ras(phantom(seed), Organ.LIVER)[0] > spine + 20
    assert centroid_ras(phantom(seed), Organ.SPLEEN)[0] < spine - 40


@pytest.mark.parametrize("seed", SEEDS)
def test_bone_lies_behind_the_stomach_and_lungs_above_the_bowel(seed: int) -> None:
    assert (
        centroid_ras(phantom(seed), Organ.BONE)[1] < centroid_ras(phantom(seed), Organ.STOMACH)[1]
    )
    assert centroid_ras(phantom(seed), Organ.LUNG)[2] > centroid_ras(phantom(seed), Organ.BOWEL)[2]


def test_lungs_lie_above_the_bladder() -> None:
    case = next(c for s in range(12) if (Organ.BLADDER in (c := phantom(s, LONG)).organs_zyx))
    assert centroid_ras(case, Organ.LUNG)[2] > centroid_ras(case, Organ.BLADDER)[2] + 150


@pytest.mark.parametrize("seed", SEEDS)
def test_each_kidney_lies_on_its_own_side(seed: int) -> None:
    case = phantom(seed)
    aorta_and_cava = np.isin(case.organs_zyx, (Organ.AORTA, Organ.VENA_CAVA))
    middle = case.volume.grid.index_to_world_mm(np.argwhere(aorta_and_cava).mean(axis=0))[0]
    for organ, sign in ((Organ.KIDNEY_LEFT, -1), (Organ.KIDNEY_RIGHT, 1)):
        if organ in case.organs_zyx:
            assert sign * (centroid_ras(case, organ)[0] - middle) > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_hu_of_tissues_is_that_of_ct(seed: int) -> None:
    case = phantom(seed)
    lesion_free = case.lesions_zyx == 0
    hu = {
        organ: float(case.volume.voxels_zyx[(case.organs_zyx == organ) & lesion_free].mean())
        for organ in (Organ.BACKGROUND, Organ.LUNG, Organ.BONE, Organ.LIVER)
    }
    assert hu[Organ.BACKGROUND] < -900
    assert -900 < hu[Organ.LUNG] < -600
    assert 150 < hu[Organ.BONE] < 550
    low, high = (85, 135) if case.is_contrast_given else (40, 70)
    assert low < hu[Organ.LIVER] < high
    assert case.volume.unit == "HU"
    assert case.volume.voxels_zyx.dtype == np.int16


def test_contrast_brightens_the_aorta_and_is_told_in_the_header() -> None:
    for probability, low, high in ((0.0, 20, 60), (1.0, 120, 180)):
        config = PhantomConfig(
            in_plane_spacing_mm=(4.0, 4.0),
            slice_spacing_mm=(6.0, 6.0),
            contrast_probability=probability,
        )
        case = make_phantom(7, config)
        assert low < case.volume.voxels_zyx[case.organs_zyx == Organ.AORTA].mean() < high
        assert case.volume.acquisition.is_contrast_given is bool(probability)


@pytest.mark.parametrize("seed", range(8))
def test_masks_show_what_was_planned(seed: int) -> None:
    case, plan = phantom(seed), plan_case(Draw(seed), COARSE)
    for kidney in (Organ.KIDNEY_LEFT, Organ.KIDNEY_RIGHT):
        assert (kidney in case.organs_zyx) == (kidney != plan.missing_kidney)
    spleen = (case.organs_zyx == Organ.SPLEEN).sum() * case.volume.grid.voxel_volume_mm3 / 1000
    assert spleen == pytest.approx(plan.spleen_cm3, rel=0.02)
    assert [lesion.id for lesion in case.lesions] == sorted(set(np.unique(case.lesions_zyx)) - {0})
    for lesion in case.lesions:
        own = case.organs_zyx[case.lesions_zyx == lesion.id]
        assert set(own.tolist()) == {int(lesion.organ)}


@pytest.mark.parametrize("seed", range(8))
def test_lesions_differ_from_their_organ_as_told(seed: int) -> None:
    case = phantom(seed)
    for lesion in case.lesions:
        inside = case.volume.voxels_zyx[case.lesions_zyx == lesion.id].mean()
        organ = (case.organs_zyx == lesion.organ) & (case.lesions_zyx == 0)
        difference = inside - case.volume.voxels_zyx[organ].mean()
        assert (difference < -15) == (lesion.attenuation == "hypoattenuating")
        assert (difference > 15) == (lesion.attenuation == "hyperattenuating")


def test_air_lies_between_body_and_table() -> None:
    case = phantom(1)
    z, _, x = (n // 2 for n in case.volume.voxels_zyx.shape)
    column = case.volume.voxels_zyx[z, :, x]
    skin = int(np.flatnonzero(case.organs_zyx[z, :, x])[0])
    table = np.flatnonzero(column[:skin] > -500)
    assert table.size > 0
    assert (column[table.max() + 1 : skin - 1] < -700).any()


def test_reversed_range_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="noise_hu"):
        PhantomConfig(noise_hu=(20.0, 5.0))


def test_two_missing_kidneys_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing_kidney_probability"):
        PhantomConfig(missing_kidney_probability=0.6)
