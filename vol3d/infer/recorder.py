"""How a result was made: seconds per stage, memory, versions and hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import numpy as np

import vol3d
from vol3d.volume import Volume

PACKAGES = ("torch", "transformers", "monai", "numpy", "nibabel", "pydicom", "SimpleITK")
_PROCESS_STATUS = Path("/proc/self/status")


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


def peak_memory_mb() -> float:
    """Largest resident set of this process so far, in MB (10^6 bytes).

    Linux hands ``ru_maxrss`` down from the process that started this one, so the kernel's own
    high-water mark of this process is read where there is one.
    """
    if _PROCESS_STATUS.is_file():
        for line in _PROCESS_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


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
    """Hash of the voxels (axes to S, A, R; little endian) and their affine.

    Two files with the same voxels in the same place have one hash, whatever their format or name.
    """
    little = volume.voxels_zyx.dtype.newbyteorder("<")
    voxels = np.ascontiguousarray(volume.voxels_zyx, dtype=little)
    digest = hashlib.sha256(f"{voxels.dtype.name} {voxels.shape}".encode())
    digest.update(np.round(volume.grid.affine, 6).astype("<f8").tobytes())
    digest.update(voxels.view(np.uint8).data)
    return digest.hexdigest()
