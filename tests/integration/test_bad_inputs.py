"""Awkward, broken and hostile inputs: read exactly, refused, or flagged; never silently wrong.

The inputs and the means to judge them come from ``conftest.py``: ``bad`` is its ``BadInputs``. The
manifest says what is expected of each and holds reference numbers; voxels to compare with are read
by nibabel.
"""

from __future__ import annotations

import glob
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vol3d.volume import Volume

Numbers = dict[str, Any]
Array = npt.NDArray[Any]

MOST_CPU_S = 5.0
MOST_MEMORY_MIB = 1024
LEAST_FLAGS_NAMED = 45


def ids(text: str) -> tuple[str, ...]:
    return tuple(text.split())


EQUAL = ids(
    """
    n00_control n09_plain_named_gz n10_gz_named_nii n18_4d_single n27_big_endian
    n29_negative_determinant n33_negative_pixdim n40_spacing_in_metres n41_spacing_in_microns
    n45_slope_inter n60_nifti2 n61_pair n63_axes_SPL n64_oblique d00_control
    d09_intercept_per_slice d10_slope_per_slice d14_shuffled_names_numbers
    d18_thickness_not_spacing d19_anisotropic_pixel_spacing d26_empty_uids d27_phi
    d28_prompt_injection d34_overlay_in_high_bits d35_rotated_rows d36_sagittal
    d37_position_jitter d39_non_image_objects d40_nested d45_enhanced d46_enhanced_shuffled
    z00_control z08_unicode f01_unicode_path f02_shell_chars f03_leading_dash f04_long_name
    f05_upper_case
"""
)
EQUAL_MASK = ids("m00_control m04_flipped_storage m05_float_labels")
REJECT = ids(
    """
    n01_truncated_gz n02_truncated_raw n03_one_voxel_short n04_zero_byte_gz n05_zero_byte
    n06_header_only n07_gz_flipped_byte n07b_gz_quiet_corruption n15_all_nan n19_5d_vector
    n20_2d n22_one_voxel n23_huge_dims_z n23_huge_dims_zz n24_huge_dims_2gb n25_negative_dim
    n26_zero_dim n31_zero_spacing n32_singular_sform n34_nan_affine n48_complex n49_rgb
    n50_bad_datatype n52_vox_offset_beyond n57_png_named_nii n58_png_named_nii_gz
    n59_text_named_nii n62_pair_without_img m01_wrong_shape m03_other_spacing m06_noninteger
    m10_permuted d07_mixed_orientation d17_no_pixel_spacing d22_one_slice_other_size
    d23_truncated_file d31_unsupported_syntax d32_broken_j2k d42_empty_folder d43_rows_lie
    d44_rgb_secondary_capture d47_enhanced_no_geometry z09_truncated z10_bad_crc f08_directory
    f10_link_to_passwd f11_dangling f12_unreadable
"""
)
CONTAIN = ids(
    """
    z01_traversal z02_absolute z03_symlink z04_bomb z05_many b01_gz_bomb b02_gz_tail_bomb
    f09_symlink_loop f13_fifo
"""
)
OTHER = {"d05_missing_end_slice": "equal_subset", "d33_lying_syntax": "reject_or_equal"}

# The codes of which one must be among the notes of an accepted scan.
FLAGS: dict[str, set[str]] = {
    "n08_gz_bad_crc": {"gzip_checksum_wrong"},
    "n11_double_gz": {"nested_gzip"},
    "n12_trailing_garbage": {"trailing_bytes"},
    "n13_nan": {"not_finite_replaced"},
    "n14_inf": {"not_finite_replaced"},
    "n16_constant": {"constant_values"},
    "n17_4d": {"time_series"},
    "n21_one_slice": {"single_slice"},
    "n28_wrong_endian_data": {"byte_order_repaired"},
    "n30_flipped_header_only": {"organs_mirrored"},
    "n35_sheared_sform": {"sheared_grid", "lateral_drift"},
    "n35b_sheared_sform_pixdim": {"sheared_grid", "lateral_drift", "pixdim_sform_disagree"},
    "n36_qform_sform_shift": {"sform_qform_disagree"},
    "n37_qform_sform_flip": {"sform_qform_disagree"},
    "n38_pixdim_sform_disagree": {"pixdim_sform_disagree"},
    "n39_no_codes": {"orientation_assumed"},
    "n42_absurd_spacing": {"unusual_spacing"},
    "n43_windowed_uint8": {"not_hu"},
    "n44_unsigned_offset": {"not_hu"},
    "n46_slope_nan": {"scale_ignored"},
    "n47_normalised": {"not_hu"},
    "n51_bitpix_mismatch": {"bitpix_mismatch"},
    "n53_vox_offset_zero": {"voxel_offset_assumed"},
    "n54_bad_magic": {"magic_repaired"},
    "n55_phi_in_descrip": {"header_text_ignored"},
    "n56_prompt_in_descrip": {"header_text_ignored"},
    "m02_shifted_affine": {"mask_shifted"},
    "m07_unknown_label": {"unknown_labels"},
    "m08_empty": {"mask_empty"},
    "m09_negative": {"negative_labels", "unknown_labels"},  # NumPy 2 writes the -1 as 255
    "m11_4d": {"channels_as_labels"},
    "d01_two_series": {"several_volumes"},
    "d02_two_phases_one_uid": {"several_volumes", "phases_split"},
    "d03_duplicated_slices": {"duplicates_dropped"},
    "d04_missing_slices": {"slice_gap"},
    "d06_localizer_same_uid": {"localizer_ignored"},
    "d08_no_rescale": {"not_hu", "unit_not_hu"},
    "d11_pixelrep_mismatch": {"pixel_representation_repaired"},
    "d12_pixelrep_mismatch_12bit": {"pixel_representation_repaired"},
    "d13_monochrome1": {"monochrome1_inverted"},
    "d15_no_position": {"positions_assumed"},
    "d16_no_orientation": {"orientation_assumed"},
    "d20_gantry_tilt": {"gantry_tilt"},
    "d21_padding": {"padding_value"},
    "d24_corrupt_file": {"slice_gap"},
    "d25_no_preamble": {"no_file_meta"},
    "d29_label_leak": {"header_text_ignored"},
    "d30_wrong_modality": {"modality_contradicted"},
    "d38_lateral_drift": {"sheared_grid", "lateral_drift"},
    "d41_single_slice": {"single_slice"},
    "z06_nested": {"nested_archive"},
    "z07_same_name_twice": {"entries_ignored"},
    "f06_no_extension": {"name_mismatch"},
    "f07_not_utf8": {"name_not_utf8"},
}
UNKNOWN_LABELS = (200, 255)
"""Labels of m07 and m09 that no label scheme knows: they are named, not measured."""
EVERY_CODE = {
    "n35b_sheared_sform_pixdim": ({"sheared_grid", "lateral_drift"}, {"pixdim_sform_disagree"})
}
"""Inputs with two flaws: one code of each set must be there."""

STAYS_REFUSED = {
    "n08_gz_bad_crc": "the checksum says that the data are not those that were written",
    "n21_one_slice": "one slice is no volume: nothing can be measured in it",
    "m02_shifted_affine": "a mask 30 mm off its scan would measure the wrong tissue",
    "d04_missing_slices": "tissue between the slices is unknown",
    "d15_no_position": "slice order and distance would be guesses",
    "d16_no_orientation": "left and right would be guesses",
    "d24_corrupt_file": "its slice is missing",
    "d41_single_slice": "one slice is no volume: nothing can be measured in it",
}
"""Flaws that are refused by design, and why; every other flag must be read and named."""

# Header text that must not come out, where the manifest does not list it as `secret`.
SECRET: dict[str, list[str]] = {
    "n55_phi_in_descrip": ["DOE", "JANE", "1951", "00112233"],
    "n56_prompt_in_descrip": ["IGNORE PREVIOUS", "no abnormality"],
    "d28_prompt_injection": ["IGNORE ALL", "say NORMAL", "SYSTEM:", "no findings"],
    "d29_label_leak": ["carcinoma", "HCC", "segment VIII"],
}
REAL_COMMAND = ids(
    """
    n00_control n01_truncated_gz n07b_gz_quiet_corruption n13_nan n17_4d n23_huge_dims_zz
    n37_qform_sform_flip m03_other_spacing m04_flipped_storage n55_phi_in_descrip d01_two_series
    d04_missing_slices d20_gantry_tilt d27_phi d32_broken_j2k d45_enhanced z01_traversal
    z08_unicode f02_shell_chars f03_leading_dash
"""
)

# ---------------------------------------------------------------- values


def numbers_of(bad: Any, volume: Volume) -> Numbers:
    return bad.measure(volume.voxels_zyx.transpose(2, 1, 0).astype(float), volume.grid.affine)


def expected_numbers(bad: Any, name: str) -> Numbers:
    """Reference numbers of an input, measured on voxels that vol3d did not read."""
    entry = bad.entries[name]
    if "true" in entry:
        return dict(entry["true"])
    if name in AS_STORED:
        voxels, affine = bad.stored_xyz(name)
        return bad.measure(voxels.astype(float), affine)
    control, affine = bad.stored_xyz("n00_control")
    if name == "d08_no_rescale":
        return bad.measure((control.astype(float) + 1024).clip(0), affine)
    if entry["expect"] == "equal_subset":
        return bad.measure(control[:, :, :-1].astype(float), affine)
    return bad.control


AS_STORED = (
    "n16_constant",
    "n30_flipped_header_only",
    "n42_absurd_spacing",
    "n43_windowed_uint8",
    "n44_unsigned_offset",
    "n47_normalised",
)
"""Inputs whose values or place are known only as the file says."""
PLACE_UNKNOWN = ("n39_no_codes", "d15_no_position", "d16_no_orientation")


def assert_numbers(bad: Any, name: str, volume: Volume) -> None:
    """World-based numbers of a volume equal the reference."""
    got, want = numbers_of(bad, volume), expected_numbers(bad, name)
    assert got["shape"] == want["shape"]
    assert got["voxel_mm3"] == pytest.approx(want["voxel_mm3"], rel=1e-5)
    for key in ("min", "max", "mean"):
        assert got[key] == pytest.approx(want[key], abs=1e-3), key
    for part in ("bone_over_150", "body_over_-300"):
        assert got[part]["cm3"] == pytest.approx(want[part]["cm3"], rel=1e-5), part
        assert got[part]["mean"] == pytest.approx(want[part]["mean"], abs=1e-3), part
        if name not in PLACE_UNKNOWN and want[part]["cm3"] > 0:
            centre = want[part]["centroid_ras_mm"]
            assert got[part]["centroid_ras_mm"] == pytest.approx(centre, abs=0.01), part


def assert_close_to_control(bad: Any, name: str, volume: Volume) -> None:
    """Voxels lie where the control's do and differ only as far as the input allows."""
    got = volume.voxels_zyx.transpose(2, 1, 0)
    control, affine = bad.stored_xyz("n00_control")
    assert volume.grid.affine == pytest.approx(affine, abs=1e-3)
    difference = np.abs(got - control.astype(float))
    if name == "d10_slope_per_slice":
        assert difference.max() <= bad.entries[name]["tolerance_hu"]
    elif name == "d21_padding":
        assert difference[in_circle(got.shape)].max() == 0
        assert got[~in_circle(got.shape)].max() <= -1000
    else:
        assert np.count_nonzero(difference) <= REPLACED[name] * difference.size
        assert control.min() <= got.min() <= got.max() <= control.max()


def in_circle(shape_xyz: tuple[int, ...]) -> Array:
    """Where d21 is not padded: a circle in rows (to P) and columns (to L), here in x, y to R, A."""
    nx, ny, nz = shape_xyz
    rows, columns = np.ogrid[:ny, :nx]
    circle = (rows - ny / 2) ** 2 + (columns - nx / 2) ** 2 <= (min(nx, ny) / 2) ** 2
    return np.repeat(circle.T[::-1, ::-1, None], nz, axis=2)


REPLACED = {"n13_nan": 0.01, "n14_inf": 1e-3}
"""Share of voxels that are not finite in the file."""
NAMED_BY_INSPECTION_ONLY = ("n30_flipped_header_only", *(i for i in FLAGS if i.startswith("m")))
"""What is found by measuring, or in masks, is not said by the reader of the scan."""
WITHIN = (*REPLACED, "d10_slope_per_slice", "d21_padding")


def assert_values(bad: Any, name: str, volume: Volume | None) -> None:
    assert volume is not None
    if name in WITHIN:
        assert_close_to_control(bad, name, volume)
    else:
        assert_numbers(bad, name, volume)
    if name == "n16_constant":
        assert volume.grid.affine == pytest.approx(bad.stored_xyz(name)[1], abs=1e-3)
    if name == "n39_no_codes":  # readers differ on left and right where nothing is said
        control, got = bad.stored_xyz("n00_control")[0], volume.voxels_zyx.transpose(2, 1, 0)
        assert any(np.array_equal(got, each) for each in (control, control[::-1]))
    if "tolerance_note" in bad.entries[name]:
        assert bad.entries[name]["tolerance_note"] == "max HU must stay below 3072"
        assert volume.voxels_zyx.max() < 3072


def label_cm3(bad: Any, name: str) -> dict[int, float]:
    """Volume of every label that an input's mask holds, counted on what nibabel reads of it."""
    labels, affine = bad.stored_xyz(name)
    if labels.ndim == 4:  # channels that are no overlapping labels: 1, 2, ...
        labels = (labels * np.arange(1, labels.shape[3] + 1)).sum(axis=3)
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    voxel_cm3 = abs(np.linalg.det(affine[:3, :3])) / 1000
    return {int(v): float(c * voxel_cm3) for v, c in zip(values, counts, strict=True)}


def numbers_in(record: object) -> list[float]:
    """Every number in a JSON document."""
    if isinstance(record, dict):
        record = list(record.values())
    if isinstance(record, list):
        return [number for each in record for number in numbers_in(each)]
    is_number = isinstance(record, (int, float)) and not isinstance(record, bool)
    return [float(record)] if is_number else []  # type: ignore[arg-type]


def assert_mask_volumes(bad: Any, name: str, record: dict[str, Any]) -> None:
    """The volume of every known label of a mask, to 0.1 cm3, stands in the record."""
    told = np.array(numbers_in(record))
    missing = {
        label: cm3
        for label, cm3 in label_cm3(bad, name).items()
        if label not in UNKNOWN_LABELS and np.abs(told - cm3).min() > 0.051
    }
    assert missing == {}


def assert_no_secret(bad: Any, name: str, text: str) -> None:
    for secret in bad.entries[name].get("secret", SECRET.get(name, [])):
        assert secret.lower() not in text.lower()


def assert_refused(bad: Any, name: str, verdict: Any) -> None:
    """The refusal names the file (or one in the folder), what came, the expected, what to do."""
    path = bad.path(name)
    assert verdict.refusal is not None
    parts = re.fullmatch(r"(.+?): got (.+); expected (.+?)\. (\S.+\.)", verdict.refusal, re.DOTALL)
    assert parts is not None, verdict.refusal
    names = {path.name, path.parent.name} | {p.name for p in path.rglob("*") if path.is_dir()}
    assert any(each in parts[1] for each in names), verdict.refusal


def is_named(name: str, codes: set[str]) -> bool:
    """Whether every flaw of a flagged input is among the notes."""
    return all(codes & each for each in EVERY_CODE.get(name, (FLAGS[name],)))


# ----------------------------------------------------------------- tests


def test_every_input_has_a_row(bad: Any) -> None:
    rows = dict.fromkeys((*EQUAL, *EQUAL_MASK), "equal") | dict.fromkeys(REJECT, "reject")
    rows |= dict.fromkeys(FLAGS, "flag") | dict.fromkeys(CONTAIN, "contain") | OTHER
    assert len(rows) == 154
    assert rows == {name: entry["expect"] for name, entry in bad.entries.items()}


@pytest.mark.parametrize("name", EQUAL)
def test_equal(bad: Any, name: str) -> None:
    verdict = bad.judge(name)
    assert verdict.refusal is None
    assert_values(bad, name, verdict.volume)
    assert_no_secret(bad, name, verdict.text)


@pytest.mark.parametrize("name", EQUAL_MASK)
def test_equal_mask(bad: Any, name: str) -> None:
    verdict = bad.judge(name)
    assert verdict.refusal is None
    assert label_cm3(bad, name) == label_cm3(bad, "m00_control")
    assert_mask_volumes(bad, name, verdict.record)


@pytest.mark.parametrize("name", REJECT)
def test_reject(bad: Any, name: str) -> None:
    assert_refused(bad, name, bad.judge(name))


@pytest.mark.parametrize("name", FLAGS)
def test_flag(bad: Any, name: str) -> None:
    verdict = bad.judge(name)
    assert_no_secret(bad, name, verdict.text)
    if verdict.refusal is not None:
        assert_refused(bad, name, verdict)
        assert name in STAYS_REFUSED, verdict.refusal
    else:
        assert is_named(name, verdict.codes), verdict.codes
        assert_values(bad, name, verdict.volume)
        if bad.entries[name]["kind"] == "mask":
            assert_mask_volumes(bad, name, verdict.record)
        if name not in NAMED_BY_INSPECTION_ONLY:
            assert is_named(name, {note.code for note in verdict.volume.notes})


@pytest.mark.parametrize("name", CONTAIN)
def test_contain(bad: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, temporary = tmp_path / "a" / "b", tmp_path / "a" / "temporary"
    work.mkdir(parents=True)
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = contents(bad.folder.parents[2]), contents(tmp_path)
    verdict = bad.judge(name)
    assert (contents(bad.folder.parents[2]), contents(tmp_path)) == before
    assert not glob.glob("/tmp/vol3d_evil*")
    assert not glob.glob("/etc/vol3d_evil*")
    assert verdict.cpu_s < MOST_CPU_S
    assert verdict.grown_mib < MOST_MEMORY_MIB


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file in a folder, and which folders there are.

    A folder's own time of change tells no more than that a temporary entry came and went.
    """
    found = {}
    for root, folders, files in os.walk(folder):
        for each in (*folders, *files):
            state = os.lstat(os.path.join(root, each))
            is_file = each in files
            mark = (state.st_size, state.st_mtime_ns) if is_file else (0, 0)
            found[os.path.join(root, each)] = mark
    return found


def test_missing_end_slice_leaves_the_rest_exact(bad: Any) -> None:
    verdict = bad.judge("d05_missing_end_slice")
    assert verdict.refusal is None
    assert_values(bad, "d05_missing_end_slice", verdict.volume)


def test_lying_syntax_is_refused_or_read_exactly(bad: Any) -> None:
    verdict = bad.judge("d33_lying_syntax")
    if verdict.refusal is None:
        assert_values(bad, "d33_lying_syntax", verdict.volume)
    else:
        assert_refused(bad, "d33_lying_syntax", verdict)


def test_most_flags_are_read_with_correct_values_and_named(bad: Any) -> None:
    read = 0
    for name in FLAGS:
        verdict = bad.judge(name)
        if verdict.refusal is None and is_named(name, verdict.codes):
            assert_values(bad, name, verdict.volume)
            read += 1
    assert len(FLAGS) == 54
    assert read >= LEAST_FLAGS_NAMED


def test_no_input_takes_long_or_much_memory(bad: Any) -> None:
    verdicts = {name: bad.judge(name) for name in bad.entries}
    slow = {name: v.cpu_s for name, v in verdicts.items() if v.cpu_s > MOST_CPU_S}
    large = {name: v.grown_mib for name, v in verdicts.items() if v.grown_mib > MOST_MEMORY_MIB}
    assert (slow, large) == ({}, {})


@pytest.mark.parametrize("name", REAL_COMMAND)
def test_real_command(bad: Any, name: str) -> None:
    verdict = bad.judge(name)
    result = bad.run_info(name)
    assert result.returncode == (0 if verdict.refusal is None else 3)
    assert "Traceback" not in result.stderr
    assert json.loads(result.stdout) == verdict.record
    assert_no_secret(bad, name, result.stdout + result.stderr)
