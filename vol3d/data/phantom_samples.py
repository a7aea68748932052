"""Training samples from phantoms: made once, kept as safetensors, varied on every visit."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import Dataset

from vol3d.data.patch_targets import patch_class_fractions, presence
from vol3d.data.phantom_cases import make_case
from vol3d.measure.embedded_facts import EmbeddedFacts
from vol3d.phantom.labels import LESION_ORGANS, ORGAN_NAMES, Organ
from vol3d.preprocess.pipeline import prepare_labels
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Grid

ATTENUATIONS = ("hypoattenuating", "hyperattenuating")
ORGAN_CLASSES = tuple(int(organ) for organ in Organ if organ > Organ.BODY)
LESION_CLASSES = tuple((int(organ), kind) for organ in LESION_ORGANS for kind in ATTENUATIONS)
PATCH_CLASSES = (
    *(ORGAN_NAMES[label] for label in ORGAN_CLASSES),
    *(f"{kind} lesion in {ORGAN_NAMES[label]}" for label, kind in LESION_CLASSES),
    *(f"{kind} lesion" for kind in ATTENUATIONS),
)
"""Names of the dense classes, in the order of ``patch_targets`` columns."""

SAMPLE_VERSION = 1
"""Raise this whenever phantoms, preparation or dense targets change; samples are then remade."""

_LESION_FULL_AT = 0.1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhantomSample:
    """One prepared phantom with what the model should learn from it.

    Args:
        prepared: The scan, ready for the encoder.
        patch_targets: (N, K) float32 in 0..1, columns as in :data:`PATCH_CLASSES`.
        facts: Measured facts of the case.
        seed: The phantom's seed.
        visit: Place of the sample in the order of training; tells repeated visits apart.
    """

    prepared: PreparedVolume
    patch_targets: torch.Tensor
    facts: EmbeddedFacts
    seed: int
    visit: int = 0


def make_sample(seed: int, spec: PreprocessSpec) -> PhantomSample:
    """The sample of one seed: phantom, preparation, and dense targets from its masks."""
    case = make_case(seed)
    phantom = case.phantom
    prepared, labels = prepare_labels(
        phantom.volume,
        {"organs": phantom.organs_zyx, "lesions": phantom.lesions_zyx},
        spec,
    )
    organs = patch_class_fractions(
        labels["organs"],
        prepared.patch_index_zyx,
        spec.patch_zyx,
        {label: number for number, label in enumerate(ORGAN_CLASSES)},
        len(ORGAN_CLASSES),
    )
    class_of_lesion = {
        lesion.id: LESION_CLASSES.index((int(lesion.organ), lesion.attenuation))
        for lesion in phantom.lesions
    }
    lesions = patch_class_fractions(
        labels["lesions"],
        prepared.patch_index_zyx,
        spec.patch_zyx,
        class_of_lesion,
        len(LESION_CLASSES),
    )
    in_organ = presence(lesions, full_at=_LESION_FULL_AT)
    anywhere = [
        in_organ[:, [kind == wanted for _, kind in LESION_CLASSES]].amax(dim=1, keepdim=True)
        for wanted in ATTENUATIONS
    ]
    targets = torch.cat([organs, in_organ, *anywhere], dim=1)
    return PhantomSample(prepared=prepared, patch_targets=targets, facts=case.facts, seed=seed)


def _grid_to_json(grid: Grid) -> dict[str, Any]:
    return {"shape_zyx": list(grid.shape_zyx), "affine": grid.affine.tolist()}


def _grid_from_json(data: dict[str, Any]) -> Grid:
    z, y, x = data["shape_zyx"]
    return Grid(shape_zyx=(z, y, x), affine=data["affine"])


def save_sample(sample: PhantomSample, path: Path) -> None:
    """Writes a sample as one safetensors file, in one step, so that no reader sees half of it."""
    prepared = sample.prepared
    tensors = {
        "voxels_zyx": prepared.voxels_zyx.contiguous(),
        "body_zyx": prepared.body_zyx.to(torch.uint8).contiguous(),
        "patch_index_zyx": prepared.patch_index_zyx.to(torch.int16).contiguous(),
        "windows": prepared.windows.contiguous(),
        "patch_targets": (sample.patch_targets * 255).round().to(torch.uint8).contiguous(),
    }
    header = {
        "grid": _grid_to_json(prepared.grid),
        "scan_grid": _grid_to_json(prepared.scan_grid),
        "slope": prepared.slope,
        "intercept": prepared.intercept,
        "modality": prepared.modality,
        "pad_value": prepared.pad_value,
        "spec_sha256": prepared.spec_sha256,
        "seed": sample.seed,
    }
    metadata = {"header": json.dumps(header), "facts": sample.facts.model_dump_json()}
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def load_sample(path: Path) -> PhantomSample:
    """The sample in a file written by :func:`save_sample`."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = json.loads(metadata["header"])
    prepared = PreparedVolume(
        voxels_zyx=tensors["voxels_zyx"],
        body_zyx=tensors["body_zyx"].bool(),
        patch_index_zyx=tensors["patch_index_zyx"].long(),
        windows=tensors["windows"],
        grid=_grid_from_json(header["grid"]),
        scan_grid=_grid_from_json(header["scan_grid"]),
        slope=header["slope"],
        intercept=header["intercept"],
        modality=header["modality"],
        pad_value=header["pad_value"],
        spec_sha256=header["spec_sha256"],
    )
    return PhantomSample(
        prepared=prepared,
        patch_targets=tensors["patch_targets"].float() / 255,
        facts=EmbeddedFacts.model_validate_json(metadata["facts"]),
        seed=header["seed"],
    )


def jitter(
    prepared: PreparedVolume, rng: random.Random, *, noise_hu: float, shift_hu: float
) -> PreparedVolume:
    """The same scan with new noise and a new constant offset, both in HU; geometry untouched."""
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    voxels = prepared.voxels_zyx.float()
    noise = torch.randn(voxels.shape, generator=generator) * noise_hu
    changed = (voxels + noise + rng.uniform(-shift_hu, shift_hu)).round().clamp(-32768, 32767)
    inside = torch.where(prepared.body_zyx, changed, voxels)
    return dataclasses.replace(prepared, voxels_zyx=inside.to(torch.int16))


class PhantomSamples(Dataset[PhantomSample]):
    """Map-style data set over seeds; each sample is made on first use and then read from a folder.

    Args:
        seeds: One seed per item; a seed may occur many times (epochs in one pass).
        spec: Preprocessing spec of the model.
        folder: Where samples are kept; files are named by seed, spec and the versions below.
    """

    def __init__(self, seeds: Sequence[int], spec: PreprocessSpec, folder: Path) -> None:
        self.seeds = list(seeds)
        self.spec = spec
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> PhantomSample:
        seed = self.seeds[index]
        path = self.folder / f"v{SAMPLE_VERSION}-{self.spec.sha256[:12]}-{seed:08d}.safetensors"
        if not path.exists():
            save_sample(make_sample(seed, self.spec), path)
        return dataclasses.replace(load_sample(path), visit=index)
