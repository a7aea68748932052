import csv
from pathlib import Path

import pytest
from toy_systems import toy_benchmark, toy_record

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.benchmark import load_benchmark
from vol3d.vqa.dataset import write_csv, write_json

RECORDS = tuple(toy_record(n, image=n % 3) for n in range(1, 10))


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_second_version(tmp_path: Path) -> None:
    write_json(tmp_path / "benchmark" / "test_qa.json", RECORDS)
    scan = touch(tmp_path / "benchmark" / "ct" / "TOY_00000001" / "ct.nii.gz")
    found = load_benchmark(tmp_path)
    assert found.questions == RECORDS
    assert found.place("TOY_00000001").scan == scan
    assert found.place("TOY_00000002").scan is None


def test_first_version(tmp_path: Path) -> None:
    """Columns as the first version names them, with plain folders of scans."""
    row = RECORDS[0].model_dump(mode="json")
    row |= {"question_id": 7, "multiple_choice_question": row.pop("mc_question")}
    row["question_subtype"] = "kidney_volume_comparison"
    del row["qid"], row["requires_tools"], row["is_assessable"]
    with (tmp_path / "val_qa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    scan = touch(tmp_path / RECORDS[0].image_id / "ct.nii.gz")
    found = load_benchmark(tmp_path, split="validation")
    assert found.questions[0].qid == "row_00007"
    assert found.questions[0].question_subtype == "kidney volume comparison"
    assert found.place(RECORDS[0].image_id).scan == scan


def test_training_questions(tmp_path: Path) -> None:
    write_csv(tmp_path / "train" / "train_qa.csv", RECORDS)
    scan = touch(tmp_path / "image_only" / "TOY_00000001" / "ct.nii.gz")
    found = load_benchmark(tmp_path, split="train")
    assert len(found.questions) == 9
    assert found.place("TOY_00000001").scan == scan


def test_masks_lie_beside_the_scan_or_elsewhere(tmp_path: Path) -> None:
    write_json(tmp_path / "benchmark" / "test_qa.json", RECORDS)
    folder = tmp_path / "benchmark" / "ct" / "TOY_00000001"
    touch(folder / "ct.nii.gz")
    touch(folder / "segmentations" / "liver.nii.gz")
    touch(tmp_path / "other" / "TOY_00000001" / "liver.nii.gz")
    assert load_benchmark(tmp_path).place("TOY_00000001").masks == folder / "segmentations"
    found = load_benchmark(tmp_path, masks_dir=tmp_path / "other")
    assert found.place("TOY_00000001").masks == tmp_path / "other" / "TOY_00000001"
    assert found.place("TOY_00000002").masks is None


def test_a_folder_without_questions_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"benchmark/test_qa\.json"):
        load_benchmark(tmp_path)


def test_a_folder_that_is_not_there_tells_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="vol3d phantom bench"):
        load_benchmark(tmp_path / "none")


def test_the_hub_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="--allow-download"):
        load_benchmark("v2")


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7])
def test_parts_hold_every_question_once(num_parts: int) -> None:
    whole = toy_benchmark(num_images=5)
    parts = [whole.only(part=(part, num_parts)).questions for part in range(num_parts)]
    assert sorted(r.qid for part in parts for r in part) == sorted(r.qid for r in whole.questions)


def test_a_volume_lies_in_one_part() -> None:
    whole = toy_benchmark(num_images=5)
    first, second = (set(whole.only(part=(part, 2)).image_ids) for part in (0, 1))
    assert not first & second


def test_a_limit_counts_after_the_subtypes() -> None:
    assert len(toy_benchmark().only(subtypes=["kidney volume comparison"], limit=5).questions) == 5


@pytest.mark.parametrize("part", [(2, 2), (-1, 2)])
def test_a_part_that_does_not_exist_is_refused(part: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="--part-id"):
        toy_benchmark().only(part=part)


def test_an_unknown_subtype_is_refused() -> None:
    with pytest.raises(ConfigError, match="fatty liver"):
        toy_benchmark().only(subtypes=["fatty liver"])


def test_validation_leaves_out_volumes_of_the_benchmark(tmp_path: Path) -> None:
    write_json(tmp_path / "benchmark" / "test_qa.json", RECORDS[:1])
    write_csv(tmp_path / "train" / "val_qa_pool.csv", RECORDS)
    found = load_benchmark(tmp_path, split="validation")
    assert found.image_ids == ("TOY_00000002", "TOY_00000000")
    assert RECORDS[0].image_id == "TOY_00000001"


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "benchmark" / "test_qa.json", ())
    with pytest.raises(DataError, match="with questions"):
        load_benchmark(tmp_path)
