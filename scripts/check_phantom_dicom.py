"""Whether phantoms written as DICOM are valid and read back to the same voxels.

Needs dciodvfy (Debian package dicom3tools). Run: python scripts/check_phantom_dicom.py --cases 8.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from vol3d.data.subject_cases import subject_facts, write_case
from vol3d.phantom.subjects import SubjectConfig, make_subject
from vol3d.volume import read_volume

SHAPES = {"abdomen": (96, 128, 128), "chest": (96, 128, 128), "head": (96, 128, 128)}
SLICES = 6
"""Slices of a case that dciodvfy reads, from the first to the last; all go through the reader."""


def checked(case: tuple[str, int]) -> tuple[str, Counter[str]]:
    """What is wrong with a case, and how it lay in the scanner."""
    region, seed = case
    config = SubjectConfig(region=region, shape_zyx=SHAPES[region])  # type: ignore[arg-type]
    subject = make_subject(seed, config)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        written = write_case(subject, subject_facts(subject), Path(folder), file_format="dicom")
        back = read_volume(written.scan)
        found["differs"] += not np.array_equal(back.voxels_zyx, subject.volume.voxels_zyx)
        shift = np.abs(back.grid.affine - subject.volume.grid.affine).max()
        found["moved"] += bool(shift > 1e-3)
        files = sorted(written.scan.iterdir())
        for number in np.linspace(0, len(files) - 1, SLICES).round().astype(int):
            ran = subprocess.run(
                ["dciodvfy", str(files[number])], capture_output=True, text=True, check=False
            )
            lines = (ran.stdout + ran.stderr).splitlines()
            found["slices checked"] += 1
            found["errors"] += sum(line.startswith("Error") for line in lines)
            found["warnings"] += sum(line.startswith("Warning") for line in lines)
    return f"{region} {subject.volume.modality} {subject.plan.scan.patient_position}", found


def main() -> int:
    """Prints counts by region and position; fails on any error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=8)
    given = parser.parse_args()
    if shutil.which("dciodvfy") is None:
        print("dciodvfy is missing: install Debian's dicom3tools.", file=sys.stderr)
        return 2
    todo = [(region, seed) for region in SHAPES for seed in range(given.cases)]
    by_kind: dict[str, Counter[str]] = {}
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for name, found in pool.map(checked, todo):
            by_kind.setdefault(name, Counter({"cases": 0})).update({"cases": 1, **found})
    total: Counter[str] = Counter()
    for name in sorted(by_kind):
        print(name, dict(by_kind[name]))
        total += by_kind[name]
    print("all", dict(total))
    return int(bool(total["errors"] + total["differs"] + total["moved"]))


if __name__ == "__main__":
    sys.exit(main())
