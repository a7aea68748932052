"""Chest and brain: measurements on shapes of known size, and what stays open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from synthetic import case_masks, ct

from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts, ChestFacts
from vol3d.volume import Grid, Volume

BoolArray = npt.NDArray[np.bool_]
SHAPE = (40, 60, 100)  # z, y, x; x to the right, y to the front, z to the head
SPACING_MM = 2.0


def grid(shape: tuple[int, int, int] = SHAPE) -> Grid:
    return Grid(shape_zyx=shape, affine=np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]))


def block(z: slice, y: slice, x: slice) -> BoolArray:
    inside = np.zeros(SHAPE, dtype=bool)
    inside[z, y, x] = True
    return inside


LUNG_LEFT = block(slice(5, 35), slice(10, 50), slice(10, 40))
LUNG_RIGHT = block(slice(5, 35), slice(10, 50), slice(60, 90))
HEART = block(slice(6, 20), slice(15, 45), slice(30, 66))
CHEST: dict[str, BoolArray] = {
    "lung_left": LUNG_LEFT & ~HEART,
    "lung_right": LUNG_RIGHT & ~HEART,
    "heart": HEART,
}


def chest_ct(low_share: float = 0.0) -> Volume:
    voxels = np.full(SHAPE, 40, dtype=np.int16)
    lungs = CHEST["lung_left"] | CHEST["lung_right"]
    voxels[lungs] = -850
    chosen = np.flatnonzero(lungs)
    voxels.reshape(-1)[chosen[: round(low_share * len(chosen))]] = -980
    return ct(voxels, grid(), contrast=False)


def measured(
    masks: dict[str, BoolArray],
    *,
    volume: Volume | None = None,
    declared: tuple[str, ...] = (),
    **options: object,
) -> CaseFacts:
    volume = volume or chest_ct()
    return measure_case_masks(
        volume,
        case_masks(volume.grid, masks, declared=declared),
        MeasureOptions(**options),  # type: ignore[arg-type]
    )


def chest(*args: object, **kwargs: object) -> ChestFacts:
    found = measured(*args, **kwargs).chest  # type: ignore[arg-type]
    assert found is not None
    return found


def test_lung_volume_is_both_lungs() -> None:
    voxels = np.count_nonzero(CHEST["lung_left"] | CHEST["lung_right"])
    assert chest(CHEST).lung_volume_cm3 == pytest.approx(voxels * 8 / 1000)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2])
def test_emphysema_index_is_the_share_of_dark_lung(share: float) -> None:
    found = chest(CHEST, volume=chest_ct(share))
    assert found.emphysema_index_percent == pytest.approx(100 * share, abs=0.01)
    assert found.abnormalities["Emphysema"] is (share > 0.05)


def test_cardiothoracic_ratio_is_heart_by_chest_width() -> None:
    assert chest(CHEST).cardiothoracic_ratio == pytest.approx(36 / 80)
    assert chest(CHEST).abnormalities["Cardiomegaly"] is False


def test_a_wide_heart_is_cardiomegaly() -> None:
    wide = block(slice(6, 20), slice(15, 45), slice(25, 70))
    found = chest({key: each & ~wide for key, each in CHEST.items()} | {"heart": wide})
    assert found.abnormalities["Cardiomegaly"] is True


def test_cut_lungs_have_no_volume_and_say_why() -> None:
    cut = {**CHEST, "lung_left": block(slice(0, 35), slice(10, 50), slice(10, 30))}
    facts = measured(cut)
    assert facts.chest is None or facts.chest.lung_volume_cm3 is None
    assert [gate.rule for gate in facts.derived.gates if gate.rule == "emphysema_index"]


def test_heart_that_is_cut_off_has_no_ratio() -> None:
    cut = {**CHEST, "heart": block(slice(0, 20), slice(15, 45), slice(30, 60))}
    assert chest(cut).cardiothoracic_ratio is None


def test_effusion_is_settled_by_its_mask_alone() -> None:
    water = block(slice(5, 12), slice(4, 10), slice(60, 90))
    assert chest({**CHEST, "pleural_effusion": water}).abnormalities["Pleural effusion"] is True
    empty = chest(CHEST, declared=("pleural_effusion",))
    assert empty.abnormalities["Pleural effusion"] is False
    assert "Pleural effusion" not in chest(CHEST).abnormalities


def test_words_without_a_rule_stay_open() -> None:
    assert set(chest(CHEST).abnormalities) == {"Cardiomegaly", "Emphysema"}


def aorta_ct(calcium_hu: int) -> tuple[Volume, dict[str, BoolArray]]:
    aorta = block(slice(0, 40), slice(5, 10), slice(44, 50))
    voxels = np.array(chest_ct().voxels_zyx)
    voxels[20:22, 5:7, 44:46] = calcium_hu
    return ct(voxels, grid(), contrast=False), {**CHEST, "aorta": aorta}


def test_calcium_of_the_aorta_is_seen_without_contrast_only() -> None:
    volume, masks = aorta_ct(400)
    seen = chest(masks, volume=volume, phase="unenhanced").abnormalities
    assert seen["Arterial wall calcification"] is True
    open_ = chest(masks, volume=volume, phase="venous").abnormalities
    assert "Arterial wall calcification" not in open_


def test_an_aorta_without_calcium_settles_nothing() -> None:
    volume, masks = aorta_ct(60)
    found = chest(masks, volume=volume, phase="unenhanced").abnormalities
    assert "Arterial wall calcification" not in found


def test_mr_of_the_chest_has_no_chest_facts() -> None:
    volume = Volume.from_array(
        np.array(chest_ct().voxels_zyx), grid(), modality="MR", unit="arbitrary"
    )
    assert measured(CHEST, volume=volume).chest is None


# --- brain

BRAIN = block(slice(5, 35), slice(5, 55), slice(20, 80))  # middle at x = 49.5


def head(third_x: int, *, lesion: bool = True) -> dict[str, BoolArray]:
    masks = {"brain": BRAIN.copy(), "third_ventricle": np.zeros(SHAPE, dtype=bool)}
    masks["third_ventricle"][15:20, 25:35, third_x : third_x + 2] = True
    if lesion:
        masks["brain_tumor"] = block(slice(15, 22), slice(20, 30), slice(25, 33))
    for key in ("third_ventricle", "brain_tumor"):
        if key in masks:
            masks["brain"] &= ~masks[key]
    return masks


def mr() -> Volume:
    return Volume.from_array(
        np.full(SHAPE, 100, dtype=np.int16), grid(), modality="MR", unit="arbitrary"
    )


@pytest.mark.parametrize(("third_x", "shift_mm"), [(49, 0.0), (53, 8.0), (45, -8.0)])
def test_midline_shift_is_signed_to_the_right(third_x: int, shift_mm: float) -> None:
    found = measured(head(third_x), volume=mr()).brain
    assert found is not None
    assert found.midline_shift_mm == pytest.approx(shift_mm, abs=0.3)


def test_large_shift_beside_a_lesion_is_mass_effect_and_small_shift_leaves_it_open() -> None:
    effects = []
    for third_x, lesion in ((53, True), (50, True), (53, False)):
        brain = measured(head(third_x, lesion=lesion), volume=mr()).brain
        assert brain is not None
        effects.append(brain.has_mass_effect)
    assert effects == [True, None, None]


def test_midline_of_a_turned_head_is_not_shifted() -> None:
    z, y, x = np.indices(SHAPE)
    off = x - 49.5 - 0.2 * (y - 30) - 0.1 * (z - 20)  # a head turned by 11 and tilted by 6 degrees
    brain = (np.abs(off) <= 25) & (np.abs(y - 30) < 22) & (np.abs(z - 20) < 14)
    third = (np.abs(off) <= 1) & (np.abs(y - 30) < 6) & (np.abs(z - 20) < 4)
    masks = {"brain": brain & ~third, "third_ventricle": third}
    found = measured(masks, volume=mr()).brain
    assert found is not None
    assert found.midline_shift_mm == pytest.approx(0.0, abs=0.4)


def test_hemispheres_alone_give_the_shift_of_their_border() -> None:
    masks = {
        "cerebral_hemisphere_left": block(slice(5, 35), slice(5, 55), slice(20, 53)),
        "cerebral_hemisphere_right": block(slice(5, 35), slice(5, 55), slice(53, 80)),
    }
    found = measured(masks, volume=mr()).brain
    assert found is not None
    assert found.midline_shift_mm == pytest.approx(2 * (52.5 - 49.5), abs=0.01)


def test_brain_that_is_cut_off_at_the_side_has_no_midline() -> None:
    masks = head(49)
    masks["brain"][:, 5:55, :30] = True
    assert measured(masks, volume=mr()).brain is None


def test_brain_alone_settles_nothing() -> None:
    assert measured({"brain": BRAIN}, volume=mr()).brain is None


def test_a_vertebra_that_blurs_into_the_aorta_is_no_calcium() -> None:
    volume, masks = aorta_ct(60)
    voxels = np.array(volume.voxels_zyx)
    voxels[10:30, 0:6, 40:56] = 300  # reaches one voxel into the aorta
    blurred = ct(voxels, grid(), contrast=False)
    found = chest(masks, volume=blurred, phase="unenhanced").abnormalities
    assert "Arterial wall calcification" not in found
