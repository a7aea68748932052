"""Rigid registration of two scans of one patient, with SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

FloatArray = npt.NDArray[np.float64]

COARSE_MM = 4.0
CLIP_HU = (-250.0, 350.0)
LEAST_OVERLAP = 0.3
"""Share of the smaller field of view that must lie in the other one after registration."""
LEAST_CORRELATION = 0.5
"""Correlation of intensities in the overlap below which a CT registration is not trusted."""
_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RigidTransform:
    """A rigid motion from one scan's patient space to another's.

    Args:
        matrix: 4x4, maps RAS mm of the moving scan to RAS mm of the fixed one.
        overlap: Share of the smaller field of view that lies in the other.
        correlation: Of intensities in the overlap, -1 to 1.
        is_reliable: Whether both are large enough to trust the motion.
    """

    matrix: FloatArray
    overlap: float
    correlation: float
    is_reliable: bool

    def apply_mm(self, points_ras_mm: npt.ArrayLike) -> FloatArray:
        """Points of the moving scan, (..., 3) RAS mm, in the fixed scan's space."""
        points = np.asarray(points_ras_mm, dtype=np.float64)
        moved: FloatArray = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return moved


def register_rigid(fixed: Volume, moving: Volume) -> RigidTransform:
    """The rigid motion that lays one scan over another.

    Args:
        fixed: Stays in place.
        moving: Of the same modality.

    Raises:
        DataError: The modalities differ, or a scan is too small to be registered.

    Source:
        Mattes mutual information over three resolutions (16, 8 and 4 mm), from the centres of mass;
        one thread and no random samples, so that the same scans give the same motion.
    """
    import SimpleITK

    if fixed.modality != moving.modality:
        raise DataError(
            explain(
                expected=f"two scans of one modality ({fixed.modality})",
                got=moving.modality,
                where="registration",
                remedy="Compare CT with CT and MR with MR.",
            )
        )
    first, second = _coarse(fixed), _coarse(moving)
    start = SimpleITK.CenteredTransformInitializer(
        first,
        second,
        SimpleITK.Euler3DTransform(),
        SimpleITK.CenteredTransformInitializerFilter.MOMENTS,
    )
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=40)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=200, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInitialTransform(start, inPlace=False)
    method.SetNumberOfThreads(1)
    try:
        found = method.Execute(first, second)
    except RuntimeError:
        raise DataError(
            explain(
                expected="two scans that overlap once their centres lie on each other",
                got="scans that cannot be registered",
                where="registration",
                remedy="Check that both scans show the same part of one patient.",
            )
        ) from None
    inverse = found.GetInverse()
    overlap, correlation = _agreement(first, second, found)
    return RigidTransform(
        matrix=_ras_matrix(inverse),
        overlap=overlap,
        correlation=correlation,
        is_reliable=overlap >= LEAST_OVERLAP and correlation >= LEAST_CORRELATION,
    )


def _coarse(volume: Volume) -> SimpleITK.Image:
    """The scan at about 4 mm as a SimpleITK image in LPS, intensities cut to what matters."""
    import SimpleITK

    values = volume.voxels_zyx.astype(np.float32)
    if volume.unit == "HU":
        values = np.clip(values, *CLIP_HU) - CLIP_HU[0]
    image = SimpleITK.GetImageFromArray(values)
    lps = _RAS_LPS @ volume.grid.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing([float(mm) for mm in spacing])
    image.SetOrigin([float(mm) for mm in lps[:3, 3]])
    image.SetDirection([float(value) for value in (lps[:3, :3] / spacing).ravel()])
    factors = [
        max(1, min(int(COARSE_MM / mm), count // 4))
        for mm, count in zip(spacing, image.GetSize(), strict=True)
    ]
    return SimpleITK.BinShrink(image, factors)


def _ras_matrix(transform: SimpleITK.Transform) -> FloatArray:
    """4x4 of a rigid LPS transform, in RAS."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(unit))) - origin for unit in np.eye(3)]
    lps = np.eye(4)
    lps[:3, :3] = np.stack(columns, axis=1)
    lps[:3, 3] = origin
    matrix: FloatArray = _RAS_LPS @ lps @ _RAS_LPS
    return matrix


def _agreement(
    first: SimpleITK.Image, second: SimpleITK.Image, transform: SimpleITK.Transform
) -> tuple[float, float]:
    """Share of the smaller field of view in common, and correlation there."""
    import SimpleITK

    moved = SimpleITK.Resample(second, first, transform, SimpleITK.sitkLinear, -1e4)
    one, other = SimpleITK.GetArrayFromImage(first), SimpleITK.GetArrayFromImage(moved)
    inside = other > -9e3
    volumes = [
        float(np.prod(image.GetSize()) * np.prod(image.GetSpacing())) for image in (first, second)
    ]
    common = float(np.count_nonzero(inside) * np.prod(first.GetSpacing()))
    if np.count_nonzero(inside) < 8 or one[inside].std() == 0 or other[inside].std() == 0:
        return common / min(volumes), 0.0
    return common / min(volumes), float(np.corrcoef(one[inside], other[inside])[0, 1])
