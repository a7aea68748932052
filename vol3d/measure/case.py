"""Masks to facts: volumes, mean intensities, places and longest axial diameters, in true mm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.measure.body import midline_x_mm
from vol3d.measure.diameters import axial_diameters
from vol3d.measure.embedded_facts import (
    LESION_ORGANS,
    EmbeddedFacts,
    LesionFacts,
    MaskSource,
    OrganFacts,
    PointRAS,
    is_side_named,
    lesion_attenuation,
    organ_side,
)
from vol3d.volume import Volume

LabelArray = npt.NDArray[np.integer]


def measure_case(
    volume: Volume,
    organs_zyx: LabelArray,
    lesions_zyx: LabelArray,
    *,
    organ_names: Mapping[int, str],
    lesion_organs: Iterable[str] = LESION_ORGANS,
    mask_source: MaskSource = "annotator",
) -> EmbeddedFacts:
    """The facts of a case, measured from its masks.

    Args:
        volume: The scan; axes to S, A, R.
        organs_zyx: Organ labels on the scan's grid; lesion voxels carry their organ's label.
        lesions_zyx: 0 or a lesion id per voxel, on the same grid.
        organ_names: Name of every label that the mask could show; others are ignored.
        lesion_organs: Organs whose lesions were looked for.
        mask_source: Who made the masks.

    Raises:
        DataError: A mask's shape differs from the scan's, or a lesion lies in no named organ.
    """
    for name, mask in (("organs_zyx", organs_zyx), ("lesions_zyx", lesions_zyx)):
        if mask.shape != volume.grid.shape_zyx:
            raise DataError(
                explain(
                    expected=f"the scan's shape {volume.grid.shape_zyx} (z, y, x)",
                    got=str(mask.shape),
                    where=f"measure_case {name}",
                    remedy="Resample the mask to the scan's grid first.",
                )
            )
    table = _VoxelTable(volume, organs_zyx, lesions_zyx, max(organ_names, default=0))
    organs = {name: table.organ(label, name) for label, name in organ_names.items()}
    is_placed = all(is_side_named(name) for name in organ_names.values())
    midline = None if is_placed or not table.lesion_ids.size else midline_x_mm(volume)
    lesions = tuple(
        table.lesion(int(lesion), organ_names, organs, midline) for lesion in table.lesion_ids
    )
    return EmbeddedFacts(
        modality=volume.modality,
        unit=volume.unit,
        is_contrast_given=volume.acquisition.is_contrast_given,
        organs=organs,
        lesions=lesions,
        annotated_lesion_organs=tuple(lesion_organs),
        mask_source=mask_source,
    )


class _VoxelTable:
    """Labelled voxels as flat columns, so that each sum is one ``bincount``."""

    def __init__(
        self, volume: Volume, organs: LabelArray, lesions: LabelArray, max_label: int
    ) -> None:
        self.volume, self.organs, self.lesions = volume, organs, lesions
        flat = np.flatnonzero((organs > 0) | (lesions > 0))
        self.label = organs.reshape(-1)[flat].astype(np.int64)
        lesion = lesions.reshape(-1)[flat]
        self.value = volume.voxels_zyx.reshape(-1)[flat].astype(np.float64)
        self.index = np.unravel_index(flat, organs.shape)
        bins = max(max_label, int(self.label.max(initial=0))) + 1
        self.count = np.bincount(self.label, minlength=bins)
        healthy = lesion == 0
        self.healthy_count = np.bincount(self.label[healthy], minlength=bins)
        self.healthy_sum = np.bincount(self.label[healthy], self.value[healthy], minlength=bins)
        self.index_sum = [np.bincount(self.label, axis, minlength=bins) for axis in self.index]
        sides = (organs.take([0, -1], axis=axis) for axis in range(3))
        self.at_border = {int(label) for side in sides for label in np.unique(side)}
        self.lesion_ids = np.unique(lesion[lesion > 0])

    def _centroid(self, zyx: npt.ArrayLike) -> PointRAS:
        right, front, head = self.volume.grid.index_to_world_mm(zyx).tolist()
        return right, front, head

    def organ(self, label: int, name: str) -> OrganFacts:
        """The facts of one organ label."""
        count, healthy = int(self.count[label]), int(self.healthy_count[label])
        centroid = [float(axis[label]) / count for axis in self.index_sum] if count else None
        return OrganFacts(
            name=name,
            is_present=count > 0,
            volume_cm3=count * self.volume.grid.voxel_volume_mm3 / 1000.0,
            mean_intensity=float(self.healthy_sum[label]) / healthy if healthy else None,
            is_truncated=label in self.at_border,
            centroid_ras_mm=None if centroid is None else self._centroid(centroid),
        )

    def lesion(
        self,
        lesion: int,
        organ_names: Mapping[int, str],
        organs: Mapping[str, OrganFacts],
        midline_mm: float | None,
    ) -> LesionFacts:
        """The facts of one lesion id; its organ is the label that most of its voxels carry."""
        zyx = np.argwhere(self.lesions == lesion)
        where = tuple(zyx.T)
        labels = self.organs[where].astype(np.int64)
        label = int(np.bincount(labels).argmax())
        if label not in organ_names:
            raise DataError(
                explain(
                    expected=f"lesion voxels inside one of {sorted(organ_names)}",
                    got=f"organ label {label}",
                    where=f"lesion {lesion}",
                    remedy="Give the lesion's voxels the label of their organ in the organ mask.",
                )
            )
        name = organ_names[label]
        mean = float(self.volume.voxels_zyx[where].astype(np.float64).mean())
        centroid = self._centroid(zyx.mean(axis=0))
        organ_mean = organs[name].mean_intensity
        return LesionFacts(
            id=lesion,
            organ=name,
            side=organ_side(name, None if midline_mm is None else centroid[0] - midline_mm),
            attenuation=(
                None
                if organ_mean is None or self.volume.unit != "HU"
                else lesion_attenuation(mean, organ_mean)
            ),
            volume_cm3=len(zyx) * self.volume.grid.voxel_volume_mm3 / 1000.0,
            longest_axial_diameter_mm=axial_diameters(zyx, self.volume.grid).longest_mm,
            mean_intensity=mean,
            centroid_ras_mm=centroid,
        )
