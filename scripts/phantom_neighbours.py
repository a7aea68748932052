"""Which organs touch in synthetic abdomens, beside what anatomy says and what real scans show.

Run: python scripts/phantom_neighbours.py --cases 48 --data DIR (of the real scans).
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import edt
import numpy as np
import torch
from scipy import ndimage

from vol3d.data.subject_cases import subject_masks
from vol3d.measure.case_masks import CaseMasks, read_case_masks, structure_voxels
from vol3d.phantom.subjects import SubjectConfig, make_subject
from vol3d.phantom.subjects.tissues import PHASES
from vol3d.volume import Grid, read_volume

NEAR_MM, SHAPE_ZYX = 4.0, (96, 128, 128)
REAL = {"ct_abdomen": "ct.nii.gz", "mr_abdomen": "mr.nii.gz", "ct_dicom_j2k": "series"}
TOUCH = """liver kidney_right renal impression; liver gallbladder its fossa below the liver
liver stomach gastric impression of the left lobe; liver duodenum impression beside the gallbladder
liver colon impression of the right flexure; liver inferior_vena_cava groove at the bare area
liver adrenal_gland_right impression of the bare area; liver portal_vein_and_splenic_vein its porta
gallbladder duodenum its neck lies on the first part; gallbladder colon its fundus lies on it
stomach spleen gastrosplenic ligament; stomach pancreas it lies in the bed of the stomach
stomach colon gastrocolic ligament; spleen kidney_left renal surface of the spleen
spleen colon left flexure, phrenicocolic ligament; spleen pancreas the tail reaches the hilum
pancreas duodenum the head lies in its loop; pancreas portal_vein_and_splenic_vein along its back
pancreas superior_mesenteric_vein behind the neck; pancreas superior_mesenteric_artery at the neck
pancreas inferior_vena_cava behind the head; adrenal_gland_left kidney_left upper pole
adrenal_gland_right kidney_right upper pole; adrenal_gland_right inferior_vena_cava behind the vein
aorta vertebrae on their front; inferior_vena_cava vertebrae on their front, right of the aorta
kidney_left iliopsoas_left beside psoas; kidney_right iliopsoas_right beside psoas"""
APART = """liver kidney_left midline between; spleen kidney_right midline between
spleen gallbladder stomach between; kidney_left kidney_right spine and great vessels between
gallbladder kidney_left midline between; spleen inferior_vena_cava aorta between
adrenal_gland_left adrenal_gland_right spine between; urinary_bladder liver bowel between"""
ROWS = [row.strip().split(" ", 2) for row in f"{TOUCH};{APART}".replace("\n", ";").split(";")]


def gaps(masks: CaseMasks, grid: Grid) -> list[float]:
    """Least mm between voxel faces of every row's pair; NaN where one of the two is not there."""
    found = []
    for one, other in ((_part(masks, row[0]), _part(masks, row[1])) for row in ROWS):
        if one is None or other is None:
            found.append(np.nan)
            continue
        grown = ndimage.binary_dilation(one, np.ones((3, 3, 3), dtype=bool))
        away = edt.edt(np.ascontiguousarray(~grown), anisotropy=grid.spacing_zyx_mm)
        found.append(float(away[other].min()))
    return found


def _part(masks: CaseMasks, key: str) -> np.ndarray | None:
    keys = [each for each in masks.structures if each.startswith(key)]  # vertebrae_L1 and others
    parts = [part for each in keys if (part := structure_voxels(masks, [each])) is not None]
    return np.any(parts, axis=0) if parts else None


def made(seed: int) -> list[float]:
    """Gaps of a case without pathologies or lesions."""
    config = SubjectConfig(
        shape_zyx=SHAPE_ZYX, phase=PHASES[seed % 4], is_cut=False, pathologies=(), lesions=()
    )
    case = make_subject(seed, config)
    return gaps(subject_masks(case), case.volume.grid)


def real_gaps(folder: Path, scan: str) -> list[float]:
    """Gaps of a real scan's masks, by ``labels.json``."""
    grid = read_volume(folder / scan).grid
    return gaps(read_case_masks(sorted(folder.glob("seg_total*.nii.gz")), grid), grid)


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=48)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        table = np.array(list(pool.map(made, range(given.cases))))
    real = [real_gaps(given.data / key, scan) for key, scan in REAL.items()]
    print(f"| pair | taught | within 4 mm | median, range | {' | '.join(REAL)} |\n|" + "---|" * 7)
    for column, (first, second, why) in enumerate(ROWS):
        own = table[~np.isnan(table[:, column]), column]
        told = [f"{(own <= NEAR_MM).sum()} of {len(own)}"]
        told += [f"{np.median(own):.1f}, {own.min():.1f}..{own.max():.1f}"]
        told += ["-" if np.isnan(each[column]) else f"{each[column]:.1f}" for each in real]
        pair = f"{first}, {second} | {'apart' if why.endswith('between') else 'touch'}: {why}"
        print(f"| {' | '.join([pair, *told])} |")


if __name__ == "__main__":
    main()
