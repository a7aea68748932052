"""A large synthetic case, and the way research code measures it: label by label with scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.distance import pdist

from vol3d.measure.case_masks import CaseMasks, assemble_masks
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.volume import Grid, LabelArray, Volume

ORGANS = (
    *("liver", "spleen", "pancreas", "kidney_left", "kidney_right", "adrenal_gland_left"),
    *("adrenal_gland_right", "gallbladder", "common_bile_duct", "stomach", "duodenum"),
    *("small_bowel", "colon", "rectum", "esophagus", "urinary_bladder", "aorta"),
    *("inferior_vena_cava", "portal_vein_and_splenic_vein", "superior_mesenteric_artery"),
    *("celiac_trunk", "lung_left", "lung_right", "heart", "prostate"),
)
NUM_LESIONS = 30
SPACING_ZYX_MM = (1.0, 0.8, 0.8)


def make_case(shape: tuple[int, int, int]) -> tuple[Volume, CaseMasks, LabelArray, LabelArray]:
    """A noisy volume with ellipsoids as organs, the liver largest, and lesions in a 6x5 raster."""
    rng = np.random.default_rng(0)
    organs, lesions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    size = np.array(shape)
    for number in range(1, len(ORGANS) + 1):
        share = 0.32 if number == 1 else rng.uniform(0.05, 0.12)
        centre = size / 2 if number == 1 else rng.uniform(0.15, 0.85, 3) * size
        _ellipsoid(organs, centre, share * size, number)
    raster = [(z, y) for z in np.linspace(-0.2, 0.2, 6) for y in np.linspace(-0.18, 0.18, 5)]
    for index, (z, y) in enumerate(raster[:NUM_LESIONS]):
        centre = size * (0.5 + np.array([z, y, rng.uniform(-0.1, 0.1)]))
        _ellipsoid(lesions, centre, rng.uniform(0.01, 0.03) * size, 1 + index % 2)
    grid = Grid(shape_zyx=shape, affine=np.diag([*SPACING_ZYX_MM[::-1], 1.0]))
    voxels = rng.normal(60, 30, shape).astype(np.int16)
    volume = Volume.from_array(voxels, grid, modality="CT", unit="HU")
    names, kinds = dict(enumerate(ORGANS, 1)), {1: "liver_tumor", 2: "liver_cyst"}
    layers = tuple(
        MaskLayer(labels_zyx=labels, names=table, declared=table)
        for labels, table in ((organs, names), (lesions, kinds))
    )
    return volume, assemble_masks([Masks(layers=layers, scheme=None)]), organs, lesions


def _ellipsoid(
    labels: npt.NDArray[np.uint8],
    centre: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    value: int,
) -> None:
    ends = zip(centre - radii, centre + radii, labels.shape, strict=True)
    box = tuple(slice(max(int(low), 0), min(int(high) + 2, n)) for low, high, n in ends)
    place = np.ogrid[box]
    square = sum(((p - c) / r) ** 2 for p, c, r in zip(place, centre, radii, strict=True))
    labels[box][np.asarray(square) <= 1] = value


def measure_with_scipy(volume: Volume, organs: LabelArray, lesions: LabelArray) -> dict[str, Any]:
    """The same figures label by label over whole arrays, as research code does it."""
    found: dict[str, Any] = {}
    healthy = lesions == 0
    for number, name in enumerate(ORGANS, 1):
        mask = organs == number
        inside = volume.voxels_zyx[mask & healthy]
        found[name] = (mask.sum(), inside.mean(), inside.std(), ndimage.center_of_mass(mask))
    for kind in (1, 2):
        parts, count = ndimage.label(lesions == kind, np.ones((3, 3, 3)))
        for number in range(1, count + 1):
            mask = parts == number
            away = ndimage.distance_transform_edt(~mask, sampling=SPACING_ZYX_MM)
            gaps = ndimage.minimum(away, organs, range(1, len(ORGANS) + 1))
            longest = max(_diameter_mm(plane) for plane in mask if plane.any())
            values = volume.voxels_zyx[mask]
            found[f"{kind}-{number}"] = (mask.sum(), values.mean(), values.std(), longest, gaps)
    return found


def _diameter_mm(plane: npt.NDArray[np.bool_]) -> float:
    edge = plane & ~ndimage.binary_erosion(plane)
    points = np.argwhere(edge) * SPACING_ZYX_MM[1:]
    return float(pdist(points).max()) if len(points) > 1 else SPACING_ZYX_MM[1]
