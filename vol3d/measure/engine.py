"""Masks to facts: the record of a case, measured from a scan and its masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from vol3d.anatomy import group_members, parts_of, structure, structures, thresholds_sha256
from vol3d.measure.brain import brain_facts
from vol3d.measure.case_masks import CaseMasks, LayerLabel
from vol3d.measure.chest import chest_facts, chest_gates
from vol3d.measure.facts import (
    CaseFacts,
    LesionFacts,
    MaskSource,
    OrganFacts,
    OrganStatus,
    Phase,
    PhaseFacts,
    PointRAS,
    Profile,
    Provenance,
    ScanFacts,
)
from vol3d.measure.instances import lesion_instances, lesion_voxels
from vol3d.measure.lesions import LesionMeasurer
from vol3d.measure.organs import LabelSums, sum_labels
from vol3d.measure.pairs import split_pairs
from vol3d.measure.phase import phase_of
from vol3d.measure.radgpt import volume_factor
from vol3d.measure.rules import with_derived
from vol3d.volume import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureOptions:
    """How a case is measured.

    Args:
        profile: ``native`` measures on the scan's own grid; ``radgpt`` follows the conventions of
            the RadGPT reports, from which DeepTumorVQA's answers were made.
        phase: Contrast phase, where the user knows it.
        case_id: The user's own name of the case; never a patient's id.
        mask_source: Who made the masks.
        min_lesion_mm3: Smaller components are taken for noise. RadGPT leaves out components of AI
            masks below 50 mm3.
        sex: Of the patient, where the user tells it.
        age_years: Of the patient, where the user tells it.
        regions: Body regions in the scan, where they are known.
    """

    profile: Profile = "native"
    phase: Phase | None = None
    case_id: str = "case"
    mask_source: MaskSource = "unknown"
    min_lesion_mm3: float = 0.0
    sex: str | None = None
    age_years: float | None = None
    regions: tuple[str, ...] = ()


_DEFAULT = MeasureOptions()
_ABSENT_IF_WHOLE = {
    "kidney_left": ("kidney_right",),
    "kidney_right": ("kidney_left",),
    "adrenal_gland_left": ("adrenal_gland_right", "kidney_left"),
    "adrenal_gland_right": ("adrenal_gland_left", "kidney_right"),
    "spleen": ("kidney_left", "pancreas"),
    "gallbladder": ("liver",),
}
"""An organ of which no voxel is masked is absent, and not merely out of the picture, where all of
these, whose extent along the body covers its place, are whole in the scan."""
_LISTED_IF_EMPTY = ("organ",)


def measure_case_masks(
    volume: Volume, masks: CaseMasks, options: MeasureOptions = _DEFAULT
) -> CaseFacts:
    """The facts of a case.

    Args:
        volume: The scan; axes to S, A, R.
        masks: Its masks, on its grid.
        options: How to measure.

    Raises:
        DataError: A mask's shape is not the scan's.
    """
    masks = split_pairs(masks, volume)
    factor = volume_factor(volume.grid) if options.profile == "radgpt" else 1.0
    table = _OrganTable(volume, masks, factor)
    instances = lesion_instances(masks, volume.grid, min_volume_mm3=options.min_lesion_mm3)
    measurer = LesionMeasurer(
        volume=volume, masks=masks, profile=options.profile, healthy=table.mean_std
    )
    lesions = tuple(each.rounded() for each in measurer.measure(instances))
    for key, voxels in measurer.voxels_outside_organs.items():
        table.extra_voxels[key] = voxels
    organs = {key: each.rounded() for key, each in table.organs().items()}
    is_ct = volume.modality == "CT" and volume.unit == "HU"
    phase = (
        phase_of(
            _means(organs),
            declared=options.phase,
            is_contrast_given=volume.acquisition.is_contrast_given,
        )
        if is_ct
        else PhaseFacts()
    )
    facts = CaseFacts(
        case_id=options.case_id,
        scan=ScanFacts(
            modality=volume.modality,
            unit=volume.unit,
            shape_zyx=volume.grid.shape_zyx,
            spacing_zyx_mm=volume.grid.spacing_zyx_mm,
            phase=phase,
            kvp=volume.acquisition.kvp,
            sex=options.sex,  # type: ignore[arg-type]  # pydantic checks it
            age_years=options.age_years,
            regions=options.regions,
        ),
        organs=organs,
        lesions=lesions,
        annotated=_annotated(masks, lesions),
        provenance=Provenance(
            mask_source=options.mask_source,
            mask_tool=masks.scheme,
            profile=options.profile,
            vol3d_version=version("vol3d"),
            rules_sha256=thresholds_sha256(),
        ),
    )
    facts = with_derived(facts)
    gates = (*facts.derived.gates, *chest_gates(facts))
    chest, brain = chest_facts(volume, masks, facts), brain_facts(masks, facts, volume.grid)
    return facts.model_copy(
        update={
            "chest": chest.rounded() if chest else None,
            "brain": brain.rounded() if brain else None,
            "derived": facts.derived.model_copy(update={"gates": gates}),
        }
    )


def _annotated(masks: CaseMasks, lesions: tuple[LesionFacts, ...]) -> dict[str, tuple[str, ...]]:
    """Lesion types that were looked for, by organ."""
    found: dict[str, list[str]] = {}
    for mask in masks.lesions:
        if mask.organ is not None:
            found.setdefault(mask.organ, []).append(mask.type)
    for lesion in lesions:
        found.setdefault(lesion.organ, []).append(lesion.type)
    return {organ: tuple(dict.fromkeys(types)) for organ, types in sorted(found.items())}


def _means(organs: Mapping[str, OrganFacts]) -> dict[str, float]:
    return {k: o.mean_intensity for k, o in organs.items() if o.mean_intensity is not None}


class _OrganTable:
    """Facts of all structures, from the sums over each layer."""

    def __init__(self, volume: Volume, masks: CaseMasks, volume_factor: float) -> None:
        self.volume, self.masks, self.factor = volume, masks, volume_factor
        self.extra_voxels: dict[str, int] = {}
        lesions = lesion_voxels(masks)
        used = {at.layer for at in masks.structures.values()}
        largest = {
            layer: max(at.label for at in masks.structures.values() if at.layer == layer)
            for layer in used
        }
        self.sums: dict[int, LabelSums] = {
            layer: sum_labels(
                volume, masks.layers[layer], lesions_zyx=lesions, max_label=largest[layer]
            )
            for layer in sorted(used)
        }
        self.labels = {key: self._labels_of(key) for key in structures() if self._labels_of(key)}

    def _labels_of(self, key: str) -> list[LayerLabel]:
        """Where a structure is: its own label, or those of all its parts."""
        at = self.masks.structures.get(key)
        if at is not None:
            return [at]
        parts = [part for part in parts_of(key) if structure(part).parent == key]
        found = [self.masks.structures[p] for p in parts if p in self.masks.structures]
        is_tiled = key in _TILED and len(found) == len(parts)
        return found if is_tiled and len({at.layer for at in found}) == 1 else []

    def mean_std(self, key: str) -> tuple[float, float] | None:
        """Mean and standard deviation of a structure without its lesions."""
        where = self.labels.get(key)
        if not where:
            return None
        return self.sums[where[0].layer].mean_std(at.label for at in where)

    def organs(self) -> dict[str, OrganFacts]:
        """Every structure that a mask could have shown, in the anatomy's order."""
        counts = {key: self._count(key) for key in self.labels}
        whole = {k for k in counts if counts[k] and not self._is_at_border(k)}
        found = {}
        for key, count in counts.items():
            status = self._status(key, count, whole)
            if count or structure(key).kind in _LISTED_IF_EMPTY:
                found[key] = self._organ(key, count, status)
        return found

    def _count(self, key: str) -> int:
        where = self.labels[key]
        own = sum(int(self.sums[at.layer].count[at.label]) for at in where)
        return own + self.extra_voxels.get(key, 0)

    def _is_at_border(self, key: str) -> bool:
        return any(bool(self.sums[at.layer].at_border[at.label]) for at in self.labels[key])

    def _status(self, key: str, count: int, whole: set[str]) -> OrganStatus:
        if count:
            return "whole" if key in whole else "truncated"
        neighbours = _ABSENT_IF_WHOLE.get(key)
        return "absent" if neighbours and whole.issuperset(neighbours) else "not_seen"

    def _organ(self, key: str, count: int, status: OrganStatus) -> OrganFacts:
        mean_std = self.mean_std(key)
        voxel_cm3 = self.volume.grid.voxel_volume_mm3 / 1000.0
        return OrganFacts(
            key=key,
            status=status,
            volume_cm3=count * voxel_cm3 * self.factor,
            mean_intensity=None if mean_std is None else mean_std[0],
            std_intensity=None if mean_std is None else mean_std[1],
            centroid_ras_mm=self._centroid(key),
            num_voxels=sum(int(self.sums[at.layer].count[at.label]) for at in self.labels[key]),
            box_zyx=self._box(key),
        )

    def _box(self, key: str) -> tuple[int, int, int, int, int, int] | None:
        boxes = np.array([self.sums[at.layer].boxes_zyx[at.label] for at in self.labels[key]])
        boxes = boxes[boxes[:, 0] >= 0]
        if not len(boxes):
            return None
        first, last = boxes[:, :3].min(axis=0).tolist(), boxes[:, 3:].max(axis=0).tolist()
        return (*first, *last)

    def _centroid(self, key: str) -> PointRAS | None:
        where = self.labels[key]
        count = sum(int(self.sums[at.layer].count[at.label]) for at in where)
        if not count:
            return None
        total = np.sum([self.sums[at.layer].index_sum_zyx[at.label] for at in where], axis=0)
        x, y, z = self.volume.grid.index_to_world_mm(total / count).tolist()
        return x, y, z


_TILED = {"liver", "pancreas", *group_members("lung")}
"""Organs that their parts fill, so that a mask of all parts is a mask of the organ."""
