"""Headers with numbers that are none, paths that are no files, names that act on a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from vol3d.errors import ConfigError, DataError, GeometryError
from vol3d.volume import Grid, Volume, inspect_path, read_volume, write_nifti
from vol3d.volume.names import shown_name

Make = Callable[..., Path]
pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Invalid value for VR DS"),
]
DAMAGED = [
    ("PixelSpacing", ["nan", "1"]),
    ("PixelSpacing", ["0", "1"]),
    ("PixelSpacing", ["inf", "inf"]),
    ("ImagePositionPatient", ["nan", "0", "0"]),
    ("ImagePositionPatient", ["0", "inf", "0"]),
    ("ImagePositionPatient", ["0", "1e200", "0"]),
    ("ImageOrientationPatient", ["nan", "0", "0", "0", "1", "0"]),
    ("ImageOrientationPatient", ["0", "0", "0", "0", "0", "0"]),
    ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"]),
]


@pytest.mark.parametrize("num_damaged", [1, 5])
@pytest.mark.parametrize(("keyword", "value"), DAMAGED)
def test_a_damaged_place_is_refused_by_name(
    ct_folder: Make, keyword: str, value: list[str], num_damaged: int
) -> None:
    def spoil(ds: Dataset, k: int) -> None:
        if k < num_damaged:
            setattr(ds, keyword, value)

    found = inspect_path(ct_folder(spoil))
    assert found.refusal is not None
    assert found.refusal.code == "GeometryError"
    assert keyword in found.refusal.message
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_damaged_frame_of_an_enhanced_file_is_refused_by_name(enhanced_ct: Make) -> None:
    def spoil(ds: Dataset, k: int) -> None:
        place = ds.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0]
        place.ImagePositionPatient = ["nan", "0", "0"]

    with pytest.raises(GeometryError, match="ImagePositionPatient"):
        read_volume(enhanced_ct(spoil))


@pytest.mark.parametrize("value", [-3, 0])
def test_a_thickness_that_is_none_is_unknown(ct_folder: Make, value: int) -> None:
    volume = read_volume(ct_folder(lambda ds, k: setattr(ds, "SliceThickness", value)))
    assert volume.acquisition.slice_thickness_mm is None
    assert "slice_gap" not in [note.code for note in volume.notes]


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescale_beyond_float32_is_refused_by_the_header(ct_folder: Make, keyword: str) -> None:
    folder = ct_folder(lambda ds, k: setattr(ds, keyword, "1e39"))
    refusal = inspect_path(folder).refusal
    assert refusal is not None
    with pytest.raises(DataError, match="RescaleSlope") as error:
        read_volume(folder)
    assert str(error.value) == refusal.message


def test_a_large_rescale_is_judged_alike_by_header_and_decoder(ct_folder: Make) -> None:
    folder = ct_folder(lambda ds, k: setattr(ds, "RescaleSlope", "1e30"))
    assert inspect_path(folder).refusal is None
    assert np.isclose(read_volume(folder).voxels_zyx.min(), -1e33)


def test_series_is_a_number_in_plain_digits(ct_folder: Make) -> None:
    with pytest.raises(ConfigError, match="fits 0 series"):
        read_volume(ct_folder(), series="²")


def test_pipes_and_dangling_links_are_other_files(ct_folder: Make) -> None:
    folder = ct_folder()
    os.mkfifo(folder / "a_pipe")
    (folder / "b_link").symlink_to(folder / "nothing")
    message = next(n.message for n in read_volume(folder).notes if n.code == "other_files_ignored")
    assert message.endswith(": 2.")


def test_a_pipe_is_no_scan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.nii")
    with pytest.raises(DataError, match="a pipe, device or socket"):
        read_volume(tmp_path / "scan.nii")


def test_a_dot_is_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "case7").mkdir()
    monkeypatch.chdir(tmp_path / "case7")
    refusal = inspect_path(".").refusal
    assert refusal is not None
    assert refusal.message.startswith("case7: ")


def test_control_characters_of_a_name_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb.nii"
    path.write_bytes(b"")
    refusal = inspect_path(path).refusal
    assert refusal is not None
    assert refusal.message.isprintable()
    assert refusal.message.startswith(r"a\x1b[31m\nb.nii: ")


def test_other_names_are_shown_as_they_are() -> None:
    assert shown_name(Path("x/Äbdomen 肝.nii.gz")) == "Äbdomen 肝.nii.gz"


@pytest.mark.parametrize(("angle", "is_refused"), [(44.0, False), (46.0, True)])
def test_grids_sheared_by_more_than_45_degrees_are_refused(
    tmp_path: Path, angle: float, is_refused: bool
) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 2] = 0.0, 2 * np.sin(np.radians(angle)), 2 * np.cos(np.radians(angle))
    voxels = np.arange(64, dtype=np.int16).reshape(4, 4, 4) * 10
    grid = Grid(shape_zyx=(4, 4, 4), affine=affine)
    volume = Volume.from_array(voxels, grid, modality="MR", unit="arbitrary")
    refusal = inspect_path(write_nifti(volume, tmp_path / "a.nii"), modality="MR").refusal
    assert (refusal is not None) == is_refused
    assert refusal is None or "46.0 degrees" in refusal.message
