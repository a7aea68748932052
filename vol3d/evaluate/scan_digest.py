"""Fingerprints of scans by content: a renamed, recompressed or turned copy has the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.volume import read_volume

_TOLERANCE_MM = 1e-2


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanDigest:
    """What a scan holds.

    Args:
        voxels_sha256: Of shape and values, axes running to S, A, R; for a NumPy file in its own
            order. Values are compared as float32, so the number type of a copy does not matter.
        affine: Row by row, from (x, y, z) to RAS mm; ``None`` for a NumPy file, which has none.
    """

    voxels_sha256: str
    affine: tuple[float, ...] | None

    def has_grid_of(self, other: ScanDigest) -> bool:
        """Whether both lie in one place, within 0.01 mm per entry, or neither has a place."""
        if self.affine is None or other.affine is None:
            return self.affine is other.affine
        return bool(np.allclose(self.affine, other.affine, rtol=0.0, atol=_TOLERANCE_MM))


def digest_scan(path: Path) -> ScanDigest:
    """The fingerprint of one scan; slices are hashed one after the other.

    Args:
        path: Anything that ``vol3d.volume.read_volume`` reads, or a ``.npy`` file.

    Raises:
        DataError: It cannot be read.
        GeometryError: It has no usable geometry.
    """
    if path.suffix.lower() == ".npy":
        from vol3d.evaluate.public_sets.images import numpy_values

        return ScanDigest(voxels_sha256=_sha256(numpy_values(path)), affine=None)
    volume = read_volume(path)
    affine = tuple(float(value) for value in volume.grid.affine.ravel())
    return ScanDigest(voxels_sha256=_sha256(volume.voxels_zyx), affine=affine)


def _sha256(voxels: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(repr(tuple(int(n) for n in voxels.shape)).encode())
    for plane in voxels:
        values = np.asarray(plane, dtype="<f4") + np.float32(0.0)  # -0.0 becomes 0.0
        digest.update(values.tobytes())
    return digest.hexdigest()
