"""The region of a scan, on procedural and on real cases."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from vol3d.measure.body import body_mask
from vol3d.measure.region import Region, RegionEstimate, estimate_region
from vol3d.phantom import make_phantom
from vol3d.volume import Acquisition, Grid, Volume, read_volume
from vol3d.volume.dicom_codes import BODY_PART_REGIONS, BODY_PARTS


def region_of(volume: Volume) -> RegionEstimate:
    return estimate_region(volume, body_mask(volume))


def cylinder(
    hu: int, *, radius_y_mm: float, radius_x_mm: float, body_part: str | None = None
) -> Volume:
    """An even elliptic cylinder, 100 mm long, 4 mm voxels."""
    y, x = (np.arange(100) - 49.5)[:, None] * 4, (np.arange(100) - 49.5)[None, :] * 4
    voxels = np.full((25, 100, 100), -1000, dtype=np.int16)
    voxels[:, (y / radius_y_mm) ** 2 + (x / radius_x_mm) ** 2 <= 1] = hu
    grid = Grid(shape_zyx=voxels.shape, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    acquisition = Acquisition(body_part_examined=body_part)
    return Volume.from_array(voxels, grid, modality="CT", unit="HU", acquisition=acquisition)


@pytest.mark.parametrize("seed", [0, 1, 18])
def test_phantom_is_abdomen_without_help_from_the_header(seed: int) -> None:
    volume = dataclasses.replace(make_phantom(seed).volume, acquisition=Acquisition())
    estimate = region_of(volume)
    assert estimate.is_abdomen
    assert "abdomen" in estimate.regions
    assert "head" not in estimate.regions


def test_pelvis_lies_below_the_abdomen_and_chest_above() -> None:
    labels = region_of(make_phantom(0).volume).slice_labels
    assert labels[0] == "pelvis"
    assert labels[len(labels) // 2] == "abdomen"
    assert labels[-1] == "chest"


def test_header_of_a_head_vetoes_an_abdomen() -> None:
    phantom = make_phantom(0).volume
    volume = dataclasses.replace(phantom, acquisition=Acquisition(body_part_examined="HEAD"))
    estimate = region_of(volume)
    assert not estimate.is_abdomen
    assert estimate.regions == ("head",)


@pytest.mark.parametrize("part", ["THIGH", "FEMUR", "ORBIT", "SINUS", "CAROTID"])
def test_header_of_any_part_far_from_it_vetoes_an_abdomen(part: str) -> None:
    phantom = make_phantom(0).volume
    volume = dataclasses.replace(phantom, acquisition=Acquisition(body_part_examined=part))
    assert not region_of(volume).is_abdomen


def test_every_known_body_part_has_its_region_or_none_on_purpose() -> None:
    in_several = {
        *("AORTA", "CHESTABDOMEN", "CHESTABDPELVIS", "NECKCHEST", "NECKCHESTABDOMEN"),
        *("NECKCHESTABDPELV", "PARTIALBODY", "WHOLEBODY", "SPINE", "TSPINE", "TLSPINE", "LSPINE"),
        *("LSSPINE", "CTSPINE"),
    }
    assert {part for part, region in BODY_PART_REGIONS.items() if region is None} == in_several
    assert set(BODY_PART_REGIONS) == BODY_PARTS
    regions = {region for region in BODY_PART_REGIONS.values() if region is not None}
    assert regions == set(get_args(Region))


def test_even_water_phantom_is_unknown() -> None:
    estimate = region_of(cylinder(0, radius_y_mm=110, radius_x_mm=160))
    assert estimate.regions == ()
    assert not estimate.is_abdomen


def test_header_alone_does_not_make_an_abdomen() -> None:
    estimate = region_of(cylinder(0, radius_y_mm=110, radius_x_mm=160, body_part="ABDOMEN"))
    assert not estimate.is_abdomen


def test_blank_scan_is_unknown() -> None:
    estimate = region_of(cylinder(-1000, radius_y_mm=110, radius_x_mm=160))
    assert estimate.regions == ()
    assert not estimate.is_abdomen
    assert set(estimate.slice_labels) == {"unknown"}


def test_one_label_per_slice_and_lengths_that_add_up() -> None:
    volume = make_phantom(1).volume
    estimate = region_of(volume)
    assert len(estimate.slice_labels) == volume.grid.shape_zyx[0]
    assert sum(estimate.length_mm.values()) == pytest.approx(volume.grid.extent_zyx_mm[0])


def test_mr_is_judged_by_its_header_only() -> None:
    phantom = make_phantom(0).volume
    mr = dataclasses.replace(phantom, modality="MR", unit="arbitrary", acquisition=Acquisition())
    assert region_of(mr).regions == ()
    assert not region_of(mr).is_abdomen
    brain = dataclasses.replace(mr, acquisition=Acquisition(body_part_examined="BRAIN"))
    assert region_of(brain).regions == ("head",)


@pytest.mark.parametrize(
    ("path", "is_abdomen", "regions"),
    [
        ("ct_abdomen/ct.nii.gz", True, ("abdomen", "pelvis")),
        ("ct_abdomen_small/ct.nii.gz", True, ("abdomen",)),
        ("ct_dicom_j2k/series", True, ("abdomen",)),
        ("ct_enhanced/ct_hu_j2k_20frames.dcm", True, ("abdomen",)),
        ("ct_dicom", False, ("head",)),
        ("ct_dicom_tilt", False, ("head",)),
        ("ct_dicom_mixed_study", False, ("head",)),
        ("ct_enhanced/legacy_pair", False, ()),
        ("mr_abdomen/mr.nii.gz", False, ()),
        ("mr_brain_lesion/mr.nii.gz", False, ()),
    ],
)
def test_real_scans(test_data: Path, path: str, is_abdomen: bool, regions: tuple[str, ...]) -> None:
    estimate = region_of(read_volume(test_data / path))
    assert estimate.is_abdomen == is_abdomen
    assert estimate.regions == regions


@pytest.mark.parametrize("path", ["ct_dicom", "ct_dicom_tilt", "ct_dicom_mixed_study"])
def test_head_phantoms_are_no_abdomen_without_their_header(test_data: Path, path: str) -> None:
    volume = dataclasses.replace(read_volume(test_data / path), acquisition=Acquisition())
    estimate = region_of(volume)
    assert not estimate.is_abdomen
    assert "abdomen" not in estimate.regions
