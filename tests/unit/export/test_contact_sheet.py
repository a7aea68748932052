"""The contact sheet: sides, head and feet, and what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vol3d.export.contact_sheet import TILE_PX, contact_sheet
from vol3d.volume import Grid, Volume

SHAPE = (20, 20, 20)


def sheet(voxels: npt.NDArray[np.int16], path: Path) -> npt.NDArray[np.uint8]:
    grid = Grid(shape_zyx=SHAPE, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    volume = Volume.from_array(voxels, grid, modality="CT", unit="HU")
    return np.array(Image.open(contact_sheet([("case", volume)], path / "sheet.png")))[14:]


def test_right_of_the_patient_is_left_in_the_picture(tmp_path: Path) -> None:
    voxels = np.full(SHAPE, -1000, dtype=np.int16)
    voxels[:, :, 15:] = 1000  # x grows to the patient's right
    axial = sheet(voxels, tmp_path)[:, :TILE_PX]
    assert axial[:, : TILE_PX // 5].mean() > 200
    assert axial[:, -TILE_PX // 5 :].mean() < 20


def test_front_is_up_in_axial_and_head_is_up_in_coronal_slices(tmp_path: Path) -> None:
    voxels = np.full(SHAPE, -1000, dtype=np.int16)
    voxels[:, 15:] = 1000
    assert sheet(voxels, tmp_path)[: TILE_PX // 5, :TILE_PX].mean() > 200
    voxels = np.full(SHAPE, -1000, dtype=np.int16)
    voxels[15:] = 1000
    coronal = sheet(voxels, tmp_path)[:, 5 * TILE_PX : 6 * TILE_PX]
    assert coronal[: TILE_PX // 5].mean() > 200
    assert coronal[-TILE_PX // 5 :].mean() < 20
