"""Slices that share a position: copies are dropped, phases and echoes become volumes of their own.

A folder can hold a slice twice, and one series UID can hold several phases, echoes or time points
of the same positions. Stacking them would interleave two scans, so they are told apart by what
their headers say, or not read at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vol3d.volume.dicom_codes import PHASE_TAGS
from vol3d.volume.dicom_header import DicomFile, Frame

_SAME_PLACE_MM = 1e-3
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One frame and the file that holds it."""

    file: DicomFile
    frame: Frame


@dataclass(frozen=True, kw_only=True, slots=True)
class Phases:
    """The volumes that one cluster of slices holds, in order, and the tag that tells them apart.

    Args:
        tag: ``None`` where the slices are one volume, or nothing tells them apart.
    """

    parts: tuple[tuple[Slice, ...], ...]
    tag: str | None


def drop_copies(files: Sequence[DicomFile]) -> tuple[list[DicomFile], int]:
    """The files without copies, and the number of copies.

    A copy has the same header, as far as it is read, instance UID included, and the same bytes of
    pixel data. Files that share only some of it are kept.
    """
    by_header: dict[DicomFile, list[DicomFile]] = defaultdict(list)
    for file in files:
        by_header[dataclasses.replace(file, path=Path())].append(file)
    kept: list[DicomFile] = []
    for same in by_header.values():
        kept += same if len(same) == 1 else _distinct(same)
    chosen = {file.path for file in kept}
    return [f for f in files if f.path in chosen], len(files) - len(chosen)


def _distinct(files: Sequence[DicomFile]) -> list[DicomFile]:
    found: dict[str, DicomFile] = {}
    for file in files:
        found.setdefault(_tail_sha256(file.path, file.bytes_left), file)
    return list(found.values())


def _tail_sha256(path: Path, num_bytes: int) -> str:
    """Hash of the last bytes of a file: its pixel data."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - num_bytes))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def split_phases(slices: Sequence[Slice]) -> Phases:
    """The volumes among slices of one series and orientation.

    Slices at positions of their own are one volume. Where several share a position, the first tag
    of ``PHASE_TAGS`` that parts them into as many volumes as the fullest position has slices,
    none with two slices at one position, decides; then runs of instance numbers. If nothing
    does, they stay together, and the geometry gate refuses them as duplicates.
    """
    places = _places(slices)
    most = max(Counter(places).values())
    if most == 1:
        return Phases(parts=(tuple(slices),), tag=None)
    for tag in PHASE_TAGS:
        parts = _parted(slices, places, tag, most)
        if parts is not None:
            return Phases(parts=parts, tag=tag)
    runs = _instance_runs(slices, places, most)
    if runs is not None:
        return Phases(parts=runs, tag="InstanceNumber")
    return Phases(parts=(tuple(slices),), tag=None)


def is_stacked_twice(slices: Sequence[Slice]) -> bool:
    """Whether several slices lie at one position."""
    return len(set(_places(slices))) < len(slices)


def _places(slices: Sequence[Slice]) -> list[int]:
    """A number for each slice's position along the normal; equal ones lie at the same place."""
    first = slices[0].frame.orientation_lps
    assert first is not None
    normal = np.cross(first[:3], first[3:])
    along = np.array([s.frame.position_lps_mm for s in slices], dtype=np.float64) @ normal
    order = np.argsort(along, kind="stable")
    is_new = np.diff(along[order], prepend=-np.inf) > _SAME_PLACE_MM
    numbers = np.empty(len(slices), dtype=np.int64)
    numbers[order] = np.cumsum(is_new)
    return [int(n) for n in numbers]


def _parted(
    slices: Sequence[Slice],
    places: Sequence[int],
    tag: str,
    count: int,
) -> tuple[tuple[Slice, ...], ...] | None:
    """``count`` volumes in order of a tag's values; ``None`` if it does not part them cleanly."""
    parts: dict[str, list[int]] = defaultdict(list)
    for i, piece in enumerate(slices):
        text = dict(piece.frame.phase).get(tag)
        if text is None:
            return None
        parts[text].append(i)
    if len(parts) != count or min(len(part) for part in parts.values()) < 2:
        return None
    if any(len({places[i] for i in part}) != len(part) for part in parts.values()):
        return None
    ordered = sorted(parts, key=_number_then_text)
    return tuple(tuple(slices[i] for i in parts[text]) for text in ordered)


def _number_then_text(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text


def _instance_runs(
    slices: Sequence[Slice], places: Sequence[int], count: int
) -> tuple[tuple[Slice, ...], ...] | None:
    """Volumes numbered one after the other: each run covers every position exactly once."""
    numbers = [s.file.instance_number for s in slices]
    if None in numbers or len(set(numbers)) != len(slices):
        return None
    order: npt.NDArray[np.int64] = np.argsort(np.array(numbers, dtype=np.float64))
    size = len(set(places))
    if size < 2 or size * count != len(slices):
        return None
    runs = [order[k * size : (k + 1) * size] for k in range(count)]
    if any(len({places[i] for i in run}) != size for run in runs):
        return None
    return tuple(tuple(slices[int(i)] for i in run) for run in runs)
