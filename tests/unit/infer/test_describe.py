"""The record and the sentences of a scan, before any model."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from vol3d.infer.describe import describe_scan, measure_intensity, write_sections
from vol3d.report import Candidates, Measured, Quality, Region, Scan
from vol3d.volume import Acquisition, Grid, Volume

HEADING = "Unvalidated candidates"
WITHHELD = Candidates(heading=HEADING, status="withheld", withheld_reason="It is MR.")
LISTED = Candidates(heading=HEADING, status="listed", withheld_reason=None)


def _describe(volume: Volume) -> Scan:
    region = Region(names=(), is_abdomen=False, length_mm={}, reasons=("No rule fits.",))
    body = np.ones(volume.grid.shape_zyx, dtype=bool)
    return describe_scan(volume, body, region, Quality(facts={}, sentences=()))


def _text(scan: Scan, candidates: Candidates = LISTED) -> str:
    sections = write_sections(scan, (), candidates)
    return "\n".join(sentence for section in sections for sentence in section.sentences)


def test_stored_geometry_is_that_of_the_file_and_not_of_the_array() -> None:
    affine = np.array([[-2.0, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])
    grid = Grid(shape_zyx=(5, 6, 7), affine=affine)
    volume = Volume.from_array(np.zeros((5, 6, 7), np.int16), grid, modality="CT", unit="HU")
    scan = _describe(volume)
    assert scan.stored.shape_ijk == (7, 6, 5)
    assert scan.stored.spacing_mm == (2.0, 3.0, 4.0)
    assert scan.stored.extent_mm == (14.0, 18.0, 20.0)
    assert scan.stored.axcodes == "LPS"
    assert scan.stored.affine_ras == tuple(map(tuple, affine.tolist()))
    assert scan.stored.voxel_volume_mm3 == pytest.approx(24.0)
    assert scan.analysed.axcodes_xyz == "RAS"
    assert scan.analysed.spacing_zyx_mm == (4.0, 3.0, 2.0)


def test_intensity_inside_the_body_leaves_air_out(volume_of: Callable[..., Volume]) -> None:
    voxels = np.full((2, 2, 2), -1000, dtype=np.int16)
    voxels[0, 0] = (20, 40)
    intensity = measure_intensity(volume_of(voxels), voxels > -1000)
    assert (intensity.minimum, intensity.maximum) == (-1000.0, 40.0)
    assert (intensity.body_mean, intensity.body_standard_deviation) == (30.0, 10.0)
    assert intensity.body_volume_cm3 == pytest.approx(2 * 0.125)


def test_without_a_body_there_is_no_mean(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.zeros((2, 2, 2), dtype=np.int16))
    assert measure_intensity(volume, np.zeros((2, 2, 2), dtype=bool)).body_mean is None


def test_mr_text_never_names_hu(trunk_mr: Volume) -> None:
    text = _text(_describe(trunk_mr), WITHHELD)
    assert "arbitrary units" in text
    assert not re.search(r"\bHU\b|Hounsfield", text)


def test_ct_text_is_in_hu(trunk_ct: Volume) -> None:
    assert "All voxels: -1000 to 400 HU." in _text(_describe(trunk_ct))


def test_text_changes_with_the_voxels(trunk_ct: Volume, volume_of: Callable[..., Volume]) -> None:
    blank = volume_of(np.zeros_like(trunk_ct.voxels_zyx))
    assert _text(_describe(trunk_ct)) != _text(_describe(blank))


def test_sections_put_the_models_words_last(trunk_ct: Volume) -> None:
    sections = write_sections(_describe(trunk_ct), (), LISTED)
    assert [section.heading for section in sections] == [
        "Geometry",
        "Modality",
        "Region (estimated)",
        "Acquisition",
        "Intensities",
        "Image quality",
        "Measured on given masks",
        HEADING,
    ]


def test_nothing_measured_is_said(trunk_ct: Volume) -> None:
    assert "No masks were given, so nothing was measured." in _text(_describe(trunk_ct))


def test_measured_values_replace_that_sentence(trunk_ct: Volume) -> None:
    liver = Measured(structure="liver", quantity="volume", value=1125.684, unit="cm3")
    sections = write_sections(_describe(trunk_ct), (liver,), LISTED)
    assert sections[-2].sentences == ("liver: volume 1125.68 cm3.",)


def test_acquisition_lists_what_the_header_gives(volume_of: Callable[..., Volume]) -> None:
    acquisition = Acquisition(
        kvp=120.0, is_contrast_given=False, body_part_examined="ABDOMEN", series_uid_sha256="ab"
    )
    scan = _describe(volume_of(np.zeros((2, 2, 2), np.int16), acquisition=acquisition))
    assert scan.acquisition == {
        "body_part_examined": "ABDOMEN",
        "kvp": 120.0,
        "is_contrast_given": False,
    }
    expected = "From the header: body part examined ABDOMEN; 120 kVp; contrast agent: no."
    assert expected in _text(scan)


def test_every_header_fact_has_words(volume_of: Callable[..., Volume]) -> None:
    """A new field of Acquisition must be named here, or it would silently not be reported."""
    names = {field.name for field in dataclasses.fields(Acquisition)} - {"series_uid_sha256"}
    values = {"is_contrast_given": True}
    numbers = {"slice_thickness_mm", "kvp", "gantry_tilt_deg"}
    given = {n: values.get(n, 1.0 if n in numbers else "X") for n in names}
    acquisition = Acquisition(**given)  # type: ignore[arg-type]
    scan = _describe(volume_of(np.zeros((2, 2, 2), np.int16), acquisition=acquisition))
    assert set(scan.acquisition) == names


@pytest.mark.parametrize("shape_zyx", [(2, 3, 4), (1, 3, 4)])
def test_oblique_axes_are_said(shape_zyx: tuple[int, int, int]) -> None:
    angle = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = [
        [np.cos(angle), -np.sin(angle), 0],
        [np.sin(angle), np.cos(angle), 0],
        [0, 0, 1],
    ]
    grid = Grid(shape_zyx=shape_zyx, affine=affine)
    volume = Volume.from_array(np.zeros(shape_zyx, np.int16), grid, modality="CT", unit="HU")
    assert "20.0 degrees off the patient's axes" in _text(_describe(volume))
