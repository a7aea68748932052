"""Every real case reads with exactly its measured geometry and values, or is refused as it should.

The numbers come from ``facts.json``; they were measured with two other tools.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vol3d.errors import DataError, GeometryError
from vol3d.volume import Volume, inspect_path, orient, read_volume, write_nifti

Facts = dict[str, Any]

NIFTI = ("ct_abdomen", "ct_abdomen_small", "mr_abdomen", "mr_brain_lesion")
READ = {
    # case -> (file entry, case whose geometry and probe points hold for it)
    "ct_abdomen": ("image", "ct_abdomen"),
    "ct_abdomen_small": ("image", "ct_abdomen_small"),
    "mr_abdomen": ("image", "mr_abdomen"),
    "mr_brain_lesion": ("image", "mr_brain_lesion"),
    "ct_dicom_j2k": ("series", "ct_dicom_j2k"),
    "ct_dicom": ("series", "ct_dicom"),
    "ct_dicom_tilt": ("series", "ct_dicom_tilt"),
    "ct_dicom_mixed_study": ("series", "ct_dicom_mixed_study"),
    "ct_enhanced_hu": ("file", "ct_dicom_j2k"),
    "ct_enhanced_legacy_pair": ("file", "ct_enhanced_legacy_pair"),
}
REFUSED = {
    "ct_dicom_tilt_nonuniform": ("series", GeometryError, "4.00 mm x 13, 7.00 mm x 13, 1.08 mm"),
    "ct_enhanced_perfusion": ("file", DataError, "not HU"),
}


@cache
def _read_once(path: Path) -> Volume:
    return read_volume(path)


def _read(test_data: Path, facts: Facts, case: str) -> Volume:
    return _read_once(test_data / facts[case]["files"][READ[case][0]])


def _measured(facts: Facts, case: str) -> Facts:
    """The facts of the volume of a case (of the axial files where a folder is mixed)."""
    found: Facts = facts[case].get("volume", facts[case])
    return found


def _affine(facts: Facts, case: str) -> npt.NDArray[np.float64]:
    """The measured affine; for the legacy pair it follows from its position and spacing."""
    found = _measured(facts, case)
    if case in NIFTI:
        return np.array(found["geometry"]["affine_ras"])
    if "affine_ras_exact" in found:
        return np.array(found["affine_ras_exact"])
    assert found["image_orientation_patient"] == [1, 0, 0, 0, 1, 0]
    rows, columns = found["pixel_spacing_row_col_mm"]
    gap, height = found["gaps_along_normal_mm"][0], found["slice_positions_along_normal_mm"][0]
    affine = np.diag([-columns, -rows, gap, 1.0])
    affine[:3, 3] = -46.4649, -5.01881, height  # ImagePositionPatient of both files
    return affine


def test_no_case_is_left_out(facts: Facts) -> None:
    assert set(READ) | set(REFUSED) == set(facts)


@pytest.mark.parametrize("case", READ)
def test_geometry_is_exact(test_data: Path, facts: Facts, case: str) -> None:
    volume = _read(test_data, facts, case)
    affine = _affine(facts, READ[case][1])
    assert np.allclose(volume.stored.affine_ras, affine, rtol=0, atol=1e-3)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    stored = np.linalg.norm(volume.stored.affine_ras[:3, :3], axis=0)
    assert np.allclose(stored, spacing, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", READ)
def test_shape_is_exact(test_data: Path, facts: Facts, case: str) -> None:
    stored = _read(test_data, facts, case).stored
    found = _measured(facts, case)
    if case in NIFTI:
        assert list(stored.shape_ijk) == found["geometry"]["shape_ijk"]
        assert stored.axcodes == found["geometry"]["axcodes"]
        assert stored.dtype == found["geometry"]["stored_dtype"]
    else:
        slices = found.get("n_image_slices", found.get("n_frames"))
        assert stored.shape_ijk == (found["columns"], found["rows"], slices)


@pytest.mark.parametrize("case", READ)
def test_every_probe_point_is_where_it_was_measured(
    test_data: Path, facts: Facts, case: str
) -> None:
    volume = _read(test_data, facts, case)
    probes = _measured(facts, READ[case][1]).get("probe_points", [])
    assert len(probes) == (0 if case == "ct_enhanced_legacy_pair" else 8)
    for probe in probes:
        place = volume.grid.world_to_index_zyx(probe["ras_mm"])
        assert np.allclose(place, np.rint(place), atol=0.01)
        z, y, x = np.rint(place).astype(int)
        assert abs(float(volume.voxels_zyx[z, y, x]) - probe["value"]) <= 0.5


@pytest.mark.parametrize("case", READ)
def test_voxels_have_the_measured_hash(test_data: Path, facts: Facts, case: str) -> None:
    volume = _read(test_data, facts, case)
    found = _measured(facts, case)
    assert volume.voxels_zyx.dtype == np.int16
    if case in NIFTI:
        array, expected = volume.voxels_zyx.transpose(2, 1, 0), found["voxels_sha256_ras_int16"]
    else:
        array, _ = orient(volume.voxels_zyx, volume.grid, volume.stored.axcodes)
        expected = found["voxels_sha256_stack_int16"]
    assert hashlib.sha256(array.astype("<i2").tobytes(order="C")).hexdigest() == expected


@pytest.mark.parametrize("case", READ)
def test_intensities_are_those_measured(test_data: Path, facts: Facts, case: str) -> None:
    voxels = _read(test_data, facts, case).voxels_zyx
    found = _measured(facts, case)
    measured = found["intensity"]["nibabel"] if case in NIFTI else found["pydicom"]
    assert (voxels.min(), voxels.max()) == (measured["min"], measured["max"])
    assert voxels.mean(dtype=np.float64) == pytest.approx(measured["mean"], abs=0.05)


@pytest.mark.parametrize("case", READ)
def test_modality_and_unit(test_data: Path, facts: Facts, case: str) -> None:
    volume = _read(test_data, facts, case)
    if case.startswith("mr_"):
        assert (volume.modality, volume.unit) == ("MR", "arbitrary")
    elif case == "ct_enhanced_legacy_pair":  # CT of zeros and ones, rescale type unspecified
        assert (volume.modality, volume.unit) == ("CT", "arbitrary")
    else:
        assert (volume.modality, volume.unit) == ("CT", "HU")


@pytest.mark.parametrize("case", READ)
def test_inspection_agrees_with_reading(test_data: Path, facts: Facts, case: str) -> None:
    found = inspect_path(test_data / facts[case]["files"][READ[case][0]])
    volume = _read(test_data, facts, case)
    assert found.refusal is None
    assert found.stored is not None
    assert np.array_equal(found.stored.affine_ras, volume.stored.affine_ras)
    assert (found.modality, found.unit) == (volume.modality, volume.unit)
    assert found.notes == volume.notes


@pytest.mark.parametrize("case", REFUSED)
def test_refused_cases_say_why_and_name_nobody(test_data: Path, facts: Facts, case: str) -> None:
    entry, error, reason = REFUSED[case]
    path = test_data / facts[case]["files"][entry]
    with pytest.raises(error, match=reason) as caught:
        read_volume(path)
    found = inspect_path(path)
    assert found.refusal is not None
    assert found.refusal.message == str(caught.value)
    text = str(caught.value) + json.dumps(found.to_dict())
    for name in ("MCA", "Stroke", "Thomas", "Albert", "Smith", "Jones", "Nowhere", "1950"):
        assert name not in text


def test_tilt_is_announced_with_true_angle_and_distance(test_data: Path, facts: Facts) -> None:
    volume = _read(test_data, facts, "ct_dicom_tilt")
    note = next(note for note in volume.notes if note.code == "gantry_tilt")
    assert "18.5 degrees" in note.message
    assert "2.371 mm apart" in note.message
    assert volume.acquisition.gantry_tilt_deg == pytest.approx(18.5, abs=0.01)
    expected = facts["ct_dicom_tilt"]["voxel_volume_mm3_exact"]
    assert volume.grid.voxel_volume_mm3 == pytest.approx(expected, rel=1e-4)


def test_mixed_study_ignores_localizer_screen_and_text(test_data: Path, facts: Facts) -> None:
    volume = _read(test_data, facts, "ct_dicom_mixed_study")
    assert volume.grid.shape_zyx[0] == 3
    codes = {note.code for note in volume.notes}
    assert {
        "localizer_ignored",
        "burned_in_annotation_ignored",
        "other_files_ignored",
        "gantry_tilt",
        "header_text_ignored",
    } == codes


def test_phantom_headers_do_not_reach_the_inspection(test_data: Path, facts: Facts) -> None:
    found = inspect_path(test_data / facts["ct_dicom_mixed_study"]["files"]["series"])
    text = json.dumps(found.to_dict()).upper()
    for name in ("PLASTIC", "QMC", "NOTTINGHAM", "2015", "336067"):
        assert name not in text


def test_enhanced_file_is_the_classic_series(test_data: Path, facts: Facts) -> None:
    enhanced = _read(test_data, facts, "ct_enhanced_hu")
    classic = _read(test_data, facts, "ct_dicom_j2k")
    assert enhanced.grid.is_close(classic.grid, tolerance_mm=1e-6)
    assert np.array_equal(enhanced.voxels_zyx, classic.voxels_zyx)


def test_legacy_pair_is_one_volume(test_data: Path, facts: Facts) -> None:
    files = facts["ct_enhanced_legacy_pair"]["files"]
    enhanced = read_volume(test_data / files["file"])
    classic = read_volume(test_data / files["classic_series"])
    assert enhanced.grid.is_close(classic.grid, tolerance_mm=1e-6)
    assert np.array_equal(enhanced.voxels_zyx, classic.voxels_zyx)
    assert (enhanced.modality, enhanced.unit) == (classic.modality, classic.unit)


@pytest.mark.parametrize("name", ["I70", "I110", "I150"])
def test_any_inner_slice_that_is_missing_is_named(
    test_data: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "series"
    shutil.copytree(test_data / "ct_dicom", folder)
    (folder / name).unlink()
    with pytest.raises(GeometryError, match=r"1 missing between .* \(gap 10.00 mm\)"):
        read_volume(folder)
    assert inspect_path(folder).refusal is not None


def test_a_folder_of_several_volumes_reads_the_largest(test_data: Path) -> None:
    found = inspect_path(test_data / "ct_enhanced")
    assert [s.num_slices for s in found.series if s.kind == "volume"] == [20, 3, 3]
    assert [s.kind for s in found.series].count("map") == 1
    assert found.stored is not None
    assert found.stored.shape_ijk == (512, 512, 20)


def test_truncated_real_scan_is_refused(test_data: Path, tmp_path: Path) -> None:
    content = (test_data / "ct_abdomen" / "ct.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="ends too early"):
        read_volume(tmp_path / "cut.nii.gz")


@pytest.mark.parametrize("axcodes", ["LPS", "SLA", "PIR", "AIL"])
def test_a_real_scan_in_another_order_is_the_same_volume(
    test_data: Path, facts: Facts, tmp_path: Path, axcodes: str
) -> None:
    volume = _read(test_data, facts, "ct_abdomen_small")
    back = read_volume(write_nifti(volume, tmp_path / "a.nii", axcodes=axcodes))
    assert np.array_equal(back.voxels_zyx, volume.voxels_zyx)
    assert back.grid.is_close(volume.grid, tolerance_mm=1e-3)
