"""DICOM series with drawn headers, sound and damaged, judged by an oracle of their own.

The oracle reads each written file field by field and follows the standard: a pixel of column i and
row j lies at ImagePositionPatient + i * column spacing * row direction + j * row spacing * column
direction (PS3.3 C.7.6.2.1.1), and its value is slope * stored + intercept (C.11.1.1.2). An accepted
volume must consist of such slices and nothing else; whatever it leaves out must be named.

``VOL3D_FUZZ_EXAMPLES=5000 pytest tests/fuzz`` runs more examples than the suite does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from vol3d.errors import Vol3dError
from vol3d.volume import Volume, inspect_path, read_volume

EXAMPLES = int(os.environ.get("VOL3D_FUZZ_EXAMPLES", "60"))
ROWS, COLUMNS = 7, 6
MOST_OFF = 0.002
MOST_OFF_AS_TOLD = 0.055
"""How far a slice may lie off the grid, in steps; more only if a note says that it does."""
LEAST_OFF_MM = 0.01
LEAST_OFF_AS_TOLD_MM = 0.12
CT_CLASS, MR_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
VALUES_CHANGED = {"pixel_representation_repaired", "monochrome1_inverted"}
LEFT_OUT = {"several_volumes", "phases_split", "duplicates_dropped", "other_files_ignored"}
ODD_FIELDS = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"),
    *("RescaleIntercept", "Rows", "Columns", "BitsStored", "HighBit", "BitsAllocated"),
    *("NumberOfFrames", "Modality", "InstanceNumber"),
)
Edit = Callable[[list[Dataset]], None]
Array = npt.NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# ---------------------------------------------------------------- what is drawn


@st.composite
def directions(draw: st.DrawFn) -> Array:
    """Row direction, column direction and normal (LPS): straight in any order, or turned."""
    if draw(st.booleans()):
        order = draw(st.permutations(range(3)))
        signs = [draw(st.sampled_from([-1.0, 1.0])) for _ in range(2)]
        row, column = np.eye(3)[order[0]] * signs[0], np.eye(3)[order[1]] * signs[1]
    else:
        quaternion = np.array([draw(st.floats(-1, 1)) + 1e-3 for _ in range(4)])
        a, b, c, d = quaternion / max(float(np.linalg.norm(quaternion)), 1e-6)
        row = np.array([a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)])
        column = np.array([2 * (b * c - a * d), a * a - b * b + c * c - d * d, 2 * (c * d + a * b)])
        row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


@st.composite
def series(draw: st.DrawFn) -> list[Dataset]:
    """A sound series of 4 to 6 slices."""
    frame = draw(directions())
    spacing = [draw(st.floats(0.2, 5.0)) for _ in range(2)]
    drift = [draw(st.sampled_from([0.0, 0.0, 0.3, -0.5])) for _ in range(2)]
    step = draw(st.floats(0.4, 9.0)) * (frame[2] + drift[0] * frame[0] + drift[1] * frame[1])
    origin = np.array([draw(st.floats(-800, 800)) for _ in range(3)])
    bits, is_signed = draw(st.sampled_from([8, 10, 12, 16])), draw(st.booleans())
    slope = draw(st.sampled_from(["1", "1", "2", "0.5", "-1", "0.00123", None]))
    intercepts = draw(st.sampled_from([["0"], ["-1024"], ["-1024", "-1000.5", "77"], [None]]))
    modality = draw(st.sampled_from(["CT", "CT", "MR"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_slices = draw(st.integers(4, 6))
    has_noise_above = draw(st.booleans())
    datasets = []
    for k in range(num_slices):
        ds = Dataset()
        ds.SOPClassUID = CT_CLASS if modality == "CT" else MR_CLASS
        ds.SOPInstanceUID, ds.SeriesInstanceUID = f"1.2.3.{k + 1}", "1.2.9"
        ds.Modality, ds.ImageType = modality, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber = k + 1
        ds.ImagePositionPatient = [f"{v:.8g}" for v in origin + k * step]
        ds.ImageOrientationPatient = [f"{v:.9f}" for v in frame[:2].ravel()]
        ds.PixelSpacing = [f"{v:.8g}" for v in spacing]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = ROWS, COLUMNS
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
        ds.PixelRepresentation = int(is_signed)
        if slope is not None:
            ds.RescaleSlope = slope
        if (intercept := intercepts[k % len(intercepts)]) is not None:
            ds.RescaleIntercept = intercept
        cells = rng.integers(0, 2 ** (16 if has_noise_above else bits), (ROWS, COLUMNS))
        if not has_noise_above and is_signed:  # sign bits run on to the top of the cell
            cells = (cells << (16 - bits)).astype(np.uint16).view(np.int16) >> (16 - bits)
        ds.PixelData = cells.astype(np.int64).astype("<u2").tobytes()
        datasets.append(ds)
    return datasets


def _extra(ds: Dataset, **fields: object) -> Dataset:
    new = Dataset()
    for element in ds:
        new.add(pydicom.DataElement(element.tag, element.VR, element.value))
    for keyword, value in fields.items():
        setattr(new, keyword, value)
    return new


def _other_pixels(ds: Dataset, shift: int) -> bytes:
    cells = np.frombuffer(ds.PixelData, "<u2")
    return np.roll(cells, shift).tobytes()


@st.composite
def changes(draw: st.DrawFn) -> Edit:
    """One thing that is odd or wrong with a series."""
    kind = draw(st.sampled_from(sorted(CHANGES)))
    k, amount = draw(st.integers(0, 3)), draw(st.floats(-40, 40))
    number = draw(st.integers(0, 7))
    event(kind)

    def edit(datasets: list[Dataset]) -> None:
        CHANGES[kind](datasets, k, amount, number)

    edit.__name__ = f"{CHANGES[kind].__name__}({k}, {amount}, {number})"
    return edit


def _drop(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    del ds[k]


def _copy(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    ds.append(_extra(ds[k]))


def _copy_other(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    ds.append(_extra(ds[k], PixelData=_other_pixels(ds[k], number + 1)))


def _renumber(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    for i, piece in enumerate(ds):
        piece.InstanceNumber = (i * 3 + number) % 7
    ds.reverse()


def _move(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    place = [float(v) for v in ds[k].ImagePositionPatient]
    place[number % 3] += amount * 10.0 ** -(number % 4)
    ds[k].ImagePositionPatient = [f"{v:.8g}" for v in place]


def _turn(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    cosines = [float(v) for v in ds[k].ImageOrientationPatient]
    ds[k].ImageOrientationPatient = [
        cosines[3:] + cosines[:3],
        [-c for c in cosines],
        [-c for c in cosines[:3]] + cosines[3:],
        [c + amount * 1e-3 for c in cosines],
    ][number % 4]


def _zoom(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    ds[k].PixelSpacing = [abs(amount) / 10 + 0.1, 1]


def _second_series(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    for piece in ds[: 2 + k]:
        ds.append(
            _extra(
                piece,
                SeriesInstanceUID="1.2.10",
                SOPInstanceUID=f"{piece.SOPInstanceUID}.2",
                PixelData=_other_pixels(piece, number + 1),
            )
        )


def _second_phase(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    tag = ("AcquisitionNumber", "TemporalPositionIdentifier", "EchoTime", "InstanceNumber")
    for i, piece in enumerate(list(ds)):
        new = _extra(
            piece,
            SOPInstanceUID=f"{piece.SOPInstanceUID}.2",
            PixelData=_other_pixels(piece, number + 1),
        )
        setattr(piece, tag[k], i if tag[k] == "InstanceNumber" else 1)
        setattr(new, tag[k], i + 100 if tag[k] == "InstanceNumber" else 2)
        ds.append(new)


def _localizer(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    ds[k].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def _sign(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    for piece in ds if number % 2 else ds[k : k + 1]:
        piece.PixelRepresentation = 1 - piece.PixelRepresentation


def _invert(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    for piece in ds:
        piece.PhotometricInterpretation = "MONOCHROME1"


def _field(ds: list[Dataset], k: int, amount: float, number: int) -> None:
    keyword = ODD_FIELDS[int(abs(amount)) % len(ODD_FIELDS)]
    if number == 0:
        ds[k].pop(keyword, None)
        return
    is_text = keyword.startswith(("Image", "Pixel", "Resc"))
    texts = ("", "0", "-1", "nan", "1e400", "1e9", "1e-9")
    whole = (0, 1, 5, 15, 17, 300, 65535)
    value: object = texts[number - 1] if is_text else whole[number - 1]
    if keyword in ("Modality", "NumberOfFrames", "InstanceNumber"):
        value = str(value) if keyword != "Modality" else ("PT", "", "CT", "MR", "OT", "X", "US")[k]
    if is_text and not keyword.startswith("Resc"):
        values = [str(v) for v in ds[k].get(keyword, ["1", "1"])]
        values[k % len(values)] = str(value)
        value = values
    ds[k].pop(keyword, None)
    setattr(ds[k], keyword, value)


CHANGES: dict[str, Callable[[list[Dataset], int, float, int], None]] = {
    "missing slice": _drop,
    "copy": _copy,
    "copy with other pixels": _copy_other,
    "other order": _renumber,
    "moved slice": _move,
    "turned slice": _turn,
    "other scale": _zoom,
    "second series": _second_series,
    "second phase": _second_phase,
    "localizer": _localizer,
    "other sign": _sign,
    "MONOCHROME1": _invert,
    "odd field": _field,
    "odd field again": _field,
}
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    None,
)


def write(datasets: list[Dataset], folder: Path, syntax: str | None) -> None:
    """The data sets as files; without a syntax as implicit VR without preamble and meta group."""
    with pydicom.config.disable_value_validation():
        for number, ds in enumerate(datasets):
            piece = _extra(ds)
            path = folder / f"f{number:02d}"
            piece["PixelData"].VR = "OW"
            if syntax is None:
                pydicom.dcmwrite(path, piece, implicit_vr=True, little_endian=True)
                continue
            piece.file_meta = FileMetaDataset()
            piece.file_meta.MediaStorageSOPClassUID = piece.SOPClassUID
            piece.file_meta.MediaStorageSOPInstanceUID = piece.SOPInstanceUID
            piece.file_meta.TransferSyntaxUID = (
                ExplicitVRLittleEndian if syntax == RLELossless else syntax
            )
            if syntax == RLELossless and piece.BitsStored > 8:  # pydicom would write half cells
                piece.compress(RLELossless, generate_instance_uid=False)
            if syntax == ExplicitVRBigEndian:
                piece.PixelData = np.frombuffer(piece.PixelData, "<u2").astype(">u2").tobytes()
                piece["PixelData"].VR = "OW"
            piece.save_as(path, enforce_file_format=True)


def spoil(folder: Path, damage: tuple[int, int, int] | None) -> None:
    """Overwrites or cuts one file."""
    if damage is None:
        return
    which, where, value = damage
    files = sorted(folder.iterdir())
    path = files[which % len(files)]
    content = bytearray(path.read_bytes())
    at = where % len(content)
    if value < 256:
        content[at] = value
    else:
        del content[at:]
    path.write_bytes(bytes(content))


# ---------------------------------------------------------------- the oracle


@dataclass
class OracleSlice:
    """RAS position of every pixel (row, column, 3) and its value."""

    world_mm: Array
    values: Array


def oracle_slice(path: Path) -> OracleSlice | None:
    """What one file says; ``None`` if it cannot be understood."""
    try:
        ds = pydicom.dcmread(path, force=True)
        position = np.array([float(v) for v in ds.ImagePositionPatient])
        cosines = np.array([float(v) for v in ds.ImageOrientationPatient])
        row_mm, column_mm = (float(v) for v in ds.PixelSpacing)
        stored = _oracle_stored(ds)
        slope, intercept = (
            default if ds.get(keyword) in (None, "") else float(ds[keyword].value)
            for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
        )
    except Exception:  # what the oracle cannot read it does not vouch for
        return None
    i, j = np.meshgrid(np.arange(ds.Columns), np.arange(ds.Rows))
    lps = position + i[..., None] * column_mm * cosines[:3] + j[..., None] * row_mm * cosines[3:]
    return OracleSlice(world_mm=lps * [-1, -1, 1], values=stored * slope + intercept)


def _oracle_stored(ds: Dataset) -> Array:
    content = ds.PixelData
    syntax = ds.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    if syntax == RLELossless:
        content = ds.pixel_array.astype("<u2").tobytes()
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    cells = np.frombuffer(content, f"{order}u{ds.BitsAllocated // 8}").astype(np.int64)
    cells = cells.reshape(ds.Rows, ds.Columns) % 2**ds.BitsStored
    if ds.PixelRepresentation == 1:
        cells = np.where(cells >= 2 ** (ds.BitsStored - 1), cells - 2**ds.BitsStored, cells)
    return cells


def covered(volume: Volume, piece: OracleSlice) -> Array | None:
    """Flat indices of the volume's voxels that are this slice's pixels; ``None`` if any differs."""
    index = volume.grid.world_to_index_zyx(piece.world_mm.reshape(-1, 3))
    nearest = np.rint(index).astype(int)
    off_mm = np.linalg.norm(
        volume.grid.index_to_world_mm(nearest) - piece.world_mm.reshape(-1, 3), axis=1
    )
    codes = {note.code for note in volume.notes}
    step_mm = max(float(v) for v in volume.grid.spacing_zyx_mm)
    is_told = "slice_positions_rounded" in codes
    most_mm = (
        max(LEAST_OFF_AS_TOLD_MM, MOST_OFF_AS_TOLD * step_mm)
        if is_told
        else max(LEAST_OFF_MM, MOST_OFF * step_mm)
    )
    is_inside = ((nearest >= 0) & (nearest < volume.grid.shape_zyx)).all()
    if not is_inside or off_mm.max() > most_mm:
        return None
    flat = np.ravel_multi_index(nearest.T, volume.grid.shape_zyx)
    values = piece.values.ravel()
    tolerance = 1e-6 * max(1.0, float(np.abs(values).max()))
    is_same = np.abs(volume.voxels_zyx.ravel()[flat] - values).max() <= tolerance
    return flat if is_same or codes & VALUES_CHANGED else None


def assert_true(volume: Volume, folder: Path) -> None:
    """Every voxel belongs to one written slice, and slices that are left out are told of."""
    slices = [oracle_slice(path) for path in sorted(folder.iterdir())]
    found = [None if piece is None else covered(volume, piece) for piece in slices]
    used = [flat for flat in found if flat is not None]
    assert used, "no slice of the folder lies in the volume"
    count = np.bincount(np.concatenate(used), minlength=volume.voxels_zyx.size)
    codes = {note.code for note in volume.notes}
    assert count.min() >= 1, "voxels that no slice of the folder has"
    is_told = any(code in LEFT_OUT or code.endswith("_ignored") for code in codes)
    assert count.max() == 1 or is_told or codes & VALUES_CHANGED, "slices upon each other"
    assert len(used) == len(slices) or is_told, "slices left out in silence"
    assert volume.unit == "arbitrary" or volume.modality == "CT"


# ---------------------------------------------------------------- the tests


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sound=series(), syntax=st.sampled_from(SYNTAXES))
def test_sound_series_are_read_as_the_standard_says(
    sound: list[Dataset], syntax: str | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(sound, folder, syntax)
        volume = read_volume(folder)
        assert_true(volume, folder)
        assert volume.voxels_zyx.size == len(sound) * ROWS * COLUMNS


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    datasets=series(),
    edits=st.lists(changes(), min_size=1, max_size=2),
    syntax=st.sampled_from(SYNTAXES),
    damage=st.none() | st.none() | st.tuples(*(st.integers(0, n) for n in (9, 2000, 400))),
)
def test_odd_series_are_read_truly_or_refused(
    datasets: list[Dataset],
    edits: list[Edit],
    syntax: str | None,
    damage: tuple[int, int, int] | None,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with pydicom.config.disable_value_validation():
                for edit in edits:
                    edit(datasets)
                write(datasets, folder, syntax)
        except (ValueError, AttributeError, OverflowError, TypeError, KeyError, IndexError):
            return  # pydicom writes no such file
        spoil(folder, damage)
        refusal = inspect_path(folder).refusal
        event("read" if refusal is None else "refused")
        if refusal is not None:
            with pytest.raises(Vol3dError):
                read_volume(folder)
            return
        assert_true(read_volume(folder), folder)
