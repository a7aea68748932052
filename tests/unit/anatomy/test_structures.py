"""Names, sides, parents and codes of structures and lesions."""

from __future__ import annotations

import pytest

from vol3d.anatomy import (
    LesionMask,
    find_lesion_mask,
    find_structure,
    group_members,
    group_name,
    label_scheme,
    lesion_types,
    parts_of,
    scheme_keys,
    structure,
    structures,
    threshold,
    thresholds,
)
from vol3d.errors import ConfigError


@pytest.mark.parametrize("key", scheme_keys())
def test_every_name_of_a_scheme_means_something(key: str) -> None:
    names = label_scheme(key).names.values()
    unknown = [n for n in names if find_structure(n) is None and find_lesion_mask(n) is None]
    assert unknown == []


@pytest.mark.parametrize("key", scheme_keys())
def test_no_two_labels_of_a_scheme_mean_one_structure(key: str) -> None:
    found = [find_structure(n) for n in label_scheme(key).names.values()]
    keys = [each.key for each in found if each is not None]
    assert len(keys) == len(set(keys))


def test_every_left_structure_has_a_right_one_of_the_other_name() -> None:
    for each in structures().values():
        if each.side is None or each.key.startswith(("lung_", "rib_")):
            continue
        other = structure(
            each.key.replace(each.side, {"left": "right", "right": "left"}[each.side])
        )
        assert other.side != each.side
        assert each.name_en.startswith(each.side)
        assert each.name_zh[0] == {"left": "左", "right": "右"}[each.side]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("postcava", "inferior_vena_cava"),
        ("gall_bladder", "gallbladder"),
        ("left_kidney", "kidney_left"),
        ("kidney_right", "kidney_right"),
        ("intestine", "small_bowel"),
        ("celiac_aa", "celiac_trunk"),
        ("veins", "portal_vein_and_splenic_vein"),
        ("liver_segment_4", "liver_segment_4"),
    ],
)
def test_published_names_are_found(name: str, key: str) -> None:
    found = find_structure(name)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("kidney_cyst_left", LesionMask(organ="kidney", type="cyst", side="left")),
        ("kidney_cyst_right", LesionMask(organ="kidney", type="cyst", side="right")),
        ("pancreatic_pdac", LesionMask(organ="pancreas", type="pdac")),
        ("liver_tumours", LesionMask(organ="liver", type="tumor")),
        ("lung_nodules", LesionMask(organ="lung", type="nodule")),
        ("lesion_roi", LesionMask(organ=None, type="lesion")),
        ("adrenal_gland_tumor_left", LesionMask(organ="adrenal_gland", type="tumor", side="left")),
    ],
)
def test_names_of_lesion_masks_say_organ_type_and_side(name: str, mask: LesionMask) -> None:
    assert find_lesion_mask(name) == mask


def test_an_organ_is_no_lesion_and_a_lesion_no_organ() -> None:
    assert find_lesion_mask("liver") is None
    assert find_structure("liver_lesion") is None


def test_parts_and_pairs() -> None:
    assert parts_of("liver") == tuple(f"liver_segment_{n}" for n in range(1, 9))
    assert group_members("kidney") == ("kidney_left", "kidney_right")
    assert (group_name("kidney", "en"), group_name("kidney", "zh")) == ("kidney", "肾")


def test_codes_of_sided_organs_carry_no_side() -> None:
    assert structure("kidney_left").snomed_ct == structure("kidney_right").snomed_ct == "64033007"
    assert structure("heart_atrium_left").snomed_ct != structure("heart_atrium_right").snomed_ct


def test_lesions_of_known_type_come_before_those_of_any() -> None:
    assert list(lesion_types())[-1] == "lesion"


def test_thresholds_name_their_source() -> None:
    assert threshold("spleen.enlarged_cm3") == 314.5
    assert all(each.source and each.meaning for each in thresholds().values())
    with pytest.raises(ConfigError, match="Known are"):
        threshold("spleen.colour")


def test_unknown_structure_is_refused() -> None:
    with pytest.raises(ConfigError, match="gizzard"):
        structure("gizzard")
