"""What is compared between training and test: scans and questions by name, place and patient."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vol3d.config import read_utf8
from vol3d.data.case_manifest import CaseEntry, read_manifest
from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.images import without_ending
from vol3d.evaluate.public_sets.records import PublicLabels, PublicQuestion, PublicReport
from vol3d.evaluate.public_sets.tables import read_rows
from vol3d.vqa.dataset import QaRecord, load_questions

_GENERIC = re.compile(r"^(ct|image|scan|mr|series|img|volume|data|images?|imagesT[rs])$", re.I)
_SHOWABLE = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_./-]{0,159}$")
_PERSONAL = re.compile(
    r"^[A-Za-z]{0,4}[-_]?\d{6,}$"  # a number of a patient or an order
    r"|\d{2,4}[-._/]\d{2}[-._/]\d{2,4}|(?<!\d)(?:19|20)\d{6}(?!\d)"  # a date
)
_PUBLIC = re.compile(r"^(?:BDMAP_[A-Z]?\d{7,8}|case_\d{8})$")


@dataclass(frozen=True, kw_only=True, slots=True)
class SetItem:
    """One scan, or one question about it, of a training or a test set.

    Args:
        image_id: The scan's name in its set.
        aliases: Other names that its place on disk gives it.
        patient: Number of the patient, if known; compared only, never written.
        path: The scan, where it is on this machine.
        question: The question's text, if it is one.
    """

    image_id: str
    aliases: tuple[str, ...] = ()
    patient: str | None = None
    path: Path | None = None
    question: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IdMapping:
    """Names of the same scan in different sets."""

    pairs: tuple[tuple[str, str], ...]

    def groups(self) -> dict[str, str]:
        """Every name to one name that stands for all names of its scan."""
        leader: dict[str, str] = {}

        def find(name: str) -> str:
            while leader.setdefault(name, name) != name:
                name = leader[name]
            return name

        for first, second in self.pairs:
            leader[find(second)] = find(first)
        return {name: find(name) for name in list(leader)}


def read_id_mapping(
    path: Path, *, columns: tuple[str, str] = ("original id", "AbdomenAtlas_id")
) -> IdMapping:
    """The pairs of names in two columns of a table; rows that lack one of them are no pair.

    Args:
        path: CSV or Excel file, such as ``AbdomenAtlas_ID_mapping.csv`` of DeepTumorVQA.
        columns: Names of the two columns.

    Raises:
        DataError: The file cannot be read, or a column is missing.
    """
    found = []
    for row in read_rows(path, columns):
        first, second = (row.optional(column) for column in columns)
        if first is not None and second is not None:
            found.append((without_ending(first), without_ending(second)))
    return IdMapping(pairs=tuple(found))


def read_items(path: Path) -> tuple[SetItem, ...]:
    """The scans of a manifest or the questions of a data set, whichever a file holds.

    Args:
        path: A folder of cases, a manifest (CSV, JSONL), or questions (JSON, JSONL, CSV) in the
            layout of DeepTumorVQA, version 1 or 2: a file is one of questions if its first line
            names a field with ``question`` in it.

    Raises:
        ConfigError: No manifest that can be read.
        DataError: No questions that can be read.
    """
    if path.is_dir():
        return items_of_manifest(read_manifest(path), has_own_ids=False)
    if path.suffix not in (".csv", ".json", ".jsonl"):
        return items_of_manifest(read_manifest(path))
    first = read_utf8(path).partition("\n")[0]
    if path.suffix != ".json" and "question" not in first.casefold():
        return items_of_manifest(read_manifest(path))
    records = load_questions(path)
    if not records:
        raise DataError(
            explain(
                expected="at least one question",
                got="none",
                where=path.name,
                remedy="Pass the file that the model was trained or is tested on.",
            )
        )
    return items_of_questions(records)


def items_of_manifest(
    entries: Iterable[CaseEntry], *, has_own_ids: bool = True
) -> tuple[SetItem, ...]:
    """The scans of a training manifest; file and folder names count as other names of a scan.

    Args:
        entries: The cases.
        has_own_ids: Whether their ids were given by somebody, and not numbered by us; otherwise a
            hash of the folder's name, which may be a patient's, takes their place.
    """
    return tuple(
        SetItem(
            image_id=entry.case_id if has_own_ids else hashed_id(_path_names(entry.scan)[0]),
            aliases=_path_names(entry.scan),
            patient=entry.patient,
            path=entry.scan if entry.scan.exists() else None,
        )
        for entry in entries
    )


def items_of_questions(records: Iterable[QaRecord]) -> tuple[SetItem, ...]:
    """The questions of a data set in the layout of DeepTumorVQA, without scans."""
    return tuple(SetItem(image_id=each.image_id, question=each.question) for each in records)


def items_of_public(
    records: Iterable[PublicReport | PublicLabels | PublicQuestion],
) -> tuple[SetItem, ...]:
    """The scans, and questions where there are some, of a public set."""
    return tuple(
        SetItem(
            image_id=each.image.image_id,
            patient=each.image.patient_id,
            path=each.image.path,
            question=each.question if isinstance(each, PublicQuestion) else None,
        )
        for each in records
    )


def shown_id(name: str) -> str:
    """The name if it reads like a data set's own, otherwise a hash of it.

    Names that are numbers only or a long number after a few letters, that hold a date, or that have
    characters which names of data sets lack may be a patient's. A patient's name in plain letters
    cannot be told from a case's: manifests forbid it.

    >>> shown_id("valid_1_a_1"), shown_id("BDMAP_00000001")
    ('valid_1_a_1', 'BDMAP_00000001')
    """
    if _PUBLIC.match(name) or (_SHOWABLE.match(name) and not _PERSONAL.search(name)):
        return name
    return hashed_id(name)


def hashed_id(name: str) -> str:
    """``sha256:`` and the first 16 digits, so that who has the name can look it up."""
    return f"sha256:{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _path_names(path: Path) -> tuple[str, ...]:
    """The file's name, its folder's, and the last four parts, which are M3D's name of an image."""
    names = (path.name, path.parent.name, "/".join(path.parts[-4:]))
    plain = dict.fromkeys(without_ending(name) for name in names)
    return tuple(name for name in plain if name and not _GENERIC.match(name)) or (names[-1],)
