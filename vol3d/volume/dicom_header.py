"""DICOM headers as records: one per file, one per frame; pixel data is not touched."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vol3d.errors import DataError, explain
from vol3d.volume import dicom_codes as codes
from vol3d.volume.names import is_regular, shown_name
from vol3d.volume.volume import Acquisition

Triple = tuple[float, float, float]

_LARGEST_MM = 1e6
_LEAST_NORMAL = 1e-3
_PREAMBLE_BYTES = 132
_HEAD_BYTES = 1024
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_MOST_INFLATED_BYTES = 1 << 29
"""Ten times the largest enhanced file that deflating is used for; inflated whole in memory."""

_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "ImageType",
    "BurnedInAnnotation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "BodyPartExamined",
    "PatientPosition",
    "Manufacturer",
    "ConvolutionKernel",
    "SliceThickness",
    "KVP",
    "ContrastBolusAgent",
    "ScanningSequence",
    "EchoPulseSequence",
    "VolumetricProperties",
    "RealWorldValueMappingSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "InstanceNumber",
    *codes.PHASE_TAGS,
    *codes.FREE_TEXT_TAGS,
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One slice: where it lies and how its stored numbers become values.

    Args:
        position_lps_mm: ImagePositionPatient; ``None`` when the header has none, or no usable one.
        orientation_lps: Row direction then column direction.
        spacing_row_col_mm: PixelSpacing: distance of rows, distance of columns.
        slope: ``None`` when the header gives no rescale.
        damaged_tags: What the header has of position, orientation and spacing but not usable.
        missing_tags: What it does not have of them.
        phase: Values of ``dicom_codes.PHASE_TAGS`` where the header gives them; never shown.
    """

    index: int
    position_lps_mm: Triple | None
    orientation_lps: tuple[float, ...] | None
    spacing_row_col_mm: tuple[float, float] | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    frame_type: tuple[str, ...]
    is_other_unit: bool
    stack_id: str
    damaged_tags: tuple[str, ...]
    missing_tags: tuple[str, ...]
    phase: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomFile:
    """One DICOM file's header; ``series_key`` separates series even where UIDs are empty.

    Args:
        has_file_meta: Whether the file starts as PS3.10 asks: preamble and file meta group.
        free_text_tags: Which of the tags with free text on diagnosis or history are filled.
        bytes_left: From the start of the pixel data element to the end of the file.
    """

    path: Path
    transfer_syntax: str
    has_file_meta: bool
    is_implicit: bool
    is_little_endian: bool
    sop_instance_uid: str
    instance_number: int | None
    free_text_tags: tuple[str, ...]
    sop_class: str
    modality: str
    series_key: str
    series_uid_sha256: str | None
    image_type: tuple[str, ...]
    is_burned_in: bool
    is_distorted: bool
    has_modality_lut: bool
    samples: int
    photometric: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int | None
    is_signed: bool
    padding_value: int | None
    slice_thickness_mm: float | None
    acquisition: Acquisition
    frames: tuple[Frame, ...]
    bytes_left: int


@contextmanager
def silenced_pydicom() -> Iterator[None]:
    """Keeps pydicom's warnings and log records back: they quote header values."""
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


def find_files(path: Path) -> tuple[list[Path], int]:
    """All plain files at or below ``path``, sorted by name, and the number of others.

    Links to folders are not followed; pipes, devices, sockets and links to nothing are the others.

    Raises:
        DataError: A folder cannot be listed.
    """
    if path.is_file():
        return [path], 0

    def fail(error: OSError) -> None:
        raise DataError(
            explain(
                expected="a folder that can be read",
                got=type(error).__name__,
                where=shown_name(path),
                remedy="Check its permissions.",
            )
        ) from None

    found: list[Path] = []
    for folder, _, names in os.walk(path, onerror=fail):
        found += [Path(folder, name) for name in names]
    plain = sorted(file for file in found if is_regular(file))
    return plain, len(found) - len(plain)


def unreadable_file(error: OSError, *, where: str) -> DataError:
    """The refusal of a file or folder that the system does not let read."""
    return DataError(
        explain(
            expected="files that can be read",
            got=type(error).__name__,
            where=where,
            remedy="Check their permissions.",
        )
    )


def is_dicom(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is DICOM, with or without its preamble."""
    return head[128:132] == b"DICM" or head[:4] in (b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")


def read_headers(path: Path) -> tuple[list[DicomFile], int]:
    """Headers of all DICOM files at or below ``path``, and the number of other files.

    Raises:
        DataError: A folder or file cannot be read, or a DICOM header is damaged.
    """
    found, num_special = find_files(path)
    headers: list[DicomFile] = []
    try:
        with silenced_pydicom():
            for number, file in enumerate(found, start=1):
                where = (
                    shown_name(path)
                    if len(found) == 1
                    else f"file {number} of {len(found)} (by name)"
                )
                header = _read_header(file, where=where)
                headers += [] if header is None else [header]
    finally:
        _decoded.clear()
    return headers, len(found) - len(headers) + num_special


def _read_header(path: Path, *, where: str) -> DicomFile | None:
    import pydicom

    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if not is_dicom(head):
                return None
            if _DEFLATED in head:
                _check_inflated_size(path)
            file.seek(0)
            ds = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            return _parse(ds, path, bytes_left=path.stat().st_size - file.tell())
    except Exception as error:
        # any failure refuses the scan; the cause is dropped because it may quote the header
        raise DataError(
            explain(
                expected="a DICOM header that can be read",
                got=type(error).__name__,
                where=where,
                remedy="Export or copy the file again.",
            )
        ) from None


def _check_inflated_size(path: Path) -> None:
    """Inflates a deflated file piece by piece and keeps nothing, before pydicom inflates it whole.

    Raises:
        ValueError: It grows beyond what a file may hold.
    """
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        meta = read_file_meta_info(path)
        file.seek(_PREAMBLE_BYTES + 12 + int(meta.FileMetaInformationGroupLength))
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(1 << 16)):
            total += len(inflater.decompress(chunk, 1 << 20))
            if total > _MOST_INFLATED_BYTES:
                raise ValueError("inflated size")


def _parse(ds: Any, path: Path, *, bytes_left: int) -> DicomFile:
    uid = _text(ds, "SeriesInstanceUID")
    frame_of_reference = _text(ds, "FrameOfReferenceUID")
    image_type = _terms(_value(ds, "ImageType"))
    return DicomFile(
        path=path,
        transfer_syntax=str(ds.file_meta.get("TransferSyntaxUID", "")),
        has_file_meta="TransferSyntaxUID" in ds.file_meta,
        is_implicit=bool(ds.original_encoding[0]),
        is_little_endian=bool(ds.original_encoding[1]),
        sop_instance_uid=_text(ds, "SOPInstanceUID"),
        instance_number=_instance_number(ds),
        free_text_tags=tuple(tag for tag in codes.FREE_TEXT_TAGS if _value(ds, tag)),
        sop_class=_text(ds, "SOPClassUID") or str(ds.file_meta.get("MediaStorageSOPClassUID", "")),
        modality=_text(ds, "Modality").upper(),
        series_key=uid or f"{frame_of_reference}|{_text(ds, 'SeriesNumber')}",
        series_uid_sha256=hashlib.sha256(uid.encode()).hexdigest() if uid else None,
        image_type=image_type,
        is_burned_in=_text(ds, "BurnedInAnnotation").upper() == "YES",
        is_distorted=_text(ds, "VolumetricProperties").upper() == "DISTORTED",
        has_modality_lut=_value(ds, "ModalityLUTSequence") is not None,
        samples=_int(ds, "SamplesPerPixel") or 1,
        photometric=_text(ds, "PhotometricInterpretation").upper(),
        rows=_int(ds, "Rows") or 0,
        columns=_int(ds, "Columns") or 0,
        bits_allocated=_int(ds, "BitsAllocated") or 0,
        bits_stored=_int(ds, "BitsStored") or 0,
        high_bit=_int(ds, "HighBit"),
        is_signed=_int(ds, "PixelRepresentation") == 1,
        padding_value=_int(ds, "PixelPaddingValue"),
        slice_thickness_mm=_slice_thickness(ds),
        acquisition=_acquisition(ds, uid),
        frames=_frames(ds, image_type),
        bytes_left=bytes_left,
    )


def _acquisition(ds: Any, uid: str) -> Acquisition:
    sequence = _terms(_value(ds, "ScanningSequence")) or _terms(_value(ds, "EchoPulseSequence"))
    agent = _text(ds, "ContrastBolusAgent").upper()
    kernels = _terms(_value(ds, "ConvolutionKernel"))
    return Acquisition(
        body_part_examined=codes.known_term(_text(ds, "BodyPartExamined"), codes.BODY_PARTS),
        patient_position=codes.known_term(_text(ds, "PatientPosition"), codes.PATIENT_POSITIONS),
        manufacturer=codes.vendor(_text(ds, "Manufacturer")),
        convolution_kernel=codes.kernel(kernels[0] if kernels else None),
        slice_thickness_mm=_slice_thickness(ds),
        kvp=_float(_value(ds, "KVP")),
        is_contrast_given=agent not in ("NONE", "NO") if agent else None,
        mr_sequence="/".join(str(codes.known_term(s, codes.SEQUENCES)) for s in sequence) or None,
        series_uid_sha256=hashlib.sha256(uid.encode()).hexdigest() if uid else None,
    )


def _frames(ds: Any, image_type: tuple[str, ...]) -> tuple[Frame, ...]:
    count = _int(ds, "NumberOfFrames") or 1
    per_frame = _value(ds, "PerFrameFunctionalGroupsSequence")
    if per_frame is None:
        # several frames without functional groups share one position: no geometry at all
        return (_frame(0, [ds], image_type, has_place=count == 1),)
    if len(per_frame) != count:
        raise ValueError("frame count")
    shared = list(_value(ds, "SharedFunctionalGroupsSequence") or [])
    return tuple(_group_frame(i, item, shared, image_type) for i, item in enumerate(per_frame))


def _group_frame(
    index: int, item: Any, shared: Sequence[Any], image_type: tuple[str, ...]
) -> Frame:
    """A frame of an enhanced file: its own functional groups before the shared ones."""
    sequences = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "CTImageFrameTypeSequence",
        "MRImageFrameTypeSequence",
        "FrameContentSequence",
        "MREchoSequence",
        "MRDiffusionSequence",
        "CardiacSynchronizationSequence",
    )
    groups = [item, *shared]
    sources = []
    for name in sequences:
        found = next((_value(g, name) for g in groups if _value(g, name)), None)
        sources += [found[0]] if found else []
    return _frame(index, [*sources, *groups], image_type, has_place=True)


def _frame(
    index: int, sources: Sequence[Any], image_type: tuple[str, ...], *, has_place: bool
) -> Frame:
    def first(keyword: str) -> Any:
        return next((_value(s, keyword) for s in sources if _value(s, keyword) is not None), None)

    stored = {
        "ImagePositionPatient": first("ImagePositionPatient") if has_place else None,
        "ImageOrientationPatient": first("ImageOrientationPatient"),
        "PixelSpacing": first("PixelSpacing"),
    }
    position = _floats(stored["ImagePositionPatient"], 3)
    orientation = _orientation(stored["ImageOrientationPatient"])
    spacing = _floats(stored["PixelSpacing"], 2)
    if spacing is not None and min(spacing) <= 0:
        spacing = None
    usable = dict(zip(stored, (position, orientation, spacing), strict=True))
    return Frame(
        index=index,
        position_lps_mm=None if position is None else (position[0], position[1], position[2]),
        orientation_lps=orientation,
        spacing_row_col_mm=None if spacing is None else (spacing[0], spacing[1]),
        slope=_number(first("RescaleSlope")),
        intercept=_number(first("RescaleIntercept")),
        rescale_type=str(first("RescaleType") or "").strip().upper(),
        frame_type=_terms(first("FrameType")) or image_type,
        is_other_unit=_is_other_unit(first("RealWorldValueMappingSequence")),
        stack_id=str(first("StackID") or "").strip(),
        damaged_tags=tuple(
            tag for tag, value in stored.items() if value not in (None, "") and usable[tag] is None
        ),
        missing_tags=tuple(tag for tag, value in stored.items() if value in (None, "")),
        phase=tuple(
            (tag, str(value)) for tag in codes.PHASE_TAGS if (value := first(tag)) not in (None, "")
        ),
    )


def _orientation(value: Any) -> tuple[float, ...] | None:
    """Row and column direction; ``None`` when they are absent, not finite, or span no plane."""
    cosines = _floats(value, 6)
    if cosines is None:
        return None
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = math.hypot(b * f - c * e, c * d - a * f, a * e - b * d)
    return cosines if normal > _LEAST_NORMAL else None


def _is_other_unit(mappings: Any) -> bool:
    """Whether a real-world value mapping names a unit, and none of them is the Hounsfield unit."""
    units = [
        str(unit.get("CodeValue", ""))
        for mapping in mappings or []
        for unit in _value(mapping, "MeasurementUnitsCodeSequence") or []
    ]
    return bool(units) and not any(u in ("[hnsf'U]", "HU") for u in units)


def _slice_thickness(ds: Any) -> float | None:
    """The thickness in mm; ``None`` where the header has none above 0."""
    sources = [ds]
    if _value(ds, "SliceThickness") is None:
        groups = _value(ds, "SharedFunctionalGroupsSequence") or []
        sources = [m for g in groups for m in _value(g, "PixelMeasuresSequence") or []][:1]
    thickness = _float(_value(sources[0], "SliceThickness")) if sources else None
    return thickness if thickness is not None and thickness > 0 else None


@cache
def _tag(keyword: str) -> tuple[int, Any]:
    """The tag as a number, which is found fast, and as pydicom's own type, which it takes as is."""
    from pydicom.tag import Tag

    tag = Tag(keyword)
    return int(tag), tag


def _value(ds: Any, keyword: str) -> Any:
    """The element's value or ``None``; ``Dataset.get`` takes five times as long for absent ones."""
    number, tag = _tag(keyword)
    if number not in ds.keys():  # noqa: SIM118
        return None
    raw = ds.get_item(tag)
    content = raw.value
    if raw.VR is None or type(content) is not bytes or not content.isascii():
        return ds[tag].value
    # the slices of a series share most of their header: equal bytes are decoded once
    key = (number, raw.VR, content)
    if key not in _decoded:
        if len(_decoded) >= _MOST_DECODED:
            _decoded.clear()
        _decoded[key] = ds[tag].value
    return _decoded[key]


_MOST_DECODED = 4096
_decoded: dict[tuple[int, str, bytes], Any] = {}
"""Decoded values of short elements by tag, type and bytes; emptied after every path."""


def _text(ds: Any, keyword: str) -> str:
    value = _value(ds, keyword)
    return "" if value is None else str(value).strip()


def _terms(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else list(value)
    return tuple(str(v).strip() for v in values)


def _int(ds: Any, keyword: str) -> int | None:
    value = _value(ds, keyword)
    return None if value is None or value == "" else int(value)


def _instance_number(ds: Any) -> int | None:
    """The number; ``None`` where it is absent or none: slices are never ordered by it."""
    try:
        return _int(ds, "InstanceNumber")
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    """The number, NaN and infinity included; ``None`` of an empty element."""
    return None if value is None or value == "" else float(value)


def _float(value: Any) -> float | None:
    """The number; ``None`` of an empty element or of one that is not finite."""
    number = _number(value)
    return number if number is not None and math.isfinite(number) else None


def _floats(value: Any, count: int) -> tuple[float, ...] | None:
    """So many numbers; ``None`` of an empty element or of numbers that are no place or size."""
    if value is None or value == "":
        return None
    numbers = tuple(float(v) for v in value)
    if len(numbers) != count:
        raise ValueError("number of values")
    is_usable = all(math.isfinite(n) and abs(n) <= _LARGEST_MM for n in numbers)
    return numbers if is_usable else None
