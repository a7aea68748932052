"""Synthetic subjects: sides, order along the body, sizes, contrast, determinism, what is forced."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import cc3d
import numpy as np
import pytest
import torch

from vol3d.data.subject_cases import subject_facts
from vol3d.errors import ConfigError
from vol3d.measure.facts import CaseFacts
from vol3d.phantom.subjects import LABELS, LesionPlan, Subject, SubjectConfig, make_subject
from vol3d.phantom.subjects.plan import NORMAL_CM3, Region

SHAPE = (72, 112, 112)


@cache
def subject(seed: int, **kwargs: object) -> Subject:
    options: dict[str, object] = {"shape_zyx": SHAPE, "is_cut": False, "max_tilt_deg": 0.0}
    return make_subject(seed, SubjectConfig(**{**options, **kwargs}))  # type: ignore[arg-type]


@cache
def facts(seed: int, **kwargs: object) -> CaseFacts:
    return subject_facts(subject(seed, **kwargs))


def centre(seed: int, key: str) -> tuple[float, float, float]:
    found = facts(seed, pathologies=(), lesions=()).organs[key].centroid_ras_mm
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
def test_liver_lies_right_and_spleen_left(seed: int) -> None:
    assert centre(seed, "liver")[0] > centre(seed, "aorta")[0] + 30
    assert centre(seed, "spleen")[0] < centre(seed, "aorta")[0] - 50


@pytest.mark.parametrize("seed", range(4))
def test_cava_lies_right_of_the_aorta(seed: int) -> None:
    assert centre(seed, "inferior_vena_cava")[0] > centre(seed, "aorta")[0] + 10


@pytest.mark.parametrize("seed", range(4))
def test_order_from_feet_to_head(seed: int) -> None:
    order = ("urinary_bladder", "small_bowel", "kidney_right", "liver", "heart")
    heights = [centre(seed, key)[2] for key in order]
    assert heights == sorted(heights)


@pytest.mark.parametrize("seed", range(4))
def test_right_kidney_lies_lower(seed: int) -> None:
    assert centre(seed, "kidney_right")[2] < centre(seed, "kidney_left")[2]


@pytest.mark.parametrize("seed", range(4))
def test_gallbladder_lies_in_front_of_the_right_kidney(seed: int) -> None:
    assert centre(seed, "gallbladder")[1] > centre(seed, "kidney_right")[1] + 30


@pytest.mark.parametrize("key", ["liver", "spleen", "pancreas", "kidney_left", "kidney_right"])
@pytest.mark.parametrize("seed", range(4))
def test_organs_have_the_volume_that_was_drawn(seed: int, key: str) -> None:
    plan = subject(seed, pathologies=(), lesions=()).plan
    low, high = NORMAL_CM3[key]
    measured = facts(seed, pathologies=(), lesions=()).organs[key].volume_cm3
    assert measured == pytest.approx(plan.organ_cm3[key], rel=0.02)
    assert low * 0.97 <= measured <= high * 1.03


@pytest.mark.parametrize(
    ("phase", "aorta_hu"),
    [
        ("unenhanced", (25, 60)),
        ("arterial", (230, 400)),
        ("venous", (115, 200)),
        ("delayed", (80, 135)),
    ],
)
def test_aorta_has_the_hu_of_its_phase(phase: str, aorta_hu: tuple[int, int]) -> None:
    mean = facts(1, phase=phase, artifact_probability=0.0).organs["aorta"].mean_intensity
    assert mean is not None
    assert aorta_hu[0] < mean < aorta_hu[1]


@pytest.mark.parametrize("region", ["abdomen", "chest", "head"])
def test_same_seed_same_voxels_for_any_number_of_threads(region: Region) -> None:
    before = torch.get_num_threads()
    made = []
    for count in (1, 2):
        torch.set_num_threads(count)
        made.append(make_subject(5, SubjectConfig(region=region, shape_zyx=(40, 64, 64))))
    torch.set_num_threads(before)
    assert np.array_equal(made[0].volume.voxels_zyx, made[1].volume.voxels_zyx)
    assert np.array_equal(made[0].labels_zyx, made[1].labels_zyx)


_FINGERPRINT = """
import hashlib, sys
from vol3d.data.subject_cases import subject_facts
from vol3d.phantom.subjects import SubjectConfig, make_subject
subject = make_subject(13, SubjectConfig(shape_zyx=(48, 80, 80), pathology_probability=0.5))
voxels = hashlib.sha256(subject.volume.voxels_zyx.tobytes()).hexdigest()
print(voxels, hashlib.sha256(subject_facts(subject).model_dump_json().encode()).hexdigest())
"""


def test_same_seed_same_voxels_and_facts_for_other_instruction_sets() -> None:
    plain = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem"}
    plain |= {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"}
    made = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _FINGERPRINT],
            env=dict(os.environ) | settings,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for settings in ({}, plain)
    ]
    assert len(made[0].split()) == 2
    assert made[0] == made[1]


def test_tumour_beside_an_artery_is_no_darker_for_the_fat_that_it_grows_into() -> None:
    tumour = LesionPlan(
        organ="pancreas",
        kind="pdac",
        diameter_mm=18.0,
        part="pancreas_body",
        vessel="celiac_trunk",
        vessel_angle_deg=70.0,
    )
    found = facts(0, pathologies=(), lesions=(tumour,), phase="unenhanced")
    pancreas = found.organs["pancreas"].mean_intensity
    assert pancreas is not None
    assert found.lesions[0].mean_intensity == pytest.approx(pancreas - 4.0, abs=25.0)


def test_another_seed_gives_another_subject() -> None:
    assert not np.array_equal(subject(0).labels_zyx, subject(1).labels_zyx)


def test_missing_kidney_is_absent() -> None:
    found = facts(2, pathologies=("no_kidney_left",), lesions=())
    assert found.organs["kidney_left"].status == "absent"
    assert found.organs["kidney_right"].status == "whole"


def test_splenomegaly_is_large() -> None:
    assert facts(2, pathologies=("splenomegaly",), lesions=()).derived.is_enlarged["spleen"]


def test_fatty_liver_is_darker_than_the_same_liver_without_fat() -> None:
    means = []
    for pathologies in ((), ("steatosis",)):
        made = facts(3, phase="unenhanced", pathologies=pathologies, lesions=())
        means.append(made.organs["liver"].mean_intensity or 0.0)
    assert means[1] < means[0] - 5


def test_cyst_lies_in_the_kidney_that_was_asked_for() -> None:
    cyst = LesionPlan(organ="kidney_left", kind="cyst", diameter_mm=35.0)
    found = facts(4, pathologies=(), lesions=(cyst,))
    assert [(each.organ, each.side, each.type) for each in found.lesions] == [
        ("kidney", "left", "cyst")
    ]
    assert found.lesions[0].longest_axial_diameter_mm == pytest.approx(35.0, rel=0.3)
    assert found.lesions[0].mean_intensity < 40


@pytest.mark.parametrize("angle_deg", [90.0, 180.0, 270.0])
def test_tumour_touches_the_artery_as_asked(angle_deg: float) -> None:
    tumour = LesionPlan(
        organ="pancreas",
        kind="pdac",
        diameter_mm=40.0,
        part="pancreas_head",
        vessel="superior_mesenteric_artery",
        vessel_angle_deg=angle_deg,
    )
    config = SubjectConfig(
        shape_zyx=(150, 220, 220), is_cut=False, pathologies=(), lesions=(tumour,), max_tilt_deg=0.0
    )
    found = subject_facts(make_subject(6, config))
    angle = found.lesions[0].vessel_angles_deg["superior_mesenteric_artery"]
    assert angle == pytest.approx(angle_deg, abs=30.0)


def test_cut_field_of_view_cuts_the_liver_or_the_pelvis() -> None:
    found = facts(7, is_cut=True, pathologies=())
    statuses = {key: each.status for key, each in found.organs.items()}
    cut = ("liver", "spleen", "urinary_bladder", "colon", "kidney_right")
    assert any(statuses.get(key, "not_seen") in ("truncated", "not_seen") for key in cut)


def test_prone_air_rises_to_the_back() -> None:
    heights = []
    for is_prone in (False, True):
        made = subject(8, is_prone=is_prone, pathologies=(), lesions=(), artifact_probability=0.0)
        inside = made.labels_zyx == LABELS["stomach"]
        air = np.argwhere(inside & (made.volume.voxels_zyx < -600))[:, 1].mean()
        heights.append(air - np.argwhere(inside)[:, 1].mean())
    assert heights[0] > 0 > heights[1]


def test_chest_has_whole_lungs_and_a_heart_that_leans_left() -> None:
    made = facts(1, region="chest", pathologies=(), lesions=())
    assert made.organs["lung_left"].status == made.organs["lung_right"].status == "whole"
    heart, cord = (made.organs[key].centroid_ras_mm for key in ("heart", "spinal_cord"))
    assert heart is not None
    assert cord is not None
    assert heart[0] < cord[0] - 10


def test_effusion_lies_on_its_side() -> None:
    made = facts(2, region="chest", pathologies=("effusion_right",), lesions=())
    assert {each.side for each in made.lesions if each.type == "effusion"} == {"right"}


def shifts_mm(pathologies: tuple[str, ...]) -> list[float]:
    found = []
    for seed in (1, 3, 5):
        brain = facts(seed, region="head", pathologies=pathologies, lesions=()).brain
        assert brain is not None
        assert brain.midline_shift_mm is not None
        found.append(abs(brain.midline_shift_mm))
    return found


def test_midline_of_healthy_heads_is_straight_and_of_shifted_ones_not() -> None:
    straight, shifted = shifts_mm(()), shifts_mm(("midline_shift",))
    assert sorted(straight)[1] < 1.5  # no head is quite even: the median
    assert min(shifted) > 3.5
    assert max(straight) < min(shifted)


def test_head_is_mr_and_never_in_hu() -> None:
    assert subject(3, region="head", pathologies=(), lesions=()).volume.unit == "arbitrary"


def test_upside_down_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="noise"):
        SubjectConfig(noise_hu=(20.0, 5.0))


@pytest.mark.parametrize("seed", [0, 5, 6])
def test_a_lesion_is_one_piece(seed: int) -> None:
    made = make_subject(seed, SubjectConfig(shape_zyx=SHAPE))
    for lesion in made.lesions:
        parts = cc3d.connected_components(made.lesions_zyx == lesion.id, connectivity=26)
        assert parts.max() == 1
        assert lesion.num_voxels >= 4


def test_metastases_find_their_place_in_the_brain() -> None:
    spot = LesionPlan(organ="brain", kind="metastasis", diameter_mm=20.0)
    made = make_subject(3, SubjectConfig(region="head", shape_zyx=SHAPE, lesions=(spot,)))
    assert len(made.lesions) == 1
