"""3D-RAD (questions on CT-RATE volumes), by its published layout.

Read from the repository Tang-xiaoxiao/3D-RAD: the folders ``<split>/Task<n>_<name>/<subtask>.csv``,
the columns and their codes (``Open``, ``Close``, ``-`` for nothing), and the table of paths with
the columns ``VolumeName`` and ``Path`` that its evaluation reads. Numbers of tasks are those of the
folders and of the column ``Task``; the repository's README counts the first two the other way
round. Not verified: where the images lie in the published archive (looked for as
``Images/<volume>.npy`` and ``.nii.gz`` unless a table of paths is given), and that ``test_<n>``
here is ``valid_<n>`` in CT-RATE.

The published images are NumPy arrays: no geometry comes with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.ct_rate import ct_rate_patient
from vol3d.evaluate.public_sets.images import check_images, without_ending
from vol3d.evaluate.public_sets.records import ImagePolicy, PublicImage, PublicQuestion
from vol3d.evaluate.public_sets.tables import Row, read_rows
from vol3d.volume.names import shown_name

TASKS = {
    1: "image_observation",
    2: "anomaly_detection",
    3: "medical_computation",
    4: "existence_detection",
    5: "static_temporal_diagnosis",
    6: "longitudinal_temporal_diagnosis",
}
"""The six tasks, numbered as the folders and the column ``Task`` are."""
_LETTERS = ("A", "B", "C", "D")
_COLUMNS = (
    "Task",
    "Subtask",
    "VolumeName",
    "Question",
    "Answer",
    "QuestionType",
    "AnswerChoice",
    *(f"Choice {letter}" for letter in _LETTERS),
)
_FOLDER = re.compile(r"^Task([1-6])_")


def load_3d_rad(
    root: Path,
    *,
    split: str = "test",
    images: ImagePolicy = "required",
    path_table: Path | None = None,
) -> tuple[PublicQuestion, ...]:
    """The questions of all tasks of one split; ``task`` is the task's name and its subtask.

    Args:
        root: The folder that holds ``test/``, or that holds ``3DRAD/``.
        split: ``train`` or ``test``.
        images: Whether a missing image is an error.
        path_table: CSV with the columns ``VolumeName`` and ``Path``; relative paths start at its
            folder.

    Raises:
        DataError: No such split, a row that contradicts its folder, a closed question whose answer
            is none of its options, or a missing image.
    """
    base = root / "3DRAD" if (root / "3DRAD").is_dir() else root
    paths = {} if path_table is None else _paths(path_table)
    questions = tuple(
        _question(row, number, path.stem, _image(base, row, paths, has_table=bool(path_table)))
        for number, path in _files(base, split)
        for row in read_rows(path, _COLUMNS)
    )
    check_images((each.image for each in questions), images, where=f"3D-RAD, split {split}")
    return questions


def _files(base: Path, split: str) -> Iterator[tuple[int, Path]]:
    folder = base / split
    found = [
        (int(match[1]), path)
        for inner in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if inner.is_dir() and (match := _FOLDER.match(inner.name))
        for path in sorted(inner.glob("*.csv"))
    ]
    if not found:
        raise DataError(
            explain(
                expected=f"{split}/Task1_Image_Observation/*.csv and the like",
                got="no table of questions",
                where=f"3D-RAD in {shown_name(base)}",
                remedy="Pass the folder that the data set was downloaded to.",
            )
        )
    yield from found


def _question(row: Row, number: int, subtask: str, image: PublicImage) -> PublicQuestion:
    row.one_of("Task", (str(number),))
    is_closed = row.one_of("QuestionType", ("Open", "Close")) == "Close"
    options = {letter: row.optional(f"Choice {letter}", "-") for letter in _LETTERS}
    choices = {letter: text for letter, text in options.items() if text is not None}
    letter = row.one_of("AnswerChoice", tuple(choices) if is_closed else ("-",))
    return PublicQuestion(
        qid=f"3d-rad-{number}-{subtask.replace(' ', '_')}:{row.number:06d}",
        image=image,
        task=f"{TASKS[number]}/{subtask}",
        row=row.number,
        question=row.text("Question"),
        choices=choices if is_closed else {},
        answer=row.text("Answer"),
        answer_letter=letter if is_closed else None,
    )


def _image(base: Path, row: Row, paths: Mapping[str, Path], *, has_table: bool) -> PublicImage:
    image_id = without_ending(row.text("VolumeName"))
    patient = ct_rate_patient(image_id)
    if patient is None:
        raise row.wrong("a volume name such as 'test_1_a_1.nii.gz'", repr(image_id[:40]))
    places = [base / "Images" / f"{image_id}{ending}" for ending in (".npy", ".nii.gz")]
    if has_table:
        places = [paths[image_id]] if image_id in paths else []
    path = next((place for place in places if place.is_file()), None)
    is_nifti = path is not None and path.name.endswith((".nii.gz", ".nii"))
    return PublicImage(
        image_id=image_id,
        patient_id=patient,
        path=path,
        geometry="file" if is_nifti else "unknown",
    )


def _paths(table: Path) -> dict[str, Path]:
    return {
        without_ending(row.text("VolumeName")): table.parent / row.text("Path")
        for row in read_rows(table, ("VolumeName", "Path"))
    }
