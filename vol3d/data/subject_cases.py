"""Synthetic subjects as labelled cases: masks, measured facts, questions, reports, files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vol3d.anatomy import Language, find_lesion_mask
from vol3d.data.case_manifest import CaseEntry
from vol3d.measure.case_masks import CaseMasks, assemble_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.phantom.subjects import LABELS, STRUCTURE_LABELS, Subject
from vol3d.report.compose import compose_report
from vol3d.report.schema import DISCLAIMER
from vol3d.volume import Volume, write_nifti
from vol3d.vqa.dataset import QaRecord, qa_record
from vol3d.vqa.generate import generate_questions
from vol3d.vqa.options import KeyBalancer

Format = Literal["nifti", "dicom"]
Layer = tuple[npt.NDArray[np.uint8], dict[int, str]]

LOOKED_FOR = {
    "abdomen": (
        "liver_tumor",
        "liver_cyst",
        "kidney_tumor_left",
        "kidney_tumor_right",
        "kidney_cyst_left",
        "kidney_cyst_right",
        "pancreas_pdac",
        "pancreas_pnet",
        "pancreas_cyst",
        "colon_tumor",
        "ascites",
    ),
    "chest": ("lung_nodule", "pleural_effusion", "consolidation"),
    "head": ("brain_metastases",),
}
"""Lesion masks that every case of a region has, empty ones included: all of it was looked for."""
_PLAIN_KINDS = {"brain_metastasis": "brain_metastases", "lung_nodule": "lung_nodule"}
_TISSUE_MASKS = {
    "ascites": "ascites",
    "effusion": "pleural_effusion",
    "consolidation": "consolidation",
}
_BRAIN = ("cerebral_hemisphere_left", "cerebral_hemisphere_right")


def subject_layers(subject: Subject) -> list[Layer]:
    """Label arrays with the name of every label that a mask could show: organs, parts, lesions."""
    names = {n: key for n, key in STRUCTURE_LABELS.items() if _is_of_region(key, subject)}
    organs = np.where(np.isin(subject.labels_zyx, list(names)), subject.labels_zyx, 0)
    present = set(np.unique(subject.parts_zyx).tolist()) - {0}
    parts = {n: STRUCTURE_LABELS[n] for n in sorted(present)}
    layers: list[Layer] = [(organs.astype(np.uint8), names)]
    if parts:
        layers.append((subject.parts_zyx, parts))
    layers.append(_lesion_layer(subject))
    if subject.plan.region == "head":
        brain = np.isin(subject.labels_zyx, [LABELS[key] for key in _BRAIN]).astype(np.uint8)
        layers.append((brain, {1: "brain"}))
    return layers


_PART_KEYS = ("liver_segment_", "pancreas_head", "pancreas_body", "pancreas_tail")


def _is_of_region(key: str, subject: Subject) -> bool:
    """Whether the organ layer shows a structure: what its painters paint, absent ones included."""
    if key.startswith(_PART_KEYS) or "_lobe_" in key or key == "brain":
        return False
    number = LABELS[key]
    if (subject.labels_zyx == number).any():
        return True
    always = ("kidney_left", "kidney_right", "gallbladder", "spleen", "liver", "pancreas")
    return subject.source is None and subject.plan.region == "abdomen" and key in always


def _lesion_layer(subject: Subject) -> Layer:
    """Lesions by kind; lesions of one kind are told apart by lying apart."""
    region = subject.plan.region
    kinds = [kind for kind in LOOKED_FOR[region] if _is_looked_for(kind, subject)]
    array = np.zeros(subject.labels_zyx.shape, dtype=np.uint8)
    for tissue, name in _TISSUE_MASKS.items():
        if name in kinds:
            array[subject.labels_zyx == LABELS[tissue]] = kinds.index(name) + 1
    for lesion in subject.lesions:
        name = lesion_name(lesion.plan.organ, lesion.plan.kind)
        if name not in kinds:
            kinds.append(name)
        array[subject.lesions_zyx == lesion.id] = kinds.index(name) + 1
    return array, {number: name for number, name in enumerate(kinds, start=1)}


def _is_looked_for(kind: str, subject: Subject) -> bool:
    """Of real data: only lesions of organs that the case shows, and that are known."""
    if subject.source is None:
        return True
    mask = find_lesion_mask(kind)
    if mask is None or mask.organ is None:
        return False
    keys = [mask.organ] if mask.side is None else [f"{mask.organ}_{mask.side}"]
    if mask.organ == "lung":
        keys = ["lung_left", "lung_right"]
    if mask.organ == "brain":
        keys = list(_BRAIN)
    is_shown = any(key in LABELS and (subject.labels_zyx == LABELS[key]).any() for key in keys)
    return is_shown and (subject.looked_in is None or mask.organ in subject.looked_in)


def lesion_name(organ: str, kind: str) -> str:
    """File name of the mask of a kind of lesion, such as ``kidney_cyst_left``."""
    for side in ("left", "right"):
        if organ == f"kidney_{side}":
            return f"kidney_{kind}_{side}"
    plain = organ.removesuffix("_left").removesuffix("_right")
    return _PLAIN_KINDS.get(f"{plain}_{kind}", f"{plain}_{kind}")


def subject_masks(subject: Subject) -> CaseMasks:
    """The masks of a subject, as the findings engine reads them."""
    layers = tuple(
        MaskLayer(labels_zyx=array, names=names, declared=names)
        for array, names in subject_layers(subject)
    )
    return assemble_masks([Masks(layers=layers, scheme=None)], where="phantom")


def subject_facts(subject: Subject, *, case_id: str | None = None) -> CaseFacts:
    """Facts of a subject, measured on its masks."""
    plan = subject.plan
    options = MeasureOptions(
        case_id=case_id or case_id_of(subject),
        phase=plan.phase if plan.modality == "CT" else None,
        mask_source="phantom",
        sex=plan.sex if subject.source is None else None,
        age_years=float(plan.age_years) if subject.source is None else None,
        regions=(plan.region,),
    )
    return measure_case_masks(subject.volume, subject_masks(subject), options)


def image_id(seed: int) -> str:
    """The id of the case of a seed, in the form of public data sets."""
    return f"PHANTOM_{seed:08d}"


def case_id_of(subject: Subject) -> str:
    """The id of a case; one made from real data has the beginning of its patient's key in it."""
    if subject.source is None:
        return image_id(subject.seed)
    return f"PHANTOM_{patient_key(subject.source)[:6]}_{subject.seed:08d}"


def patient_key(source: str) -> str:
    """A key that is the same for all cases of a patient.

    It is a hash: who knows a name can test whether it is meant, so ``source`` must be a pseudonym.
    """
    return hashlib.sha256(f"vol3d patient/{source}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenCase:
    """Where a case was written: its scan (a file or a folder of slices) and its masks."""

    folder: Path
    scan: Path
    masks: Path


def write_case(
    subject: Subject, facts: CaseFacts, folder: Path, *, file_format: Format = "nifti"
) -> WrittenCase:
    """Writes scan, masks, facts and reports of one case, in place of what the folder had of them.

    Args:
        subject: The case.
        facts: Measured on it.
        folder: Of this case; made if missing.
        file_format: Of the scan; masks are NIfTI files, one per structure.
    """
    segmentations = folder / "segmentations"
    for stale in (segmentations, folder / "series"):
        if stale.is_dir():
            shutil.rmtree(stale)
    for name in ("ct.nii.gz", "mr.nii.gz"):
        (folder / name).unlink(missing_ok=True)
    segmentations.mkdir(parents=True)
    name = "ct" if subject.plan.modality == "CT" else "mr"
    if file_format == "dicom":
        from vol3d.volume import write_dicom_series

        scan = folder / "series"
        # the order of slices, rows and columns is the scanner's for this position
        axcodes = ("RA" if subject.plan.scan.is_prone else "LP") + (
            "I" if subject.plan.scan.is_feet_first else "S"
        )
        write_dicom_series(subject.volume, scan, axcodes=axcodes, seed=subject.seed)
    else:
        scan = write_nifti(subject.volume, folder / f"{name}.nii.gz")
    for key, mask in single_masks(subject):
        write_nifti(_mask_volume(subject, mask), segmentations / f"{key}.nii.gz")
    (folder / "facts.json").write_text(
        json.dumps(
            {"disclaimer": DISCLAIMER, **facts.model_dump(mode="json")},
            ensure_ascii=False,
            indent=1,
        ),
        encoding="utf-8",
    )
    languages: tuple[Language, Language] = ("en", "zh")
    for language in languages:
        report = compose_report(facts, language=language, style="narrative", seed=subject.seed)
        (folder / f"report_{language}.txt").write_text(report.text + "\n", encoding="utf-8")
    return WrittenCase(folder=folder, scan=scan, masks=segmentations)


def case_entry(subject: Subject, written: WrittenCase, *, root: Path) -> CaseEntry:
    """The row of a case in a manifest: its ``patient`` keeps cases of one origin in one split.

    Args:
        subject: The case.
        written: Its files.
        root: Folder of the manifest.
    """
    plan, is_made_up = subject.plan, subject.source is None
    return CaseEntry(
        case_id=case_id_of(subject),
        scan=written.scan.relative_to(root),
        masks=(written.masks.relative_to(root),),
        modality=plan.modality,
        phase=plan.phase if plan.modality == "CT" else None,
        mask_source="phantom",
        sex=plan.sex if is_made_up else None,
        age_years=float(plan.age_years) if is_made_up else None,
        patient=patient_key(subject.source or case_id_of(subject)),
    )


def single_masks(subject: Subject) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """One mask per structure and kind of lesion, empty ones included."""
    for array, names in subject_layers(subject):
        for number, key in names.items():
            yield key, (array == number).astype(np.uint8)


def _mask_volume(subject: Subject, mask: npt.NDArray[np.uint8]) -> Volume:
    return Volume.from_array(
        mask.astype(np.int16), subject.volume.grid, modality="unknown", unit="arbitrary"
    )


def questions_of(facts: CaseFacts, *, seed: int, first: int) -> list[QaRecord]:
    """Every kind of question that a case settles, as records numbered from ``first``."""
    asked = generate_questions(facts, seed=seed, balancer=KeyBalancer())
    return [
        qa_record(question, facts, qid=f"phantom_{number:05d}")
        for number, question in enumerate(asked, start=first)
    ]
