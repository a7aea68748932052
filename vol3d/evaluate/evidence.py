"""Evidence: the facts of a case that a system may use beside the scan, and where they come from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import ValidationError

from vol3d.errors import DataError, explain
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.measure.case_masks import CaseMasks, read_case_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts, MaskSource, Phase, Profile
from vol3d.volume import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientHints:
    """What the question's text tells of the scan, and its header may not.

    Args:
        phase: Contrast phase.
        sex: F or M.
        age_years: Age.
    """

    phase: Phase | None = None
    sex: Literal["F", "M"] | None = None
    age_years: float | None = None


class Segmenter(Protocol):
    """Anything that makes masks of a scan: a network, another tool's files, a stand-in."""

    @property
    def name(self) -> str:
        """How results call it, with what changes its masks."""
        ...

    def files(self, place: ScanPlace) -> Sequence[Path]:
        """Files and folders that the masks of a case depend on, beside the scan."""
        ...

    def segment(self, volume: Volume, place: ScanPlace) -> CaseMasks:
        """Masks on the scan's grid.

        Args:
            volume: The scan.
            place: Where it and files about it lie.
        """
        ...


class FolderSegmenter:
    """Masks that another tool wrote: a folder per image id."""

    def __init__(self, folder: Path, *, scheme: str | None = None) -> None:
        self.folder, self.scheme = folder, scheme

    @property
    def name(self) -> str:
        """``folder`` with the label scheme."""
        return f"folder {self.folder.name}" + (f", {self.scheme}" if self.scheme else "")

    def files(self, place: ScanPlace) -> Sequence[Path]:
        """The folder or file of the image id, if there is one."""
        own = self.folder / place.image_id
        candidates = (own / "segmentations", own, self.folder / f"{place.image_id}.nii.gz")
        return [path for path in candidates if path.exists()][:1]

    def segment(self, volume: Volume, place: ScanPlace) -> CaseMasks:
        """The masks of a scan.

        Args:
            volume: The scan.
            place: Its image id names the folder, or the file with the ending ``.nii.gz``.

        Raises:
            DataError: There are none, or they do not fit.
        """
        found = self.files(place)
        if not found:
            raise no_masks(place.image_id, f"in {self.folder.name}")
        return read_case_masks(found, volume.grid, scheme=self.scheme)


class TrueMasks:
    """The data set's own masks."""

    name = "masks"

    def files(self, place: ScanPlace) -> Sequence[Path]:
        """The folder beside the scan, if there is one."""
        return [] if place.masks is None else [place.masks]

    def segment(self, volume: Volume, place: ScanPlace) -> CaseMasks:
        """The masks beside the scan.

        Args:
            volume: The scan.
            place: Names the folder of masks.

        Raises:
            DataError: There are none, or they do not fit.
        """
        if place.masks is None:
            raise no_masks(place.image_id, "beside the scan")
        return read_case_masks([place.masks], volume.grid)


def no_masks(image_id: str, where: str) -> DataError:
    """The refusal of a case without masks."""
    return DataError(
        explain(
            expected=f"masks {where}",
            got="none",
            where=f"case {image_id}",
            remedy="Use --evidence none, or pass --masks-dir.",
        )
    )


class Facts:
    """Measured facts by image, measured once and kept on disk if a folder is given."""

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        profile: Profile = "native",
        mask_source: MaskSource = "annotator",
        cache_dir: Path | None = None,
    ) -> None:
        self.segmenter, self.profile = segmenter, profile
        self.mask_source, self.cache_dir = mask_source, cache_dir

    def fingerprint(self) -> Mapping[str, str]:
        """What changes the facts but for the masks themselves."""
        return {
            "masks": self.segmenter.name,
            "profile": self.profile,
            "mask_source": self.mask_source,
        }

    def masks_sha256(self, places: Iterable[ScanPlace]) -> str:
        """Hash of the names and sizes of all mask files: other masks, other answers.

        Times of files are left out, so that copies of a data set on other machines are the same.

        Args:
            places: Of all cases.
        """
        whole = hashlib.sha256()
        for place in places:
            for path in self.segmenter.files(place):
                for file in _files_of(path):
                    whole.update(f"{place.image_id} {file.name} {file.stat().st_size}\n".encode())
        return whole.hexdigest()

    def of(self, place: ScanPlace, volume: Callable[[], Volume], hints: PatientHints) -> CaseFacts:
        """The facts of a case.

        Args:
            place: Its files.
            volume: Reads the scan; not called where the facts are known.
            hints: What the question's text tells.

        Raises:
            DataError: The masks are missing or do not fit.
        """
        kept = (
            None if self.cache_dir is None else self.cache_dir / f"{self._key(place, hints)}.json"
        )
        known = None if kept is None else _kept_facts(kept)
        if known is not None:
            return known
        scan = volume()
        facts = measure_case_masks(
            scan,
            self.segmenter.segment(scan, place),
            MeasureOptions(
                profile=self.profile,
                phase=hints.phase,
                case_id=place.image_id,
                mask_source=self.mask_source,
                sex=hints.sex,
                age_years=hints.age_years,
                regions=("abdomen",),
            ),
        )
        if kept is not None:
            write_whole(kept, facts.model_dump_json(indent=1))
        return facts

    def _key(self, place: ScanPlace, hints: PatientHints) -> str:
        """A name that changes with the files, the masks' origin, and how they are measured."""
        from importlib.metadata import version

        parts = [
            version("vol3d"),
            place.image_id,
            json.dumps(dict(self.fingerprint()), sort_keys=True),
            f"{hints.phase} {hints.sex} {hints.age_years}",
            *file_stamps(place.scan),
            *(stamp for path in self.segmenter.files(place) for stamp in file_stamps(path)),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _kept_facts(path: Path) -> CaseFacts | None:
    """The facts of a file; ``None`` if there is none, or a damaged one: they are measured again."""
    if not path.is_file():
        return None
    try:
        return CaseFacts.model_validate_json(path.read_bytes())
    except ValidationError:  # it is written anew
        return None


def file_stamps(path: Path | None) -> list[str]:
    """Sizes and times of a file, or of all files of a folder, as texts."""
    if path is None:
        return ["none"]
    return [f"{f.name} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in _files_of(path)]


def _files_of(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that another reader sees all of it or none.

    Args:
        path: The file; its folder is made.
        text: Its content, without the last line's end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f"{path.name}.{os.getpid()}.part")
    passing.write_text(f"{text}\n", encoding="utf-8")
    passing.replace(path)
