"""Lists of cases with masks: a CSV or JSONL file, or a folder with one folder per case."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from vol3d.config import csv_rows, json_lines
from vol3d.errors import ConfigError, explain

SCAN_NAMES = ("ct", "image", "scan", "mr", "series")
MASK_NAMES = ("segmentations", "masks", "seg", "labels", "mask")
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", "")
_CASE_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


class CaseEntry(BaseModel):
    """One case of a manifest; paths are relative to the manifest's folder.

    ``case_id`` is the user's own and stands in every output: never a patient's name or number.
    ``patient`` keeps the scans of one patient in one split; data sets made from a manifest do not
    have it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: str
    scan: Path
    masks: tuple[Path, ...]
    label_scheme: str | None = None
    labels: dict[int, str] = {}
    modality: Literal["CT", "MR"] | None = None
    phase: Literal["unenhanced", "arterial", "venous", "delayed"] | None = None
    mask_source: Literal["annotator", "segmenter", "own_head", "phantom", "unknown"] = "unknown"
    sex: Literal["F", "M"] | None = None
    age_years: float | None = None
    patient: str | None = None


def read_manifest(path: Path) -> tuple[CaseEntry, ...]:
    """The cases of a manifest file or a folder.

    A CSV file has the fields of ``CaseEntry`` as columns (several masks parted by ``;``, labels as
    ``1=liver_lesion;2=liver_cyst``); a JSONL file has one object per line. In a folder every
    subfolder with a scan (``ct.nii.gz``, ``image.nii.gz``, ``series`` ...) and masks
    (``segmentations``, ``masks``, ``seg.nii.gz`` ...) is a case; its name is not used, as it may
    be a patient's: cases are numbered ``case_00000001`` and so on in the order of their names.

    Args:
        path: File or folder.

    Raises:
        ConfigError: Nothing there, a row that is no case, or an id twice.
    """
    if path.is_dir():
        entries = tuple(_folder_cases(path))
    else:
        entries = tuple(_entry(path, number, row) for number, row in _rows(path))
    if not entries:
        raise _wrong(path, "no case")
    ids = [entry.case_id for entry in entries]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise _wrong(path, f"case_id {twice[0]} more than once")
    return entries


def write_manifest(entries: Iterable[CaseEntry], path: Path) -> None:
    """Writes cases as JSON lines, with what is told of them only.

    Args:
        entries: With paths relative to the folder of ``path``.
        path: Of the manifest.
    """
    rows = [entry.model_dump_json(exclude_defaults=True) for entry in entries]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _wrong(path: Path, got: str) -> ConfigError:
    return ConfigError(
        explain(
            expected="a CSV or JSONL file of cases, or a folder with one folder per case",
            got=got,
            where=f"manifest {path.name}",
            remedy="See `vol3d data make-vqa --help` for the layout.",
        )
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        if path.suffix == ".jsonl":
            yield from ((number, dict(row)) for number, row in json_lines(path))
            return
        for number, row in csv_rows(path):
            kept: dict[str, Any] = {k: v for k, v in row.items() if v not in ("", None)}
            if "masks" in kept:
                kept["masks"] = str(kept["masks"]).split(";")
            if "labels" in kept:
                kept["labels"] = dict(p.split("=", 1) for p in str(kept["labels"]).split(";"))
            yield number, kept
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise _wrong(path, f"content that cannot be read ({type(error).__name__})") from None


def _entry(path: Path, number: int, row: dict[str, Any]) -> CaseEntry:
    try:
        entry = CaseEntry.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _wrong(path, f"row {number}: {place}: {first['msg']}") from None
    if not _CASE_ID.fullmatch(entry.case_id):
        raise _wrong(path, f"row {number}: a case_id that is no word of letters, digits, _ and -")
    folder = path.parent
    return entry.model_copy(
        update={"scan": folder / entry.scan, "masks": tuple(folder / m for m in entry.masks)}
    )


def _folder_cases(path: Path) -> Iterator[CaseEntry]:
    number = 0
    for folder in sorted(each for each in path.iterdir() if each.is_dir()):
        scan, masks = _first(folder, SCAN_NAMES), _first(folder, MASK_NAMES)
        if scan is None or masks is None:
            continue
        number += 1
        yield CaseEntry(case_id=f"case_{number:08d}", scan=scan, masks=(masks,))


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    for name in names:
        for ending in _ENDINGS:
            found = folder / f"{name}{ending}"
            if found.exists():
                return found
    return None
