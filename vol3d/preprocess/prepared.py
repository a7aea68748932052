"""A scan that is ready for the encoder, and the way back to the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vol3d.volume import GateNote, Grid, Modality

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PreparedVolume:
    """One scan cropped, resampled and padded by a ``PreprocessSpec``.

    Shapes: Z, Y, X voxels after preparation (multiples of the patch), C channels, N kept patches.

    Args:
        voxels_zyx: int16 (Z, Y, X), axes to S, A, R. Original intensity (HU for CT) is
            ``voxels_zyx * slope + intercept``.
        body_zyx: bool (Z, Y, X), the body mask, not dilated; False in padding.
        patch_index_zyx: int64 (N, 3), grid index (z, y, x) of every kept patch, in (z, y, x) order.
        windows: float32 (C, 2), lower and upper bound of each channel in *stored* int16 units.
        grid: Grid of ``voxels_zyx``.
        scan_grid: Grid of the scan before cropping and resampling (axes to S, A, R).
        slope: Factor from stored to original intensity.
        intercept: Offset from stored to original intensity.
        modality: Modality of the scan.
        spec_sha256: Hash of the spec that made this.
        pad_value: Stored int16 value of voxels added outside the scan (air; MR: its minimum).
        notes: What preparation wants the user to know (shear removed, nothing dropped, ...).
    """

    voxels_zyx: torch.Tensor
    body_zyx: torch.Tensor
    patch_index_zyx: torch.Tensor
    windows: torch.Tensor
    grid: Grid
    scan_grid: Grid
    slope: float
    intercept: float
    modality: Modality
    spec_sha256: str
    pad_value: int = -1024
    notes: tuple[GateNote, ...] = ()
