"""Cases in folders: where a scan and its masks lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vol3d.data.case_manifest import MASK_NAMES, SCAN_NAMES
from vol3d.errors import DataError, explain
from vol3d.evaluate.prompt import phase_of_record
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import Phase
from vol3d.measure.run import MaskInput, MeasuredCase, measure_paths
from vol3d.volume import Modality
from vol3d.vqa.dataset import QaRecord

_IMAGE_ID = re.compile(r"[A-Za-z0-9]+_\d{8}")
"""Ids of public data sets; other names of folders may be patients'."""
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", "")
_CASE_FOLDERS = ("benchmark/ct", "train/ct", "ct", "image_only", "")
_MODALITIES: Mapping[str, Modality] = {"ct": "CT", "mr": "MR"}
"""By the scan's file name, which is all that says it in these data sets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePaths:
    """Where a case lies.

    Args:
        image_id: Its id in questions and caches.
        scan: File or folder.
        masks: File, or folder with one file per structure; ``None`` where there is none.
    """

    image_id: str
    scan: Path
    masks: Path | None


def phases_of(records: Iterable[QaRecord]) -> dict[str, Phase]:
    """Phase by image id, where the questions of a data set tell it."""
    told = {record.image_id: phase_of_record(record) for record in records}
    return {image_id: phase for image_id, phase in told.items() if phase is not None}


def find_cases(data_dir: Path, *, masks_dir: Path | None = None) -> dict[str, CasePaths]:
    """All cases of a folder by image id.

    A case is a folder with an id as DeepTumorVQA has them (``BDMAP_00000001``) that holds a scan
    (``ct.nii.gz`` ...), in ``data_dir`` itself or under ``benchmark/ct``, ``train/ct``, ``ct`` or
    ``image_only``. Masks (``segmentations`` ...) lie beside the scan, or in the folder of the same
    id in ``masks_dir``.

    Args:
        data_dir: Of the data set.
        masks_dir: Folder of cases with masks.

    Raises:
        DataError: No case is there.
    """
    for place in _CASE_FOLDERS:
        found = {}
        root = data_dir / place
        if not root.is_dir():
            continue
        for folder in sorted(root.iterdir()):
            scan = _first(folder, SCAN_NAMES) if _IMAGE_ID.fullmatch(folder.name) else None
            if scan is not None:
                beside = folder if masks_dir is None else masks_dir / folder.name
                masks = _first(beside, MASK_NAMES)
                if masks is None and masks_dir is not None and any(beside.glob("*.nii.gz")):
                    masks = beside  # a mask per structure, without a folder of their own
                found[folder.name] = CasePaths(image_id=folder.name, scan=scan, masks=masks)
        if found:
            return found
    raise DataError(
        explain(
            expected="folders such as BDMAP_00000001 with ct.nii.gz in them",
            got="none",
            where=f"data folder {data_dir.name}",
            remedy="Pass the folder of the data set, or the one that holds its cases.",
        )
    )


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    paths = (folder / f"{name}{ending}" for name in names for ending in _ENDINGS)
    return next((path for path in paths if path.exists()), None)


def measure_paths_of(paths: CasePaths, options: MeasureOptions) -> MeasuredCase:
    """A case measured on its masks.

    Args:
        paths: Where it lies.
        options: How to measure; the case's id is its image id.

    Raises:
        DataError: It has no masks, or scan or masks are refused; the case is named.
    """
    if paths.masks is None:
        raise DataError(
            explain(
                expected="masks beside the scan, such as segmentations/liver.nii.gz",
                got="none",
                where=f"case {paths.image_id}",
                remedy="Add its masks, or leave the case out.",
            )
        )
    own = replace(options, case_id=paths.image_id)
    modality = _MODALITIES.get(paths.scan.name.split(".")[0])
    return measure_paths(paths.scan, MaskInput(paths=[paths.masks]), own, modality=modality)
