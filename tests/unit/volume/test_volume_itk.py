"""NRRD and MetaImage: SimpleITK's LPS becomes RAS, in every orientation."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from vol3d.errors import DataError, GeometryError
from vol3d.volume import inspect_path, read_volume

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 40


def _image(direction: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1)) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(VOXELS)
    image.SetSpacing((1.0, 2.0, 5.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetDirection(direction)
    return image


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_every_voxel_keeps_its_place(
    ending: str, signs: tuple[int, int, int], tmp_path: Path
) -> None:
    path = tmp_path / f"scan{ending}"
    image = _image(tuple(np.diag(signs).astype(float).ravel()))
    SimpleITK.WriteImage(image, str(path))
    volume = read_volume(path, modality="MR")
    assert "orientation_assumed" not in [note.code for note in volume.notes]
    for x, y, z in product(range(4), range(3), range(2)):
        lps = np.array(image.TransformIndexToPhysicalPoint((x, y, z)))
        place = np.rint(volume.grid.world_to_index_zyx(lps * [-1, -1, 1])).astype(int)
        assert volume.voxels_zyx[tuple(place)] == VOXELS[z, y, x]


def test_identity_direction_runs_left_posterior_superior(tmp_path: Path) -> None:
    SimpleITK.WriteImage(_image(), str(tmp_path / "a.mha"))
    found = inspect_path(tmp_path / "a.mha")
    assert found.stored is not None
    assert found.stored.axcodes == "LPS"
    assert found.stored.affine_ras[:3, 3].tolist() == [-10.0, -20.0, 30.0]


def test_nrrd_without_space_is_noted(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 4 3 2\nendian: little\nencoding: raw\n"
    path = tmp_path / "plain.nrrd"
    path.write_bytes(header + b"spacings: 1 2 5\n\n" + VOXELS.astype("<i2").tobytes())
    codes = [note.code for note in read_volume(path, modality="MR").notes]
    assert "orientation_assumed" in codes


def test_nrrd_in_ras_space_is_not_flipped_twice(tmp_path: Path) -> None:
    header = (
        b"NRRD0004\ntype: int16\ndimension: 3\nspace: right-anterior-superior\nsizes: 4 3 2\n"
        b"space directions: (1,0,0) (0,2,0) (0,0,5)\nspace origin: (7,8,9)\n"
        b"kinds: domain domain domain\nendian: little\nencoding: raw\n\n"
    )
    path = tmp_path / "ras.nrrd"
    path.write_bytes(header + VOXELS.astype("<i2").tobytes())
    volume = read_volume(path, modality="MR")
    assert volume.stored.axcodes == "RAS"
    assert volume.stored.affine_ras[:3, 3].tolist() == [7.0, 8.0, 9.0]


def test_vectors_are_refused(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4, 3), np.float32), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(GeometryError, match="3 components"):
        read_volume(tmp_path / "a.mha")


def test_truncated_voxels_are_refused(tmp_path: Path) -> None:
    SimpleITK.WriteImage(_image(), str(tmp_path / "a.mha"))
    path = tmp_path / "a.mha"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="missing or damaged"):
        read_volume(path)


def test_a_missing_data_file_is_refused(tmp_path: Path) -> None:
    SimpleITK.WriteImage(_image(), str(tmp_path / "a.mhd"))
    (tmp_path / "a.raw").unlink()
    found = inspect_path(tmp_path / "a.mhd")
    assert found.refusal is not None
    assert found.refusal.code == "DataError"
