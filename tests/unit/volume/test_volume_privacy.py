"""No header text that could name a patient gets out: not in notes, facts, errors or warnings."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from vol3d.errors import Vol3dError
from vol3d.volume import dicom_codes, inspect_path, read_volume

Make = Callable[..., Path]
SECRET = "SMITH"
TEXT_FIELDS = """PatientName PatientID InstitutionName ReferringPhysicianName StudyDescription
SeriesDescription ProtocolName Manufacturer ConvolutionKernel BodyPartExamined PatientPosition
ImageComments StationName OperatorsName AccessionNumber"""


def _fill(ds: Dataset, k: int) -> None:
    """Writes a name into every field of text that is read, and into many that are not."""
    for keyword in TEXT_FIELDS.split():
        setattr(ds, keyword, SECRET)
    ds.ImageType = ["ORIGINAL", SECRET, "AXIAL"]


def test_names_do_not_reach_volume_or_inspection(ct_folder: Make) -> None:
    folder = ct_folder(_fill)
    volume = read_volume(folder)
    text = json.dumps(inspect_path(folder).to_dict()) + repr(volume.acquisition)
    text += repr(volume.notes)
    assert SECRET not in text.upper()
    assert volume.acquisition.body_part_examined == "OTHER"
    assert volume.acquisition.manufacturer == "OTHER"


@pytest.mark.parametrize(
    "edit",
    [
        lambda ds: setattr(ds, "RescaleType", SECRET),
        lambda ds: setattr(ds, "Modality", SECRET),
        lambda ds: setattr(ds, "PhotometricInterpretation", SECRET),
        lambda ds: setattr(ds, "ImageType", [SECRET, "PERFUSION"]),
        lambda ds: ds.add_new("SliceThickness", "LO", SECRET),
        lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", SECRET),
    ],
    ids=["rescale", "modality", "photometric", "image type", "not a number", "syntax"],
)
def test_names_do_not_reach_errors_or_warnings(
    ct_folder: Make, edit: Callable[[Dataset], None], caplog: pytest.LogCaptureFixture
) -> None:
    def fill(ds: Dataset, k: int) -> None:
        _fill(ds, k)
        edit(ds)

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        folder = ct_folder(fill)
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(Vol3dError) as error:
            read_volume(folder)
    assert SECRET not in str(error.value).upper()
    assert SECRET not in "".join(traceback.format_exception(error.value, limit=0)).upper()
    assert SECRET not in caplog.text.upper()
    assert SECRET not in "".join(str(w.message) for w in caught).upper()


def test_plain_series_uids_do_not_get_out(ct_folder: Make) -> None:
    folder = ct_folder(lambda ds, k: setattr(ds, "SeriesInstanceUID", "1.2.3.4.5.6.7.8"))
    assert "1.2.3.4.5.6.7.8" not in json.dumps(inspect_path(folder).to_dict())


@pytest.mark.parametrize("kernel", ["Br38f", "B30s", "UB", "FC13", "STANDARD", "STD+", "I31f"])
def test_kernels_in_use_are_kept(kernel: str) -> None:
    assert dicom_codes.kernel(kernel) == kernel


@pytest.mark.parametrize("text", ["Lee", "SMITH", "Br38f John", "1950-07-04", "AnneMarie"])
def test_text_that_is_no_kernel_is_dropped(text: str) -> None:
    assert dicom_codes.kernel(text) == "OTHER"


@pytest.mark.parametrize(
    ("text", "name"),
    [("SIEMENS", "SIEMENS"), ("GE MEDICAL SYSTEMS", "GE"), ("Gerald", "OTHER"), ("", None)],
)
def test_makers_come_from_a_short_list(text: str, name: str | None) -> None:
    assert dicom_codes.vendor(text) == name
