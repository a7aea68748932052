"""The Merlin abdominal CT dataset (reports and 30 findings), by its published layout.

Read from the repository StanfordMIMI/Merlin (``documentation/download.md``): the files, their
folder, and the coding 1 mentioned, 0 negated, -1 not mentioned. Read from uses of the published
files in other public repositories: the columns ``study id``, ``Findings``, ``Split`` of
``reports_final.xlsx``, the volume's name, the names of the 30 findings, the marker ``IMPRESSION:``
within a findings text, and that a few study ids come twice (two versions of one report). Not
verified: the name of the id column of the label tables (the first column is taken), the columns and
codes of ``five_years_disease_task.csv`` (taken as names, coded 1, 0, -1). The published files hold
no phenotype or ICD table and no patient number: intervals can be clustered by study only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vol3d.evaluate.public_sets.images import check_images, without_ending
from vol3d.evaluate.public_sets.records import (
    ImagePolicy,
    PublicImage,
    PublicLabels,
    PublicReport,
)
from vol3d.evaluate.public_sets.tables import Row, first_file, read_rows

MERLIN_FINDINGS = (
    "submucosal_edema",
    "renal_hypodensities",
    "aortic_valve_calcification",
    "coronary_calcification",
    "thrombosis",
    "metastatic_disease",
    "pancreatic_atrophy",
    "renal_cyst",
    "osteopenia",
    "surgically_absent_gallbladder",
    "atelectasis",
    "abdominal_aortic_aneurysm",
    "anasarca",
    "hiatal_hernia",
    "lymphadenopathy",
    "prostatomegaly",
    "biliary_ductal_dilation",
    "cardiomegaly",
    "splenomegaly",
    "hepatomegaly",
    "atherosclerosis",
    "ascites",
    "pleural_effusion",
    "hepatic_steatosis",
    "appendicitis",
    "gallstones",
    "hydronephrosis",
    "bowel_obstruction",
    "free_air",
    "fracture",
)
"""The 30 findings of ``zero_shot_findings_disease_cls.csv``."""

_SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_CODES = {"1": True, "0": False, "-1": None, "1.0": True, "0.0": False, "-1.0": None}
_MARKER = "IMPRESSION:"
_FOLDER = "merlinabdominalctdataset"
_REPORTS = ("reports_final.xlsx", "reports_final.csv")


def load_merlin_reports(
    root: Path, *, split: str | None = "test", images: ImagePolicy = "required"
) -> tuple[PublicReport, ...]:
    """The reports of one split. A study that has two reports gives two records.

    Args:
        root: The folder ``merlinabdominalctdataset`` or the one that it lies in. An Excel file
            needs openpyxl; ``reports_final.csv``, saved from it, is read where there is none.
        split: ``train``, ``val`` or ``test``; ``None`` for all.
        images: Whether a missing image is an error.

    Raises:
        DataError: A row without id or findings, an unknown split, or a missing image.
        ConfigError: An Excel file without openpyxl installed.
    """
    reports = tuple(_reports(root, split))
    check_images((each.image for each in reports), images, where="Merlin reports")
    return reports


def load_merlin_labels(
    root: Path, *, split: str | None = "test", images: ImagePolicy = "required"
) -> tuple[PublicLabels, ...]:
    """The 30 findings of every study of one split; one that a report does not mention is ``None``.

    Args:
        root: As for the reports, which say what split a study is in.
        split: ``train``, ``val`` or ``test``; ``None`` for all.
        images: Whether a missing image is an error.

    Raises:
        DataError: Another set of findings, a code that is not 1, 0 or -1, a study without a report,
            or a missing image.
        ConfigError: An Excel file without openpyxl installed.
    """
    path = _file(root, ("zero_shot_findings_disease_cls.csv",))
    splits = {report.image.image_id: report.split for report in _reports(root, None)}
    labels = []
    for row, study in _label_rows(path, MERLIN_FINDINGS):
        if study not in splits:
            raise row.wrong("a study that has a report", repr(study[:40]))
        if split is None or splits[study] == split:
            labels.append(_labels(root, row, study))
    check_images((each.image for each in labels), images, where=path.name)
    return tuple(labels)


def load_merlin_five_year(
    root: Path, *, images: ImagePolicy = "required"
) -> tuple[PublicLabels, ...]:
    """The diseases of the next five years of the studies of the test set.

    Args:
        root: The folder ``merlinabdominalctdataset`` or the one that it lies in.
        images: Whether a missing image is an error.

    Raises:
        DataError: A code that is not 1, 0 or -1, or a missing image.
    """
    path = _file(root, ("five_years_disease_task.csv",))
    labels = tuple(_labels(root, row, study) for row, study in _label_rows(path, ()))
    check_images((each.image for each in labels), images, where=path.name)
    return labels


def _reports(root: Path, split: str | None) -> Iterator[PublicReport]:
    path = _file(root, _REPORTS)
    for row in read_rows(path, ("study id", "Findings", "Split")):
        own = _SPLITS.get(row.cells["Split"].lower())
        if own is None:
            raise row.wrong(f"one of {', '.join(_SPLITS)} in column 'Split'", "another text")
        if split not in (None, own):
            continue
        findings, marker, impression = row.text("Findings").partition(_MARKER)
        yield PublicReport(
            image=_image(root, without_ending(row.text("study id"))),
            split=own,
            row=row.number,
            findings=findings.strip() or None,
            impression=(impression.strip() or None) if marker else None,
        )


def _label_rows(path: Path, names: tuple[str, ...]) -> Iterator[tuple[Row, str]]:
    for row in read_rows(path, names):
        id_column, *others = row.cells
        extra = [name for name in others if names and name not in names]
        if extra or id_column in names:
            got = f"column {extra[0] if extra else id_column!r} there"
            raise row.wrong("the id first, then the 30 published findings only", got)
        yield row, without_ending(row.text(id_column))


def _labels(root: Path, row: Row, study: str) -> PublicLabels:
    names = list(row.cells)[1:]
    return PublicLabels(
        image=_image(root, study),
        row=row.number,
        labels={name: _CODES[row.one_of(name, _CODES)] for name in names},
    )


def _image(root: Path, study: str) -> PublicImage:
    name = Path(f"{study}.nii.gz").name
    path = _base(root) / "merlin_data" / name
    return PublicImage(
        image_id=study, patient_id=None, path=path if path.is_file() else None, geometry="file"
    )


def _base(root: Path) -> Path:
    return root / _FOLDER if (root / _FOLDER).is_dir() else root


def _file(root: Path, names: tuple[str, ...]) -> Path:
    return first_file(_base(root), names, what="Merlin abdominal CT dataset")
