"""Values against header: wrong signs, inverted pictures, CT named MR, numbers that are no HU.

Something is repaired only where the declared reading is impossible, exactly one other reading of
the same bits is left, and that one has air and soft tissue where CT in HU has them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_phases import Slice
from vol3d.volume.intensities import guess_modality, hu_contradiction
from vol3d.volume.volume import GateNote, Modality, Unit, VoxelArray

_HU_RANGE = (-1100.0, 30719.0)
"""From below air, with noise, to the top of the extended HU scale of 15 bits."""
_LEAST_CROSSINGS = 16
_WRAPPED_SHARE = 0.9
_LEAST_WRAPPED_VALUES = 4
"""A single number far off is padding, not tissue with the wrong sign."""
_LARGEST_HU = 32767.0
Decode = Callable[[Sequence[Slice]], VoxelArray]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reading:
    """Voxels [slice, row, column] as they are to be understood, their unit, and what was found."""

    voxels: VoxelArray
    unit: Unit
    notes: tuple[GateNote, ...]


def read_values(
    slices: Sequence[Slice], decode: Decode, *, modality: Modality, unit: Unit | None, where: str
) -> Reading:
    """The voxels, after the header's claims about them were compared with the values.

    Args:
        decode: Decodes slices; called again where their bits have to be read another way.
        unit: As the header says; ``None`` leaves it to the values.

    Raises:
        DataError: The header contradicts the values and nothing settles which is right.
    """
    voxels = decode(slices)
    if modality == "MR":
        return Reading(voxels=voxels, unit="arbitrary", notes=_ct_named_mr(slices, voxels))
    note: GateNote | None
    if any(s.file.photometric == "MONOCHROME1" for s in slices):
        voxels, note = _settle_monochrome1(slices, voxels, decode, where=where)
    else:
        voxels, note = _settle_sign(slices, voxels, decode, where=where)
    repairs = () if note is None else (note,)
    unit, notes = _settle_unit(slices, voxels, unit)
    return Reading(voxels=voxels, unit=unit, notes=(*repairs, *notes))


def _ct_named_mr(slices: Sequence[Slice], voxels: VoxelArray) -> tuple[GateNote, ...]:
    guess = guess_modality(voxels)
    is_typed_hu = any(s.frame.rescale_type == "HU" for s in slices)
    if not is_typed_hu and guess.modality != "CT":
        return ()
    reason = guess.reason if guess.modality == "CT" else "its rescale type is HU"
    return (
        GateNote(
            code="modality_contradicted",
            message=f"The header says MR, but the values look like CT in HU ({reason}). They are "
            "read unchanged as MR in arbitrary units and no HU rule is applied; correct the "
            "header if it is CT.",
        ),
    )


def _settle_monochrome1(
    slices: Sequence[Slice], voxels: VoxelArray, decode: Decode, *, where: str
) -> tuple[VoxelArray, GateNote]:
    """Values of pictures whose lowest value is to be shown white: as stored, or turned over.

    PS3.3 C.7.6.3.1.2 makes this a matter of display only, so that rescaled values are HU as they
    are; some writers turn the stored numbers over as well.
    """
    turned = decode([_turned_over(s) for s in slices])
    is_hu, is_turned_hu = (guess_modality(v).modality == "CT" for v in (voxels, turned))
    if is_hu == is_turned_hu:
        raise DataError(
            explain(
                expected="MONOCHROME2, or values that show whether they are turned over",
                got="MONOCHROME1",
                where=f"{where} PhotometricInterpretation",
                remedy="Export the original reconstruction.",
            )
        )
    if is_hu:
        return voxels, GateNote(
            code="monochrome1_display_only",
            message="The header asks for inverted display (MONOCHROME1); the values are HU as "
            "stored and are kept.",
        )
    return turned, GateNote(
        code="monochrome1_inverted",
        message="The header says MONOCHROME1 and the stored numbers are turned over: as stored "
        "they cannot be HU, turned back they are (air and soft tissue lie where CT has them). "
        "They were turned back.",
    )


def _turned_over(piece: Slice) -> Slice:
    """The slice with a rescale that counts stored numbers from the other end of their range."""
    file = piece.file
    ends = -1.0 if file.is_signed else 2.0**file.bits_stored - 1  # lowest plus highest
    slope = 1.0 if piece.frame.slope is None else piece.frame.slope
    intercept = (piece.frame.intercept or 0.0) + slope * ends
    frame = dataclasses.replace(piece.frame, slope=-slope, intercept=intercept)
    return dataclasses.replace(piece, frame=frame)


def _settle_sign(
    slices: Sequence[Slice], voxels: VoxelArray, decode: Decode, *, where: str
) -> tuple[VoxelArray, GateNote | None]:
    """The voxels with the other sign where PixelRepresentation is certainly wrong."""
    low, high = float(voxels.min()), float(voxels.max())
    if low >= _HU_RANGE[0] and high <= _HU_RANGE[1]:
        return voxels, None
    if not _is_wrapped(slices, voxels):
        return voxels, None
    is_signed = slices[0].file.is_signed
    others = [
        dataclasses.replace(s, file=dataclasses.replace(s.file, is_signed=not is_signed))
        for s in slices
    ]
    repaired = decode(others)
    said, true = ("signed", "unsigned") if is_signed else ("unsigned", "signed")
    fits = _HU_RANGE[0] <= float(repaired.min()) and float(repaired.max()) <= _HU_RANGE[1]
    if not fits or guess_modality(repaired).modality != "CT":
        raise DataError(
            explain(
                expected=f"CT values within {_HU_RANGE[0]:g} to {_HU_RANGE[1]:g} HU",
                got=f"{low:g} to {high:g}, with jumps as of numbers that are not {said}",
                where=f"{where} PixelRepresentation",
                remedy="The header contradicts the pixels; export the series again.",
            )
        )
    return repaired, GateNote(
        code="pixel_representation_repaired",
        message=f"The header says that stored numbers are {said}, which gives values of {low:g} "
        f"to {high:g}, impossible for CT, and jumps between neighbours; read as {true} they are "
        f"continuous and {repaired.min():g} to {repaired.max():g} HU. They were read as {true}.",
    )


def _is_wrapped(slices: Sequence[Slice], voxels: VoxelArray) -> bool:
    """Whether neighbours on both sides of the sign bit lie far apart, as wrapped numbers do.

    Among neighbours in a row of which one has the sign bit, the true reading makes small
    differences and the other reading differences of more than half the range of numbers.
    """
    crossings = wrapped = 0
    far_off: set[float] = set()
    for piece, plane in zip(slices, voxels, strict=True):
        file, slope = piece.file, abs(piece.frame.slope or 1.0)
        intercept = piece.frame.intercept or 0.0
        values = (plane.astype(np.float32) - intercept) / slope
        threshold = 0.0 if file.is_signed else 2.0 ** (file.bits_stored - 1)
        is_upper = values >= threshold
        is_pair = is_upper[:, 1:] != is_upper[:, :-1]
        if file.padding_value is not None:
            is_picture = values != file.padding_value
            is_pair &= is_picture[:, 1:] & is_picture[:, :-1]
        is_far = is_pair & (np.abs(np.diff(values, axis=1)) > 2.0 ** (file.bits_stored - 1))
        crossings += int(is_pair.sum())
        wrapped += int(is_far.sum())
        left, right = values[:, :-1][is_far], values[:, 1:][is_far]
        suspects = np.minimum(left, right) if file.is_signed else np.maximum(left, right)
        if len(far_off) < _LEAST_WRAPPED_VALUES:
            far_off.update(np.unique(suspects)[:_LEAST_WRAPPED_VALUES].tolist())
    return (
        crossings >= _LEAST_CROSSINGS
        and wrapped >= _WRAPPED_SHARE * crossings
        and len(far_off) >= _LEAST_WRAPPED_VALUES
    )


def _settle_unit(
    slices: Sequence[Slice], voxels: VoxelArray, unit: Unit | None
) -> tuple[Unit, tuple[GateNote, ...]]:
    if unit == "HU":
        reason = _no_hu(voxels)
        if reason is None:
            return "HU", ()
        return "arbitrary", (
            GateNote(
                code="not_hu",
                message=f"The CT header says HU, but its values ({voxels.min():g} to "
                f"{voxels.max():g}) contradict that: {reason}. They are read in arbitrary units "
                "and no HU rule is applied.",
            ),
        )
    what = "no rescale"
    if any(s.frame.rescale_type == "US" for s in slices):
        what = "the rescale type 'unspecified'"
    guess = guess_modality(voxels)
    if guess.modality == "CT":
        return "HU", (
            GateNote(
                code="unit_inferred",
                message=f"The CT header gives {what}; by the values they are taken as HU "
                f"({guess.reason}).",
            ),
        )
    return "arbitrary", (
        GateNote(
            code="unit_not_hu",
            message=f"The CT header gives {what}; by the values they are not taken as HU "
            f"({guess.reason}). They are read as stored, in arbitrary units, and no HU rule is "
            "applied.",
        ),
    )


def _no_hu(voxels: VoxelArray) -> str | None:
    """Why values with a header that says HU cannot be HU."""
    if float(voxels.max()) > _LARGEST_HU:
        return "nothing attenuates that much"
    return hu_contradiction(voxels)
