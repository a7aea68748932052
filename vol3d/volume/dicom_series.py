"""Which slices of a folder belong together, what each group is, and which one is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vol3d.errors import ConfigError, DataError, GeometryError, explain
from vol3d.volume import dicom_codes as codes
from vol3d.volume.dicom_header import DicomFile, Frame
from vol3d.volume.dicom_phases import Slice, is_stacked_twice, split_phases
from vol3d.volume.grid import closest_world_axes
from vol3d.volume.inspection import SeriesKind, SeriesSummary
from vol3d.volume.volume import GateNote, Modality

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SAME_PLANE_COSINE = float(np.cos(np.radians(10.0)))
_LPS = "LPS"
_RAI = "RAI"
_MIN_HASH_DIGITS = 6
_WHY_IGNORED: dict[SeriesKind, str] = {
    "map": "hold maps that are no attenuation values",
    "localizer": "are localizers",
    "secondary_capture": "are colour pictures or secondary captures",
    "burned_in_annotation": "have text burned into the picture",
    "no_geometry": "have no position or orientation",
    "other_modality": "are of another modality than CT or MR",
    "not_image": "are no pictures",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesGroup:
    """Slices of one series, size, stack and rough orientation; not yet checked or sorted.

    Args:
        phase: 1-based, among the volumes that lie at the same positions in one series.
        num_phases: How many these are.
        phase_tag: The tag that tells them apart.
    """

    kind: SeriesKind
    slices: tuple[Slice, ...]
    phase: int = 1
    num_phases: int = 1
    phase_tag: str | None = None

    @property
    def first(self) -> DicomFile:
        """The file of the first slice, by name."""
        return self.slices[0].file

    @property
    def num_files(self) -> int:
        """Number of different files."""
        return len({s.file.path for s in self.slices})


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The group to read, its 1-based index, the rule that chose it, and notes about the rest."""

    group: SeriesGroup
    index: int
    reason: str
    notes: tuple[GateNote, ...]


def group_series(files: Sequence[DicomFile]) -> tuple[SeriesGroup, ...]:
    """All groups, readable volumes first, then by number of slices (most first)."""
    pending: dict[tuple[object, ...], list[list[Slice]]] = {}
    kinds: dict[tuple[object, ...], SeriesKind] = {}
    for file in files:
        kind = classify(file)
        frames = file.frames if kind in ("volume", "map") else file.frames[:1]
        for frame in frames:
            key = (kind, file.series_key, file.modality, file.rows, file.columns, frame.stack_id)
            kinds[key] = kind
            _add(pending.setdefault(key, []), Slice(file=file, frame=frame), kind)
    groups = [
        group
        for key, clusters in pending.items()
        for slices in clusters
        for group in _phase_groups(kinds[key], slices)
    ]
    order: list[SeriesKind] = ["volume", *_WHY_IGNORED]
    return tuple(
        sorted(
            groups,
            key=lambda g: (
                order.index(g.kind),
                -len(g.slices),
                g.first.series_uid_sha256 or "",
                g.slices[0].frame.orientation_lps or (),
                g.phase,
            ),
        )
    )


def _phase_groups(kind: SeriesKind, slices: Sequence[Slice]) -> list[SeriesGroup]:
    """One group, or one for each phase, echo or time point at the same positions."""
    if kind not in ("volume", "map"):
        return [SeriesGroup(kind=kind, slices=tuple(slices))]
    found = split_phases(slices)
    return [
        SeriesGroup(
            kind=kind,
            slices=part,
            phase=number,
            num_phases=len(found.parts),
            phase_tag=found.tag,
        )
        for number, part in enumerate(found.parts, start=1)
    ]


def _add(clusters: list[list[Slice]], new: Slice, kind: SeriesKind) -> None:
    """Puts a slice to those within 10 degrees of its plane; small differences are refused later."""
    if kind not in ("volume", "map"):
        clusters[0].append(new) if clusters else clusters.append([new])
        return
    normal = _normal(new.frame)
    for cluster in clusters:
        if float(_normal(cluster[0].frame) @ normal) > _SAME_PLANE_COSINE:
            cluster.append(new)
            return
    clusters.append([new])


def _normal(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    cosines = np.array(frame.orientation_lps, dtype=np.float64)
    normal = np.cross(cosines[:3], cosines[3:])
    return np.asarray(normal / max(float(np.linalg.norm(normal)), 1e-12))


def classify(file: DicomFile) -> SeriesKind:
    """What a file is; only ``volume`` is ever stacked."""
    types = {t.upper() for t in file.image_type}
    frame_types = {t.upper() for frame in file.frames for t in frame.frame_type}
    has_place = all(
        f.position_lps_mm is not None
        and f.orientation_lps is not None
        and f.spacing_row_col_mm is not None
        for f in file.frames
    )
    tests: tuple[tuple[SeriesKind, bool], ...] = (
        ("not_image", file.rows == 0 or file.columns == 0),
        ("burned_in_annotation", file.is_burned_in),
        ("secondary_capture", _is_secondary_capture(file)),
        ("other_modality", file.modality not in ("CT", "MR")),
        ("localizer", bool((types | frame_types) & codes.LOCALIZERS)),
        ("no_geometry", not has_place),
        ("map", file.modality == "CT" and bool(attenuation_doubts(file))),
    )
    return next((kind for kind, is_so in tests if is_so), "volume")


def _is_secondary_capture(file: DicomFile) -> bool:
    return (
        file.sop_class == _SECONDARY_CAPTURE
        or file.sop_class.startswith(f"{_SECONDARY_CAPTURE}.")
        or file.samples != 1
        or not file.photometric.startswith("MONOCHROME")
    )


def attenuation_doubts(file: DicomFile) -> tuple[str, ...]:
    """Why a CT file's values are not Hounsfield units, in known terms; empty when they may be."""
    doubts: list[str] = []
    rescale = {f.rescale_type for f in file.frames} - {"", "HU", "US"}
    doubts += [f"RescaleType {r if r in codes.RESCALE_TYPES else codes.OTHER}" for r in rescale]
    terms = {t.upper() for f in file.frames for t in f.frame_type}
    terms |= {t.upper() for t in file.image_type}
    doubts += [f"image type {term}" for term in terms & codes.NOT_ATTENUATION]
    if any(f.is_other_unit for f in file.frames):
        doubts.append("a real-world unit other than HU")
    if file.has_modality_lut:
        doubts.append("a modality lookup table in place of a rescale")
    return tuple(sorted(set(doubts)))


def summaries(groups: Sequence[SeriesGroup]) -> tuple[SeriesSummary, ...]:
    """The groups as records without names, dates or plain UIDs."""
    return tuple(_summary(i, group) for i, group in enumerate(groups, start=1))


def _summary(index: int, group: SeriesGroup) -> SeriesSummary:
    file, frame = group.first, group.slices[0].frame
    spacing = frame.spacing_row_col_mm
    return SeriesSummary(
        index=index,
        kind=group.kind,
        series_uid_sha256=file.series_uid_sha256,
        modality=file.modality if file.modality in ("CT", "MR") else "other",
        num_slices=len(group.slices),
        num_files=group.num_files,
        size_ij=(file.columns, file.rows) if file.rows and file.columns else None,
        spacing_ij_mm=None if spacing is None else (spacing[1], spacing[0]),
        axcodes=_axcodes(frame),
    )


def _axcodes(frame: Frame) -> str | None:
    """Closest directions of columns, rows and slices (sorted along the normal)."""
    if frame.orientation_lps is None:
        return None
    row, column = frame.orientation_lps[:3], frame.orientation_lps[3:]
    matrix = np.array([row, column, _normal(frame)], dtype=np.float64).T
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-3:
        return None
    world = closest_world_axes(matrix)
    return "".join((_LPS if matrix[w, i] > 0 else _RAI)[w] for i, w in enumerate(world))


def choose(
    groups: Sequence[SeriesGroup], *, series: str | None, modality: Modality | None, where: str
) -> Choice:
    """The group that is read: the one asked for, else the volume with the most slices.

    Raises:
        ConfigError: ``series`` names no group, or more than one.
        DataError: There is no volume (of that modality), or the one asked for is none.
        GeometryError: Slices of that series have a damaged position, orientation or spacing.
    """
    if series is not None:
        index = _index_of(groups, series, where=where)
        reason = "asked for by the caller"
    else:
        candidates = [
            i
            for i, g in enumerate(groups)
            if g.kind == "volume" and modality in (None, g.first.modality)
        ]
        if not candidates:
            raise _no_volume(groups, modality, where=where)
        index = candidates[0]
        reason = "the only volume" if len(candidates) == 1 else "most slices of all volumes"
    group = groups[index]
    if group.kind != "volume" or modality not in (None, group.first.modality):
        raise _no_volume([group], modality, where=where)
    damaged = _damaged_tags(
        g for g in groups if g.first.series_key == group.first.series_key and g is not group
    )
    if damaged:
        raise _damaged_place(damaged, where=where)
    _check_orientations(groups, group, where=where)
    return Choice(group=group, index=index + 1, reason=reason, notes=_notes(groups, index, reason))


def _check_orientations(groups: Sequence[SeriesGroup], chosen: SeriesGroup, *, where: str) -> None:
    """Refuses one plane of a series whose slices of another plane lie upon each other.

    Several planes in one series are common (localizers in three planes) as long as each is a stack;
    if one is not, orientations of the header are wrong, perhaps those of the chosen slices too.
    """
    others = [
        g
        for g in groups
        if g.kind == "volume"
        and g.first.series_key == chosen.first.series_key
        and (g.first.rows, g.first.columns) == (chosen.first.rows, chosen.first.columns)
        and float(_normal(g.slices[0].frame) @ _normal(chosen.slices[0].frame)) < _SAME_PLANE_COSINE
    ]
    if any(len(g.slices) > 1 and is_stacked_twice(g.slices) for g in others):
        raise GeometryError(
            explain(
                expected="one orientation for all slices of a series, or a stack in each",
                got="mixed orientations, with slices of one plane at the same position",
                where=f"{where} ImageOrientationPatient",
                remedy="The header is damaged; export the series again.",
            )
        )


def _damaged_tags(groups: Iterable[SeriesGroup]) -> list[str]:
    """Tags without which slices of CT or MR have no place, though their headers give them."""
    files = {s.file.path: s.file for g in groups if g.kind == "no_geometry" for s in g.slices}
    return sorted({tag for f in files.values() for frame in f.frames for tag in frame.damaged_tags})


def _damaged_place(tags: list[str], *, where: str) -> GeometryError:
    return GeometryError(
        explain(
            expected="finite numbers, with a spacing above 0 and two different directions",
            got="values that are no place or size",
            where=f"{where} {', '.join(tags)}",
            remedy="The header is damaged; export the series again.",
        )
    )


def _no_place(groups: Sequence[SeriesGroup], *, where: str) -> GeometryError:
    frames = [f for g in groups for s in g.slices for f in s.file.frames]
    missing = sorted({tag for frame in frames for tag in frame.missing_tags})
    return GeometryError(
        explain(
            expected="position, orientation and pixel spacing of every slice",
            got=f"no {', '.join(missing) or 'position of each frame'}",
            where=f"{where} headers",
            remedy="Without them place, sides or size would be guesses (SliceLocation has no "
            "defined direction or origin); export the original series.",
        )
    )


def _index_of(groups: Sequence[SeriesGroup], series: str, *, where: str) -> int:
    text = series.strip().lower()
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= len(groups):
        return int(text) - 1
    hashes = [g.first.series_uid_sha256 or "" for g in groups]
    matches = [
        i for i, h in enumerate(hashes) if len(text) >= _MIN_HASH_DIGITS and h.startswith(text)
    ]
    if len(matches) != 1:
        raise ConfigError(
            explain(
                expected=f"a number from 1 to {len(groups)}, or at least {_MIN_HASH_DIGITS} "
                "digits of one series' hashed UID",
                got=f"{series!r}, which fits {len(matches)} series",
                where=f"{where} series",
                remedy='"vol3d info" lists the series with their numbers.',
            )
        )
    return matches[0]


def _no_volume(
    groups: Sequence[SeriesGroup], modality: Modality | None, *, where: str
) -> DataError:
    damaged = _damaged_tags(groups)
    if damaged and all(g.kind != "volume" for g in groups):
        return _damaged_place(damaged, where=where)
    if groups and all(g.kind == "no_geometry" for g in groups):
        return _no_place(groups, where=where)
    maps = [g for g in groups if g.kind == "map"]
    if maps and all(g.kind in ("map", "not_image") for g in groups):
        doubts = ", ".join(attenuation_doubts(maps[0].first))
        return DataError(
            explain(
                expected="CT values in HU",
                got=f"values that are not HU ({doubts})",
                where=where,
                remedy="Pass the CT series that the map was computed from.",
            )
        )
    found = ", ".join(
        f"{len(g.slices)} {g.first.modality if g.kind == 'volume' else g.kind}" for g in groups
    )
    return DataError(
        explain(
            expected=f"a stack of {modality or 'CT or MR'} slices",
            got=found or "no DICOM image",
            where=where,
            remedy='Run "vol3d info" to see what the path holds, and pass the scan itself.',
        )
    )


def _notes(groups: Sequence[SeriesGroup], index: int, reason: str) -> tuple[GateNote, ...]:
    notes: list[GateNote] = []
    volumes = [g for g in groups if g.kind == "volume"]
    if len(volumes) > 1:
        sizes = ", ".join(str(len(g.slices)) for g in volumes)
        notes.append(
            GateNote(
                code="several_volumes",
                message=f"{len(volumes)} volumes found (slices: {sizes}); number {index + 1} is "
                f"read ({reason}; equal ones in order of their hashed UIDs). "
                "Choose another with --series.",
            )
        )
    group = groups[index]
    if group.num_phases > 1:
        notes.append(
            GateNote(
                code="phases_split",
                message=f"The series holds {group.num_phases} volumes at the same positions "
                f"(phases, echoes or time points), told apart by {group.phase_tag}; only number "
                f"{group.phase} of them is read. Choose another with --series.",
            )
        )
    for kind, why in _WHY_IGNORED.items():
        count = sum(g.num_files for i, g in enumerate(groups) if g.kind == kind and i != index)
        if count:
            notes.append(
                GateNote(
                    code=f"{kind}_ignored", message=f"Ignored DICOM files that {why}: {count}."
                )
            )
    return tuple(notes)
