"""Zip archives that hold one scan: unpacked into a private folder under names of our own.

No name from inside an archive ever reaches the file system or a message; what is no regular file,
leads out of the archive or would exhaust memory or disk is left out or refused.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vol3d.errors import DataError, explain
from vol3d.volume.dicom_header import is_dicom
from vol3d.volume.gate import refused
from vol3d.volume.inspection import Examination
from vol3d.volume.itk import itk_kind
from vol3d.volume.names import shown_name
from vol3d.volume.nifti import is_nifti
from vol3d.volume.volume import GateNote

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_MAX_ENTRIES = 10_000
_MAX_BYTES = 4 << 30
_MAX_RATIO = 200
_LARGE_BYTES = 64 << 20
_MAX_NAME = 1024
_HEAD_BYTES = 4096
_COPY_BYTES = 1 << 20
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Found:
    """A scan (or its DICOM files) inside an archive, what was left out, and how deep it lay."""

    entries: tuple[zipfile.ZipInfo, ...]
    kind: str
    num_ignored: int


class _PrivateFolder:
    """A temporary folder that is removed when it is closed, forgotten, or the program ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="vol3d-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.path, True)

    def close(self) -> None:
        """Removes the folder."""
        self._finalizer()


def is_zip(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is a zip archive."""
    return head.startswith(ZIP_MAGIC)


def examine_archive(
    path: Path, examine: Callable[[Path], Examination], *, is_nested: bool = False
) -> Examination:
    """The gate's verdict on the one scan in a zip archive.

    Args:
        path: The archive.
        examine: The gate for a file or folder that was unpacked.
        is_nested: Whether the archive lay inside another one; a third is refused.
    """
    folder = _PrivateFolder()
    try:
        found = _unpack(path, folder.path)
        inner = folder.path / "scan" if found.kind == "dicom" else _only(folder.path)
        if found.kind == "zip" and not is_nested:
            examination = examine_archive(inner, examine, is_nested=True)
        elif found.kind == "zip":
            raise _refusal(path, "an archive in an archive in an archive")
        else:
            examination = examine(inner)
    except DataError as error:
        folder.close()
        return refused("unknown", error)
    if examination.load is None:
        folder.close()
    return examination.with_notes(_notes(found), after_load=folder.close)


def _refusal(
    path: Path, got: str, remedy: str = "Unpack it and pass the scan itself."
) -> DataError:
    return DataError(
        explain(
            expected="a sound zip archive with one scan (NIfTI, NRRD, MetaImage or DICOM)",
            got=got,
            where=shown_name(path),
            remedy=remedy,
        )
    )


def _only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def _notes(found: _Found) -> tuple[GateNote, ...]:
    notes = []
    if found.kind == "zip":
        message = "The scan lay in an archive inside the archive; both were unpacked."
        notes.append(GateNote(code="nested_archive", message=message))
    if found.num_ignored:
        message = (
            f"{found.num_ignored} other entries of the archive were not read (further scans, "
            "names used twice, links, names that lead out of it, or other files)."
        )
        notes.append(GateNote(code="entries_ignored", message=message))
    return tuple(notes)


def _unpack(path: Path, folder: Path) -> _Found:
    """Copies the scan's entries into ``folder`` under generated names."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = _find(archive, path)
            target = folder / "scan" if found.kind == "dicom" else folder
            target.mkdir(exist_ok=True)
            for number, entry in enumerate(found.entries, start=1):
                name = target / f"{_stem(path)}-entry-{number}{_ending(found.kind)}"
                with archive.open(entry) as source, name.open("wb") as out:
                    shutil.copyfileobj(source, out, _COPY_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _refusal(
            path, f"a damaged one ({type(error).__name__})", "Copy or download it again."
        ) from None
    except OSError as error:
        raise _refusal(
            path, f"one that could not be unpacked ({error.strerror})", "Make room and try again."
        ) from None
    except NotImplementedError:
        raise _refusal(path, "a compression that cannot be read here") from None
    except RuntimeError:
        raise _refusal(path, "an encrypted one") from None
    return found


def _stem(path: Path) -> str:
    """A short ASCII form of the archive's own name, so that messages name it."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in path.name)[
        :80
    ]


def _ending(kind: str) -> str:
    return {"nifti": ".nii.gz", "nrrd": ".nrrd", "metaimage": ".mha", "zip": ".zip"}.get(kind, "")


def _find(archive: zipfile.ZipFile, path: Path) -> _Found:
    """What in the archive is the scan: all DICOM files, or the first file of another format."""
    entries = archive.infolist()
    _check_size(entries, path)
    kinds: dict[str, list[zipfile.ZipInfo]] = {}
    num_files = sum(not entry.is_dir() for entry in entries)
    for entry in _safe(entries):
        kind = _kind(archive, entry)
        if kind is not None:
            kinds.setdefault(kind, []).append(entry)
    if not kinds:
        raise _refusal(path, f"no scan among {num_files} files")
    if "dicom" in kinds and len(kinds) > 1:
        raise _refusal(path, "DICOM beside other scans")
    kind = next(name for name in ("dicom", "nifti", "nrrd", "metaimage", "zip") if name in kinds)
    chosen = tuple(kinds[kind] if kind == "dicom" else kinds[kind][:1])
    return _Found(entries=chosen, kind=kind, num_ignored=num_files - len(chosen))


def _check_size(entries: list[zipfile.ZipInfo], path: Path) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise _refusal(path, f"{len(entries)} entries, more than {_MAX_ENTRIES}")
    total = sum(entry.file_size for entry in entries)
    if total > _MAX_BYTES:
        raise _refusal(path, f"{total >> 20} MiB of content, more than {_MAX_BYTES >> 20}")
    for entry in entries:
        if entry.file_size > max(_LARGE_BYTES, _MAX_RATIO * entry.compress_size):
            raise _refusal(
                path,
                f"{entry.file_size >> 20} MiB in {entry.compress_size >> 10} KiB, which no scan "
                "shrinks to",
            )


def _safe(entries: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
    """Regular files with a name of their own that stays inside the archive."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        mode = entry.external_attr >> 16
        is_regular = not entry.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
        leads_out = name.startswith("/") or ".." in parts or ":" in name[:2]
        is_junk = any(part in _JUNK or part.startswith("._") for part in parts)
        is_repeated = name.casefold() in seen
        seen.add(name.casefold())
        if is_regular and not (leads_out or is_junk or is_repeated or len(name) > _MAX_NAME):
            yield entry


def _kind(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str | None:
    if entry.file_size == 0:
        return None
    with archive.open(entry) as file:
        head = file.read(_HEAD_BYTES)
    if is_dicom(head):
        return "dicom"
    if is_zip(head):
        return "zip"
    return itk_kind(head) or ("nifti" if is_nifti(head) else None)
