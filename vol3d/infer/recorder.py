"""How a result was made: seconds per stage, versions and hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata

import numpy as np

import vol3d
from vol3d.volume import Volume

AFFINE_STEP_MM = 1e-3
_EDGE = 0.455
"""Where the steps of rounding end: between the short decimals that headers are written in."""
PACKAGES = ("torch", "transformers", "monai", "numpy", "nibabel", "pydicom", "SimpleITK")


class StageClock:
    """Seconds of each named stage of one run, in the order in which they began."""

    def __init__(self, on_stage: Callable[[str], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_stage = on_stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the body of a ``with`` statement and announces its name first."""
        if self._on_stage is not None:
            self._on_stage(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


def versions() -> dict[str, str]:
    """Versions of Python, vol3d and the packages that can change a result."""
    found = {"python": platform.python_version(), "vol3d": vol3d.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def num_threads() -> int:
    """Threads that torch uses on the CPU; the cores of the machine before torch is loaded."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else (os.cpu_count() or 1)


def input_sha256(volume: Volume) -> str:
    """Hash of the voxels (axes to S, A, R; little endian) and their affine, to 0.001 mm.

    Two files with the same voxels in the same place have one hash, whatever their format, name or
    axis order: NIfTI keeps an affine in single precision and DICOM in decimals, which differ by
    about 0.00002 mm. Only a number that happens to lie that close to the end of a step of 0.001 mm
    still gives two hashes.
    """
    little = volume.voxels_zyx.dtype.newbyteorder("<")
    voxels = np.ascontiguousarray(volume.voxels_zyx, dtype=little)
    if voxels.dtype.kind == "f":
        voxels = np.where(voxels == 0, voxels.dtype.type(0), voxels)  # no -0.0
    digest = hashlib.sha256(f"{voxels.dtype.name} {voxels.shape}".encode())
    steps = np.floor(volume.grid.affine / AFFINE_STEP_MM + _EDGE)
    digest.update(steps.astype("<i8").tobytes())
    digest.update(voxels.view(np.uint8).data)
    return digest.hexdigest()
