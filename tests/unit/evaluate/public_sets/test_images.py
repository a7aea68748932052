"""Images of public sets: places, and no invented geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from public_set_files import write_array, write_scan

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.images import (
    NO_GEOMETRY,
    ArrayWithoutGeometry,
    check_images,
    open_image,
    path_below,
)
from vol3d.evaluate.public_sets.records import Geometry, PublicImage
from vol3d.volume import Volume


def image(path: Path | None, geometry: Geometry = "unknown") -> PublicImage:
    return PublicImage(image_id="x", patient_id=None, path=path, geometry=geometry)


def test_a_numpy_image_loses_its_channel_axis_and_gains_no_spacing(tmp_path: Path) -> None:
    opened = open_image(image(write_array(tmp_path / "x.npy")))
    assert isinstance(opened, ArrayWithoutGeometry)
    assert opened.values.shape == (4, 6, 8)
    assert opened.statement == NO_GEOMETRY
    assert not hasattr(opened, "grid")


def test_a_nifti_image_of_a_set_without_geometry_gains_no_spacing(tmp_path: Path) -> None:
    opened = open_image(image(write_scan(tmp_path / "x.nii.gz")))
    assert isinstance(opened, ArrayWithoutGeometry)
    assert opened.values.shape == (10, 8, 6)  # the file's own order: i, j, k
    assert opened.values[4, 3, 2] == 300


def test_a_nifti_image_with_geometry_is_a_volume(tmp_path: Path) -> None:
    opened = open_image(image(write_scan(tmp_path / "x.nii.gz"), "file"))
    assert isinstance(opened, Volume)
    assert opened.grid.spacing_zyx_mm == (2.0, 1.0, 1.0)


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        open_image(image(tmp_path / "x.npy"))


@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6, 8), (0, 4, 4)])
def test_an_array_that_is_no_single_volume_is_refused(tmp_path: Path, shape: tuple) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype=np.float32))
    with pytest.raises(DataError, match="volume"):
        open_image(image(tmp_path / "x.npy"))


def test_an_image_that_is_not_there_cannot_be_opened() -> None:
    with pytest.raises(DataError, match="image x: got none on this machine"):
        open_image(image(None))


def test_missing_images_are_counted_and_named() -> None:
    with pytest.raises(DataError, match="1 missing: x"):
        check_images([image(None)], "required", where="table")


def test_missing_images_may_be_allowed() -> None:
    check_images([image(None)], "optional", where="table")


@pytest.mark.parametrize("relative", ["/etc/passwd", "../x.npy", "a/../../x.npy", ""])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, relative: str) -> None:
    with pytest.raises(ValueError, match="does not stay below"):
        path_below(tmp_path, relative)
