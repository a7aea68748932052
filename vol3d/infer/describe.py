"""From a volume and its measurements to the record and the sentences of a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vol3d.report import (
    AnalysedGeometry,
    Candidates,
    Intensity,
    Measured,
    Note,
    Quality,
    Region,
    Scan,
    Section,
    StoredGeometry,
)
from vol3d.report.schema import NOTHING_MEASURED, Affine, Scalar
from vol3d.volume import GateNote, Grid, Volume

if TYPE_CHECKING:
    from vol3d.measure.quality import QualityFacts
    from vol3d.measure.region import RegionEstimate

BoolArray = npt.NDArray[np.bool_]

_ACQUISITION_WORDS = {
    "body_part_examined": "body part examined {}",
    "patient_position": "patient position {}",
    "manufacturer": "manufacturer {}",
    "convolution_kernel": "kernel {}",
    "slice_thickness_mm": "slice thickness {} mm",
    "kvp": "{} kVp",
    "is_contrast_given": "contrast agent: {}",
    "gantry_tilt_deg": "gantry tilt {} degrees",
    "mr_sequence": "sequence {}",
}


def describe_scan(volume: Volume, body: BoolArray, region: Region, quality: Quality) -> Scan:
    """The record of a scan as read: nothing in it comes from a model."""
    acquisition = {
        key: value
        for key, value in dataclasses.asdict(volume.acquisition).items()
        if value is not None and key in _ACQUISITION_WORDS
    }
    return Scan(
        stored=_stored_geometry(volume),
        analysed=_analysed_geometry(volume.grid),
        modality=volume.modality,
        unit=volume.unit,
        region=region,
        acquisition=acquisition,
        intensity=measure_intensity(volume, body),
        quality=quality,
        notes=to_notes(volume.notes),
    )


def to_region(estimate: RegionEstimate) -> Region:
    """The published record of an estimated region."""
    return Region(
        names=estimate.regions,
        is_abdomen=estimate.is_abdomen,
        length_mm={label: round(mm, 2) for label, mm in estimate.length_mm.items()},
        reasons=estimate.reasons,
    )


def to_quality(facts: QualityFacts) -> Quality:
    """The published record of a scan's quality."""
    values = dataclasses.asdict(facts)
    sentences = values.pop("sentences")
    return Quality(facts=values, sentences=sentences)


def measure_intensity(volume: Volume, body: BoolArray) -> Intensity:
    """Range of all voxels, and mean and spread inside the body."""
    voxels = volume.voxels_zyx
    inside = voxels[body]
    return Intensity(
        minimum=_rounded(voxels.min()),
        maximum=_rounded(voxels.max()),
        body_mean=_rounded(inside.mean(dtype=np.float64)) if inside.size else None,
        body_standard_deviation=_rounded(inside.std(dtype=np.float64)) if inside.size else None,
        body_volume_cm3=_rounded(inside.size * volume.grid.voxel_volume_mm3 / 1000.0),
    )


def to_notes(notes: Iterable[GateNote]) -> tuple[Note, ...]:
    """Notes of the gate or of preparation as published records."""
    return tuple(Note(code=note.code, message=note.message) for note in notes)


def write_sections(
    scan: Scan, measured: tuple[Measured, ...], candidates: Candidates
) -> tuple[Section, ...]:
    """The report's text in its fixed order: the scan first, the model's own words last."""
    sections = [
        Section(heading="Geometry", sentences=_geometry_sentences(scan)),
        Section(heading="Modality", sentences=(_modality_sentence(scan),)),
        Section(heading="Region (estimated)", sentences=_region_sentences(scan)),
        Section(heading="Acquisition", sentences=(_acquisition_sentence(scan.acquisition),)),
        Section(heading="Intensities", sentences=_intensity_sentences(scan)),
        Section(
            heading="Image quality",
            sentences=scan.quality.sentences or ("Nothing conspicuous was measured.",),
        ),
    ]
    if scan.notes:
        sentences = tuple(note.message for note in scan.notes)
        sections.append(Section(heading="Notes on reading", sentences=sentences))
    values = tuple(f"{m.structure}: {m.quantity} {m.value:g} {m.unit}." for m in measured)
    sections.append(
        Section(heading="Measured on given masks", sentences=values or (NOTHING_MEASURED,))
    )
    sections.append(Section(heading=candidates.heading, sentences=_candidate_sentences(candidates)))
    return tuple(sections)


def _stored_geometry(volume: Volume) -> StoredGeometry:
    stored = volume.stored
    i, j, k = (float(mm) for mm in np.linalg.norm(stored.affine_ras[:3, :3], axis=0))
    ni, nj, nk = stored.shape_ijk
    return StoredGeometry(
        shape_ijk=stored.shape_ijk,
        spacing_mm=(i, j, k),
        axcodes=stored.axcodes,
        affine_ras=_affine(stored.affine_ras),
        voxel_volume_mm3=float(abs(np.linalg.det(stored.affine_ras[:3, :3]))),
        extent_mm=(ni * i, nj * j, nk * k),
        stored_dtype=stored.dtype,
    )


def _analysed_geometry(grid: Grid) -> AnalysedGeometry:
    return AnalysedGeometry(
        shape_zyx=grid.shape_zyx,
        spacing_zyx_mm=grid.spacing_zyx_mm,
        extent_zyx_mm=grid.extent_zyx_mm,
        axcodes_xyz=grid.axcodes_xyz,
        affine_ras=_affine(grid.affine),
    )


def _affine(matrix: npt.NDArray[np.float64]) -> Affine:
    a, b, c, d = ((float(p), float(q), float(r), float(s)) for p, q, r, s in matrix)
    return a, b, c, d


def _geometry_sentences(scan: Scan) -> tuple[str, ...]:
    stored, analysed = scan.stored, scan.analysed
    shape = " x ".join(str(n) for n in stored.shape_ijk)
    spacing = " x ".join(f"{mm:.4g}" for mm in stored.spacing_mm)
    extent = " x ".join(f"{mm:.1f}" for mm in stored.extent_mm)
    sentences = [
        f"{shape} voxels of {spacing} mm along the stored axes {stored.axcodes} "
        f"({stored.stored_dtype}).",
        f"Field of view {extent} mm; one voxel is {stored.voxel_volume_mm3:.5g} mm3.",
    ]
    grid = Grid(shape_zyx=analysed.shape_zyx, affine=np.array(analysed.affine_ras))
    if grid.obliquity_deg >= 0.5:
        sentences.append(
            f"The axes lie up to {grid.obliquity_deg:.1f} degrees off the patient's axes."
        )
    return tuple(sentences)


def _modality_sentence(scan: Scan) -> str:
    if scan.unit == "HU":
        return "CT, values in Hounsfield units."
    if scan.modality == "CT":
        return "CT, values in arbitrary units (not Hounsfield units)."
    if scan.modality == "MR":
        return "MR, values in arbitrary units."
    return "The file does not say which modality it is; values in arbitrary units."


def _region_sentences(scan: Scan) -> tuple[str, ...]:
    names = ", ".join(scan.region.names)
    first = f"Field of view: {names}." if names else "The region was not recognised."
    return (first, *scan.region.reasons)


def _acquisition_sentence(acquisition: dict[str, Scalar]) -> str:
    parts = []
    for key, words in _ACQUISITION_WORDS.items():
        value = acquisition.get(key)
        if value is None:
            continue
        text = ("yes" if value else "no") if isinstance(value, bool) else _plain(value)
        parts.append(words.format(text))
    if not parts:
        return "The file says nothing about the acquisition."
    return f"From the header: {'; '.join(parts)}."


def _intensity_sentences(scan: Scan) -> tuple[str, ...]:
    unit = "HU" if scan.unit == "HU" else "arbitrary units"
    values = scan.intensity
    whole = f"All voxels: {values.minimum:.5g} to {values.maximum:.5g} {unit}."
    if values.body_mean is None:
        return (whole,)
    litres = values.body_volume_cm3 / 1000.0
    return (
        whole,
        f"Inside the body ({litres:.3g} litres in the field of view): mean "
        f"{values.body_mean:.1f} {unit}, standard deviation "
        f"{values.body_standard_deviation:.1f} {unit}.",
    )


def _candidate_sentences(candidates: Candidates) -> tuple[str, ...]:
    if candidates.status == "withheld":
        return (f"Withheld. {candidates.withheld_reason}",)
    return tuple(item.sentence for item in candidates.items) or ("The model named none.",)


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rounded(value: float | np.generic) -> float:
    return round(float(value), 4)
