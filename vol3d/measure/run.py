"""From paths to facts: a scan and its masks are read, checked and measured in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vol3d.measure.body import body_mask
from vol3d.measure.case_masks import CaseMasks, read_case_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.measure.laterality import laterality_note
from vol3d.measure.region import estimate_region
from vol3d.volume import GateNote, Modality, Volume, read_volume


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskInput:
    """Where masks lie and what their labels mean.

    Args:
        paths: Files and folders.
        scheme: Key of the label scheme, if one is declared.
        names: Names by label that the user gives.
    """

    paths: Sequence[str | os.PathLike[str]]
    scheme: str | None = None
    names: Mapping[int, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredCase:
    """A scan, its masks and what was measured."""

    volume: Volume
    masks: CaseMasks
    facts: CaseFacts
    notes: tuple[GateNote, ...]


def measure_paths(
    scan: str | os.PathLike[str],
    masks: MaskInput,
    options: MeasureOptions,
    *,
    series: str | None = None,
    modality: Modality | None = None,
) -> MeasuredCase:
    """The facts of a case, from files.

    Args:
        scan: As for ``read_volume``.
        masks: Its masks.
        options: How to measure; regions are estimated where the options name none.
        series: As for ``read_volume``.
        modality: As for ``read_volume``.

    Raises:
        DataError: The scan or the masks are refused.
        ConfigError: A name or key that does not exist.
    """
    volume = read_volume(scan, series=series, modality=modality)
    found = read_case_masks(masks.paths, volume.grid, scheme=masks.scheme, names=masks.names)
    notes = (*volume.notes, *found.notes)
    if not options.regions:
        body = body_mask(volume)
        region = estimate_region(volume, body)
        options = replace(options, regions=region.regions)
        mirrored = laterality_note(volume, body=body, region=region)
        notes = notes if mirrored is None else (*notes, mirrored)
    facts = measure_case_masks(volume, found, options)
    return MeasuredCase(volume=volume, masks=found, facts=facts, notes=notes)
