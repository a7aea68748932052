"""Several volumes at the same positions under one series UID."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from vol3d.errors import GeometryError
from vol3d.volume import Volume, inspect_path, read_volume

Make = Callable[..., Path]
Edit = Callable[[Dataset, int, int], object]


@pytest.fixture
def two_phases(ct_folder: Make) -> Callable[[Edit], Path]:
    """``tiny_ct`` and the same plus 40, under one series UID; ``edit(dataset, k, phase)``."""

    def make(edit: Edit) -> Path:
        folder = ct_folder(name="both")
        for k, path in enumerate(sorted(folder.iterdir())):
            for phase in (1, 2):
                ds = pydicom.dcmread(path)
                ds.RescaleIntercept = 40 * (phase - 1)
                ds.SOPInstanceUID = f"1.2.{phase}.{k}"
                ds.InstanceNumber = k + 1
                edit(ds, k, phase)
                ds.save_as(folder / f"{k}_{phase}.dcm")
            path.unlink()
        return folder

    return make


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("AcquisitionNumber", (3, 12)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("EchoTime", (4.6, 12.2)),
        ("TriggerTime", (0, 350)),
        ("ConvolutionKernel", ("B30f", "B70f")),
        ("ImageType", (["ORIGINAL", "PRIMARY", "AXIAL"], ["ORIGINAL", "PRIMARY", "OTHER"])),
        ("ContentTime", ("101500", "101530")),
    ],
)
def test_phases_are_split_by_what_the_header_says(
    two_phases: Callable[[Edit], Path], tiny_ct: Volume, keyword: str, values: tuple[object, object]
) -> None:
    folder = two_phases(lambda ds, k, phase: setattr(ds, keyword, values[phase - 1]))
    first, second = read_volume(folder), read_volume(folder, series="2")
    found = {np.array_equal(v.voxels_zyx, tiny_ct.voxels_zyx) for v in (first, second)}
    assert found == {True, False}
    assert np.abs(first.voxels_zyx - second.voxels_zyx).min() == 40
    note = next(n for n in first.notes if n.code == "phases_split")
    assert keyword in note.message


def test_the_lower_number_comes_first(two_phases: Callable[[Edit], Path], tiny_ct: Volume) -> None:
    folder = two_phases(lambda ds, k, phase: setattr(ds, "AcquisitionNumber", (9, 10)[phase - 1]))
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_phases_numbered_one_after_the_other_are_split(
    two_phases: Callable[[Edit], Path], tiny_ct: Volume
) -> None:
    def number(ds: Dataset, k: int, phase: int) -> None:
        ds.InstanceNumber = k + 1 + 5 * (phase - 1)

    folder = two_phases(number)
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)
    assert "InstanceNumber" in next(
        n.message for n in inspect_path(folder).notes if n.code == "phases_split"
    )


def test_phases_that_nothing_tells_apart_are_refused(two_phases: Callable[[Edit], Path]) -> None:
    with pytest.raises(GeometryError, match="5 duplicate positions"):
        read_volume(two_phases(lambda ds, k, phase: None))


def test_a_tag_that_mixes_phases_does_not_split_them(two_phases: Callable[[Edit], Path]) -> None:
    def mix(ds: Dataset, k: int, phase: int) -> None:
        ds.AcquisitionNumber = 1 if k < 3 else 2

    with pytest.raises(GeometryError, match="duplicate positions"):
        read_volume(two_phases(mix))


def test_one_volume_is_never_split(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder(lambda ds, k: setattr(ds, "AcquisitionNumber", k % 2))
    assert np.array_equal(read_volume(folder).voxels_zyx, tiny_ct.voxels_zyx)


def test_slices_of_another_plane_upon_each_other_are_refused(ct_folder: Make) -> None:
    def turn(ds: Dataset, k: int) -> None:
        if k > 2:
            ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    with pytest.raises(GeometryError):
        read_volume(ct_folder(turn))


def test_time_points_of_an_enhanced_file_are_split(enhanced_ct: Make, tiny_ct: Volume) -> None:
    def repeat(ds: Dataset, k: int) -> None:
        groups = list(ds.PerFrameFunctionalGroupsSequence)
        ds.PerFrameFunctionalGroupsSequence = [
            _at_time(group, time) for time in (1, 2) for group in groups
        ]
        later = (np.frombuffer(ds.PixelData, "<u2") + 40).astype("<u2")
        ds.PixelData += later.tobytes()
        ds.NumberOfFrames = 10

    path = enhanced_ct(repeat)
    assert np.array_equal(read_volume(path).voxels_zyx, tiny_ct.voxels_zyx)
    assert np.array_equal(read_volume(path, series="2").voxels_zyx, tiny_ct.voxels_zyx + 40)


def _at_time(group: Dataset, time: int) -> Dataset:
    item, content = Dataset(), Dataset()
    item.update(group)
    content.TemporalPositionIndex = time
    item.FrameContentSequence = [content]
    return item


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFP", "FFP", "FFDR"])
def test_how_the_patient_lay_changes_nothing(
    ct_folder: Make, tiny_ct: Volume, position: str
) -> None:
    """Positions and orientations are in the patient's own directions already (PS3.3 C.7.6.2)."""
    volume = read_volume(ct_folder(lambda ds, k: setattr(ds, "PatientPosition", position)))
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert volume.grid.is_close(tiny_ct.grid)
    assert volume.acquisition.patient_position == position


def test_a_media_directory_is_no_slice(ct_folder: Make, tiny_ct: Volume) -> None:
    folder = ct_folder()
    ds = pydicom.dcmread(next(iter(folder.iterdir())), specific_tags=["PatientID"])
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    ds.save_as(folder / "DICOMDIR")
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels_zyx, tiny_ct.voxels_zyx)
    assert [note.code for note in volume.notes] == ["not_image_ignored"]


def test_a_stack_that_drifts_sideways_is_no_tilted_gantry(ct_folder: Make) -> None:
    def drift(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient[0] += 1.0 * k  # DICOM's x grows to the patient's left

    volume = read_volume(ct_folder(drift))
    note = next(n for n in volume.notes if n.code == "lateral_drift")
    assert "26.6 degrees" in note.message
    assert "1 mm further to the patient's left" in note.message
    assert volume.acquisition.gantry_tilt_deg is None
