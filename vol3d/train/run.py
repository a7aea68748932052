"""From a training configuration to a checkpoint that can be loaded by name."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from vol3d import __version__
from vol3d.config import config_to_yaml, load_config
from vol3d.data.collate import REPORT_PROMPT, PhantomCollator
from vol3d.data.phantom_cases import training_texts
from vol3d.data.phantom_samples import PATCH_CLASSES, PhantomSamples
from vol3d.errors import CheckpointError, ConfigError, explain
from vol3d.models import (
    Vol3dConfig,
    Vol3dConnectorConfig,
    Vol3dFeatureExtractor,
    Vol3dForConditionalGeneration,
    Vol3dProcessor,
    Vol3dVisionConfig,
)
from vol3d.models.card import ModelCard
from vol3d.models.tokenizer import train_tokenizer
from vol3d.train.config import StageConfig, TrainConfig
from vol3d.train.frozen import encode_cases

logger = logging.getLogger(__name__)


def train_from_config(config_path: str, overrides: Sequence[str], output_dir: Path) -> Path:
    """Trains as the configuration says and returns the folder of the finished checkpoint.

    Args:
        config_path: Path or name of a configuration with ``kind: train``.
        overrides: ``key.sub=value`` pairs.
        output_dir: Gets ``checkpoint/``, ``log.jsonl``, ``config.yaml``, the sample cache, and the
            float32 weights after each stage but the last.

    Raises:
        ConfigError: The configuration does not fit its schema.
    """
    return train(load_config(TrainConfig, config_path, overrides), output_dir)


def train(config: TrainConfig, output_dir: Path) -> Path:
    """Trains all stages and returns the checkpoint folder; see :func:`train_from_config`."""
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "config.yaml").write_text(config_to_yaml(config))
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    set_seed(config.seed)
    processor = build_processor(config)
    model = build_model(config, processor)
    if config.init_from is not None:
        load_weights(model, Path(config.init_from))
    log = output_dir / "log.jsonl"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    for number, stage in enumerate(config.stages):
        _run_stage(config, stage, number, model, processor, output_dir, log)
        if number + 1 < len(config.stages):  # what a later run can start from (``init_from``)
            folder = output_dir / f"stage-{number}-{stage.kind}"
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
    checkpoint = output_dir / "checkpoint"
    save_checkpoint(model, processor, config, checkpoint, minutes=(time.monotonic() - started) / 60)
    return checkpoint


def build_processor(config: TrainConfig) -> Vol3dProcessor:
    """The processor of a run: spec, connector budget, and a tokenizer for its sentences."""
    tokenizer = train_tokenizer(
        [*training_texts(), REPORT_PROMPT], vocab_size=config.model.vocab_size
    )
    connector = Vol3dConnectorConfig(**config.model.connector)
    extractor = Vol3dFeatureExtractor(
        config.preprocess.to_dict(),
        pool_sizes=connector.pool_sizes,
        max_tokens_per_volume=connector.max_tokens,
        num_summary_tokens=connector.num_summary_tokens,
    )
    return Vol3dProcessor(extractor, tokenizer)


def build_model(config: TrainConfig, processor: Vol3dProcessor) -> Vol3dForConditionalGeneration:
    """A freshly initialised model that fits the processor."""
    tokenizer = processor.tokenizer
    model_type = config.model.text.get("model_type", "llama")
    _check_keys("vision", config.model.vision, Vol3dVisionConfig())
    _check_keys("connector", config.model.connector, Vol3dConnectorConfig())
    _check_keys("text", config.model.text, AutoConfig.for_model(model_type))
    return Vol3dForConditionalGeneration(
        Vol3dConfig(
            vision_config={
                **config.model.vision,
                "num_channels": config.preprocess.num_channels,
                "patch_size_zyx": list(config.preprocess.patch_zyx),
                "patch_classes": list(PATCH_CLASSES),
            },
            connector_config=dict(config.model.connector),
            text_config={
                **config.model.text,
                "vocab_size": len(tokenizer),
                "pad_token_id": tokenizer.pad_token_id,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
            },
            volume_token_id=processor.volume_token_id,
            patch_loss_weight=config.model.patch_loss_weight,
            patch_class_weights=[
                config.model.lesion_class_weight if "lesion" in name else 1.0
                for name in PATCH_CLASSES
            ],
        )
    )


def _check_keys(section: str, given: dict[str, Any], known: Any) -> None:
    """Raises for a key that the configuration class does not have; it would be ignored."""
    unknown = sorted(set(given) - set(known.to_dict()) - {"model_type"})
    if unknown:
        raise ConfigError(
            explain(
                expected=f"fields of {type(known).__name__}",
                got=", ".join(unknown),
                where=f"model.{section}",
                remedy="Check the spelling; unknown fields are never ignored.",
            )
        )


def load_weights(model: Vol3dForConditionalGeneration, folder: Path) -> None:
    """Starts a model from the weights in a checkpoint folder.

    Raises:
        CheckpointError: A weight has no counterpart; only the summary may start from nothing.
    """
    source = Vol3dForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    missing, unexpected = model.load_state_dict(source.state_dict(), strict=False)
    wrong = [*unexpected, *(name for name in missing if not name.startswith("connector.summary."))]
    if wrong:
        raise CheckpointError(
            explain(
                expected="weights of a model with the same shape",
                got=f"{len(wrong)} weights without a counterpart, first {wrong[0]}",
                where=f"init_from {folder.name}",
                remedy="Use the model section that the checkpoint was trained with.",
            )
        )


def save_checkpoint(
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    config: TrainConfig,
    folder: Path,
    *,
    minutes: float,
) -> None:
    """Writes weights (float16 safetensors), processor and card facts to ``folder``."""
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    spacing = config.preprocess.spacings_zyx_mm[0]
    pz, py, px = (n * mm for n, mm in zip(config.preprocess.patch_zyx, spacing, strict=True))
    stage_steps = {stage.kind: stage.num_steps for stage in config.stages}
    ModelCard(
        name=config.name,
        trained_on=f"{config.data.num_cases} procedural abdominal CT phantoms (no patient data)",
        question_grammar="phantom-v1",
        report_prompt=REPORT_PROMPT,
        patch_size_zyx_mm=(pz, py, px),
        max_patches=config.preprocess.max_patches,
        max_visual_tokens=processor.feature_extractor.max_tokens_per_volume,
        vol3d_version=__version__,
        training={"minutes": round(minutes, 1), "steps": stage_steps, "seed": config.seed},
    ).save(folder)


class _JsonLines(TrainerCallback):
    """Appends every log record of a stage to one JSON-lines file."""

    def __init__(self, path: Path, stage: str) -> None:
        self._path = path
        self._stage = stage
        self._started = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        seconds = round(time.monotonic() - self._started, 1)
        record = {"stage": self._stage, "step": state.global_step, "seconds": seconds}
        with self._path.open("a") as file:
            file.write(json.dumps({**record, **(logs or {})}) + "\n")


class _LossTrainer(Trainer):
    """Trainer that logs the language loss and the dense loss beside their sum."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        outputs = model(**inputs)
        if self.state.global_step % self.args.logging_steps == 0:
            parts = {"patch_loss": outputs.patch_loss, "language_loss": outputs.language_loss}
            self.log({name: float(value) for name, value in parts.items() if value is not None})
        return (outputs.loss, outputs) if return_outputs else outputs.loss


def _run_stage(
    config: TrainConfig,
    stage: StageConfig,
    number: int,
    model: Vol3dForConditionalGeneration,
    processor: Vol3dProcessor,
    output_dir: Path,
    log: Path,
) -> None:
    num_cases = min(stage.num_cases or config.data.num_cases, config.data.num_cases)
    seeds = list(range(config.data.first_seed, config.data.first_seed + num_cases))
    epochs = -(-stage.num_steps * stage.volumes_per_batch // len(seeds))
    rng = random.Random(config.seed + number)
    order = [seed for _ in range(epochs) for seed in rng.sample(seeds, len(seeds))]
    order = order[: stage.num_steps * stage.volumes_per_batch]
    folder = output_dir / "samples"
    encodings = None
    if stage.kind == "align":
        model.eval()
        encodings = encode_cases(
            model,
            processor,
            PhantomSamples(seeds, config.preprocess, folder),
            use_bf16=config.precision == "bf16",
        )
    collator = PhantomCollator(
        processor=processor,
        questions_per_volume=0 if stage.kind == "dense" else stage.questions_per_volume,
        report_probability=stage.report_probability,
        noise_hu=config.data.noise_hu,
        shift_hu=config.data.shift_hu,
        seed=config.seed + 1000 * number,
        encodings=encodings,
    )
    arguments = TrainingArguments(
        output_dir=str(output_dir / f"stage-{number}-{stage.kind}"),
        max_steps=stage.num_steps,
        per_device_train_batch_size=stage.volumes_per_batch,
        learning_rate=stage.learning_rate,
        warmup_steps=stage.warmup_steps,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        bf16=config.precision == "bf16",
        logging_steps=config.log_every,
        save_strategy="no",
        report_to=[],
        dataloader_num_workers=config.data.num_workers,
        dataloader_persistent_workers=config.data.num_workers > 0,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        seed=config.seed,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = _LossTrainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=PhantomSamples(order, config.preprocess, folder),
        callbacks=[_JsonLines(log, stage.kind)],
    )
    model.vision.requires_grad_(stage.kind != "align")
    logger.info("stage %s: %d steps", stage.kind, stage.num_steps)
    trainer.train()
