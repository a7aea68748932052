"""What limits a scan: noise, field of view, slice distance, values that no tissue has.

Every fact comes with a plain sentence for the reader. Nothing here judges a diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vol3d.measure.body import BoolArray
from vol3d.volume import Unit, Volume

Side = Literal["left", "right", "front", "back"]

NOISE_KERNEL_MM = 7.0
NOISE_SLICES = 8
SOFT_TISSUE_HU = (-50.0, 200.0)
METAL_HU = 2500.0
IMPLAUSIBLE_HU = (-1200.0, 4000.0)
"""Beyond air and dense metal; scanners write such values outside their field of view."""
COARSE_SLICES_MM = 5.0
STRONG_ANISOTROPY = 3.0
FEW_SLICES = 10
MENTIONED_SHARE = 0.001
"""Metal and odd values below this share are not worth a sentence."""
TOUCHING_MM = 15.0
TOUCHING_SLICES_SHARE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityFacts:
    """Quality of one scan.

    Args:
        noise_sd: Most frequent local standard deviation in the body, or None where no even region
            was found.
        noise_unit: ``HU`` or ``arbitrary``.
        body_share: Share of the scan's voxels inside the body.
        truncated_sides: Patient sides where the body runs into the edge of the slices.
        num_slices: Number of slices.
        slice_spacing_mm: Distance between slices.
        anisotropy: Longest voxel side divided by the shortest.
        metal_share: Share of body voxels above 2500 HU; None without HU.
        implausible_share: Share of all voxels that are not finite or (with HU) that no tissue has.
        is_coarse: Whether the slices are 5 mm or more apart.
        is_blank: Whether all voxels have one value.
        sentences: The facts that matter to a reader, one sentence each.
    """

    noise_sd: float | None
    noise_unit: Unit
    body_share: float
    truncated_sides: tuple[Side, ...]
    num_slices: int
    slice_spacing_mm: float
    anisotropy: float
    metal_share: float | None
    implausible_share: float
    is_coarse: bool
    is_blank: bool
    sentences: tuple[str, ...]


def assess_quality(volume: Volume, body: BoolArray) -> QualityFacts:
    """The quality of a scan.

    Args:
        volume: Any scan.
        body: ``body_mask(volume)``.
    """
    spacing = volume.grid.spacing_zyx_mm
    voxels: npt.NDArray[Any] = volume.voxels_zyx
    noise = _noise_sd(volume, body)
    sides = _truncated_sides(body, spacing)
    implausible, metal = _odd_values(voxels, body, is_hu=volume.unit == "HU")
    facts = QualityFacts(
        noise_sd=noise,
        noise_unit=volume.unit,
        body_share=float(np.count_nonzero(body) / body.size),
        truncated_sides=sides,
        num_slices=len(body),
        slice_spacing_mm=spacing[0],
        anisotropy=max(spacing) / min(spacing),
        metal_share=metal,
        implausible_share=implausible,
        is_coarse=spacing[0] >= COARSE_SLICES_MM,
        is_blank=bool(voxels.min() == voxels.max()),
        sentences=(),
    )
    return _with_sentences(facts)


def _with_sentences(facts: QualityFacts) -> QualityFacts:
    return replace(facts, sentences=tuple(_sentences(facts)))


def _sentences(facts: QualityFacts) -> list[str]:
    """The reader's sentences, most limiting first."""
    out = []
    if facts.is_blank:
        out.append("All voxels have the same value: the scan is blank.")
    elif facts.body_share == 0:
        out.append("No body was found in the scan.")
    if facts.truncated_sides:
        sides = " and ".join(facts.truncated_sides)
        out.append(f"The body is cut by the field of view on the {sides}.")
    if facts.num_slices < FEW_SLICES:
        out.append(f"The scan has only {facts.num_slices} slices.")
    if facts.is_coarse:
        out.append(
            f"The slices are {facts.slice_spacing_mm:.1f} mm apart, which hides small things."
        )
    if facts.anisotropy >= STRONG_ANISOTROPY:
        out.append(f"Voxels are {facts.anisotropy:.1f} times longer in one direction.")
    if facts.noise_sd is not None:
        unit = "HU" if facts.noise_unit == "HU" else "arbitrary units"
        out.append(
            f"Noise in even tissue is about {facts.noise_sd:.3g} {unit} (standard deviation)."
        )
    if (facts.metal_share or 0.0) >= MENTIONED_SHARE:
        out.append(f"{facts.metal_share:.2%} of the body is above {METAL_HU:.0f} HU (metal).")
    if facts.implausible_share >= MENTIONED_SHARE:
        out.append(
            f"{facts.implausible_share:.1%} of the voxels have values that no tissue has "
            "(scanners fill the corners outside their field of view with such values)."
        )
    return out


def _odd_values(
    voxels: npt.NDArray[Any], body: BoolArray, *, is_hu: bool
) -> tuple[float, float | None]:
    """Shares of implausible and of metal values; slices in the plausible range are passed over."""
    low, high = IMPLAUSIBLE_HU if is_hu else (-np.inf, np.inf)
    odd = metal = 0
    for plane, mask in zip(voxels, body, strict=True):
        lowest, highest = float(plane.min()), float(plane.max())
        if not (low <= lowest and highest <= high and np.isfinite(highest - lowest)):
            odd += int(np.count_nonzero(~((plane >= low) & (plane <= high) & np.isfinite(plane))))
        if is_hu and not highest <= METAL_HU:  # also true for NaN
            metal += int(np.count_nonzero((plane > METAL_HU) & mask))
    return odd / body.size, (metal / max(1, int(np.count_nonzero(body))) if is_hu else None)


def _truncated_sides(
    body: BoolArray, spacing_zyx_mm: tuple[float, float, float]
) -> tuple[Side, ...]:
    """Sides where at least 15 mm of body touch the edge in at least a tenth of the slices."""
    _, dy, dx = spacing_zyx_mm
    edges: tuple[tuple[Side, BoolArray, float], ...] = (
        ("left", body[:, :, 0], dy),
        ("right", body[:, :, -1], dy),
        ("front", body[:, -1, :], dx),
        ("back", body[:, 0, :], dx),
    )
    return tuple(
        side
        for side, edge, step_mm in edges
        if np.mean(edge.sum(axis=1) * step_mm >= TOUCHING_MM) >= TOUCHING_SLICES_SHARE
    )


def _noise_sd(volume: Volume, body: BoolArray) -> float | None:
    """The mode of the local standard deviation in even tissue.

    Source: Christianson et al., Automated technique to measure noise in clinical CT examinations,
    AJR 2015 (global noise level).
    """
    used = np.flatnonzero(body.any(axis=(1, 2)))
    if not used.size:
        return None
    picks = np.unique(used[np.linspace(0, used.size - 1, NOISE_SLICES).round().astype(int)])
    _, dy, dx = volume.grid.spacing_zyx_mm
    size = (max(3, round(NOISE_KERNEL_MM / dy)), max(3, round(NOISE_KERNEL_MM / dx)))
    spreads = []
    for z in picks:
        values = volume.voxels_zyx[z].astype(np.float64)
        is_even = body[z] & np.isfinite(values)
        if volume.unit == "HU":
            is_even &= (values > SOFT_TISSUE_HU[0]) & (values < SOFT_TISSUE_HU[1])
        values = np.where(is_even, values, 0.0)
        mean = ndimage.uniform_filter(values, size)
        variance = ndimage.uniform_filter(values * values, size) - mean * mean
        whole = ndimage.binary_erosion(is_even, np.ones(size, dtype=bool))
        spreads.append(np.sqrt(np.maximum(0.0, variance[whole])) * _unbiased(size))
    return _mode(np.concatenate(spreads))


def _unbiased(size: tuple[int, int]) -> float:
    count = size[0] * size[1]
    return float(np.sqrt(count / (count - 1)))


def _mode(values: npt.NDArray[np.float64]) -> float | None:
    """The centre of the fullest of 100 bins up to the 95th percentile."""
    if values.size < 20:
        return None
    top = float(np.percentile(values, 95))
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(values, bins=100, range=(0.0, top))
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 2.0)
    best = int(np.argmax(smooth))
    return float((edges[best] + edges[best + 1]) / 2)
