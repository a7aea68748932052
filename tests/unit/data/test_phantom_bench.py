"""Cases and PhantomBench: files, independent measurement, balance, round trip, determinism."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from independent_measure import differences

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


def test_the_comparison_with_simpleitk_can_fail(bench: Path, tmp_path: Path) -> None:
    folder = sorted((bench / "benchmark" / "ct").iterdir())[0]
    record = json.loads((folder / "facts.json").read_text())
    record["organs"]["liver"]["volume_cm3"] *= 1.01
    (tmp_path / "segmentations").symlink_to(folder / "segmentations")
    (tmp_path / "facts.json").write_text(json.dumps(record))
    assert differences(tmp_path, folder / "ct.nii.gz")


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
