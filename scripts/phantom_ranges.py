"""Organ volumes, HU and places of synthetic abdomens beside adult ranges, and beside real scans.

Run: python scripts/phantom_ranges.py --cases 48. Real scans: --data DIR with ct_abdomen/.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vol3d.data.subject_cases import subject_facts
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import CaseFacts
from vol3d.measure.run import MaskInput, measure_paths
from vol3d.phantom.subjects import SubjectConfig, make_subject
from vol3d.phantom.subjects.tissues import PHASES

_ADULT = """liver 900 2300, spleen 80 400, pancreas 40 170, kidney_left 90 260, kidney_right 90 260,
gallbladder 5 80, stomach 60 700, urinary_bladder 30 600, adrenal_gland_left 1.5 8,
adrenal_gland_right 1.5 8, duodenum 25 120, colon 250 1700"""
_ROWS = [row.split() for row in _ADULT.split(",")]
ADULT_CM3 = {key: (float(low), float(high)) for key, low, high in _ROWS}
"""What CT volumetry of adults without disease of the organ reports, rounded outwards."""
ADULT_HU = {  # unenhanced, arterial, portal venous, delayed
    "liver": ((40, 70), (50, 100), (85, 140), (70, 120)),
    "spleen": ((35, 60), (80, 190), (95, 150), (75, 125)),
    "pancreas": ((20, 55), (70, 140), (65, 120), (50, 95)),
    "kidney_left": ((20, 45), (90, 200), (130, 230), (110, 230)),
    "aorta": ((25, 60), (200, 450), (110, 210), (80, 150)),
}
# first lies further that way than second: axis x (right), y (front), z (head)
ORDERS = (
    *((0, "liver", "spleen"), (0, "kidney_right", "kidney_left"), (0, "gallbladder", "pancreas")),
    *((0, "inferior_vena_cava", "aorta"), (2, "liver", "colon")),
    *((2, "kidney_left", "kidney_right"), (2, "spleen", "kidney_left"), (1, "pancreas", "aorta")),
    *((1, "stomach", "spleen"), (1, "urinary_bladder", "rectum"), (2, "liver", "urinary_bladder")),
)


def made(seed: int) -> CaseFacts:
    """Facts of a case without pathologies or lesions."""
    torch.set_num_threads(1)
    config = SubjectConfig(shape_zyx=(96, 128, 128), phase=PHASES[seed % 4], is_cut=False)
    return subject_facts(make_subject(seed, replace(config, pathologies=(), lesions=())))


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=48)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        cases = list(pool.map(made, range(given.cases)))
    real = None
    if given.data is not None:
        folder = given.data / "ct_abdomen"
        masks = MaskInput(paths=(str(folder / "seg_total.nii.gz"),))
        real = measure_paths(folder / "ct.nii.gz", masks, MeasureOptions()).facts
    for key, (low, high) in ADULT_CM3.items():
        sizes = np.array([c.organs[key].volume_cm3 for c in cases if c.organs[key].is_measured])
        out = int(((sizes < low) | (sizes > high)).sum())
        text = f"{sizes.min():.0f}..{np.median(sizes):.0f}..{sizes.max():.0f} cm3"
        print(f"{key}: {text} | adult {low}..{high} | outside {out} | real {_real(real, key)}")
    for key, ranges in ADULT_HU.items():
        for phase, (low, high) in zip(PHASES, ranges, strict=True):
            hu = [c.organs[key].mean_intensity for c in cases if c.scan.phase.value == phase]
            values = np.array([each for each in hu if each is not None])
            out = int(((values < low) | (values > high)).sum())
            print(
                f"{key} {phase}: {values.min():.0f}..{values.max():.0f} HU | {low}..{high} | {out}"
            )
    for axis, first, second in ORDERS:
        found = [_is_further(c, axis, first, second) for c in cases]
        kept, seen = found.count(True), _is_further(real, axis, first, second)
        print(f"{'xyz'[axis]}: {first} > {second}: {kept} of {len(found)} | real {seen}")


def _is_further(facts: CaseFacts | None, axis: int, first: str, second: str) -> bool | None:
    if facts is None or not {first, second} <= set(facts.organs):
        return None
    a, b = (facts.organs[key].centroid_ras_mm for key in (first, second))
    return a is not None and b is not None and a[axis] > b[axis]


def _real(facts: CaseFacts | None, key: str) -> str:
    if facts is None or key not in facts.organs:
        return "-"
    organ = facts.organs[key]
    return f"{organ.volume_cm3:.0f} cm3, {organ.mean_intensity:.0f} HU, {organ.status}"


if __name__ == "__main__":
    main()
