"""Configuration of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from vol3d.data.seeds import BENCH_SEEDS_START
from vol3d.errors import ConfigError, explain
from vol3d.preprocess.spec import PreprocessSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """One stage of a run.

    ``dense`` trains the encoder on patch classes alone, ``align`` connector and language model
    beside a frozen encoder whose output is computed once per case, ``instruct`` everything.

    Args:
        kind: What is learned.
        num_steps: Optimizer steps.
        learning_rate: Peak of the schedule; linear warm-up, then cosine to a tenth of it.
        warmup_steps: Steps of the warm-up.
        volumes_per_batch: Volumes packed into one step.
        questions_per_volume: Prompts asked about each volume (not ``dense``).
        report_probability: How often one of them asks for the whole findings text.
        num_cases: Only this many of the cases are visited; 0 for all.
    """

    kind: Literal["dense", "align", "instruct"]
    num_steps: int
    learning_rate: float
    warmup_steps: int = 50
    volumes_per_batch: int = 4
    questions_per_volume: int = 4
    report_probability: float = 0.35
    num_cases: int = 0

    def __post_init__(self) -> None:
        _require(self.num_steps >= 1, "num_steps", "at least 1", self.num_steps)
        _require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        _require(self.warmup_steps >= 0, "warmup_steps", "at least 0", self.warmup_steps)
        _require(self.volumes_per_batch >= 1, "volumes_per_batch", "at least 1", self)
        _require(self.questions_per_volume >= 1, "questions_per_volume", "at least 1", self)
        _require(self.num_cases >= 0, "num_cases", "at least 0", self.num_cases)
        share = self.report_probability
        _require(0 <= share <= 1, "report_probability", "between 0 and 1", share)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomDataConfig:
    """Seeded phantoms made while training and kept for later epochs.

    Args:
        num_cases: Different phantoms; seeds ``first_seed .. first_seed + num_cases - 1``.
        first_seed: First training seed; benchmark seeds start far above.
        num_workers: Processes that make phantoms beside the training process; 0 makes them in it.
        noise_hu: Standard deviation of the noise added anew on every visit.
        shift_hu: Largest constant added anew on every visit.
    """

    num_cases: int = 4000
    first_seed: int = 0
    num_workers: int = 1
    noise_hu: float = 8.0
    shift_hu: float = 6.0

    def __post_init__(self) -> None:
        _require(self.num_workers >= 0, "data.num_workers", "at least 0", self.num_workers)
        _require(self.noise_hu >= 0, "data.noise_hu", "at least 0", self.noise_hu)
        _require(self.shift_hu >= 0, "data.shift_hu", "at least 0", self.shift_hu)
        last = self.first_seed + self.num_cases - 1
        if self.num_cases < 1 or self.first_seed < 0 or last >= BENCH_SEEDS_START:
            raise ConfigError(
                explain(
                    expected=f"at least one seed, all from 0 to {BENCH_SEEDS_START - 1}",
                    got=f"{self.first_seed} to {last}",
                    where="data.first_seed, data.num_cases",
                    remedy="Seeds from there on belong to the held-out benchmark.",
                )
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSection:
    """Arguments of the three sub-configurations, by the names of the configuration classes.

    Args:
        vision: Arguments of ``Vol3dVisionConfig``; patch and channels come from ``preprocess``.
        connector: Arguments of ``Vol3dConnectorConfig``.
        text: Arguments of the causal language model's configuration, with its ``model_type``.
        vocab_size: Upper bound of the tokenizer trained on the questions and findings.
        patch_loss_weight: Weight of the dense patch loss beside the language loss.
        lesion_class_weight: Weight of a lesion class in it, beside 1 for an organ class.
    """

    vision: dict[str, Any] = field(default_factory=dict)
    connector: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=lambda: {"model_type": "llama"})
    vocab_size: int = 640
    patch_loss_weight: float = 4.0
    lesion_class_weight: float = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """A whole training run from nothing to a checkpoint.

    Args:
        kind: Always ``train``; tells configuration files apart.
        name: Name written into the model card.
        stages: Stages, run in this order.
        seed: Seed of weights, order and augmentation.
        precision: ``bf16`` runs matrix products in bfloat16 (autocast), ``fp32`` nothing.
        init_from: Checkpoint folder whose weights to start from; None starts from nothing. Only the
            connector's summary may be missing in it.
        weight_decay: AdamW weight decay of matrices.
        max_grad_norm: Gradient clipping.
        log_every: Steps between log lines.
        num_threads: torch threads of the training process; 0 leaves torch's default.
    """

    kind: Literal["train"] = "train"
    name: str
    stages: tuple[StageConfig, ...]
    preprocess: PreprocessSpec = field(default_factory=PreprocessSpec)
    data: PhantomDataConfig = field(default_factory=PhantomDataConfig)
    model: ModelSection = field(default_factory=ModelSection)
    seed: int = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    init_from: str | None = None
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    log_every: int = 20
    num_threads: int = 0

    def __post_init__(self) -> None:
        _require(len(self.stages) >= 1, "stages", "at least one stage", self.stages)
        _require(self.seed >= 0, "seed", "at least 0", self.seed)
        _require(self.log_every >= 1, "log_every", "at least 1", self.log_every)
        _require(self.num_threads >= 0, "num_threads", "at least 0", self.num_threads)
        _require(self.max_grad_norm > 0, "max_grad_norm", "above 0", self.max_grad_norm)


def _require(is_true: bool, field_name: str, expected: str, got: object) -> None:
    if not is_true:
        raise ConfigError(
            explain(
                expected=expected,
                got=str(got),
                where=field_name,
                remedy="Correct the training configuration.",
            )
        )
