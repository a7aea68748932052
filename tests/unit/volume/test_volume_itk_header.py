"""NRRD and MetaImage headers: whose data they may name, damage, and frames that are no patient."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from vol3d.errors import DataError
from vol3d.volume import inspect_path, read_volume

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5) * 17


def _save(path: Path, *, is_compressed: bool = False) -> Path:
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.SetUseCompression(is_compressed)
    writer.Execute(SimpleITK.GetImageFromArray(VOXELS))
    return path


def _replace(path: Path, old: str, new: str) -> Path:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    return path


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
def test_compressed_voxels_read(tmp_path: Path, ending: str) -> None:
    path = _save(tmp_path / f"a{ending}", is_compressed=True)
    values = read_volume(path, modality="MR").voxels_zyx
    assert np.array_equal(np.sort(values.ravel()), VOXELS.ravel())


def test_very_compressible_voxels_read(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((20, 200, 200), np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"), useCompression=True)
    assert read_volume(tmp_path / "a.mha", modality="MR").voxels_zyx.max() == 0


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
@pytest.mark.parametrize("place", [-1, -40])
def test_damaged_compressed_metaimage_is_refused(tmp_path: Path, ending: str, place: int) -> None:
    _save(tmp_path / f"a{ending}", is_compressed=True)
    data = tmp_path / ("a.mha" if ending == ".mha" else "a.zraw")
    content = bytearray(data.read_bytes())
    content[place] ^= 0x55
    data.write_bytes(content)
    with pytest.raises(DataError, match="compressed voxels"):
        read_volume(tmp_path / f"a{ending}")


def test_truncated_compressed_metaimage_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.mha", is_compressed=True)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError, match="compressed voxels"):
        read_volume(path)


@pytest.mark.parametrize(("old", "new"), [("DimSize = 5 4 3", "DimSize = 5 4 4")])
def test_compressed_voxels_of_another_size_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = _replace(_save(tmp_path / "a.mha", is_compressed=True), old, new)
    with pytest.raises(DataError, match="do not give 160 bytes"):
        read_volume(path)


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed"])
def test_a_space_that_is_no_patient_frame_is_noted(tmp_path: Path, space: str) -> None:
    path = _replace(_save(tmp_path / "a.nrrd"), "left-posterior-superior", space)
    assert "orientation_assumed" in [n.code for n in read_volume(path, modality="MR").notes]


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "LAS", "LPS"])
def test_a_patient_frame_is_not_noted(tmp_path: Path, space: str) -> None:
    path = _replace(_save(tmp_path / "a.nrrd"), "left-posterior-superior", space)
    assert "orientation_assumed" not in [n.code for n in read_volume(path, modality="MR").notes]


@pytest.fixture(params=[".mhd", ".nhdr"])
def header_of(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A header in a folder of its own, with its data beside it."""
    (tmp_path / "scan").mkdir()
    return _save(tmp_path / "scan" / f"a{request.param}")


@pytest.mark.parametrize("where", ["absolute", "parent", "link"])
def test_data_outside_of_the_folder_is_refused(header_of: Path, where: str) -> None:
    data, outside = header_of.parent / "a.raw", header_of.parent.parent / "b.raw"
    data.rename(outside)
    names = {"absolute": str(outside), "parent": "../b.raw", "link": "a.raw"}
    if where == "link":
        data.symlink_to(outside)
    _replace(header_of, "a.raw", names[where])
    with pytest.raises(DataError, match="leaves the folder"):
        read_volume(header_of)


@pytest.mark.parametrize("name", ["LIST", "a%d.raw 1 3 1", "-"])
def test_names_that_are_not_one_file_are_refused(header_of: Path, name: str) -> None:
    with pytest.raises(DataError, match="not one file"):
        read_volume(_replace(header_of, "a.raw", name))


def test_a_pipe_as_data_is_refused_at_once(header_of: Path) -> None:
    (header_of.parent / "a.raw").unlink()
    os.mkfifo(header_of.parent / "a.raw")
    with pytest.raises(DataError, match="no plain file"):
        read_volume(header_of)


def test_data_below_the_folder_reads(header_of: Path) -> None:
    (header_of.parent / "data").mkdir()
    (header_of.parent / "a.raw").rename(header_of.parent / "data" / "a b.raw")
    _replace(header_of, "a.raw", "data/a b.raw")
    assert inspect_path(header_of, modality="MR").refusal is None


def test_a_second_data_file_behind_a_bare_return_is_refused(tmp_path: Path) -> None:
    path = _replace(_save(tmp_path / "a.mhd"), "NDims", "Comment = x\rElementDataFile = b\nNDims")
    with pytest.raises(DataError, match="control character"):
        read_volume(path)


def test_a_long_field_reads(tmp_path: Path) -> None:
    path = _replace(_save(tmp_path / "a.mhd"), "NDims", f"Other Key = {'y' * 900}\nNDims")
    assert inspect_path(path, modality="MR").refusal is None
