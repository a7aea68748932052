"""DICOM folders and files, classic and enhanced: from headers to a verdict, then to a volume."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_header import read_headers, unreadable_file
from vol3d.volume.dicom_phases import Slice, drop_copies
from vol3d.volume.dicom_pixels import check_decodable, decode_stack, lossy_method
from vol3d.volume.dicom_series import Choice, choose, group_series, summaries
from vol3d.volume.dicom_stack import SlicePlane, StackGeometry, stack_geometry
from vol3d.volume.dicom_values import read_values
from vol3d.volume.gate import check_grid, check_memory, refused, stored_geometry
from vol3d.volume.grid import Grid
from vol3d.volume.inspection import Examination, ScanInspection
from vol3d.volume.names import shown_name
from vol3d.volume.volume import (
    Acquisition,
    GateNote,
    Modality,
    StoredGeometry,
    Unit,
    Volume,
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
    """The gate's verdict on a DICOM folder or file from its headers.

    ``load`` reads the voxels and has the last word: only they tell whether compressed data is
    sound and whether they are what the header says.
    """
    where = shown_name(path)
    try:
        files, num_other = read_headers(path)
        files, num_copies = drop_copies(files)
    except OSError as error:
        return refused("dicom", unreadable_file(error, where=where))
    except DataError as error:
        return refused("dicom", error)
    groups = group_series(files)
    found = ScanInspection(kind="dicom", series=summaries(groups))
    notes = (*_other_files_note(num_other), *_copies_note(num_copies))
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
        notes=scan.notes,
    )
    return Examination(inspection=found, load=lambda: _load(scan))


def _other_files_note(count: int) -> tuple[GateNote, ...]:
    if not count:
        return ()
    return (
        GateNote(code="other_files_ignored", message=f"Ignored files that are no DICOM: {count}."),
    )


def _copies_note(count: int) -> tuple[GateNote, ...]:
    if not count:
        return ()
    return (
        GateNote(
            code="duplicates_dropped",
            message=f"Files that are exact copies of another slice, ignored: {count}.",
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
    acquisition = file.acquisition
    if modality == "CT" and not geometry.is_lateral:
        acquisition = dataclasses.replace(acquisition, gantry_tilt_deg=round(geometry.tilt_deg, 4))
    return DicomScan(
        slices=tuple(slices[i] for i in geometry.order),
        grid=grid,
        stored=stored_geometry(grid, f"{'int' if file.is_signed else 'uint'}{file.bits_allocated}"),
        modality=modality,
        unit=_stated_unit(slices, modality),
        acquisition=acquisition,
        notes=(
            *notes,
            *choice.notes,
            *_header_notes(slices),
            *_geometry_notes(geometry, slices, modality),
            *_padding_note(slices),
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
            any(f.photometric != "MONOCHROME2" for f in files)
            and not all(f.photometric == "MONOCHROME1" and f.modality == "CT" for f in files),
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


def _stated_unit(slices: tuple[Slice, ...], modality: Modality) -> Unit | None:
    """HU when a CT header says so (or has the default), ``None`` when only values can tell."""
    if modality == "MR":
        return "arbitrary"
    is_unspecified = any(s.frame.rescale_type == "US" for s in slices)
    is_missing = any(s.frame.slope is None or s.frame.intercept is None for s in slices)
    return None if is_unspecified or is_missing else "HU"


def _header_notes(slices: tuple[Slice, ...]) -> list[GateNote]:
    """What the files lack, hold besides the picture, or may have lost."""
    files = list({s.file.path: s.file for s in slices}.values())
    notes: list[GateNote] = []
    bare = [f for f in files if not f.has_file_meta]
    if bare:
        kind = "implicit" if bare[0].is_implicit else "explicit"
        notes.append(
            GateNote(
                code="no_file_meta",
                message=f"Files without file meta information (old archives write them): "
                f"{len(bare)}. Their encoding was recognised by its content ({kind} VR).",
            )
        )
    tags = sorted({tag for f in files for tag in f.free_text_tags})
    if tags:
        notes.append(
            GateNote(
                code="header_text_ignored",
                message=f"The header holds free text ({', '.join(tags)}); it is not read as fact, "
                "not shown, and reaches no model.",
            )
        )
    methods = sorted({m for f in files if (m := lossy_method(f)) is not None})
    if methods:
        notes.append(
            GateNote(
                code="lossy_compression",
                message=f"The pixels went through {', '.join(methods)}, which may have changed "
                "their values and removed small detail.",
            )
        )
    return notes


def _geometry_notes(
    geometry: StackGeometry, slices: tuple[Slice, ...], modality: Modality
) -> list[GateNote]:
    notes: list[GateNote] = []
    if geometry.is_tilted:
        code = "lateral_drift" if geometry.is_lateral else "gantry_tilt"
        notes.append(
            GateNote(
                code=code if modality == "CT" else "sheared_stack",
                message=f"The slices are stacked at {geometry.tilt_deg:.1f} degrees to their "
                f"normal: each lies {geometry.drift_mm:.4g} mm further {geometry.drift_towards} "
                "within its plane than the one before; the sheared geometry is kept exactly. "
                f"Planes lie {geometry.perpendicular_mm:.4g} mm apart, {geometry.step_mm:.4g} mm "
                "along the direction of stacking.",
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
    reading = read_values(
        scan.slices,
        lambda slices: decode_stack(slices, scan.grid, where=scan.where),
        modality=scan.modality,
        unit=scan.unit,
        where=scan.where,
    )
    return Volume.from_array(
        reading.voxels,
        scan.grid,
        modality=scan.modality,
        unit=reading.unit,
        acquisition=scan.acquisition,
        notes=(*scan.notes, *reading.notes),
        stored_dtype=scan.stored.dtype,
    )
