"""Invented content in the published layouts of public sets."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vol3d.anatomy.ct_rate import CT_RATE_ABNORMALITIES
from vol3d.evaluate.public_sets.merlin import MERLIN_FINDINGS
from vol3d.volume import Grid, Volume, write_nifti

RAD_COLUMNS = [
    "Task",
    "Subtask",
    "VolumeName",
    "Question",
    "Answer",
    "QuestionType",
    "AnswerChoice",
    "Choice A",
    "Choice B",
    "Choice C",
    "Choice D",
]


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_scan(path: Path, *, fill: int = 40) -> Path:
    """A small CT with a pattern that no flip leaves alone, 2 x 1 x 1 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.full((6, 8, 10), -1000, dtype=np.int16)
    voxels[1:5, 2:7, 2:9] = fill
    voxels[2, 3, 4] = 300
    grid = Grid(shape_zyx=(6, 8, 10), affine=np.diag([1.0, 1.0, 2.0, 1.0]))
    return write_nifti(Volume.from_array(voxels, grid, modality="CT", unit="HU"), path)


def write_array(path: Path) -> Path:
    """An image as M3D stores it: (1, D, H, W) from 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.linspace(0, 1, 4 * 6 * 8, dtype=np.float32).reshape(1, 4, 6, 8)
    np.save(path, values)
    return path


def make_m3d(root: Path) -> Path:
    """Two pairs and three questions on the first image."""
    cases = {"000001/Axial_lung_window": "A nodule.", "000002/Coronal": "No finding."}
    entries = []
    for name, text in cases.items():
        image = f"M3D_Cap_npy/ct_case/{name}.npy"
        report = f"M3D_Cap_npy/ct_case/{name.split('/')[0]}/text.txt"
        write_array(root / image)
        (root / report).write_text(text, encoding="utf-8")
        entries.append({"image": image, "text": report})
    whole = {"train": entries[1:], "validation": [], "test": entries}
    (root / "M3D_Cap_npy/M3D_Cap.json").write_text(json.dumps(whole), encoding="utf-8")
    header = [
        "Image Path",
        "Text",
        "Question Type",
        "Question",
        "Choice A",
        "Choice B",
        "Choice C",
        "Choice D",
        "Answer",
        "Answer Choice",
    ]
    first = entries[0]["image"]
    rows = [
        [first, "t", "1", "Which plane?", "Axial", "Coronal", "Sagittal", "Oblique", "Axial", "A"],
        [first, "t", "3", "Which organ?", "Liver", "Lung", "Spleen", "Bone", "Lung", "B"],
        [first, "t", "4", "Is there a nodule?", "Yes", "No", "NA", "NA", "Yes", "A"],
    ]
    write_table(root / "M3D-VQA/M3D_VQA_test.csv", header, rows)
    return root


def make_ct_rate(root: Path) -> Path:
    """Three volumes of two patients in ``valid``, two of other patients in ``train``."""
    names = {
        "valid": ["valid_1_a_1.nii.gz", "valid_1_a_2.nii.gz", "valid_2_a_1.nii.gz"],
        "train": ["train_1_a_1.nii.gz", "train_2_b_1.nii.gz"],
    }
    base = root / "dataset"
    for split, long in (("valid", "validation"), ("train", "train")):
        sections = ["Cough.", "Not given.", "A nodule,\nnew.", "Nodule."]
        write_table(
            base / f"radiology_text_reports/{long}_reports.csv",
            [
                "VolumeName",
                "ClinicalInformation_EN",
                "Technique_EN",
                "Findings_EN",
                "Impressions_EN",
            ],
            [[name, *sections] for name in names[split]],
        )
        # the first volumes have everything, the last has nothing
        write_table(
            base / f"multi_abnormality_labels/{split}_predicted_labels.csv",
            ["VolumeName", *CT_RATE_ABNORMALITIES],
            [[name, *("0" if name == names[split][-1] else "1") * 18] for name in names[split]],
        )
        write_table(
            base / f"metadata/{long}_metadata.csv",
            [
                "VolumeName",
                "PatientSex",
                "PatientAge",
                "XYSpacing",
                "RescaleIntercept",
                "RescaleSlope",
                "ZSpacing",
            ],
            [[name, "F", "036Y", "[0.5, 0.75]", "-1024", "1", "1.5"] for name in names[split]],
        )
    for name in names["valid"][:2]:
        write_scan(base / f"valid_fixed/valid_1/valid_1_a/{name}")
    write_scan(base / "valid/valid_2/valid_2_a/valid_2_a_1.nii.gz")
    return root


MERLIN_REPORTS = (
    ("AC01", "Liver: normal. IMPRESSION: Normal.", "test", "0"),
    ("AC02", "Kidneys: a cyst.", "test", "0"),
    ("AC03", "Spleen: large.", "val", "1"),
)


def make_merlin(root: Path) -> Path:
    """Two test studies and one of validation, the reports saved as CSV."""
    base = root / "merlinabdominalctdataset"
    write_table(
        base / "reports_final.csv", ["study id", "Findings", "Split", "Few Shot"], MERLIN_REPORTS
    )
    codes = {"AC01": "1", "AC02": "0", "AC03": "1"}
    write_table(
        base / "zero_shot_findings_disease_cls.csv",
        ["study id", *MERLIN_FINDINGS],
        [[study, code, *["-1"] * 29] for study, code in codes.items()],
    )
    write_table(
        base / "five_years_disease_task.csv",
        ["study id", "disease"],
        [["AC01", "1"], ["AC02", "0"]],
    )
    for study in codes:
        write_scan(base / f"merlin_data/{study}.nii.gz")
    return root


def make_3d_rad(root: Path) -> Path:
    """One open and two closed questions on two patients."""
    size = ["3", "2", "test_1_a_1.nii.gz", "What is its size?", "5x3 mm", "Open", "-", *"----"]
    there = ["4", "2", "test_1_a_1.nii.gz", "Is it there?", "No", "Close", "B", "Yes", "No", *"--"]
    other = ["4", "2", "test_2_a_1.nii.gz", "Is it there?", "Yes", "Close", "A", "Yes", "No", *"--"]
    folder = root / "test"
    write_table(folder / "Task3_Medical_Computation/Size.csv", RAD_COLUMNS, [size])
    write_table(folder / "Task4_Existence_Detection/Lung nodule.csv", RAD_COLUMNS, [there, other])
    for name in ("test_1_a_1", "test_2_a_1"):
        write_array(root / f"Images/{name}.npy")
    return root


def write_lines(path: Path, entries: Sequence[Mapping[str, str]]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path
