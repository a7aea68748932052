"""Streaming of subjects: each seed once for any number of workers, targets on the model's grid."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from vol3d.data.seeds import BENCH_SEEDS_START
from vol3d.data.subject_stream import SubjectSample, SubjectStream
from vol3d.errors import ConfigError
from vol3d.phantom.subjects import LABELS, SubjectConfig
from vol3d.preprocess.spec import PreprocessSpec

SMALL = SubjectConfig(shape_zyx=(32, 48, 48), lesions=(), pathologies=())
SPEC = PreprocessSpec(max_patches=8000)


def first(batch: list[SubjectSample]) -> SubjectSample:
    return batch[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_seed_comes_once(workers: int) -> None:
    stream = SubjectStream(SPEC, config=SMALL, first_seed=7, num_subjects=3)
    loader = DataLoader(stream, batch_size=1, collate_fn=first, num_workers=workers)
    assert sorted(sample.seed for sample in loader) == [7, 8, 9]


def test_labels_lie_on_the_prepared_grid() -> None:
    (sample,) = SubjectStream(SPEC, config=SMALL, num_subjects=1)
    liver = sample.labels_zyx["organs"] == LABELS["liver"]
    assert liver.shape == sample.prepared.voxels_zyx.shape
    volume_cm3 = float(liver.sum()) * sample.prepared.grid.voxel_volume_mm3 / 1000
    assert volume_cm3 == pytest.approx(sample.facts.organs["liver"].volume_cm3, rel=0.05)


def test_the_liver_is_on_the_patients_right_of_the_spleen() -> None:
    (sample,) = SubjectStream(SPEC, config=SMALL, num_subjects=1)
    organs = sample.labels_zyx["organs"]
    liver, spleen = (
        torch.nonzero(organs == LABELS[key]).double().mean(dim=0)[2] for key in ("liver", "spleen")
    )
    assert liver > spleen  # x grows towards the right


def test_questions_come_with_the_sample() -> None:
    (sample,) = SubjectStream(SPEC, config=SMALL, num_subjects=1)
    asked = {record.question_subtype for record in sample.questions}
    assert "organ volume measurement" in asked


def test_a_function_may_choose_the_configuration() -> None:
    heads = SubjectStream(
        SPEC,
        config=lambda seed: SubjectConfig(
            region="head" if seed % 2 else "abdomen", shape_zyx=(32, 48, 48)
        ),
        first_seed=1,
        num_subjects=1,
    )
    (sample,) = heads
    assert sample.facts.scan.regions == ("head",)


def test_held_out_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="held out"):
        SubjectStream(SPEC, first_seed=BENCH_SEEDS_START - 1, num_subjects=2)
