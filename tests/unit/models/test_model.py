"""The whole model: packing, batching, generation, saving, adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from vol3d.errors import ConfigError, DataError
from vol3d.models import Vol3dForConditionalGeneration, Vol3dProcessor
from vol3d.preprocess.prepared import PreparedVolume

MakeVolume = Callable[..., PreparedVolume]
QUESTIONS = ("Is there a lesion?", "How many lesions are there in the left kidney of this one?")


@pytest.fixture
def volumes(make_volume: MakeVolume) -> list[PreparedVolume]:
    return [make_volume((16, 20, 24), 0), make_volume((12, 16, 8), 1)]


def _prompts(processor: Vol3dProcessor) -> list[str]:
    return [processor.build_prompt(question) for question in QUESTIONS]


@pytest.mark.parametrize("language_model", ["llama", "gpt2"])
def test_packed_volumes_equal_volumes_run_alone(
    language_model: str,
    build_model: Callable[..., Vol3dForConditionalGeneration],
    processor: Vol3dProcessor,
    volumes: list[PreparedVolume],
) -> None:
    """gpt2 has absolute positions, which left padding must not shift."""
    model = build_model(processor, model_type=language_model)
    prompts = _prompts(processor)
    together = model(**processor(prompts, volumes)).logits
    for row in range(2):
        alone = model(**processor([prompts[row]], [volumes[row]])).logits[0]
        torch.testing.assert_close(together[row, -len(alone) :], alone, rtol=1e-4, atol=1e-5)


def test_batched_generation_equals_one_by_one(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    prompts = _prompts(processor)
    batch = processor(prompts, volumes)
    together = model.generate(**batch, max_new_tokens=8, do_sample=False)
    new = together[:, batch["input_ids"].shape[1] :]
    for row in range(2):
        alone = processor([prompts[row]], [volumes[row]])
        one = model.generate(**alone, max_new_tokens=8, do_sample=False)
        tail = one[0, alone["input_ids"].shape[1] :]
        assert new[row, : len(tail)].tolist() == tail.tolist()


def test_generation_with_cache_equals_without(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    batch = processor(_prompts(processor), volumes)
    cached = model.generate(**batch, max_new_tokens=6, do_sample=False)
    plain = model.generate(**batch, max_new_tokens=6, do_sample=False, use_cache=False)
    assert torch.equal(cached, plain)


def test_beam_search_on_a_batch_equals_one_by_one(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    search = {"max_new_tokens": 5, "num_beams": 3, "num_return_sequences": 3, "do_sample": False}
    prompts = _prompts(processor)
    batch = processor(prompts, volumes)
    together = model.generate(**batch, **search)[:, batch["input_ids"].shape[1] :]
    for row in range(2):
        alone = processor([prompts[row]], [volumes[row]])
        one = model.generate(**alone, **search)[:, alone["input_ids"].shape[1] :]
        assert together[3 * row : 3 * row + 3, : one.shape[1]].tolist() == one.tolist()


def test_volume_is_encoded_once_per_generation(
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    volumes: list[PreparedVolume],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    original = model.get_volume_features
    monkeypatch.setattr(
        model, "get_volume_features", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    model.generate(**processor(_prompts(processor), volumes), max_new_tokens=6, do_sample=False)
    assert len(calls) == 1


def test_known_encoding_equals_encoding_the_voxels(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    batch = processor(_prompts(processor), volumes)
    seen = model(**batch).logits
    names = processor.feature_extractor.model_input_names
    encoded = model.vision(**{name: batch[name] for name in names})
    del batch["voxels"]
    torch.testing.assert_close(model(**batch, encoded=encoded).logits, seen, rtol=0, atol=0)


def test_blank_volume_changes_the_logits(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    batch = processor(_prompts(processor)[:1], volumes[:1])
    seen = model(**batch).logits
    batch["voxels"] = torch.full_like(batch["voxels"], -1024)
    assert (model(**batch).logits - seen).abs().max() > 1e-3


def test_shifting_the_world_changes_nothing(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, make_volume: MakeVolume
) -> None:
    prompt = _prompts(processor)[:1]
    here = model(**processor(prompt, [make_volume((16, 16, 16), 3)])).logits
    there = model(**processor(prompt, [make_volume((16, 16, 16), 3, origin_mm=300.0)])).logits
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-5)


def test_two_volumes_in_one_prompt(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    prompt = processor.build_prompt("What has changed?", num_volumes=2)
    forward = model(**processor(prompt, volumes)).logits[0, -1]
    swapped = model(**processor(prompt, volumes[::-1])).logits[0, -1]
    assert (forward - swapped).abs().max() > 1e-4


def test_two_questions_may_share_one_volume(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    prompts = _prompts(processor)
    shared = model(**processor(prompts, volumes[:1], volume_slots=[0, 0])).logits
    twice = model(**processor(prompts, [volumes[0], volumes[0]])).logits
    torch.testing.assert_close(shared, twice, rtol=1e-4, atol=1e-5)


def test_save_and_load_is_bit_equal(
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    volumes: list[PreparedVolume],
    tmp_path: Path,
) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert loaded.spec == processor.spec
    inputs = loaded(_prompts(processor), volumes)
    expected = model(**processor(_prompts(processor), volumes)).logits
    assert torch.equal(again(**inputs).logits, expected)
    loaded_weights = again.state_dict()
    assert all(torch.equal(w, loaded_weights[name]) for name, w in model.state_dict().items())


def test_prompt_without_placeholder_is_refused(
    processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    with pytest.raises(ConfigError, match="placeholders"):
        processor("Is there a lesion?", volumes[:1])


def test_placeholders_and_visual_tokens_must_match(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    batch = processor(_prompts(processor)[:1], volumes[:1])
    batch["input_ids"] = batch["input_ids"][:, 5:]
    batch["attention_mask"] = batch["attention_mask"][:, 5:]
    with pytest.raises(DataError, match="visual tokens"):
        model(**batch)


def test_prompt_beyond_max_length_is_refused(
    processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    with pytest.raises(ConfigError, match="never cut"):
        processor(_prompts(processor)[:1], volumes[:1], max_length=10)


def test_unknown_argument_of_the_processor_is_refused(processor: Vol3dProcessor) -> None:
    with pytest.raises(TypeError, match="max_lenght"):
        processor("hello", max_lenght=3)  # type: ignore[call-arg]


def test_batch_is_padded_on_the_left(
    processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    mask = processor(_prompts(processor), volumes)["attention_mask"]
    assert mask[:, -1].tolist() == [1, 1]
    assert mask[:, 0].sum() == 1


def test_volume_of_another_spec_is_refused(
    processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    import dataclasses

    other = dataclasses.replace(volumes[0], spec_sha256="0" * 64)
    with pytest.raises(DataError, match="prepared with spec"):
        processor(_prompts(processor)[:1], [other])


def test_digits_are_single_tokens(processor: Vol3dProcessor) -> None:
    ids = processor.tokenizer("1234", add_special_tokens=False).input_ids
    assert len(ids) == 4


def test_any_text_survives_the_tokenizer(processor: Vol3dProcessor) -> None:
    text = "肝脏 45.5 mm \N{EM DASH} ok"
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    assert processor.tokenizer.decode(ids) == text


def test_dense_loss_alone_trains_the_encoder_only(
    model: Vol3dForConditionalGeneration, processor: Vol3dProcessor, volumes: list[PreparedVolume]
) -> None:
    packed, _ = processor.feature_extractor(volumes)
    targets = torch.rand(len(packed["patch_index_zyx"]), 2)
    model(**packed, patch_targets=targets).loss.backward()
    assert model.vision.patch_embedding.weight.grad is not None
    assert model.connector.feed_forward[0].weight.grad is None


def test_lora_attaches_trains_saves_and_merges(
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    volumes: list[PreparedVolume],
    tmp_path: Path,
) -> None:
    peft = pytest.importorskip("peft")
    base = {name: value.clone() for name, value in model.state_dict().items()}
    adapter = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=4,
            target_modules=r"language_model\..*\.(q_proj|v_proj)",
            modules_to_save=["connector"],
        ),
    )
    batch = processor(_prompts(processor), volumes)
    labels = batch["input_ids"].clone()
    optimizer = torch.optim.AdamW((p for p in adapter.parameters() if p.requires_grad), lr=1e-2)
    first = adapter(**batch, labels=labels).loss
    first.backward()
    optimizer.step()
    assert adapter(**batch, labels=labels).loss < first
    adapter.save_pretrained(tmp_path)
    trained = adapter(**batch).logits.detach()
    merged = adapter.merge_and_unload()
    torch.testing.assert_close(merged(**batch).logits, trained, rtol=1e-4, atol=1e-4)
    fresh = Vol3dForConditionalGeneration(merged.config).eval()
    fresh.load_state_dict(base)
    reloaded = peft.PeftModel.from_pretrained(fresh, tmp_path).eval()
    torch.testing.assert_close(reloaded(**batch).logits, trained, rtol=1e-4, atol=1e-4)
