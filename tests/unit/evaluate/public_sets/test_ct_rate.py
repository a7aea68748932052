"""CT-RATE."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_set_files import make_ct_rate

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.ct_rate import (
    ct_rate_patient,
    ct_rate_prompts,
    load_ct_rate_labels,
    load_ct_rate_metadata,
    load_ct_rate_reports,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ct_rate(tmp_path)


def replace(path: Path, before: str, after: str) -> None:
    path.write_text(path.read_text().replace(before, after))


def test_sections_are_kept_apart_and_not_given_is_none(root: Path) -> None:
    report = load_ct_rate_reports(root)[0]
    assert report.findings == "A nodule,\nnew."
    assert report.impression == "Nodule."
    assert report.clinical_information == "Cough."
    assert report.technique is None


def test_the_corrected_volume_has_a_geometry_and_the_original_none(root: Path) -> None:
    images = {each.image.image_id: each.image for each in load_ct_rate_reports(root)}
    assert images["valid_1_a_2"].geometry == "file"
    assert images["valid_2_a_1"].geometry == "unknown"


def test_volumes_of_one_patient_share_a_cluster(root: Path) -> None:
    clusters = [each.image.cluster for each in load_ct_rate_labels(root)]
    assert clusters == ["valid_1", "valid_1", "valid_2"]


def test_labels_are_true_and_false(root: Path) -> None:
    first, _, last = load_ct_rate_labels(root)
    assert first.labels["Lung nodule"] is True
    assert last.labels["Lung nodule"] is False
    assert len(first.labels) == 18


def test_spacing_is_slices_rows_columns(root: Path) -> None:
    row = load_ct_rate_metadata(root)["valid_1_a_1"]
    assert row.spacing_zyx_mm == (1.5, 0.5, 0.75)
    assert (row.rescale_slope, row.rescale_intercept) == (1.0, -1024.0)
    assert (row.sex, row.age_years, row.manufacturer) == ("F", 36, None)


@pytest.mark.parametrize("text", ['"[0.5]"', "x", '"[0.5, nan]"', '"[0.5, 0]"'])
def test_a_spacing_that_is_none_is_refused(root: Path, text: str) -> None:
    path = root / "dataset/metadata/validation_metadata.csv"
    replace(path, '"[0.5, 0.75]"', text)
    with pytest.raises(DataError, match=r"validation_metadata\.csv, row 1"):
        load_ct_rate_metadata(root)


def test_a_label_that_is_no_label_is_refused(root: Path) -> None:
    path = root / "dataset/multi_abnormality_labels/valid_predicted_labels.csv"
    replace(path, "valid_1_a_2.nii.gz,1", "valid_1_a_2.nii.gz,-1")
    with pytest.raises(DataError, match=r"row 2: got '-1'.*'Medical material'"):
        load_ct_rate_labels(root)


def test_a_volume_twice_is_refused(root: Path) -> None:
    path = root / "dataset/radiology_text_reports/validation_reports.csv"
    replace(path, "valid_1_a_2", "valid_1_a_1")
    with pytest.raises(DataError, match="row 2: got valid_1_a_1 again"):
        load_ct_rate_reports(root)


def test_missing_images_are_named(root: Path) -> None:
    with pytest.raises(DataError, match="2 missing: train_1_a_1, train_2_b_1"):
        load_ct_rate_reports(root, split="train")


def test_prompts_are_the_published_pair_of_each_abnormality() -> None:
    prompts = ct_rate_prompts()
    assert len(prompts) == 18
    assert prompts[2].positive == "Cardiomegaly is present."
    assert prompts[2].negative == "Cardiomegaly is not present."


def test_a_name_of_another_form_has_no_patient() -> None:
    assert ct_rate_patient("BDMAP_00000001") is None
