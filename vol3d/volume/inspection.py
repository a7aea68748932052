"""What a path holds, as records: every series, the chosen one, its geometry, notes and refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vol3d.errors import DataError
from vol3d.volume.volume import Acquisition, GateNote, Modality, StoredGeometry, Unit, Volume

ScanKind = Literal["nifti", "dicom", "nrrd", "metaimage", "unknown"]
SeriesKind = Literal[
    "volume",
    "map",
    "localizer",
    "secondary_capture",
    "burned_in_annotation",
    "no_geometry",
    "other_modality",
    "not_image",
]
RESEARCH_USE = "Research use only, not for clinical use."


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesSummary:
    """One series (or one orientation of it) found at a path; holds no name, date or plain UID.

    Args:
        index: 1-based; what ``series="2"`` means.
        kind: ``volume`` can be read; the others are listed and never stacked.
        series_uid_sha256: Hash of the series UID; ``None`` when the file has none.
        modality: ``CT``, ``MR``, ``unknown`` (only the voxels can tell) or ``other``.
        num_slices: Slices, or frames of multi-frame files.
        size_ij: Columns and rows (NIfTI: first two axes).
        spacing_ij_mm: Distance of columns and of rows.
        axcodes: Closest patient directions of columns, rows, slices, such as ``LPS``.
    """

    index: int
    kind: SeriesKind
    series_uid_sha256: str | None
    modality: str
    num_slices: int
    num_files: int
    size_ij: tuple[int, int] | None
    spacing_ij_mm: tuple[float, float] | None
    axcodes: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a scan is not read: the error's class name and its message."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScanInspection:
    """Everything ``vol3d info`` shows about a path; made by the gate that ``read_volume`` uses.

    Args:
        chosen_index: ``SeriesSummary.index`` of what ``read_volume`` would read.
        chosen_reason: The rule by which it was chosen.
        modality: Of the chosen series; ``None`` when nothing could be chosen.
        stored: Geometry of the chosen series as the file stores it; ``None`` if refused earlier.
        refusal: ``None`` when ``read_volume`` would accept the scan.
    """

    kind: ScanKind
    series: tuple[SeriesSummary, ...] = ()
    chosen_index: int | None = None
    chosen_reason: str = ""
    modality: Modality | None = None
    unit: Unit | None = None
    stored: StoredGeometry | None = None
    acquisition: Acquisition | None = None
    notes: tuple[GateNote, ...] = ()
    refusal: Refusal | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record as plain lists, dicts, numbers and strings, ready for ``json.dumps``."""
        stored: dict[str, Any] | None = None
        if self.stored is not None:
            stored = {
                "shape_ijk": list(self.stored.shape_ijk),
                "affine_ras": self.stored.affine_ras.tolist(),
                "axcodes": self.stored.axcodes,
                "dtype": self.stored.dtype,
            }
        return {
            "notice": RESEARCH_USE,
            "kind": self.kind,
            "series": [_listed(dataclasses.asdict(s)) for s in self.series],
            "chosen_index": self.chosen_index,
            "chosen_reason": self.chosen_reason,
            "modality": self.modality,
            "unit": self.unit,
            "stored": stored,
            "acquisition": None
            if self.acquisition is None
            else dataclasses.asdict(self.acquisition),
            "notes": [dataclasses.asdict(n) for n in self.notes],
            "refusal": None if self.refusal is None else dataclasses.asdict(self.refusal),
        }


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in record.items()}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examination:
    """What the gate found before voxels were read: an inspection, and how to go on.

    Args:
        inspection: Filled as far as the header allows; its ``refusal`` is left ``None``.
        load: Reads the voxels; set exactly when ``error`` is ``None``.
        error: Why the gate refuses the scan.
    """

    inspection: ScanInspection
    load: Callable[[], Volume] | None = None
    error: DataError | None = None

    def with_notes(
        self, notes: tuple[GateNote, ...], after_load: Callable[[], object] | None = None
    ) -> Examination:
        """The same with notes in front of those of the inspection and of the volume.

        Args:
            notes: What is known of the path before its content is looked at.
            after_load: Called when the voxels were read or reading them failed.
        """
        inner = self.load
        found = dataclasses.replace(self.inspection, notes=(*notes, *self.inspection.notes))

        def load() -> Volume:
            assert inner is not None
            try:
                volume = inner()
            finally:
                if after_load is not None:
                    after_load()
            return dataclasses.replace(volume, notes=(*notes, *volume.notes))

        return dataclasses.replace(self, inspection=found, load=None if inner is None else load)
