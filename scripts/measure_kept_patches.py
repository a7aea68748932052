"""How many patches of a CT are kept when air is dropped, by patch size.

Run: python scripts/measure_kept_patches.py SCAN [--json FILE]. Patches are cut on the scan
resampled to the spacing that goes with each size; the whole scan is cut, not the crop to the body.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from vol3d_kernels import patch_occupancy

from vol3d.measure.body import body_mask
from vol3d.preprocess.regrid import resample_to, resampled_grid
from vol3d.volume import read_volume

SIZES = (
    # voxel spacing in mm and voxels of a patch, along z, y, x
    ((1.5, 1.5, 1.5), (16, 16, 16)),
    ((1.5, 1.5, 1.5), (8, 16, 16)),
    ((3.0, 1.5, 1.5), (4, 16, 16)),
    ((1.5, 1.5, 1.5), (8, 8, 8)),
    ((6.0, 6.0, 6.0), (4, 4, 4)),
)


def main() -> None:
    """Prints and writes patches in all, touching the body, and kept with their neighbours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    volume = read_volume(given.scan)
    body = torch.from_numpy(body_mask(volume).copy())
    rows = []
    for spacing, patch in SIZES:
        grid = resampled_grid(volume.grid, spacing)
        mask = resample_to(body, volume.grid, grid, is_label=True, fill=0)
        missing = [-n % p for n, p in zip(mask.shape, patch, strict=True)]
        mask = torch.nn.functional.pad(mask, (0, missing[2], 0, missing[1], 0, missing[0]))
        shape = torch.tensor([mask.shape])
        row: dict[str, object] = {"spacing_zyx_mm": spacing, "patch_zyx": patch}
        for name, dilate in (("touching", 0), ("kept", 1)):
            found = patch_occupancy(mask.flatten() > 0, shape, patch, dilate=dilate)
            row |= {"patches": int(found.totals[0]), name: int(found.counts[0])}
            row[f"{name}_fraction"] = round(int(found.counts[0]) / int(found.totals[0]), 3)
        print(row)
        rows.append(row)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
