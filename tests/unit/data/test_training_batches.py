"""Dense targets, kept samples, and which tokens learn."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import torch

from vol3d.data.collate import REPORT_PROMPT, PhantomCollator, answer_labels
from vol3d.data.patch_targets import patch_class_fractions, presence
from vol3d.data.phantom_samples import (
    PATCH_CLASSES,
    PhantomSample,
    PhantomSamples,
    jitter,
    load_sample,
    make_sample,
    save_sample,
)
from vol3d.errors import DataError
from vol3d.models import Vol3dFeatureExtractor, Vol3dProcessor
from vol3d.models.tokenizer import train_tokenizer
from vol3d.preprocess.spec import PreprocessSpec

SPEC = PreprocessSpec(spacings_zyx_mm=((12.0, 12.0, 12.0),))


@pytest.fixture(scope="module")
def sample() -> PhantomSample:
    return make_sample(3, SPEC)


@pytest.fixture(scope="module")
def processor() -> Vol3dProcessor:
    extractor = Vol3dFeatureExtractor(SPEC.to_dict(), pool_sizes=(2, 3), max_tokens_per_volume=400)
    return Vol3dProcessor(extractor, train_tokenizer([REPORT_PROMPT, "no lesion in the liver"]))


def collator(processor: Vol3dProcessor, **changes: object) -> PhantomCollator:
    arguments: dict[str, object] = {
        "processor": processor,
        "questions_per_volume": 3,
        "report_probability": 1.0,
        "noise_hu": 4.0,
        "shift_hu": 2.0,
        "seed": 0,
    }
    return PhantomCollator(**{**arguments, **changes})  # type: ignore[arg-type]


def test_fractions_count_the_voxels_of_each_patch() -> None:
    labels = torch.zeros(2, 2, 4, dtype=torch.uint8)
    labels[0, 0, 0] = 7
    labels[:, :, 2:] = 9
    fractions = patch_class_fractions(
        labels, torch.tensor([[0, 0, 0], [0, 0, 1]]), (2, 2, 2), {7: 0, 9: 1}, 2
    )
    assert fractions.tolist() == [[0.125, 0.0], [0.0, 1.0]]


def test_labels_that_are_no_multiple_of_the_patch_are_refused() -> None:
    with pytest.raises(DataError, match="multiples"):
        patch_class_fractions(torch.zeros(2, 2, 3), torch.zeros(1, 3).long(), (2, 2, 2), {}, 1)


def test_presence_is_full_from_the_given_share_on() -> None:
    assert presence(torch.tensor([0.0, 0.05, 0.1, 0.7]), full_at=0.1).tolist() == pytest.approx(
        [0.0, 0.5, 1.0, 1.0]
    )


def test_every_patch_class_has_a_column(sample: PhantomSample) -> None:
    assert sample.patch_targets.shape == (len(sample.prepared.patch_index_zyx), len(PATCH_CLASSES))


def test_generic_lesion_column_is_the_largest_of_its_organs(sample: PhantomSample) -> None:
    hypo = [
        n for n, name in enumerate(PATCH_CLASSES) if name.startswith("hypoattenuating lesion in")
    ]
    generic = PATCH_CLASSES.index("hypoattenuating lesion")
    expected = sample.patch_targets[:, hypo].amax(dim=1)
    assert torch.equal(sample.patch_targets[:, generic], expected)


def test_liver_patches_lie_right_of_spleen_patches(sample: PhantomSample) -> None:
    index = sample.prepared.patch_index_zyx.float()
    liver, spleen = (sample.patch_targets[:, PATCH_CLASSES.index(n)] for n in ("liver", "spleen"))
    x_liver, x_spleen = ((index[:, 2] * w).sum() / w.sum() for w in (liver, spleen))
    assert x_liver > x_spleen


def test_saved_sample_is_read_back(sample: PhantomSample, tmp_path: Path) -> None:
    save_sample(sample, tmp_path / "a.safetensors")
    again = load_sample(tmp_path / "a.safetensors")
    for field in dataclasses.fields(sample.prepared):
        ours, theirs = getattr(sample.prepared, field.name), getattr(again.prepared, field.name)
        if isinstance(ours, torch.Tensor):
            assert torch.equal(ours, theirs), field.name
        elif field.name.endswith("grid"):
            assert ours.is_close(theirs, tolerance_mm=1e-9)
        elif field.name != "notes":
            assert ours == theirs, field.name
    assert again.facts == sample.facts
    torch.testing.assert_close(again.patch_targets, sample.patch_targets, rtol=0, atol=0.51 / 255)


def test_sample_is_made_once_and_then_read(tmp_path: Path) -> None:
    samples = PhantomSamples([3, 3], SPEC, tmp_path)
    first = samples[0]
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    second = samples[1]
    assert file.stat().st_mtime_ns == written
    assert torch.equal(first.prepared.voxels_zyx, second.prepared.voxels_zyx)
    assert (first.visit, second.visit) == (0, 1)


def test_jitter_leaves_air_and_geometry_alone(sample: PhantomSample) -> None:
    changed = jitter(sample.prepared, random.Random(0), noise_hu=10.0, shift_hu=5.0)
    air = ~sample.prepared.body_zyx
    assert torch.equal(changed.voxels_zyx[air], sample.prepared.voxels_zyx[air])
    assert not torch.equal(changed.voxels_zyx, sample.prepared.voxels_zyx)
    assert changed.grid is sample.prepared.grid


def test_only_the_tokens_after_the_last_assistant_mark_learn() -> None:
    ids = torch.tensor([[0, 0, 9, 5, 9, 6, 7]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1]])
    assert answer_labels(ids, mask, 9).tolist() == [[-100, -100, -100, -100, -100, 6, 7]]


def test_learned_tokens_are_the_answer_and_its_end(
    processor: Vol3dProcessor, sample: PhantomSample
) -> None:
    batch = collator(processor, questions_per_volume=1)([sample])
    learned = batch["labels"][0][batch["labels"][0] != -100]
    text = processor.tokenizer.decode(learned)
    assert text.startswith("Liver:")
    assert text.endswith(processor.tokenizer.eos_token)


def test_prompts_of_one_sample_share_its_volume(
    processor: Vol3dProcessor, sample: PhantomSample
) -> None:
    batch = collator(processor)([sample, sample])
    assert batch["volume_slots"].tolist() == [0, 0, 0, 1, 1, 1]
    assert len(batch["volume_shapes_zyx"]) == 2


def test_dense_batches_hold_no_text(processor: Vol3dProcessor, sample: PhantomSample) -> None:
    assert "input_ids" not in collator(processor, questions_per_volume=0)([sample])


def test_visits_differ_and_repeat_exactly(processor: Vol3dProcessor, sample: PhantomSample) -> None:
    later = dataclasses.replace(sample, visit=1)
    first, again, other = (collator(processor)([s]) for s in (sample, sample, later))
    assert torch.equal(first["voxels"], again["voxels"])
    assert not torch.equal(first["voxels"], other["voxels"])


def test_known_encodings_take_the_place_of_the_voxels(
    processor: Vol3dProcessor, sample: PhantomSample
) -> None:
    encoded = torch.rand(len(sample.prepared.patch_index_zyx), 4)
    batch = collator(processor, encodings={sample.seed: encoded})([sample, sample])
    assert torch.equal(batch["encoded"], torch.cat([encoded, encoded]))
    assert not {"voxels", "patch_targets"} & set(batch)
