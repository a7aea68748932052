"""Cases in folders: where a scan and its masks lie, and their facts."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vol3d.data.case_manifest import MASK_NAMES, SCAN_NAMES
from vol3d.errors import DataError, explain
from vol3d.evaluate.prompt import phase_of_record
from vol3d.measure.engine import MeasureOptions
from vol3d.measure.facts import CaseFacts, Phase
from vol3d.measure.run import MaskInput, MeasuredCase, measure_paths
from vol3d.volume import Modality, Volume
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
                found[folder.name] = CasePaths(
                    image_id=folder.name, scan=scan, masks=_first(beside, MASK_NAMES)
                )
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


@dataclass(kw_only=True)
class MeasuredFolder:
    """Cases of a folder, measured when they are asked for; the last ones are kept.

    Args:
        cases: By image id, from ``find_cases``.
        options: How to measure.
        phases: Phase by image id, where it is known.
        keep: How many cases stay in memory; a scan takes about its voxels times 4 bytes.
        adjust: Changes facts, for trials with degraded ones.
    """

    cases: Mapping[str, CasePaths]
    options: MeasureOptions = field(default_factory=MeasureOptions)
    phases: Mapping[str, Phase] = field(default_factory=dict)
    keep: int = 2
    adjust: Callable[[CaseFacts], CaseFacts] | None = None
    _kept: OrderedDict[str, tuple[Volume, CaseFacts]] = field(default_factory=OrderedDict)

    def facts(self, image_id: str) -> CaseFacts:
        """Facts of a case.

        Raises:
            DataError: There is no such case, or it cannot be measured.
        """
        return self._get(image_id)[1]

    def scan(self, image_id: str) -> Volume:
        """Scan of a case; raises as ``facts``."""
        return self._get(image_id)[0]

    def _get(self, image_id: str) -> tuple[Volume, CaseFacts]:
        if image_id in self._kept:
            self._kept.move_to_end(image_id)
            return self._kept[image_id]
        if image_id not in self.cases:
            raise DataError(
                explain(
                    expected="the id of a case of the data folder",
                    got=repr(image_id[:60]),
                    where="image_id",
                    remedy="Fetch its scan, or leave its questions out.",
                )
            )
        options = replace(self.options, phase=self.phases.get(image_id, self.options.phase))
        case = measure_paths_of(self.cases[image_id], options)
        facts = case.facts if self.adjust is None else self.adjust(case.facts)
        self._kept[image_id] = (case.volume, facts)
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        return self._kept[image_id]
