"""Label schemes say what their publishers say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vol3d.anatomy import find_scheme, label_scheme, scheme_keys
from vol3d.errors import ConfigError
from vol3d.phantom.labels import Organ

COUNTS = {
    "totalsegmentator_v1": 104,
    "totalsegmentator_v2": 117,
    "totalsegmentator_mr": 50,
    "abdomenatlas_1.1": 25,
    "vol3d_phantom": 14,
    "vol3d_v1": 62,
}


def test_every_scheme_has_its_number_of_labels() -> None:
    assert {key: len(label_scheme(key).names) for key in scheme_keys()} == COUNTS


@pytest.mark.parametrize("key", scheme_keys())
def test_numbers_run_from_1_and_names_are_unique(key: str) -> None:
    names = label_scheme(key).names
    assert sorted(names) == list(range(1, len(names) + 1))
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("key", scheme_keys())
def test_every_left_organ_has_a_right_one(key: str) -> None:
    names = set(label_scheme(key).names.values())
    lefts = {name for name in names if "left" in name} - {"atrial_appendage_left"}
    unpaired = {name for name in lefts if name.replace("left", "right") not in names}
    assert unpaired <= {"heart_atrium_left", "heart_ventricle_left", "brachiocephalic_vein_left"}


@pytest.mark.parametrize(
    ("key", "number", "organ"),
    [
        ("totalsegmentator_v1", 2, "kidney_right"),
        ("totalsegmentator_v1", 3, "kidney_left"),
        ("totalsegmentator_v1", 7, "aorta"),
        ("totalsegmentator_v2", 2, "kidney_right"),
        ("totalsegmentator_v2", 3, "kidney_left"),
        ("totalsegmentator_v2", 7, "pancreas"),
        ("totalsegmentator_mr", 10, "lung_left"),
        ("abdomenatlas_1.1", 3, "kidney_left"),
        ("abdomenatlas_1.1", 4, "kidney_right"),
    ],
)
def test_numbers_mean_what_the_scheme_says(key: str, number: int, organ: str) -> None:
    assert label_scheme(key).names[number] == organ
    assert label_scheme(key).number_of(organ) == number


def test_phantom_scheme_is_the_phantoms() -> None:
    organs = {int(organ): organ.name.lower() for organ in Organ if organ}
    assert dict(label_scheme("vol3d_phantom").names) == organs


@pytest.mark.parametrize(
    ("case", "key"), [("ct_abdomen", "totalsegmentator_v2"), ("mr_abdomen", "totalsegmentator_mr")]
)
def test_table_equals_that_of_the_test_data(test_data: Path, case: str, key: str) -> None:
    told = json.loads((test_data / case / "labels.json").read_text())
    expected = {int(n): name for n, name in told["all_labels_of_scheme"].items()}
    assert dict(label_scheme(key).names) == expected
    assert find_scheme(told["scheme"]) is label_scheme(key)


def test_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"one of abdomenatlas_1\.1, totalsegmentator_mr"):
        label_scheme("totalsegmentator")


def test_name_without_version_finds_no_scheme() -> None:
    assert find_scheme("TotalSegmentator") is None
