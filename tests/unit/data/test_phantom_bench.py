"""Cases and PhantomBench: files, independent measurement, balance, round trip, determinism."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from compare_facts import angle_check, differences
from independent_angles import contact_deg

from vol3d.data.phantom_bench import bench_case, bench_records, make_phantom_bench
from vol3d.data.subject_cases import subject_facts, write_case
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.rules import with_derived
from vol3d.measure.run import MaskInput, measure_paths
from vol3d.phantom.subjects import SubjectConfig, make_subject
from vol3d.volume import read_volume
from vol3d.vqa.answerer import answer_prompt
from vol3d.vqa.dataset import load_questions
from vol3d.vqa.subtypes import SUBTYPES

SHAPE = (56, 88, 88)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    make_phantom_bench(folder, num_cases=3, shape_zyx=SHAPE)
    return folder


def test_bench_loads_as_a_data_set(bench: Path) -> None:
    records = load_questions(bench / "benchmark" / "test_qa.json")
    assert len(records) > 40
    assert {record.question_subtype for record in records} <= set(SUBTYPES)


def test_every_question_has_its_scan_and_masks(bench: Path) -> None:
    for record in load_questions(bench / "benchmark" / "test_qa.json"):
        folder = bench / "benchmark" / "ct" / record.image_id
        assert (folder / "ct.nii.gz").is_file()
        assert (folder / "segmentations" / "liver.nii.gz").is_file()


def test_simpleitk_confirms_the_facts_of_the_files(bench: Path) -> None:
    folders = sorted((bench / "benchmark" / "ct").iterdir())
    assert folders
    for folder in folders:
        assert differences(folder, folder / "ct.nii.gz") == []


WRONG = {
    "organs.liver.volume_cm3": 1.01,
    "organs.spleen.box_zyx": [0, 0, 0, 1, 1, 1],
    "lesions.0.longest_axial_diameter_mm": 1.02,
    "lesions.0.slice_index": 1,
    "lesions.0.segments": ["9"],
    "lesions.0.contacts.0.near_voxels": 100_000,
    "derived.spleen_grade": "gigantic",
    "derived.lesion_counts.liver.any": 17,
    "derived.t_stage": "T9",
    "derived.resectability": "unclear",
}
"""Facts by their path, each with a factor or another value."""


@pytest.mark.parametrize("path", WRONG)
def test_the_comparison_with_simpleitk_finds_a_wrong_fact(
    bench: Path, tmp_path: Path, path: str
) -> None:
    folder = sorted((bench / "benchmark" / "ct").iterdir())[0]
    record = json.loads((folder / "facts.json").read_text())
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    place = record
    for key in way:
        place = place[key]
    wrong = WRONG[path]
    place[last] = place[last] * wrong if isinstance(wrong, float) else wrong
    (tmp_path / "segmentations").symlink_to(folder / "segmentations")
    (tmp_path / "facts.json").write_text(json.dumps(record))
    found = differences(tmp_path, folder / "ct.nii.gz")
    assert any(str(way[-1]) in each or str(last) in each for each in found)


def test_vessel_angles_are_compared_with_an_independent_measurement() -> None:
    z, y, x = np.mgrid[0:24, 0:24, 0:24]
    vessel = (y - 12) ** 2 + (x - 12) ** 2 <= 16
    tumour = ~vessel & (x >= 12) & (abs(z - 12) < 7)
    own = contact_deg(tumour, vessel, np.diag([1.0, 1.0, 2.0]))
    # the tumour begins half a voxel before the axis of a vessel of about 4 voxels' radius
    assert own == pytest.approx(2 * math.degrees(math.acos(-0.5 / 4.1)), abs=4.0)
    assert angle_check("aorta", own + 0.9, own).is_equal
    assert not angle_check("aorta", own + 1.1, own).is_equal
    assert not angle_check("aorta", 0.0, own).is_equal


def test_independent_angle_of_a_vessel_of_one_voxel_counts_faces() -> None:
    vessel = np.zeros((9, 7, 7), dtype=bool)
    vessel[:, 3, 3] = True
    tumour = np.zeros_like(vessel)
    tumour[4, 3, 4] = True
    assert contact_deg(tumour, vessel, np.eye(3)) == 90.0


def test_independent_angle_without_contact_is_zero() -> None:
    z, y, x = np.mgrid[0:24, 0:24, 0:24]
    vessel = (y - 8) ** 2 + (x - 8) ** 2 <= 9
    assert contact_deg((x > 14) & (z > 8), vessel, np.eye(3)) == 0.0


def test_facts_of_the_files_answer_every_question(bench: Path) -> None:
    records = load_questions(bench / "benchmark" / "test_qa.json")
    for image in sorted({record.image_id for record in records}):
        folder = bench / "benchmark" / "ct" / image
        told = json.loads((folder / "facts.json").read_text())
        options = MeasureOptions(
            phase=told["scan"]["phase"]["value"], case_id=image, regions=("abdomen",)
        )
        found = measure_paths(
            folder / "ct.nii.gz", MaskInput(paths=[folder / "segmentations"]), options
        ).facts
        scan = found.scan.model_copy(update={"kvp": told["scan"]["kvp"]})  # NIfTI does not tell it
        found = with_derived(found.model_copy(update={"scan": scan}))
        for record in (each for each in records if each.image_id == image):
            assert answer_prompt(record.mc_question, found) == record.correct_option, record


def test_bench_is_the_same_again() -> None:
    first, second = (
        [
            record.model_dump_json()
            for record in bench_records([bench_case(0, shape_zyx=SHAPE)[1]], per_subtype=9)
        ]
        for _ in range(2)
    )
    assert first == second


def test_letters_are_even_within_a_subtype(bench: Path) -> None:
    letters: dict[tuple[str, int], Counter[str]] = {}
    for record in load_questions(bench / "benchmark" / "test_qa.json"):
        options = sum(f" {letter}: " in record.mc_question for letter in "ABCD")
        letters.setdefault((record.question_subtype, options), Counter())[
            record.correct_option
        ] += 1
    for (_, options), counts in letters.items():
        spread = [counts[letter] for letter in "ABCD"[:options]]
        assert max(spread) - min(spread) <= 1


@pytest.mark.parametrize("region", ["abdomen", "chest", "head"])
def test_dicom_reads_back_to_the_same_voxels(region: str, tmp_path: Path) -> None:
    subject = make_subject(4, SubjectConfig(region=region, shape_zyx=(24, 48, 48)))  # type: ignore[arg-type]
    written = write_case(subject, subject_facts(subject), tmp_path, file_format="dicom")
    again = read_volume(written.scan)
    assert np.array_equal(again.voxels_zyx, subject.volume.voxels_zyx)
    assert np.allclose(again.grid.affine, subject.volume.grid.affine, atol=1e-4)
