"""M3D-Cap (image-text pairs) and M3D-VQA, by their published layout.

Read from the repository BAAI-DCAI/M3D (``Bench/dataset/multi_dataset.py``,
``Data/process/m3d_cap_data_prepare.py``, ``m3d_vqa_data_generation.py``): the keys of
``M3D_Cap.json``, the columns of ``M3D_VQA_*.csv``, paths relative to one data folder, ``NA`` for an
option that a question does not have. Not verified: every row of the published files, and the
columns of ``M3D_VQA_yn_train.csv``, which is not read here.

The images were made from exported slices (JPEG or PNG), cropped, and resized to 32 x 256 x 256:
they have no spacing, no direction and no HU. Derived sets store the same arrays as ``.nii.gz`` with
a made-up affine. So the geometry of every image of these sets is ``unknown``, whatever its file
says.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.images import check_images, path_below, without_ending
from vol3d.evaluate.public_sets.records import (
    ImagePolicy,
    PublicImage,
    PublicQuestion,
    PublicReport,
)
from vol3d.evaluate.public_sets.tables import Row, first_file, read_rows
from vol3d.volume.names import shown_name

QUESTION_TYPES = {
    "1": "plane",
    "2": "phase",
    "3": "organ",
    "4": "abnormality",
    "5": "location",
}
"""Codes of the column ``Question Type``."""
_LETTERS = ("A", "B", "C", "D")
_COLUMNS = (
    "Image Path",
    "Question Type",
    "Question",
    *(f"Choice {letter}" for letter in _LETTERS),
    "Answer",
    "Answer Choice",
)
_CAP_PLACES = ("M3D_Cap_npy/M3D_Cap.json", "M3D_Cap/M3D_Cap.json", "M3D_Cap.json")
_VQA_FOLDERS = ("M3D-VQA/", "M3D_VQA/", "")


def load_m3d_cap(
    root: Path, *, split: str = "test", images: ImagePolicy = "required"
) -> tuple[PublicReport, ...]:
    """The image-text pairs of one split of M3D-Cap.

    Args:
        root: The folder that ``M3D_Cap_npy/`` lies in.
        split: A key of the JSON file: ``train``, ``validation``, ``test``, ``test1k``, ...
        images: Whether a missing image is an error.

    Raises:
        DataError: No such split, an entry without image or text, a text file that is missing or
            empty, or a missing image.
    """
    path = first_file(root, _CAP_PLACES, what="M3D-Cap")
    reports = []
    for number, entry in enumerate(_entries(path, split), start=1):
        row = Row(file=f"{shown_name(path)} [{split}]", number=number, cells={})
        if not isinstance(entry, dict) or not all(
            isinstance(entry.get(key), str) for key in ("image", "text")
        ):
            raise row.wrong("an object with the texts 'image' and 'text'", "another entry")
        reports.append(
            PublicReport(
                image=_image(root, entry["image"], row),
                split=split,
                row=number,
                findings=_report_text(root, entry["text"], row),
            )
        )
    check_images((report.image for report in reports), images, where=f"M3D-Cap, split {split}")
    return tuple(reports)


def load_m3d_vqa(
    root: Path, *, split: str = "test", images: ImagePolicy = "required"
) -> tuple[PublicQuestion, ...]:
    """The questions of ``M3D_VQA_<split>.csv``, each with its four options and its answer in words.

    Args:
        root: The folder that ``M3D-VQA/`` and ``M3D_Cap_npy/`` lie in.
        split: ``train``, ``val`` or ``test``, as in the file's name.
        images: Whether a missing image is an error.

    Raises:
        DataError: A row without question or answer, an unknown question type, an answer whose
            option is not there, or a missing image.
    """
    name = f"M3D_VQA_{split}.csv"
    path = first_file(root, [folder + name for folder in _VQA_FOLDERS], what="M3D-VQA")
    questions = tuple(_question(root, split, row) for row in read_rows(path, _COLUMNS))
    check_images((each.image for each in questions), images, where=name)
    return questions


def _question(root: Path, split: str, row: Row) -> PublicQuestion:
    options = {letter: row.optional(f"Choice {letter}", "NA") for letter in _LETTERS}
    choices = {letter: text for letter, text in options.items() if text is not None}
    letter = row.one_of("Answer Choice", _LETTERS)
    if letter not in choices:
        raise row.wrong(f"a text in column 'Choice {letter}', the answer", "none")
    return PublicQuestion(
        qid=f"m3d-vqa-{split}:{row.number:06d}",
        image=_image(root, row.text("Image Path"), row),
        task=QUESTION_TYPES[row.one_of("Question Type", QUESTION_TYPES)],
        row=row.number,
        question=row.text("Question"),
        choices=choices,
        answer=row.text("Answer"),
        answer_letter=letter,
    )


def _image(root: Path, relative: str, row: Row) -> PublicImage:
    try:
        path = path_below(root, relative)
    except ValueError as error:
        raise row.wrong("an image path below the data folder", str(error)) from None
    return PublicImage(
        image_id=without_ending(relative),
        patient_id=str(PurePosixPath(relative).parent),  # one folder per case
        path=path,
        geometry="unknown",
    )


def _report_text(root: Path, relative: str, row: Row) -> str:
    try:
        path = path_below(root, relative)
        text = "" if path is None else path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise row.wrong("a readable text file below the data folder", str(error)[:120]) from None
    if not text:
        got = f"{'no file' if path is None else 'an empty file'} at {relative[:80]!r}"
        raise row.wrong("a text file with the report", got)
    return text


def _entries(path: Path, split: str) -> list[Any]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(path, f"content that cannot be read ({type(error).__name__})") from None
    entries = whole.get(split) if isinstance(whole, dict) else None
    if not isinstance(entries, list) or not entries:
        known = ", ".join(whole) if isinstance(whole, dict) else "no object"
        raise _wrong(path, f"no split {split!r} (there: {known[:120]})")
    return entries


def _wrong(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="a JSON object of splits, each a list of entries with image and text",
            got=got,
            where=shown_name(path),
            remedy="Use M3D_Cap.json as it was published, and one of its splits.",
        )
    )
