"""Contact of a widened tumour with a vessel, by the recipe of RadGPT reports."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vol3d.volume import Grid

BoolArray = npt.NDArray[np.bool_]

WIDENED_MM = 4
RING_MM = (1, 2)
WINDOW_SLICES = 4


def widened_contact_deg(tumour_zyx: BoolArray, vessel_zyx: BoolArray, grid: Grid) -> float:
    """Degrees of a ring around the vessel that lie in the tumour, widened by 4 mm.

    On a 1-mm grid along the vessel's main axis, in every window of four slices: the share of the
    ring from 1 to 2 mm outside of the vessel that the tumour, made thinner by one pixel within the
    slice, fills. The largest share counts.

    Args:
        tumour_zyx: The whole tumour's voxels.
        vessel_zyx: The vessel's voxels.
        grid: Grid of both.
    """
    from scipy import ndimage

    tumour = ndimage.binary_dilation(_to_one_mm(tumour_zyx, grid), iterations=WIDENED_MM)
    vessel = _to_one_mm(vessel_zyx, grid)
    if not (tumour & vessel).any():
        return 0.0
    tumour, vessel = _along_vessel(tumour, vessel)
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    inner, outer = (ndimage.binary_dilation(vessel, in_plane, iterations=mm) for mm in RING_MM)
    ring = outer & ~inner
    filled = ring & ndimage.binary_erosion(tumour, in_plane)
    has_vessel = vessel.any(axis=(1, 2))
    ring_count = ring.sum(axis=(1, 2)) * has_vessel
    filled_count = filled.sum(axis=(1, 2)) * has_vessel
    window = np.ones(min(WINDOW_SLICES, len(vessel)))
    total = np.convolve(ring_count, window, mode="valid")
    share = np.convolve(filled_count, window, mode="valid") / np.maximum(total, 1)
    return float(round(360.0 * float(share.max())))


def _to_one_mm(mask_zyx: BoolArray, grid: Grid) -> BoolArray:
    """The mask at points 1 mm apart along the grid's own axes (nearest)."""
    places = [
        np.minimum(np.floor(np.arange(max(round(n * mm), 1)) / mm + 0.5), n - 1).astype(int)
        for n, mm in zip(grid.shape_zyx, grid.spacing_zyx_mm, strict=True)
    ]
    fine: BoolArray = mask_zyx[np.ix_(*places)]
    return fine


def _along_vessel(tumour: BoolArray, vessel: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both masks turned so that the vessel's main axis near the tumour is the first array axis."""
    from scipy import ndimage

    reach = int(np.ceil(np.count_nonzero(tumour) ** (1 / 3)))
    box = tuple(
        slice(max(int(low) - reach, 0), int(high) + reach + 1)
        for low, high in zip(
            np.argwhere(tumour).min(axis=0), np.argwhere(tumour).max(axis=0), strict=True
        )
    )
    tumour, vessel = tumour[box], vessel[box]
    points = np.argwhere(vessel).astype(np.float64)
    centre = points.mean(axis=0)
    spread = np.cov((points - centre).T) if len(points) > 3 else np.diag([1.0, 0.0, 0.0])
    _, axes = np.linalg.eigh(spread)
    turn = axes[:, ::-1]  # column 0: along the vessel
    size = int(np.ceil(np.linalg.norm(vessel.shape))) + 2
    offset = centre - turn @ np.full(3, (size - 1) / 2)
    shape = (size, size, size)
    turned = [
        ndimage.affine_transform(mask.astype(np.float32), turn, offset, shape, order=1) > 0.5
        for mask in (tumour, vessel)
    ]
    return turned[0], turned[1]
