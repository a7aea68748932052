"""Writes the example scan of the package: a procedural phantom that no training run has seen.

python scripts/make_example.py [--seed 5000012] [--out vol3d/_examples/abdomen_phantom.nii.gz]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vol3d.data.phantom_cases import make_case
from vol3d.volume import write_nifti

EXAMPLE_SEED = 5_000_012


def main() -> None:
    """Makes the phantom and prints what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=EXAMPLE_SEED)
    parser.add_argument("--out", type=Path, default=Path("vol3d/_examples/abdomen_phantom.nii.gz"))
    args = parser.parse_args()
    case = make_case(args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(case.phantom.volume, args.out, axcodes="LPS")
    print(f"{args.out}: shape_zyx {case.phantom.volume.voxels_zyx.shape}; {case.findings}")


if __name__ == "__main__":
    main()
