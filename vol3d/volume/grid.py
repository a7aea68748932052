"""Voxel grids in patient space.

Arrays are indexed (z, y, x). ``Grid.affine`` maps *(x, y, z)* voxel indices (note the order) to
RAS+ millimetres: x grows to the patient's right, y to the front, z to the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from vol3d.errors import GeometryError, explain

FloatArray = npt.NDArray[np.float64]

_POSITIVE = "RAS"
_NEGATIVE = "LPI"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid:
    """A regular voxel grid: shape (z, y, x) and affine from (x, y, z) indices to RAS+ mm.

    Args:
        shape_zyx: Number of voxels along each array axis.
        affine: 4x4; column 0 is the step of one voxel along x (the last array axis).

    Raises:
        GeometryError: The shape has an axis below 1, or the affine is not finite or not invertible.
    """

    shape_zyx: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if min(self.shape_zyx) < 1 or len(self.shape_zyx) != 3:
            raise GeometryError(
                explain(
                    expected="three axes of at least one voxel",
                    got=str(tuple(self.shape_zyx)),
                    where="Grid.shape_zyx",
                    remedy="Check the file's dimensions.",
                )
            )
        usable = affine.shape == (4, 4) and bool(np.isfinite(affine).all())
        if not usable or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryError(
                explain(
                    expected="a finite, invertible 4x4 affine",
                    got=np.array2string(affine, precision=4),
                    where="Grid.affine",
                    remedy="The file's header gives no usable geometry; export it again.",
                )
            )
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape_zyx", tuple(int(n) for n in self.shape_zyx))

    @property
    def spacing_zyx_mm(self) -> tuple[float, float, float]:
        """Length of one step along each array axis (z, y, x), in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def extent_zyx_mm(self) -> tuple[float, float, float]:
        """Shape times spacing along (z, y, x), in mm."""
        z, y, x = (n * s for n, s in zip(self.shape_zyx, self.spacing_zyx_mm, strict=True))
        return z, y, x

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel (determinant, so right for sheared grids too)."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def axcodes_xyz(self) -> str:
        """Closest patient direction of the x, y and z index axes, such as ``"RAS"``."""
        matrix = self.affine[:3, :3]
        world = closest_world_axes(matrix)
        return "".join(
            (_POSITIVE if matrix[w, i] > 0 else _NEGATIVE)[w] for i, w in enumerate(world)
        )

    @property
    def is_orthogonal(self) -> bool:
        """Whether the three index axes are perpendicular (within 1e-3 in cosine)."""
        return self.shear < 1e-3

    @property
    def shear(self) -> float:
        """Largest absolute cosine between two index axes; 0 for an orthogonal grid."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        gram = np.abs(unit.T @ unit)
        return float(max(gram[0, 1], gram[0, 2], gram[1, 2]))

    @property
    def obliquity_deg(self) -> float:
        """Largest angle between an index axis and its closest patient axis, in degrees."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        world = closest_world_axes(self.affine[:3, :3])
        cosine = min(abs(unit[w, i]) for i, w in enumerate(world))
        return float(np.degrees(np.arccos(min(1.0, cosine))))

    def index_to_world_mm(self, index_zyx: npt.ArrayLike) -> FloatArray:
        """RAS mm of (possibly fractional) indices; ``index_zyx`` and the result are (..., 3).

        The input is ordered (z, y, x); the result is ordered (R, A, S).
        """
        index = np.asarray(index_zyx, dtype=np.float64)[..., ::-1]
        world: FloatArray = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return world

    def world_to_index_zyx(self, world_mm: npt.ArrayLike) -> FloatArray:
        """Fractional (z, y, x) indices of RAS mm positions; both arrays are (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        index = np.asarray(world_mm, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        flipped: FloatArray = index[..., ::-1]
        return flipped

    def is_close(self, other: Grid, *, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have one shape and affines equal within ``tolerance_mm``."""
        return self.shape_zyx == other.shape_zyx and bool(
            np.allclose(self.affine, other.affine, rtol=0.0, atol=tolerance_mm)
        )


_TIE = 1e-6


def closest_world_axes(matrix: FloatArray) -> tuple[int, int, int]:
    """For each index axis (x, y, z) the world axis (0 R, 1 A, 2 S) it runs along best.

    A permutation is always returned: the one with the largest sum of absolute cosines, so oblique
    grids never map two index axes to one world axis. Where several are equally close (a grid
    half-way between the axes), the axes as they are win, so that a turned grid stays as it is.
    """
    unit = np.abs(matrix / np.linalg.norm(matrix, axis=0))

    def closeness(order: tuple[int, ...]) -> float:
        return float(sum(unit[order[i], i] for i in range(3)))

    best = max(permutations(range(3)), key=closeness)
    if closeness((0, 1, 2)) >= closeness(best) - _TIE:
        return 0, 1, 2
    return best[0], best[1], best[2]


def canonicalise(
    voxels_zyx: npt.NDArray[np.generic], grid: Grid
) -> tuple[npt.NDArray[np.generic], Grid]:
    """The same voxels with array axes running S, A, R (closest), and the matching grid.

    Only transposes and flips: no value is changed and no voxel moves in patient space.
    """
    return orient(voxels_zyx, grid, "RAS")


def orient(
    voxels_zyx: npt.NDArray[np.generic], grid: Grid, axcodes: str
) -> tuple[npt.NDArray[np.generic], Grid]:
    """The same voxels with the x, y, z index axes running along ``axcodes``, and their grid.

    Only transposes and flips: no value is changed and no voxel moves in patient space.

    Args:
        voxels_zyx: Array indexed (z, y, x) of ``grid``, in any orientation.
        axcodes: Directions in which x, y and z (in this order) are to grow, such as ``"LPS"``;
            for oblique grids the closest ones.

    Raises:
        GeometryError: ``axcodes`` is not one of the 48 orders and directions.
    """
    targets = _parse_axcodes(axcodes)
    world = closest_world_axes(grid.affine[:3, :3])
    # index axis of the old grid (0 x, 1 y, 2 z) that becomes the new x, y, z axis
    source = [world.index(w) for w, _ in targets]
    affine = np.eye(4)
    affine[:3, :3] = grid.affine[:3, source]
    affine[:3, 3] = grid.affine[:3, 3]
    array = np.transpose(voxels_zyx, [2 - source[2 - axis] for axis in range(3)])
    for axis_xyz, (w, sign) in enumerate(targets):
        if affine[w, axis_xyz] * sign < 0:
            count = array.shape[2 - axis_xyz]
            affine[:3, 3] += affine[:3, axis_xyz] * (count - 1)
            affine[:3, axis_xyz] *= -1
            array = np.flip(array, axis=2 - axis_xyz)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return np.ascontiguousarray(array), Grid(shape_zyx=shape, affine=affine)


def _parse_axcodes(axcodes: str) -> list[tuple[int, int]]:
    """World axis (0 R, 1 A, 2 S) and sign for each letter, such as ``[(0, -1), ...]`` for L."""
    targets = [
        (_POSITIVE.index(c), 1) if c in _POSITIVE else (_NEGATIVE.index(c), -1)
        for c in axcodes
        if c in _POSITIVE + _NEGATIVE
    ]
    if len(axcodes) != 3 or sorted(w for w, _ in targets) != [0, 1, 2]:
        raise GeometryError(
            explain(
                expected="three letters, one each of R/L, A/P and S/I, such as 'RAS'",
                got=repr(axcodes),
                where="axcodes",
                remedy="Name the directions in which x, y and z grow.",
            )
        )
    return targets
