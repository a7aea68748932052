"""Paths that hold no scan, and what importing and inspecting cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from vol3d.errors import ConfigError, DataError
from vol3d.volume import inspect_path, read_volume

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.txt", b"The liver is normal."),
        ("scan.nii.gz", b"The liver is normal."),
        ("scan.dcm", b"\x00" * 200),
        ("scan.nii", b""),
        ("scan.mha", b"NDims = three\n"),
        ("scan.zip", b"PK\x03\x04" + b"\x00" * 100),
        ("scan.nii.gz", b"\x1f\x8b" + b"\x00" * 100),
    ],
)
def test_files_that_are_no_scan_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="expected"):
        read_volume(tmp_path / name)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_volume(tmp_path / "nothing.nii.gz")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no DICOM image"):
        read_volume(tmp_path)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    found = inspect_path(tmp_path)
    assert found.refusal is not None
    assert "no DICOM image" in found.refusal.message


def test_an_unreadable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: object) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(13, "denied", str(path))

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(DataError, match="PermissionError"):
        read_volume(tmp_path)


def test_series_of_a_single_volume_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(ConfigError, match="one volume"):
        read_volume(tmp_path / "a.nrrd", series="2")


def test_inspection_is_ready_for_json(ct_folder: Make) -> None:
    record = json.loads(json.dumps(inspect_path(ct_folder()).to_dict()))
    assert record["notice"].startswith("Research use only")
    assert record["stored"]["shape_ijk"] == [3, 4, 5]
    assert record["series"][0]["num_slices"] == 5
    assert record["refusal"] is None


def test_inspection_judges_dicom_by_its_pixels_too(ct_folder: Make) -> None:
    """Damage that only a decoder sees is refused by ``info`` as it is by ``report``."""

    def damage(ds: Dataset, k: int) -> None:
        ds.compress(RLELossless)
        if k == 2:  # the RLE header's number of segments, behind the offset table and item header
            start = 8 + int.from_bytes(ds.PixelData[4:8], "little") + 8
            ds.PixelData = ds.PixelData[:start] + b"\x09" + ds.PixelData[start + 1 :]

    refusal = inspect_path(ct_folder(damage)).refusal
    assert refusal is not None
    assert "slice 3 of 5" in refusal.message


def test_importing_volume_imports_no_heavy_package() -> None:
    heavy = ("torch", "SimpleITK", "pydicom", "nibabel", "scipy")
    code = f"import sys, vol3d.volume; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_inspecting_imports_no_torch(ct_folder: Make) -> None:
    code = (
        "import sys; from vol3d.volume import inspect_path; "
        f"inspect_path({str(ct_folder())!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
