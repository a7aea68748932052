"""Subjects from label maps and from real voxels: sides, untouched voxels, origin, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from vol3d.data.subject_cases import case_entry, case_id_of, patient_key, subject_facts, write_case
from vol3d.errors import ConfigError, DataError
from vol3d.measure.case_masks import CaseMasks, assemble_masks
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.phantom.subjects import (
    LABELS,
    LesionPlan,
    Subject,
    SubjectConfig,
    implant_lesions,
    subject_from_labels,
)
from vol3d.volume import Grid, Volume

SHAPE = (40, 60, 80)
GRID = Grid(
    shape_zyx=SHAPE,
    affine=np.array([[4.0, 0, 0, -160], [0, 4, 0, -120], [0, 0, 5, -100], [0, 0, 0, 1]]),
)
NAMES = {1: "liver", 2: "kidney_left", 3: "kidney_right", 4: "vertebrae_L1", 5: "colon"}
CENTRES = {1: (26, 34, 56), 2: (18, 24, 24), 3: (16, 24, 56), 4: (20, 16, 40), 5: (10, 46, 40)}
RADII = {1: (9, 14, 16), 2: (8, 6, 6), 3: (8, 6, 6), 4: (3, 5, 6), 5: (4, 4, 20)}
CYST = LesionPlan(organ="kidney_left", kind="cyst", diameter_mm=24.0)
TUMOUR = LesionPlan(organ="liver", kind="tumor", diameter_mm=40.0)


def labels() -> npt.NDArray[np.uint8]:
    made = np.zeros(SHAPE, dtype=np.uint8)
    index = np.indices(SHAPE)
    for label, centre in CENTRES.items():
        off = [(index[a] - centre[a]) / RADII[label][a] for a in range(3)]
        made[(off[0] ** 2 + off[1] ** 2 + off[2] ** 2 <= 1) & (made == 0)] = label
    return made


def masks() -> CaseMasks:
    layer = MaskLayer(labels_zyx=labels(), names=NAMES, declared=NAMES)
    return assemble_masks([Masks(layers=(layer,), scheme=None)], where="test")


def scan() -> Volume:
    rng = np.random.default_rng(0)
    hu = np.where(labels() > 0, 45.0, -100.0) + rng.normal(0.0, 10.0, SHAPE)
    return Volume.from_array(hu.astype(np.int16), GRID, modality="CT", unit="HU")


def rendered(seed: int = 1, **what: object) -> Subject:
    config = SubjectConfig(**{"lesions": (CYST, TUMOUR), "pathologies": (), **what})  # type: ignore[arg-type]
    return subject_from_labels(seed, masks(), GRID, source="patient A", config=config)


def implanted(
    *lesions: LesionPlan, clear: tuple[str, ...] = ("liver", "kidney"), seed: int = 1
) -> Subject:
    config = SubjectConfig(phase="venous", lesions=lesions or None)
    return implant_lesions(
        seed, scan(), masks(), source="patient A", clear_organs=clear, config=config
    )


def test_rendering_keeps_left_and_right_head_and_feet() -> None:
    subject = rendered()
    left, right, bowel, liver = (
        np.argwhere(subject.labels_zyx == LABELS[key]).mean(axis=0)
        for key in ("kidney_left", "kidney_right", "colon", "liver")
    )
    assert left[2] < 32 < 48 < right[2]  # x grows towards the patient's right
    assert bowel[0] < 18 < liver[0]  # z grows towards the head
    assert left[1] < 30 < bowel[1]  # y grows towards the front


def test_rendered_labels_are_deformed_but_of_like_volume() -> None:
    before, after = labels() == 1, rendered().labels_zyx == LABELS["liver"]
    assert not np.array_equal(before, after)
    assert 0.7 < after.sum() / before.sum() < 1.4


def test_another_seed_deforms_otherwise() -> None:
    assert not np.array_equal(rendered(1).labels_zyx, rendered(2).labels_zyx)


def test_the_same_seed_renders_the_same() -> None:
    assert np.array_equal(rendered(1).volume.voxels_zyx, rendered(1).volume.voxels_zyx)


def test_rendered_organs_have_the_hu_of_the_phase() -> None:
    subject = rendered(lesions=(), phase="venous", noise_hu=(5.0, 6.0), artifact_probability=0.0)
    inside = subject.labels_zyx == LABELS["liver"]
    assert 85 < subject.volume.voxels_zyx[inside].mean() < 140


def test_rendered_mr_has_no_hu() -> None:
    subject = rendered(modality="MR")
    assert (subject.volume.modality, subject.volume.unit) == ("MR", "arbitrary")


def test_rendered_lesions_are_where_they_were_asked() -> None:
    found = subject_facts(rendered())
    assert {(each.organ, each.side, each.type) for each in found.lesions} == {
        ("kidney", "left", "cyst"),
        ("liver", None, "tumor"),
    }


def test_vertebrae_of_a_label_map_become_spine() -> None:
    assert (rendered().labels_zyx == LABELS["vertebrae"]).any()


def test_implants_change_no_voxel_away_from_them() -> None:
    subject = implanted(TUMOUR)
    changed = np.argwhere(subject.volume.voxels_zyx != scan().voxels_zyx)
    inside = np.argwhere(subject.lesions_zyx > 0)
    assert len(inside) > 50
    assert (changed >= inside.min(axis=0) - 3).all()
    assert (changed <= inside.max(axis=0) + 3).all()


def test_implanted_cyst_is_dark_and_as_grainy_as_the_scan() -> None:
    subject = implanted(LesionPlan(organ="liver", kind="cyst", diameter_mm=60.0))
    voxels = subject.volume.voxels_zyx[subject.lesions_zyx > 0]
    assert -5 < voxels.mean() < 30
    assert 5 < voxels.std() < 20  # the scan's own noise is 10


@pytest.mark.parametrize("seed", [5, 7, 9])
def test_border_of_an_organ_does_not_shine_through_an_implant(seed: int) -> None:
    cyst = LesionPlan(organ="kidney_left", kind="cyst", diameter_mm=40.0)
    subject = implanted(cyst, seed=seed)
    inside = ndimage.binary_erosion(subject.lesions_zyx > 0)
    was_fat = scan().voxels_zyx < -40
    assert min(np.count_nonzero(inside & was_fat), np.count_nonzero(inside & ~was_fat)) > 20
    values = subject.volume.voxels_zyx.astype(float)
    assert abs(values[inside & was_fat].mean() - values[inside & ~was_fat].mean()) < 14.0


def test_implant_lies_in_the_kidney_of_its_side() -> None:
    found = subject_facts(implanted(CYST))
    assert [(each.organ, each.side) for each in found.lesions] == [("kidney", "left")]


def test_only_clear_organs_are_said_to_be_searched() -> None:
    found = subject_facts(implanted(TUMOUR, clear=("liver",)))
    assert set(found.annotated) == {"liver"}


def test_lesions_are_drawn_until_one_fits() -> None:
    assert implanted(clear=("kidney",)).lesions


def test_no_clear_organ_is_refused() -> None:
    with pytest.raises(ConfigError, match="Masked are: colon, kidney, liver"):
        implanted(TUMOUR, clear=())


def test_implants_need_hu() -> None:
    mr = Volume.from_array(scan().voxels_zyx, GRID, modality="MR", unit="arbitrary")
    with pytest.raises(DataError, match="CT in HU"):
        implant_lesions(
            1,
            mr,
            masks(),
            source="a",
            clear_organs=("liver",),
            config=SubjectConfig(phase="venous"),
        )


def with_real_lesion() -> CaseMasks:
    """A tumour that the label map has cut out of its liver."""
    array, names = labels(), {**NAMES, 6: "liver_tumor"}
    array[24:28, 32:36, 54:58] = 6
    layer = MaskLayer(labels_zyx=array, names=names, declared=names)
    return assemble_masks([Masks(layers=(layer,), scheme=None)], where="test")


def test_masked_lesions_are_rendered_as_their_organ() -> None:
    config = SubjectConfig(lesions=(), pathologies=())
    subject = subject_from_labels(1, with_real_lesion(), GRID, source="a", config=config)
    liver = subject.labels_zyx == LABELS["liver"]
    assert np.array_equal(liver, rendered(lesions=()).labels_zyx == LABELS["liver"])


def test_an_organ_with_masked_lesions_is_not_clear() -> None:
    config = SubjectConfig(phase="venous", lesions=(TUMOUR,))
    with pytest.raises(DataError, match="said to be clear"):
        implant_lesions(
            1, scan(), with_real_lesion(), source="a", clear_organs=("liver",), config=config
        )


def test_organs_without_masks_are_not_said_to_be_free_of_lesions() -> None:
    found = subject_facts(rendered(lesions=()))
    assert set(found.annotated) == {"liver", "kidney", "colon"}


def test_unknown_clear_organs_are_refused() -> None:
    with pytest.raises(ConfigError, match="Masked are"):
        implanted(TUMOUR, clear=("liver", "kidney_left"))


def test_a_label_for_both_kidneys_is_refused() -> None:
    layer = MaskLayer(labels_zyx=labels(), names={1: "kidney"}, declared={1: "kidney"})
    both = assemble_masks([Masks(layers=(layer,), scheme=None)], where="test")
    with pytest.raises(DataError, match="left and right"):
        subject_from_labels(1, both, GRID, source="a")


def test_masks_without_organs_are_refused() -> None:
    layer = MaskLayer(labels_zyx=labels(), names={1: "body"}, declared={1: "body"})
    nothing = assemble_masks([Masks(layers=(layer,), scheme=None)], where="test")
    with pytest.raises(DataError, match="masks of organs"):
        subject_from_labels(1, nothing, GRID, source="a")


def test_cases_of_one_patient_share_a_key_that_does_not_name_it(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    entries = []
    for seed in (1, 2):
        subject = rendered(seed, lesions=())
        written = write_case(subject, subject_facts(subject), folder / case_id_of(subject))
        entries.append(case_entry(subject, written, root=folder))
    assert entries[0].patient == entries[1].patient == patient_key("patient A")
    assert entries[0].case_id != entries[1].case_id
    assert "patient A" not in str([entry.model_dump() for entry in entries])


def test_sex_and_age_of_a_real_patient_are_not_made_up() -> None:
    found = subject_facts(replace(rendered(lesions=()), source="b"))
    assert (found.scan.sex, found.scan.age_years) == (None, None)
