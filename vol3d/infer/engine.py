"""A loaded checkpoint that answers prompts about prepared volumes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.generation.streamers import BaseStreamer

from vol3d.errors import CheckpointError, ConfigError, explain
from vol3d.models import VOLUME_TOKEN, Vol3dForConditionalGeneration, Vol3dProcessor
from vol3d.models.card import CARD_FILE, ModelCard
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec

EMBEDDED = "embedded"
_PACKAGED_MODELS = Path(__file__).resolve().parent.parent / "_models"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EncodedVolume:
    """A scan after the vision part: everything the language model needs of it.

    Args:
        embeds: (M, H) visual tokens.
        patch_logits: (N, K) logits of the dense patch head, or None.
    """

    embeds: torch.Tensor
    patch_logits: torch.Tensor | None


class _TextSink(BaseStreamer):
    """Calls back with the text of every new token; the prompt is not repeated."""

    def __init__(self, processor: Vol3dProcessor, on_text: Callable[[str], None]) -> None:
        self._processor = processor
        self._on_text = on_text
        self._is_prompt = True
        self._ids: list[int] = []
        self._told = 0

    def put(self, value: torch.Tensor) -> None:
        if self._is_prompt:
            self._is_prompt = False
            return
        self._ids.extend(value.flatten().tolist())
        text = self._processor.tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):  # half of a character; wait for the rest
            return
        self._on_text(text[self._told :])
        self._told = len(text)

    def end(self) -> None:
        text = self._processor.tokenizer.decode(self._ids, skip_special_tokens=True)
        self._on_text(text[self._told :])


class Engine:
    """One checkpoint on one device; scans are encoded once and asked many times."""

    def __init__(
        self,
        model: Vol3dForConditionalGeneration,
        processor: Vol3dProcessor,
        card: ModelCard,
        *,
        weights_sha256: str,
    ) -> None:
        self.model = model.eval()
        self.processor = processor
        self.card = card
        self.weights_sha256 = weights_sha256

    @property
    def spec(self) -> PreprocessSpec:
        """How scans must be prepared for this checkpoint."""
        return self.processor.spec

    @property
    def device(self) -> str:
        """Device the model runs on, such as ``cpu`` or ``cuda:0``."""
        return str(self.model.device)

    @classmethod
    def load(
        cls,
        name_or_path: str | Path = EMBEDDED,
        *,
        device: str = "auto",
        allow_download: bool = False,
    ) -> Engine:
        """The engine of a checkpoint.

        Args:
            name_or_path: ``embedded`` (the model in the package), a folder, or a hub id.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            allow_download: Whether a hub id may be fetched; otherwise only the local cache is read.

        Raises:
            CheckpointError: No such checkpoint, or files are missing.
            ConfigError: The device does not exist here.
        """
        chosen = choose_device(device)
        folder = resolve_checkpoint(name_or_path, allow_download=allow_download)
        card = ModelCard.load(folder)
        digest = sha256_of(folder / "model.safetensors")
        model, processor = _load_parts(folder)
        _check_parts_fit(model, processor)
        return cls(model.to(chosen), processor, card, weights_sha256=digest)

    @torch.inference_mode()
    def encode(self, prepared: PreparedVolume) -> EncodedVolume:
        """The scan after the vision part; run once per scan."""
        packed, _ = self.processor.feature_extractor([prepared])
        features = self.model.get_volume_features(**packed.to(self.model.device))
        assert features.embeds is not None
        return EncodedVolume(embeds=features.embeds, patch_logits=features.patch_logits)

    def generate(
        self,
        encoded: EncodedVolume,
        prompt: str,
        *,
        max_new_tokens: int = 96,
        on_text: Callable[[str], None] | None = None,
    ) -> str:
        """The model's greedy answer to ``prompt`` about one scan.

        Args:
            encoded: The scan from :meth:`encode`.
            prompt: A question or instruction, without placeholders.
            max_new_tokens: Longest answer.
            on_text: Called with each new piece of text while it is generated.
        """
        sink = None if on_text is None else _TextSink(self.processor, on_text)
        return self._generate([encoded], [prompt], max_new_tokens, sink)[0]

    def generate_batch(
        self, encoded: Sequence[EncodedVolume], prompts: Sequence[str], *, max_new_tokens: int = 96
    ) -> list[str]:
        """Greedy answers to one prompt per entry of ``encoded``; repeat a scan to ask it more."""
        return self._generate(encoded, prompts, max_new_tokens, None)

    @torch.inference_mode()
    def choose(
        self, encoded: EncodedVolume, prompt: str, choices: Sequence[str]
    ) -> tuple[int, list[float]]:
        """Index of the likeliest choice and the probabilities of all, by total log-likelihood.

        Raises:
            ConfigError: Fewer than two choices.
        """
        if len(choices) < 2:
            raise ConfigError(
                explain(
                    expected="at least two choices",
                    got=str(len(choices)),
                    where="choices",
                    remedy="Separate them with |, as in --choices 'yes|no'.",
                )
            )
        tokenizer = self.processor.tokenizer
        start = self.processor.build_prompt(prompt)
        texts = [f"{start}{choice}{tokenizer.eos_token}" for choice in choices]
        ids, mask, embeds = self._inputs([encoded] * len(choices), texts)
        logits = self.model(input_ids=ids, attention_mask=mask, volume_embeds=embeds).logits.float()
        logprob = torch.log_softmax(logits[:, :-1], dim=-1)
        token_logprob = logprob.gather(2, ids[:, 1:, None]).squeeze(2)
        assistant = tokenizer.convert_tokens_to_ids(tokenizer.assistant_token)
        place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        last_mark = torch.where(ids == assistant, place, -1).amax(dim=1, keepdim=True)
        is_answer = (place > last_mark)[:, 1:]
        scores = (token_logprob * is_answer).sum(dim=1)
        probabilities = torch.softmax(scores, dim=0).tolist()
        return int(scores.argmax()), probabilities

    def _inputs(
        self, encoded: Sequence[EncodedVolume], texts: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        expanded = [
            text.replace(VOLUME_TOKEN, VOLUME_TOKEN * len(item.embeds), 1)
            for item, text in zip(encoded, texts, strict=True)
        ]
        batch = self.processor.tokenizer(
            expanded,
            add_special_tokens=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        ).to(self.model.device)
        embeds = torch.nn.utils.rnn.pad_sequence([item.embeds for item in encoded], True)
        return batch["input_ids"], batch["attention_mask"], embeds

    @torch.inference_mode()
    def _generate(
        self,
        encoded: Sequence[EncodedVolume],
        prompts: Sequence[str],
        max_new_tokens: int,
        sink: BaseStreamer | None,
    ) -> list[str]:
        texts = [self.processor.build_prompt(prompt) for prompt in prompts]
        ids, mask, embeds = self._inputs(encoded, texts)
        generated: Any = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            volume_embeds=embeds,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            streamer=sink,
        )
        return self.processor.decode_new(generated, ids)


def _load_parts(folder: Path) -> tuple[Vol3dForConditionalGeneration, Vol3dProcessor]:
    """Model and processor of a folder; every weight must be there and fit."""
    try:
        processor = Vol3dProcessor.from_pretrained(folder, local_files_only=True)
        model, info = Vol3dForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _broken(folder, type(error).__name__) from error
    wrong = {
        kind: sorted(str(key) for key in info[kind])
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if info.get(kind)
    }
    if wrong:
        found = "; ".join(f"{kind}: {len(keys)}, first {keys[0]}" for kind, keys in wrong.items())
        raise _broken(folder, found)
    return model, processor


def _check_parts_fit(model: Vol3dForConditionalGeneration, processor: Vol3dProcessor) -> None:
    """Raises unless the processor packs volumes the way the model was configured for."""
    vision, connector = model.config.vision_config, model.config.connector_config
    extractor = processor.feature_extractor
    pairs = {
        "patch (z, y, x)": (tuple(vision.patch_size_zyx), tuple(processor.spec.patch_zyx)),
        "input channels": (vision.num_channels, processor.spec.num_channels),
        "pool sizes": (tuple(connector.pool_sizes), tuple(extractor.pool_sizes)),
        "tokens per volume": (connector.max_tokens, extractor.max_tokens_per_volume),
        "summary tokens": (connector.num_summary_tokens, extractor.num_summary_tokens),
        "volume token": (model.config.volume_token_id, processor.volume_token_id),
    }
    for name, (wanted, got) in pairs.items():
        if wanted != got:
            raise CheckpointError(
                explain(
                    expected=f"{wanted} as in the model's configuration",
                    got=f"{got} in the processor",
                    where=f"checkpoint, {name}",
                    remedy="Use model and processor that were saved together.",
                )
            )


def _broken(folder: Path, got: str) -> CheckpointError:
    return CheckpointError(
        explain(
            expected="complete weights, configuration and processor that belong together",
            got=got,
            where=f"checkpoint {folder.name}",
            remedy="Copy or train the checkpoint again; no weight is ever filled in at random.",
        )
    )


def choose_device(device: str) -> torch.device:
    """The torch device for a ``--device`` value; ``auto`` is CUDA where there is one.

    Raises:
        ConfigError: The device does not exist on this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", device)
    if match is None or int(match.group(1) or 0) >= torch.cuda.device_count():
        raise _no_device(device)
    return torch.device(device)


def _no_device(device: str) -> ConfigError:
    return ConfigError(
        explain(
            expected="auto, cpu, cuda or cuda:N with N below the number of GPUs",
            got=f"{device!r} with {torch.cuda.device_count()} CUDA devices",
            where="--device",
            remedy="Leave it out to use what is there.",
        )
    )


def resolve_checkpoint(name_or_path: str | Path, *, allow_download: bool = False) -> Path:
    """The local folder of a checkpoint given by name, path or hub id.

    Raises:
        CheckpointError: It is not here (and, for a hub id, not in the cache).
    """
    if str(name_or_path) == EMBEDDED:
        folder = _PACKAGED_MODELS / EMBEDDED
        if (folder / CARD_FILE).is_file():
            return folder
        raise _no_checkpoint(EMBEDDED, "this installation holds no embedded model")
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(str(name_or_path), local_files_only=not allow_download)
    except (HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise _no_checkpoint(str(name_or_path), "no such folder, and not in the cache") from error
    return Path(found)


def _no_checkpoint(name: str, got: str) -> CheckpointError:
    return CheckpointError(
        explain(
            expected="'embedded', a checkpoint folder, or a hub id that is in the local cache",
            got=got,
            where=f"--model {name}",
            remedy="Pass the folder that `vol3d train` wrote, or allow the download.",
        )
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        CheckpointError: The file is not there.
    """
    if not path.is_file():
        raise _no_checkpoint(path.parent.name, f"no {path.name} in it")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
