"""A stand-in for a segmenter: the true masks, made worse by a stated amount."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.evidence import no_masks
from vol3d.measure.case_masks import CaseMasks, LayerLabel, read_case_masks
from vol3d.volume import Grid, Volume

_SMOOTH_MM = 25.0
"""Length over which the displacement of a surface changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DegradedMasks:
    """True masks whose surfaces are displaced and of whose lesions some are missed.

    It stands for a segmenter where there is none: what it shows is how a system takes errors of a
    known size, not how good a segmenter is.

    Args:
        displacement_mm: Root mean square length by which voxels are moved, smoothly.
        missed_share: Probability that a lesion is not there, 0 to 1.
        seed: With the image id, gives the same errors every time.
    """

    displacement_mm: float = 2.0
    missed_share: float = 0.2
    seed: int = 0

    @property
    def name(self) -> str:
        """All that changes the masks."""
        return (
            f"degraded {self.displacement_mm:g} mm, {100 * self.missed_share:g} % of lesions "
            f"missed, seed {self.seed}"
        )

    def files(self, place: ScanPlace) -> Sequence[Path]:
        """The folder of true masks, if there is one."""
        return [] if place.masks is None else [place.masks]

    def segment(self, volume: Volume, place: ScanPlace) -> CaseMasks:
        """The degraded masks of a scan.

        Args:
            volume: The scan.
            place: Names the folder of true masks.

        Raises:
            DataError: There are none, or they do not fit.
        """
        if place.masks is None:
            raise no_masks(place.image_id, "beside the scan")
        masks = read_case_masks([place.masks], volume.grid)
        digest = hashlib.sha256(f"{self.seed} {place.image_id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        index = _displaced_index(volume.grid, self.displacement_mm, rng)
        layers = list(masks.layers)
        for at in masks.lesions.values():
            layers[at.layer] = self._without_missed(layers[at.layer], at, rng)
        return replace(masks, layers=tuple(layer[index] for layer in layers))

    def _without_missed(
        self, layer: npt.NDArray[np.integer], at: LayerLabel, rng: np.random.Generator
    ) -> npt.NDArray[np.integer]:
        """A layer without those lesions of one kind that are missed."""
        components, count = ndimage.label(layer == at.label, structure=np.ones((3, 3, 3)))
        missed = np.flatnonzero(rng.random(count) < self.missed_share) + 1
        return np.where(np.isin(components, missed), 0, layer).astype(layer.dtype)


def _displaced_index(
    grid: Grid, displacement_mm: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], ...]:
    """Where every voxel takes its label from: three index arrays (z, y, x)."""
    shape, spacing = grid.shape_zyx, grid.spacing_zyx_mm
    coarse = [max(3, int(n * s / _SMOOTH_MM)) for n, s in zip(shape, spacing, strict=True)]
    index = []
    own = np.indices(shape, sparse=True)
    for axis in range(3):
        noise = rng.standard_normal(coarse)
        field = ndimage.zoom(noise, [n / c for n, c in zip(shape, coarse, strict=True)], order=1)
        field *= displacement_mm / np.sqrt(3) / max(float(np.sqrt((field**2).mean())), 1e-9)
        moved = own[axis] + field[: shape[0], : shape[1], : shape[2]] / spacing[axis]
        index.append(np.clip(np.rint(moved), 0, shape[axis] - 1).astype(np.intp))
    return tuple(index)
