"""Nothing personal from a DICOM header, and no path, reaches any output."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from vol3d.volume import Volume, write_dicom_series

PLANTED = {
    "PatientName": "PLANTED^NAME",
    "PatientID": "PLANTED-ID",
    "PatientBirthDate": "19700102",
    "StudyDate": "20010203",
    "InstitutionName": "PLANTED HOSPITAL",
    "ReferringPhysicianName": "PLANTED^PHYSICIAN",
    "SeriesDescription": "PLANTED DESCRIPTION",
    "ImageComments": "PLANTED COMMENT",
    "ProtocolName": "PLANTED PROTOCOL",
    "BodyPartExamined": "PLANTED BODY",
    "ConvolutionKernel": "PLANTED^KERNEL",
    "Manufacturer": "PLANTED MAKER OF PATIENT",
}
SECRETS = (b"PLANTED", b"19700102", b"20010203")


@pytest.fixture
def series(trunk_ct: Volume, tmp_path: Path) -> Path:
    """A CT series whose every slice holds planted names, in a folder named after the patient."""
    folder = tmp_path / "PLANTED_FOLDER"
    for path in write_dicom_series(trunk_ct, folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            for keyword, value in PLANTED.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)
    return folder


def test_no_output_file_holds_anything_planted(
    cli: Callable[..., Any], series: Path, tmp_path: Path
) -> None:
    result = cli("report", series, "-o", tmp_path / "out", "--json", "--verbose")
    assert result.code == 0, result.err
    outputs = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    outputs["stdout"], outputs["stderr"] = result.out.encode(), result.err.encode()
    assert len(outputs) == 7
    leaks = [
        (name, secret)
        for name, content in outputs.items()
        for secret in SECRETS
        if secret in content.replace(str(tmp_path).encode(), b"")
    ]
    assert leaks == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_info_holds_nothing_planted(
    cli: Callable[..., Any], series: Path, options: list[str]
) -> None:
    result = cli("info", series, *options)
    assert result.code == 0
    assert "PLANTED" not in result.out + result.err


def test_refusal_holds_nothing_from_the_header(
    cli: Callable[..., Any], series: Path, tmp_path: Path
) -> None:
    sorted(series.iterdir())[5].unlink()
    result = cli("report", series, "-o", tmp_path / "out")
    assert result.code == 3
    assert "PLANTED" not in result.err.replace("PLANTED_FOLDER", "")
