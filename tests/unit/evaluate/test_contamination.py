"""Planted overlaps of every kind, and a clean pair."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from public_set_files import write_scan

from vol3d.evaluate.contamination import KINDS, ContaminationReport, check_contamination
from vol3d.evaluate.set_items import IdMapping, SetItem
from vol3d.volume import read_volume, write_nifti


def counts(report: ContaminationReport) -> dict[str, int]:
    return {kind: each.count for kind, each in report.overlaps.items() if each.count}


def test_sets_that_share_nothing_are_clean(tmp_path: Path) -> None:
    training = [
        SetItem(
            image_id="train_1_a_1",
            patient="train_1",
            path=write_scan(tmp_path / "a.nii.gz"),
            question="How large is the liver?",
        )
    ]
    test = [
        SetItem(
            image_id="valid_1_a_1",
            patient="valid_1",
            path=write_scan(tmp_path / "b.nii.gz", fill=50),
            question="How large is the spleen?",
        )
    ]
    report = check_contamination(training, test, compare_voxels=True)
    assert report.is_clean
    assert counts(report) == {}
    assert report.compared_voxels == (1, 1)


def test_a_name_is_found_with_another_ending() -> None:
    report = check_contamination(
        [SetItem(image_id="valid_1_a_1")], [SetItem(image_id="valid_1_a_1.nii.gz")]
    )
    assert counts(report) == {"image_id": 1}
    assert not report.is_clean


def test_a_name_is_found_in_the_place_of_a_file() -> None:
    training = [SetItem(image_id="case_1", aliases=("BDMAP_00000007",))]
    report = check_contamination(training, [SetItem(image_id="BDMAP_00000007")])
    assert report.overlaps["image_id"].first == (("BDMAP_00000007", "case_1"),)


def test_a_part_of_a_name_is_not_the_name() -> None:
    training = [SetItem(image_id="valid_1_a_1")]
    assert check_contamination(training, [SetItem(image_id="valid_1_a_11")]).is_clean


def test_another_scan_of_a_patient_is_found() -> None:
    report = check_contamination(
        [SetItem(image_id="a1", patient="7")],
        [SetItem(image_id="a2", patient="7"), SetItem(image_id="a3")],
    )
    assert counts(report) == {"patient": 1}
    assert report.test_without_patient == 1


def test_patients_are_not_written() -> None:
    report = check_contamination(
        [SetItem(image_id="a1", patient="Smith")], [SetItem(image_id="a2", patient="Smith")]
    )
    assert "Smith" not in json.dumps(report.to_json())


def test_a_mapped_name_is_found() -> None:
    mapping = IdMapping(pairs=(("liver_1", "BDMAP_00000001"),))
    training, test = [SetItem(image_id="liver_1")], [SetItem(image_id="BDMAP_00000001")]
    assert counts(check_contamination(training, test, mapping=mapping)) == {"mapped_id": 1}
    assert check_contamination(training, test).is_clean


def test_two_names_that_a_mapping_gives_one_scan_are_found() -> None:
    mapping = IdMapping(pairs=(("s", "BDMAP_00000001"), ("s", "BDMAP_00000002")))
    report = check_contamination(
        [SetItem(image_id="BDMAP_00000001")], [SetItem(image_id="BDMAP_00000002")], mapping=mapping
    )
    assert counts(report) == {"mapped_id": 1}


def test_a_renamed_and_compressed_copy_is_found(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    copy = tmp_path / "other.nii.gz"
    copy.write_bytes(gzip.compress(gzip.decompress(scan.read_bytes()), compresslevel=1))
    training = [SetItem(image_id="a", path=scan)]
    test = [SetItem(image_id="b", path=copy)]
    assert counts(check_contamination(training, test, compare_voxels=True)) == {"voxels": 1}
    assert check_contamination(training, test).is_clean


def test_a_copy_that_was_moved_is_found_as_such(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    import nibabel

    image = nibabel.load(scan)
    affine = image.affine.copy()
    affine[:3, 3] += 10
    nibabel.save(nibabel.Nifti1Image(image.dataobj, affine), tmp_path / "b.nii.gz")
    report = check_contamination(
        [SetItem(image_id="a", path=scan)],
        [SetItem(image_id="b", path=tmp_path / "b.nii.gz")],
        compare_voxels=True,
    )
    assert counts(report) == {"voxels_other_grid": 1}


def test_a_copy_in_another_direction_is_found(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    turned = write_nifti(read_volume(scan), tmp_path / "b.nii.gz", axcodes="LPS")
    report = check_contamination(
        [SetItem(image_id="a", path=scan)],
        [SetItem(image_id="b", path=turned)],
        compare_voxels=True,
    )
    assert counts(report) == {"voxels": 1}


def test_a_scan_that_cannot_be_read_is_named_and_the_rest_compared(tmp_path: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"nothing")
    scan = write_scan(tmp_path / "a.nii.gz")
    report = check_contamination(
        [SetItem(image_id="a", path=broken), SetItem(image_id="b", path=scan)],
        [SetItem(image_id="c", path=scan)],
        compare_voxels=True,
    )
    assert report.unreadable == ("training a: DataError",)
    assert counts(report) == {"voxels": 1}
    assert report.compared_voxels == (1, 1)


def test_a_question_text_alone_does_not_make_a_set_unclean() -> None:
    report = check_contamination(
        [SetItem(image_id="a", question="Is there a cyst?")],
        [SetItem(image_id="b", question="is there  a CYST?")],
    )
    assert counts(report) == {"text": 1}
    assert report.is_clean


def test_the_same_question_on_the_same_scan_is_found_through_a_mapping() -> None:
    mapping = IdMapping(pairs=(("a", "b"),))
    report = check_contamination(
        [SetItem(image_id="a", question="Is there a cyst?")],
        [
            SetItem(image_id="b", question="Is there a cyst?"),
            SetItem(image_id="b", question="Is there a tumour?"),
        ],
        mapping=mapping,
    )
    assert counts(report) == {"mapped_id": 1, "question_on_image": 1, "text": 1}
    assert (report.test_images, report.test_questions) == (1, 2)


def test_all_are_counted_and_the_first_named() -> None:
    names = [f"case_{n}" for n in range(50)]
    items = [SetItem(image_id=name) for name in names]
    overlap = check_contamination(items, items).overlaps["image_id"]
    assert overlap.count == 50
    assert overlap.first == tuple((name, name) for name in names[:20])


def test_a_number_that_may_be_a_patients_is_hashed_in_the_report() -> None:
    items = [SetItem(image_id="1234567")]
    told = json.dumps(check_contamination(items, items).to_json())
    assert "1234567" not in told
    assert "sha256:" in told


def test_the_report_is_json_with_the_disclaimer_and_all_kinds() -> None:
    told = json.loads(json.dumps(check_contamination([], []).to_json()))
    assert told["disclaimer"].startswith("Research use only, not for clinical use")
    assert set(told["overlaps"]) == set(KINDS)


def test_scans_are_counted_as_they_are_hashed(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    seen: list[int] = []
    items = [SetItem(image_id="a", path=scan), SetItem(image_id="b", path=scan)]
    check_contamination(items, items[:1], compare_voxels=True, on_scan=seen.append)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("order", [1, -1])
def test_a_scan_named_twice_is_hashed_where_it_is(tmp_path: Path, order: int) -> None:
    scan = write_scan(tmp_path / "a.nii.gz")
    items = [SetItem(image_id="a"), SetItem(image_id="a", path=scan)][::order]
    report = check_contamination(items, [SetItem(image_id="b")], compare_voxels=True)
    assert report.compared_voxels == (1, 0)
