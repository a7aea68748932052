"""CT-RATE (chest CT with reports and 18 labels), by its published layout.

Read from the repository ibrahimethemhamamci/CT-CLIP (``scripts/data_inference_nii.py``,
``scripts/zero_shot.py``) and from uses of the published files in other public repositories: the
columns of the three tables, their folders and names, ``Not given.`` for an empty section, the
folders ``train_fixed`` and ``valid_fixed`` that correct ``train`` and ``valid``. Not verified:
every row of the published files; that the first number of ``XYSpacing`` is the step between rows.

The labels were read from the reports by a classifier; they are no reading of the scan.

Volumes in ``train`` and ``valid`` need slope, intercept and spacing from the metadata table, and
their files do not place them reliably: their geometry is ``unknown`` here. Those in the ``_fixed``
folders are in HU with a geometry of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vol3d.anatomy.ct_rate import CT_RATE_ABNORMALITIES
from vol3d.evaluate.public_sets.images import check_images, without_ending
from vol3d.evaluate.public_sets.records import (
    ImagePolicy,
    PromptPair,
    PublicImage,
    PublicLabels,
    PublicReport,
)
from vol3d.evaluate.public_sets.tables import Row, first_file, read_rows

CtRateSplit = Literal["train", "valid"]
_SECTIONS = ("ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN")
_NOT_GIVEN = ("Not given.", "Not given")
_NAME = re.compile(r"^(?P<patient>(?:train|valid|test)_\d+)_(?P<scan>[a-z]+)_(?P<volume>\d+)$")
_CODES = {"0": False, "1": True, "0.0": False, "1.0": True}
_LONG = {"train": "train", "valid": "validation"}
_AGE = re.compile(r"^0*(\d{1,3})Y$")


@dataclass(frozen=True, kw_only=True, slots=True)
class CtRateMetadata:
    """What the metadata table says of one volume.

    Args:
        image_id: The volume.
        spacing_zyx_mm: Distance of slices, rows and columns.
        rescale_slope: HU of a volume in ``train`` or ``valid`` is slope * stored + intercept;
            those in the ``_fixed`` folders are in HU already.
        rescale_intercept: See ``rescale_slope``.
        sex: ``F`` or ``M``, where given.
        age_years: Where given.
        manufacturer: Where given.
    """

    image_id: str
    spacing_zyx_mm: tuple[float, float, float]
    rescale_slope: float
    rescale_intercept: float
    sex: str | None
    age_years: int | None
    manufacturer: str | None


def ct_rate_patient(image_id: str) -> str | None:
    """The patient's part of a volume's name; ``None`` for a name of another form.

    >>> ct_rate_patient("valid_12_b_1")
    'valid_12'
    """
    match = _NAME.match(without_ending(image_id))
    return match["patient"] if match else None


def ct_rate_prompts() -> tuple[PromptPair, ...]:
    """The published zero-shot prompts of the 18 abnormalities, in the order of the label files.

    Source: Hamamci et al., CT-CLIP, ``scripts/zero_shot.py``: the two sentences, of which the
        softmax of the similarities gives the probability.
    """
    return tuple(
        PromptPair(name=name, positive=f"{name} is present.", negative=f"{name} is not present.")
        for name in CT_RATE_ABNORMALITIES
    )


def load_ct_rate_reports(
    root: Path, *, split: CtRateSplit = "valid", images: ImagePolicy = "required"
) -> tuple[PublicReport, ...]:
    """The reports of one split; a section that is ``Not given.`` is ``None``.

    Args:
        root: The folder that holds ``dataset/``, or that folder itself.
        split: ``train`` or ``valid``.
        images: Whether a missing image is an error.

    Raises:
        DataError: A row whose volume has no valid name or comes twice, or a missing image.
    """
    path = _table(root, f"radiology_text_reports/{_LONG[split]}_reports.csv")
    reports = tuple(
        PublicReport(
            image=image,
            split=split,
            row=row.number,
            clinical_information=row.optional("ClinicalInformation_EN", *_NOT_GIVEN),
            technique=row.optional("Technique_EN", *_NOT_GIVEN),
            findings=row.optional("Findings_EN", *_NOT_GIVEN),
            impression=row.optional("Impressions_EN", *_NOT_GIVEN),
        )
        for row, image in _rows(path, root, split, _SECTIONS)
    )
    check_images((each.image for each in reports), images, where=path.name)
    return reports


def load_ct_rate_labels(
    root: Path, *, split: CtRateSplit = "valid", images: ImagePolicy = "required"
) -> tuple[PublicLabels, ...]:
    """The 18 labels of every volume of one split, read from the reports by a classifier.

    Args:
        root: The folder that holds ``dataset/``, or that folder itself.
        split: ``train`` or ``valid``.
        images: Whether a missing image is an error.

    Raises:
        DataError: A label that is neither 0 nor 1, a volume without a valid name or twice, or a
            missing image.
    """
    path = _table(root, f"multi_abnormality_labels/{split}_predicted_labels.csv")
    labels = tuple(
        PublicLabels(
            image=image,
            row=row.number,
            labels={name: _CODES[row.one_of(name, _CODES)] for name in CT_RATE_ABNORMALITIES},
        )
        for row, image in _rows(path, root, split, CT_RATE_ABNORMALITIES)
    )
    check_images((each.image for each in labels), images, where=path.name)
    return labels


def load_ct_rate_metadata(root: Path, *, split: CtRateSplit = "valid") -> dict[str, CtRateMetadata]:
    """What the metadata table says of every volume of one split, by image id.

    Args:
        root: The folder that holds ``dataset/``, or that folder itself.
        split: ``train`` or ``valid``.

    Raises:
        DataError: A number that is none, a spacing that is not above 0, or a volume without a
            valid name or twice.
    """
    path = _table(root, f"metadata/{_LONG[split]}_metadata.csv")
    columns = ("RescaleSlope", "RescaleIntercept", "XYSpacing", "ZSpacing")
    return {
        image.image_id: _metadata(row, image.image_id)
        for row, image in _rows(path, root, split, columns)
    }


def _metadata(row: Row, image_id: str) -> CtRateMetadata:
    try:
        y, x = (float(part) for part in row.cells["XYSpacing"].strip("[]()").split(","))
    except ValueError:
        raise row.wrong("two numbers in column 'XYSpacing'", "another text") from None
    spacing = (row.number_in("ZSpacing"), y, x)
    if not all(0 < each < float("inf") for each in spacing):
        raise row.wrong("spacings above 0 mm", str(spacing))
    age = _AGE.match(row.cells.get("PatientAge", ""))
    return CtRateMetadata(
        image_id=image_id,
        spacing_zyx_mm=spacing,
        rescale_slope=row.number_in("RescaleSlope"),
        rescale_intercept=row.number_in("RescaleIntercept"),
        sex=row.optional("PatientSex"),
        age_years=int(age[1]) if age else None,
        manufacturer=row.optional("Manufacturer"),
    )


def _table(root: Path, relative: str) -> Path:
    return first_file(root, (f"dataset/{relative}", relative), what="CT-RATE")


def _rows(
    path: Path, root: Path, split: CtRateSplit, columns: tuple[str, ...]
) -> Iterator[tuple[Row, PublicImage]]:
    seen: set[str] = set()
    base = root / "dataset" if (root / "dataset").is_dir() else root
    for row in read_rows(path, ("VolumeName", *columns)):
        image = _image(base, split, row)
        if image.image_id in seen:
            raise row.wrong("every volume once", f"{image.image_id} again")
        seen.add(image.image_id)
        yield row, image


def _image(base: Path, split: CtRateSplit, row: Row) -> PublicImage:
    image_id = without_ending(row.text("VolumeName"))
    match = _NAME.match(image_id)
    if match is None:
        raise row.wrong("a volume name such as 'valid_1_a_1.nii.gz'", repr(image_id[:40]))
    patient = match["patient"]
    inner = Path(patient) / f"{patient}_{match['scan']}" / f"{image_id}.nii.gz"
    fixed, original = base / f"{split}_fixed" / inner, base / split / inner
    if fixed.is_file():
        return PublicImage(image_id=image_id, patient_id=patient, path=fixed, geometry="file")
    path = original if original.is_file() else None
    return PublicImage(image_id=image_id, patient_id=patient, path=path, geometry="unknown")
