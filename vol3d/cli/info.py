"""``vol3d info``: what a path holds and whether it can be read; imports no torch."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from vol3d.cli.options import (
    JsonFlag,
    LabelSchemeFlag,
    MasksFlag,
    ModalityFlag,
    ScanArgument,
    SeriesFlag,
    VerboseFlag,
    VerdictOnlyFlag,
    to_modality,
)
from vol3d.cli.outcome import OK, REFUSED, print_json

if TYPE_CHECKING:
    from vol3d.measure.masks import CaseInspection, MaskInspection
    from vol3d.volume import Acquisition, StoredGeometry
    from vol3d.volume.inspection import ScanInspection, SeriesSummary


def info(
    scan: ScanArgument,
    series: SeriesFlag = None,
    modality: ModalityFlag = None,
    masks: MasksFlag = None,
    label_scheme: LabelSchemeFlag = None,
    is_json: JsonFlag = False,
    quiet: VerdictOnlyFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Show series, geometry, modality and masks, with the same gate and exit code as report."""
    from vol3d.infer.examples import resolve_scan
    from vol3d.measure.masks import inspect_scan_and_masks

    found = inspect_scan_and_masks(
        resolve_scan(scan),
        masks=masks,
        label_scheme=label_scheme,
        series=series,
        modality=to_modality(modality),
    )
    if is_json:
        print_json(found.to_dict())
    elif not quiet:
        print("\n".join(case_lines(found)))
    if found.refusal is None:
        return OK
    print(f"vol3d: {found.refusal.message}", file=sys.stderr)
    return REFUSED


def case_lines(found: CaseInspection) -> list[str]:
    """What ``vol3d info`` prints about a scan and its masks, one fact per line."""
    lines = inspection_lines(found.scan)
    if found.masks is None:
        return lines
    return [*lines[:-1], *_mask_lines(found.masks), lines[-1]]


def _mask_lines(masks: MaskInspection) -> list[str]:
    lines = [f"Masks       label scheme {masks.scheme or 'not known'}"]
    lines += [
        f"Label       {each.label}: {each.name or 'not named'}, {each.cm3:.1f} cm3"
        for each in masks.labels
    ]
    lines += [f"Note        {note.message}" for note in masks.notes]
    return [*lines, f"Masks       {'accepted' if masks.refusal is None else 'refused'}"]


def inspection_lines(found: ScanInspection) -> list[str]:
    """What ``vol3d info`` prints about a path, one fact per line."""
    lines = [f"Format      {found.kind}"]
    for summary in found.series:
        mark = "*" if summary.index == found.chosen_index else " "
        lines.append(f"Series    {mark} {_series_text(summary)}")
    if found.chosen_reason:
        lines.append(f"Chosen      {found.chosen_reason}")
    if found.modality is not None:
        unit = {"HU": "Hounsfield units", "arbitrary": "arbitrary units", None: "unit not known"}
        lines.append(f"Modality    {found.modality}, {unit[found.unit]}")
    if found.stored is not None:
        lines += _geometry_lines(found.stored)
    if found.acquisition is not None:
        lines += _acquisition_lines(found.acquisition)
    lines += [f"Note        {note.message}" for note in found.notes]
    lines.append(f"Verdict     {'accepted' if found.refusal is None else 'refused'}")
    lines.append("Research use only, not for clinical use.")
    return lines


def _series_text(summary: SeriesSummary) -> str:
    parts = [f"{summary.index}: {summary.kind}", summary.modality]
    if summary.size_ij is not None:
        parts.append(f"{summary.size_ij[0]} x {summary.size_ij[1]} x {summary.num_slices}")
    if summary.axcodes:
        parts.append(summary.axcodes)
    return ", ".join(parts)


def _geometry_lines(stored: StoredGeometry) -> list[str]:
    import numpy as np

    spacing = np.linalg.norm(stored.affine_ras[:3, :3], axis=0)
    extent = spacing * stored.shape_ijk
    rows = (" ".join(f"{value:10.4f}" for value in row) for row in stored.affine_ras[:3])
    return [
        f"Voxels      {' x '.join(map(str, stored.shape_ijk))} (i, j, k), {stored.dtype}",
        f"Spacing     {' x '.join(f'{mm:.5g}' for mm in spacing)} mm",
        f"Extent      {' x '.join(f'{mm:.1f}' for mm in extent)} mm",
        f"Axes        {stored.axcodes}",
        *(f"{'To RAS mm' if i == 0 else '':<10}  {row}" for i, row in enumerate(rows)),
    ]


def _acquisition_lines(acquisition: Acquisition) -> list[str]:
    facts = dataclasses.asdict(acquisition)
    facts.pop("series_uid_sha256")
    given = [f"{key} {value}" for key, value in facts.items() if value is not None]
    return [f"Header      {', '.join(given)}"] if given else []
