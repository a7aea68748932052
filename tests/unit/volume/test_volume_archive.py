"""Scans in zip archives: read like the scan itself, and nothing else of the archive is touched."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vol3d.errors import DataError
from vol3d.volume import Volume, inspect_path, read_volume, write_nifti


@pytest.fixture(autouse=True)
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which archives are unpacked, empty at the start."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def nifti(tiny_ct: Volume, tmp_path: Path) -> bytes:
    return write_nifti(tiny_ct, tmp_path / "inner.nii.gz").read_bytes()


def _zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _codes(path: Path) -> list[str]:
    return [note.code for note in read_volume(path, modality="CT").notes]


def test_a_nifti_in_an_archive_is_read(tiny_ct: Volume, nifti: bytes, tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("sub/ct.nii.gz", nifti))
    volume = read_volume(path, modality="CT")
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert volume.grid.is_close(tiny_ct.grid, tolerance_mm=1e-4)


def test_a_dicom_series_in_an_archive_is_read(
    tiny_ct: Volume, ct_folder: Callable[..., Path], tmp_path: Path
) -> None:
    files = sorted(ct_folder().iterdir())
    path = _zip(tmp_path / "a.zip", *((f"x/{f.name}", f.read_bytes()) for f in files))
    assert np.array_equal(read_volume(path).voxels_zyx, tiny_ct.voxels_zyx)


def test_inspection_tells_what_reading_tells(nifti: bytes, tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("ct.nii.gz", nifti), ("notes.txt", b"x"))
    assert inspect_path(path).notes == read_volume(path).notes


def test_nothing_stays_unpacked(nifti: bytes, tmp_path: Path, unpacked: Path) -> None:
    read_volume(_zip(tmp_path / "a.zip", ("ct.nii.gz", nifti)))
    assert list(unpacked.iterdir()) == []


def test_nothing_of_a_refused_archive_stays_unpacked(tmp_path: Path, unpacked: Path) -> None:
    assert inspect_path(_zip(tmp_path / "a.zip", ("ct.nii.gz", b"junk"))).refusal is not None
    assert list(unpacked.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../evil.nii.gz", "/tmp/evil.nii.gz", "..\\evil.nii.gz", "C:evil.nii"]
)
def test_names_that_lead_out_are_left_out_and_said(name: str, nifti: bytes, tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", (name, b"x" * 10), ("ct.nii.gz", nifti))
    before = sorted(p.name for p in tmp_path.iterdir())
    assert "entries_ignored" in _codes(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_links_are_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ct.nii.gz")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match="no scan among 1 files"):
        read_volume(_zip(tmp_path / "a.zip", (link, b"/etc/hostname")))


def test_an_archive_in_an_archive_is_said(nifti: bytes, tmp_path: Path) -> None:
    inner = _zip(tmp_path / "inner.zip", ("ct.nii.gz", nifti)).read_bytes()
    assert "nested_archive" in _codes(_zip(tmp_path / "a.zip", ("inner.zip", inner)))


def test_three_archives_deep_is_refused(nifti: bytes, tmp_path: Path) -> None:
    content = nifti
    for name in ("ct.nii.gz", "one.zip", "two.zip"):
        content = _zip(tmp_path / "next.zip", (name, content)).read_bytes()
    with pytest.raises(DataError, match="archive in an archive in an archive"):
        read_volume(tmp_path / "next.zip")


def test_a_damaged_entry_is_refused(nifti: bytes, tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("ct.nii.gz", nifti))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip.*damaged"):
        read_volume(path)


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path, unpacked: Path) -> None:
    with pytest.raises(DataError, match="no scan shrinks"):
        read_volume(_zip(tmp_path / "a.zip", ("ct.nii", bytes(100 << 20))))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="10001 entries"):
        read_volume(_zip(tmp_path / "a.zip", *((f"{k}.dcm", b"") for k in range(10_001))))


def test_names_inside_the_archive_are_never_shown(nifti: bytes, tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("DOE_JANE.nii.gz", nifti[:-20]))
    found = inspect_path(path)
    assert found.refusal is not None
    assert "DOE" not in str(found.to_dict())
    assert "a.zip" in found.refusal.message
