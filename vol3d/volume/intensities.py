"""Voxel values: the smallest exact number type, and what they say about the modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.volume import Modality, VoxelArray

_INT16 = np.iinfo(np.int16)
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_MAX_SAMPLES = 4_000_000
_LEAST_HU_RANGE = 20.0
"""Noise and tissue spread CT further than this; labels and normalised values do not."""
_OFFSET_TISSUE = (850.0, 1200.0)
"""Where soft tissue and fat lie if CT is stored without its offset of -1024."""
Out = TypeVar("Out", npt.NDArray[np.int16], npt.NDArray[np.float32])


def compact_voxels(
    raw_zyx: npt.NDArray[np.generic], *, slope: float = 1.0, intercept: float = 0.0, where: str
) -> VoxelArray:
    """``raw_zyx * slope + intercept`` as int16 where that is exact, otherwise as float32.

    Args:
        raw_zyx: Integers or floats in any byte order.
        where: Names the file in errors.

    Raises:
        DataError: NaN or infinite values, or values that are not real numbers.
    """
    if raw_zyx.dtype.kind not in "iuf":
        raise DataError(
            explain(
                expected="one real number per voxel",
                got=str(raw_zyx.dtype),
                where=f"{where} voxels",
                remedy="Colour and complex images cannot be read; export the original scan.",
            )
        )
    is_plain = slope == 1.0 and intercept == 0.0
    if is_plain and raw_zyx.dtype == np.dtype(np.int16):
        return raw_zyx.astype(np.int16, copy=False)
    low, high, is_integral = np.inf, -np.inf, True
    for slab in raw_zyx:
        values = _scaled(slab, slope, intercept)
        ends = float(values.min()), float(values.max())
        if not all(abs(end) <= _FLOAT32_MAX for end in ends):
            raise _not_finite(where)
        low, high = min(low, ends[0]), max(high, ends[1])
        if values.dtype.kind == "f":
            is_integral = is_integral and bool((values == np.rint(values)).all())
    if is_integral and low >= _INT16.min and high <= _INT16.max:
        return _filled(raw_zyx, slope, intercept, np.empty(raw_zyx.shape, np.int16))
    return _filled(raw_zyx, slope, intercept, np.empty(raw_zyx.shape, np.float32))


def _not_finite(where: str) -> DataError:
    return DataError(
        explain(
            expected="finite values in every voxel",
            got="NaN or infinite values",
            where=f"{where} voxels",
            remedy="Find the step that made them; no value is put in their place.",
        )
    )


def _filled(raw_zyx: npt.NDArray[np.generic], slope: float, intercept: float, out: Out) -> Out:
    for k, slab in enumerate(raw_zyx):
        out[k] = _scaled(slab, slope, intercept)
    return out


def _scaled(
    slab: npt.NDArray[np.generic], slope: float, intercept: float
) -> npt.NDArray[np.generic]:
    if slope == 1.0 and intercept == 0.0:
        return slab
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by name
        scaled: npt.NDArray[np.float64] = slab.astype(np.float64) * slope + intercept
    return scaled


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalityGuess:
    """A modality read off the values alone, and why."""

    modality: Modality
    reason: str


def guess_modality(voxels_zyx: VoxelArray) -> ModalityGuess:
    """The modality that the values alone allow: CT in HU, MR-like, or unknown.

    CT needs air (at least 0.1 % of voxels below -500), soft tissue (at least 1 % between -250
    and 300) and nearly nothing below -1200 except one padding value. MR needs values that are
    hardly negative, reach beyond 8-bit grey, and do not look like CT stored with an offset of
    1024. Everything else (masks, normalised or 8-bit images, crops without air) is unknown.
    """
    sample = _sample(voxels_zyx)
    air, tissue = _share(sample, -1200, -500), _share(sample, -250, 300)
    below_air = _share_below_air(sample, float(sample.min()))
    if air >= 0.001 and tissue >= 0.01 and below_air <= 0.02:
        return ModalityGuess(
            modality="CT",
            reason=f"{air:.0%} of the voxels lie in the range of air, "
            f"{tissue:.0%} in that of soft tissue",
        )
    low, high = float(voxels_zyx.min()), float(voxels_zyx.max())
    if low < -0.1 * high:
        return ModalityGuess(modality="unknown", reason="negative values unlike those of CT")
    if high <= 255:
        return ModalityGuess(modality="unknown", reason="8-bit, normalised or label values")
    if _is_offset_ct(sample):
        return ModalityGuess(
            modality="unknown", reason="values like CT stored without its offset of -1024"
        )
    return ModalityGuess(
        modality="MR", reason="hardly any negative values and none in the range of air"
    )


def hu_contradiction(voxels_zyx: VoxelArray) -> str | None:
    """Why values that are said to be CT cannot be HU; ``None`` where nothing speaks against it.

    Less is asked than by :func:`guess_modality`: a crop without air may be HU. Against it speak
    values that span less than 20 (labels, normalised values), a minimum of exactly 0 (8-bit and
    MR-like values, CT with its offset), more than 2 % below air except one padding value, and
    soft tissue where an offset of 1024 would put it, with no fat where HU has it.
    """
    if guess_modality(voxels_zyx).modality == "CT":
        return None
    low, high = float(voxels_zyx.min()), float(voxels_zyx.max())
    sample = _sample(voxels_zyx)
    if high - low < _LEAST_HU_RANGE:
        return "they span less than the noise of CT, like labels or normalised values"
    if _is_offset_ct(sample) and _share(sample, -150, -20) < 0.01:  # fat: it is bone after all
        return "soft tissue lies near 1024, as in CT stored without its offset of -1024"
    if low == 0.0:
        return "none is negative and 0 is the lowest, where CT has fat and air"
    if _share_below_air(sample, low) > 0.02:
        return "many lie below air"
    return None


def _sample(voxels_zyx: VoxelArray) -> npt.NDArray[np.float32]:
    step = max(1, round((voxels_zyx.size / _MAX_SAMPLES) ** (1 / 3)))
    return voxels_zyx[::step, ::step, ::step].astype(np.float32).ravel()


def _share(sample: npt.NDArray[np.float32], lower: float, upper: float) -> float:
    return float(((sample >= lower) & (sample < upper)).mean())


def _share_below_air(sample: npt.NDArray[np.float32], low: float) -> float:
    """Share below -1200, except voxels of the lowest value: they may be padding."""
    return float(((sample < -1200) & (sample != low)).mean())


def _is_offset_ct(sample: npt.NDArray[np.float32]) -> bool:
    """Whether most of what is above 200 lies where soft tissue does before the offset is taken."""
    foreground = sample[sample > 200]
    lower, upper = _OFFSET_TISSUE
    return (
        bool(foreground.size) and float(((foreground > lower) & (foreground < upper)).mean()) > 0.5
    )


_SWAP_ROUGHNESS = 8.0
"""Scans read in the wrong byte order are at least this much rougher than in the right one."""


def looks_byte_swapped(raw_zyx: npt.NDArray[np.generic]) -> bool:
    """Whether 16-bit numbers are CT in the other byte order, and noise in this one.

    Both are asked for: values that :func:`guess_modality` takes for CT only when swapped, and
    neighbours along x that differ eight times less when swapped.
    """
    if raw_zyx.dtype.kind not in "iu" or raw_zyx.dtype.itemsize != 2 or raw_zyx.shape[2] < 2:
        return False
    step = max(1, round((raw_zyx.size / _MAX_SAMPLES) ** 0.5))
    kept = np.ascontiguousarray(raw_zyx[::step, ::step])
    swapped = kept.view(kept.dtype.newbyteorder())
    rough, smooth = (
        float(np.abs(np.diff(part.astype(np.float32), axis=2)).mean()) for part in (kept, swapped)
    )
    if rough < _SWAP_ROUGHNESS * smooth:
        return False
    here, there = (guess_modality(part.astype(np.float32)).modality for part in (kept, swapped))
    return there == "CT" and here != "CT"
