"""DICOM folders and files, classic and enhanced: from headers to a verdict, then to a volume."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_header import read_headers
from vol3d.volume.dicom_pixels import check_decodable, decode_stack, is_compressed
from vol3d.volume.dicom_series import Choice, Slice, choose, group_series, summaries
from vol3d.volume.dicom_stack import SlicePlane, StackGeometry, stack_geometry
from vol3d.volume.gate import check_grid, check_memory, refused, stored_geometry
from vol3d.volume.grid import Grid
from vol3d.volume.inspection import Examination, ScanInspection
from vol3d.volume.intensities import guess_modality
from vol3d.volume.names import shown_name
from vol3d.volume.volume import (
    Acquisition,
    GateNote,
    Modality,
    StoredGeometry,
    Unit,
    Volume,
    VoxelArray,
)

_GAP_NOTED = 1.1
_FLOAT32_MAX = 3.4028234663852886e38


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DicomScan:
    """A stack that passed the gate: slices in order, grid, and what the headers say.

    Args:
        unit: ``None`` when the header leaves the unit open and the values decide.
    """

    slices: tuple[Slice, ...]
    grid: Grid
    stored: StoredGeometry
    modality: Modality
    unit: Unit | None
    acquisition: Acquisition
    notes: tuple[GateNote, ...]
    where: str


def examine_dicom(
    path: Path, *, series: str | None, modality: Modality | None, memory_limit_gib: float
) -> Examination:
    """The gate's verdict on a DICOM folder or file from headers alone; ``load`` reads voxels."""
    where = shown_name(path)
    try:
        files, num_other = read_headers(path)
    except DataError as error:
        return refused("dicom", error)
    groups = group_series(files)
    found = ScanInspection(kind="dicom", series=summaries(groups))
    notes = _other_files_note(num_other)
    try:
        choice = choose(groups, series=series, modality=modality, where=where)
        found = dataclasses.replace(
            found, chosen_index=choice.index, chosen_reason=choice.reason, notes=notes
        )
        scan = _gate(choice, notes, memory_limit_gib, where=where)
    except DataError as error:
        return Examination(inspection=found, error=error)
    found = dataclasses.replace(
        found,
        modality=scan.modality,
        unit=scan.unit,
        stored=scan.stored,
        acquisition=scan.acquisition,
        notes=(*scan.notes, *_not_decoded_note(scan)),
    )
    return Examination(
        inspection=found, load=lambda: _load(scan), is_header_enough=scan.unit is not None
    )


def _other_files_note(count: int) -> tuple[GateNote, ...]:
    if not count:
        return ()
    return (
        GateNote(code="other_files_ignored", message=f"Ignored files that are no DICOM: {count}."),
    )


def _not_decoded_note(scan: DicomScan) -> tuple[GateNote, ...]:
    """What a check of headers cannot know of compressed pixel data; no note of the volume."""
    if not any(is_compressed(piece.file) for piece in scan.slices):
        return ()
    return (
        GateNote(
            code="pixels_not_decoded",
            message="The compressed pixel data was not decoded by this check; damage inside it "
            "shows only when the scan is read.",
        ),
    )


def _gate(
    choice: Choice, notes: tuple[GateNote, ...], memory_limit_gib: float, *, where: str
) -> DicomScan:
    slices = choice.group.slices
    file = choice.group.first
    shape = (len(slices), file.rows, file.columns)
    check_memory(shape, max(1, file.bits_allocated // 8), memory_limit_gib, where=where)
    _check_values(slices, where=where)
    geometry = stack_geometry([_plane(s) for s in slices], where=where)
    grid = Grid(shape_zyx=shape, affine=geometry.affine_ras)
    check_grid(grid, where=where)
    check_decodable([s.file for s in slices], where=where)
    modality: Modality = "CT" if file.modality == "CT" else "MR"
    unit, unit_notes = _unit(slices, modality)
    acquisition = file.acquisition
    if modality == "CT":
        acquisition = dataclasses.replace(acquisition, gantry_tilt_deg=round(geometry.tilt_deg, 4))
    return DicomScan(
        slices=tuple(slices[i] for i in geometry.order),
        grid=grid,
        stored=stored_geometry(grid, f"{'int' if file.is_signed else 'uint'}{file.bits_allocated}"),
        modality=modality,
        unit=unit,
        acquisition=acquisition,
        notes=(
            *notes,
            *choice.notes,
            *_geometry_notes(geometry, slices, modality),
            *_padding_note(slices),
            *unit_notes,
        ),
        where=where,
    )


def _plane(piece: Slice) -> SlicePlane:
    frame = piece.frame
    assert frame.position_lps_mm is not None
    assert frame.orientation_lps is not None
    assert frame.spacing_row_col_mm is not None
    return SlicePlane(
        position_lps_mm=frame.position_lps_mm,
        orientation_lps=frame.orientation_lps,
        spacing_row_col_mm=frame.spacing_row_col_mm,
    )


def _is_scale_usable(piece: Slice) -> bool:
    """Whether every number that the slice can store becomes a finite 32-bit float."""
    slope = 1.0 if piece.frame.slope is None else piece.frame.slope
    intercept = piece.frame.intercept or 0.0
    largest = abs(slope) * 2.0 ** min(piece.file.bits_stored, 64) + abs(intercept)
    return math.isfinite(largest) and largest <= _FLOAT32_MAX


def _check_values(slices: tuple[Slice, ...], *, where: str) -> None:
    """Refuses pictures whose stored numbers cannot become one quantity."""
    files = {s.file.path: s.file for s in slices}.values()
    layouts = {(f.bits_allocated, f.is_signed) for f in files}
    slopes = [s.frame.slope for s in slices if s.frame.slope is not None]
    problems = {
        "PhotometricInterpretation": (
            any(f.photometric != "MONOCHROME2" for f in files),
            "MONOCHROME2",
            "MONOCHROME1",
        ),
        "VolumetricProperties": (any(f.is_distorted for f in files), "VOLUME", "DISTORTED"),
        "BitsAllocated": (len(layouts) > 1, "one number type", "several number types"),
        "RescaleSlope": (
            0.0 in slopes or not all(_is_scale_usable(s) for s in slices),
            "a finite slope other than 0, whose values fit 32-bit floats",
            "another slope or intercept",
        ),
        "ModalityLUTSequence": (
            any(f.has_modality_lut for f in files),
            "a linear rescale",
            "a lookup table",
        ),
    }
    for field, (is_wrong, expected, got) in problems.items():
        if is_wrong:
            raise DataError(
                explain(
                    expected=expected,
                    got=got,
                    where=f"{where} {field}",
                    remedy="Export the original reconstruction.",
                )
            )


def _unit(
    slices: tuple[Slice, ...], modality: Modality
) -> tuple[Unit | None, tuple[GateNote, ...]]:
    """HU when a CT header says so (or has the default), ``None`` when only values can tell."""
    if modality == "MR":
        return "arbitrary", ()
    is_unspecified = any(s.frame.rescale_type == "US" for s in slices)
    is_missing = any(s.frame.slope is None or s.frame.intercept is None for s in slices)
    if not is_unspecified and not is_missing:
        return "HU", ()
    what = "the rescale type 'unspecified'" if is_unspecified else "no rescale"
    return None, (
        GateNote(
            code="unit_not_stated",
            message=f"The CT header gives {what}; the values decide whether they are HU.",
        ),
    )


def _geometry_notes(
    geometry: StackGeometry, slices: tuple[Slice, ...], modality: Modality
) -> list[GateNote]:
    notes: list[GateNote] = []
    if geometry.is_tilted:
        notes.append(
            GateNote(
                code="gantry_tilt" if modality == "CT" else "sheared_stack",
                message=f"The slices are stacked at {geometry.tilt_deg:.1f} degrees to their "
                f"normal; the sheared geometry is kept exactly. Planes lie "
                f"{geometry.perpendicular_mm:.4g} mm apart, {geometry.step_mm:.4g} mm along "
                "the direction of stacking.",
            )
        )
    if geometry.deviation_mm > 1e-3 * geometry.perpendicular_mm:
        notes.append(
            GateNote(
                code="slice_positions_rounded",
                message=f"Slice positions differ by up to {geometry.deviation_mm:.3f} mm from an "
                "even stack; they are taken as rounded.",
            )
        )
    thickness = slices[0].file.slice_thickness_mm
    if thickness and geometry.perpendicular_mm > _GAP_NOTED * thickness:
        notes.append(
            GateNote(
                code="slice_gap",
                message=f"Slices of {thickness:g} mm lie {geometry.perpendicular_mm:.4g} mm "
                "apart: what lies between them was not imaged, or every slice of a finer "
                "stack is missing.",
            )
        )
    return notes


def _padding_note(slices: tuple[Slice, ...]) -> tuple[GateNote, ...]:
    piece = next((s for s in slices if s.file.padding_value is not None), None)
    if piece is None or piece.file.padding_value is None:
        return ()
    slope, intercept = piece.frame.slope or 1.0, piece.frame.intercept or 0.0
    value = piece.file.padding_value * slope + intercept
    return (
        GateNote(
            code="padding_value",
            message=f"Voxels outside the picture hold the padding value {value:g}; it is kept.",
        ),
    )


def _load(scan: DicomScan) -> Volume:
    voxels = decode_stack(scan.slices, where=scan.where)
    unit, notes = _settle_unit(scan, voxels)
    return Volume.from_array(
        voxels,
        scan.grid,
        modality=scan.modality,
        unit=unit,
        acquisition=scan.acquisition,
        notes=notes,
        stored_dtype=scan.stored.dtype,
    )


def _settle_unit(scan: DicomScan, voxels: VoxelArray) -> tuple[Unit, tuple[GateNote, ...]]:
    if scan.unit is not None:
        return scan.unit, scan.notes
    guess = guess_modality(voxels)
    unit: Unit = "HU" if guess.modality == "CT" else "arbitrary"
    kept = tuple(n for n in scan.notes if n.code != "unit_not_stated")
    open_note = next(n for n in scan.notes if n.code == "unit_not_stated")
    result = "they are taken as HU" if unit == "HU" else "they are not taken as HU"
    message = open_note.message.replace(
        "the values decide whether they are HU", f"by the values {result} ({guess.reason})"
    )
    return unit, (*kept, GateNote(code="unit_inferred", message=message))
