"""Ellipsoids of known size on grids of any spacing, direction and storage order."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from vol3d.measure.case_masks import CaseMasks, assemble_masks
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.volume import Acquisition, Grid, Volume, canonicalise

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ellipsoid:
    """Semi-axes in mm, turned by a rotation in world space, around a centre (R, A, S)."""

    semi_axes_mm: tuple[float, float, float]
    centre_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: Rotation = field(default_factory=Rotation.identity)

    @property
    def matrix(self) -> FloatArray:
        """Positive matrix A of the surface x^T A x = 1 around the centre."""
        turn = self.rotation.as_matrix()
        matrix: FloatArray = turn @ np.diag(1 / np.square(self.semi_axes_mm)) @ turn.T
        return matrix

    @property
    def volume_cm3(self) -> float:
        return float(4 / 3 * np.pi * np.prod(self.semi_axes_mm)) / 1000

    def inside(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """Voxels of a grid whose centre lies inside."""
        index = np.stack(np.meshgrid(*map(np.arange, grid.shape_zyx), indexing="ij"), axis=-1)
        off = grid.index_to_world_mm(index) - np.array(self.centre_ras_mm)
        result: npt.NDArray[np.bool_] = np.einsum("...i,ij,...j", off, self.matrix, off) <= 1
        return result

    def axial_diameters_mm(self, grid: Grid) -> float:
        """Longest diameter within a slice of the grid (largest section, through the centre)."""
        step = grid.affine[:3, :2] / np.linalg.norm(grid.affine[:3, :2], axis=0)
        plane, _ = np.linalg.qr(step)
        section = plane.T @ self.matrix @ plane
        return float(2 / np.sqrt(np.linalg.eigvalsh(section)[0]))


def grid_around(
    extent_mm: float,
    spacing_xyz_mm: tuple[float, float, float],
    *,
    rotation: Rotation | None = None,
    centre_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Grid:
    """A grid that covers a cube around a point."""
    turn = (rotation or Rotation.identity()).as_matrix()
    counts = [int(np.ceil(extent_mm / mm)) + 1 for mm in spacing_xyz_mm]
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing_xyz_mm)
    middle = affine[:3, :3] @ ((np.array(counts) - 1) / 2)
    affine[:3, 3] = np.array(centre_ras_mm) - middle
    return Grid(shape_zyx=(counts[2], counts[1], counts[0]), affine=affine)


def flipped(grid: Grid, axes_xyz: tuple[int, ...]) -> Grid:
    """The same voxel places, stored in the other direction along some axes."""
    affine = np.array(grid.affine)
    for axis in axes_xyz:
        count = grid.shape_zyx[2 - axis]
        affine[:3, 3] += affine[:3, axis] * (count - 1)
        affine[:3, axis] *= -1
    return Grid(shape_zyx=grid.shape_zyx, affine=affine)


def ct(voxels_zyx: npt.NDArray[np.int16], grid: Grid, *, contrast: bool | None = None) -> Volume:
    """A CT in HU with axes turned to S, A, R."""
    return Volume.from_array(
        voxels_zyx,
        grid,
        modality="CT",
        unit="HU",
        acquisition=Acquisition(is_contrast_given=contrast, kvp=120.0),
    )


def case_masks(
    grid: Grid, *layers: dict[str, npt.NDArray[np.bool_]], declared: tuple[str, ...] = ()
) -> CaseMasks:
    """Masks by name, one layer per dictionary, in the storage order of ``grid``."""
    found = []
    for index, layer in enumerate(layers):
        labels = np.zeros(grid.shape_zyx, dtype=np.uint16)
        for number, inside in enumerate(layer.values(), start=1):
            labels[inside] = number
        names = dict(enumerate(layer, start=1))
        extra = declared if index == 0 else ()
        every = names | dict(enumerate(extra, start=len(names) + 1))
        turned, _ = canonicalise(labels, grid)
        found.append(MaskLayer(labels_zyx=turned, names=names, declared=every))  # type: ignore[arg-type]
    return assemble_masks([Masks(layers=tuple(found), scheme=None)])
