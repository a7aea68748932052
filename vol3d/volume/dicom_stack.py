"""From slice positions to one exact affine, or a refusal that names the gap.

Slices are ordered by their position along the normal of the image plane and by nothing else:
instance numbers, file names and slice locations all lie in real data.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vol3d.errors import GeometryError, explain
from vol3d.volume.grid import FloatArray

_COSINE_TOLERANCE = 1e-4
_UNIT_TOLERANCE = 1e-3
_GAP_TOLERANCE = 0.05
_ROUNDING_MM = 0.11
_MOST_BESIDE = 0.25
_LEAST_BESIDE_MM = 1e-3
_TILT_NOTED_DEG = 0.1
_TILT_REFUSED_DEG = 45.0
_TOWARDS = (
    ("to the patient's left", "to the patient's right"),
    ("to the back", "to the front"),
    ("to the head", "to the feet"),
)
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SlicePlane:
    """Where one slice lies: DICOM position, row and column direction, spacing of rows, columns."""

    position_lps_mm: tuple[float, float, float]
    orientation_lps: tuple[float, ...]
    spacing_row_col_mm: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StackGeometry:
    """Order and affine of a uniform stack.

    Args:
        order: Indices of the given slices, sorted along the plane's normal.
        affine_ras: 4x4 from (column, row, slice) to RAS mm; sheared for a tilted gantry.
        perpendicular_mm: Distance of neighbouring planes, along their normal.
        step_mm: Distance of neighbouring slice origins.
        tilt_deg: Angle between the direction of stacking and the planes' normal; never negative.
        deviation_mm: Largest distance of a slice from its place in the uniform stack.
        drift_lps_mm: The part of a step within the plane, from a slice to the next one along the
            normal; what a tilted gantry (or a table that moves sideways) leaves.
    """

    order: tuple[int, ...]
    affine_ras: FloatArray
    perpendicular_mm: float
    step_mm: float
    tilt_deg: float
    deviation_mm: float
    drift_lps_mm: FloatArray

    @property
    def drift_mm(self) -> float:
        """Length of ``drift_lps_mm``."""
        return float(np.linalg.norm(self.drift_lps_mm))

    @property
    def drift_towards(self) -> str:
        """Where slices drift to, in words, by the closest patient axis."""
        axis = int(np.argmax(np.abs(self.drift_lps_mm)))
        return _TOWARDS[axis][int(self.drift_lps_mm[axis] < 0)]

    @property
    def is_lateral(self) -> bool:
        """Whether slices drift to the left or right, which a gantry that tilts cannot do."""
        return self.is_tilted and abs(float(self.drift_lps_mm[0])) > 0.5 * self.drift_mm

    @property
    def is_tilted(self) -> bool:
        """Whether the tilt is large enough (0.1 degrees) to be told to the user."""
        return self.tilt_deg > _TILT_NOTED_DEG


def stack_geometry(planes: Sequence[SlicePlane], *, where: str) -> StackGeometry:
    """The one grid on which all slices lie.

    Args:
        planes: In any order.

    Raises:
        GeometryError: Fewer than two slices, mixed orientations or pixel spacings, duplicates,
            missing slices, or positions off the uniform stack by more than 5 % of a step
            (0.11 mm for headers rounded to 0.1 mm).
    """
    if len(planes) < 2:
        raise _refusal(
            "at least two slices",
            "a single slice",
            f"{where} slices",
            "A single slice is no volume; pass the folder with the whole series.",
        )
    row, column = _directions(planes, where=where)
    spacing_rows, spacing_columns = _pixel_spacing(planes, where=where)
    normal = np.cross(row, column)
    positions = np.array([p.position_lps_mm for p in planes], dtype=np.float64)
    along = positions @ normal
    if not np.isfinite(along).all():
        raise _refusal("finite positions", "NaN", f"{where} positions", "Export the scan again.")
    order = np.argsort(along, kind="stable")
    positions, along = positions[order], along[order]
    step = (positions[-1] - positions[0]) / (len(planes) - 1)
    deviation = _check_uniform(positions, along, step, where=where)
    _check_straight(positions, step, normal, min(spacing_rows, spacing_columns), where=where)
    perpendicular = float(step @ normal)
    length = float(np.linalg.norm(step))
    tilt = math.degrees(math.acos(min(1.0, perpendicular / length)))
    if tilt > _TILT_REFUSED_DEG:
        raise _refusal(
            f"slices stacked within {_TILT_REFUSED_DEG:g} degrees of their normal",
            f"{tilt:.1f} degrees",
            f"{where} positions",
            "The positions do not belong to one stack; export the series again.",
        )
    lps = np.eye(4)
    lps[:3, 0] = row * spacing_columns
    lps[:3, 1] = column * spacing_rows
    lps[:3, 2] = step
    lps[:3, 3] = positions[0]
    return StackGeometry(
        order=tuple(int(i) for i in order),
        affine_ras=_LPS_TO_RAS @ lps,
        perpendicular_mm=perpendicular,
        step_mm=length,
        tilt_deg=tilt,
        deviation_mm=deviation,
        drift_lps_mm=step - perpendicular * normal,
    )


def _refusal(expected: str, got: str, where: str, remedy: str) -> GeometryError:
    return GeometryError(explain(expected=expected, got=got, where=where, remedy=remedy))


def _directions(planes: Sequence[SlicePlane], *, where: str) -> tuple[FloatArray, FloatArray]:
    """Unit row and column direction (LPS), which all slices must share."""
    cosines = np.array([p.orientation_lps for p in planes], dtype=np.float64)
    spread = float(np.abs(cosines - cosines[0]).max())
    if not spread <= _COSINE_TOLERANCE:
        raise _refusal(
            "one orientation for all slices",
            f"mixed orientations (direction cosines differ by up to {spread:.4f})",
            f"{where} ImageOrientationPatient",
            "Separate the series; slices of different planes cannot be stacked.",
        )
    row, column = cosines[0, :3], cosines[0, 3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(n - 1) for n in lengths) > _UNIT_TOLERANCE or abs(row @ column) > _UNIT_TOLERANCE:
        raise _refusal(
            "two perpendicular unit directions",
            f"lengths {lengths[0]:.4f} and {lengths[1]:.4f}, product {row @ column:.4f}",
            f"{where} ImageOrientationPatient",
            "The header is damaged; export the series again.",
        )
    return row / lengths[0], column / lengths[1]


def _pixel_spacing(planes: Sequence[SlicePlane], *, where: str) -> tuple[float, float]:
    spacings = np.array([p.spacing_row_col_mm for p in planes], dtype=np.float64)
    is_same = np.allclose(spacings, spacings[0], rtol=1e-4, atol=0.0)
    if not is_same or not spacings.min() > 0:
        got = ", ".join(f"{a:g} x {b:g}" for a, b in sorted({tuple(s) for s in spacings.tolist()}))
        raise _refusal(
            "one positive pixel spacing for all slices",
            f"{got} mm",
            f"{where} PixelSpacing",
            "Separate the reconstructions; slices of different scale cannot be stacked.",
        )
    return float(spacings[0, 0]), float(spacings[0, 1])


def _check_uniform(
    positions: FloatArray, along: FloatArray, step: FloatArray, *, where: str
) -> float:
    """Largest distance (mm) of a slice from the uniform stack; refuses what is no such stack."""
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    close = gaps < max(1e-3, 0.01 * usual)
    if close.any():
        k = int(np.argmax(close))
        raise _refusal(
            "one slice per position",
            f"{int(close.sum())} duplicate positions, the first at {along[k]:.2f} mm "
            "along the normal",
            f"{where} positions",
            "Several phases, echoes or copies share a folder; separate them.",
        )
    ideal = positions[0] + np.arange(len(along))[:, None] * step
    deviation = float(np.linalg.norm(positions - ideal, axis=1).max())
    smallest = float(gaps.min())
    if deviation <= max(_GAP_TOLERANCE * smallest, min(_ROUNDING_MM, 0.2 * smallest)):
        return deviation
    raise _uneven(gaps, along, where=where)


def _check_straight(
    positions: FloatArray, step: FloatArray, normal: FloatArray, pixel_mm: float, *, where: str
) -> None:
    """Refuses slices that lie beside their place by a good part of a pixel."""
    offset = positions - positions[0] - np.arange(len(positions))[:, None] * step
    beside = float(np.linalg.norm(offset - np.outer(offset @ normal, normal), axis=1).max())
    limit = max(_LEAST_BESIDE_MM, _MOST_BESIDE * pixel_mm)
    if beside > limit:
        raise _refusal(
            f"slices beside each other by at most {limit:.3g} mm, a quarter of a pixel",
            f"{beside:.3g} mm",
            f"{where} positions",
            "One slice was moved against the others; export the series again.",
        )


def _uneven(gaps: FloatArray, along: FloatArray, *, where: str) -> GeometryError:
    """Missing slices when every gap is a multiple of the smallest one, else uneven spacing."""
    usual = float(gaps.min())
    ratio = gaps / usual
    multiple = np.rint(ratio)
    if (multiple >= 1).all() and (np.abs(ratio - multiple) < 0.1).all() and multiple.max() > 1:
        places = [
            f"{int(multiple[k]) - 1} missing between {along[k]:.2f} and {along[k + 1]:.2f} mm "
            f"(gap {gaps[k]:.2f} mm)"
            for k in np.flatnonzero(multiple > 1)
        ]
        more = f" and {len(places) - 3} more gaps" if len(places) > 3 else ""
        return _refusal(
            f"slices every {usual:.2f} mm along the normal",
            "; ".join(places[:3]) + more,
            f"{where} positions",
            "Slices are missing; find them or export the series again.",
        )
    counts = Counter(f"{gap:.2f}" for gap in gaps)
    got = ", ".join(f"{gap} mm x {n}" for gap, n in counts.most_common(5))
    return _refusal(
        "uniform slice distances",
        f"distances along the normal of {got}" + (" and others" if len(counts) > 5 else ""),
        f"{where} positions",
        "Read the evenly spaced parts separately, or resample by the true positions first.",
    )
