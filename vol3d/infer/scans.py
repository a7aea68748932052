"""Everything that is known about a scan before a model sees it; imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from vol3d.infer.describe import BoolArray, describe_scan, to_quality, to_region
from vol3d.infer.examples import resolve_scan
from vol3d.infer.recorder import StageClock
from vol3d.report import Scan
from vol3d.volume import Modality, Volume


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examined:
    """A scan that was read and measured.

    Args:
        volume: The scan.
        body: bool (z, y, x), body mask on the scan's grid.
        scan: The record of it that goes into a report.
    """

    volume: Volume
    body: BoolArray
    scan: Scan


def examine(
    path: str | Path,
    *,
    series: str | None = None,
    modality: Modality | None = None,
    clock: StageClock | None = None,
) -> Examined:
    """A scan read through the gate, with body, region, sides and quality measured.

    Args:
        path: File or folder of a scan, or ``example``.
        series: Which series of a folder, when it holds several.
        modality: What the scan is, when its file does not say.
        clock: Receives the stages ``read`` and ``measure``.

    Raises:
        DataError: The scan cannot be read.
        GeometryError: Its geometry is unusable.
    """
    from vol3d.volume import read_volume

    clock = clock or StageClock()
    with clock.stage("read"):
        volume = read_volume(resolve_scan(path), series=series, modality=modality)
    return examine_volume(volume, clock=clock)


def examine_volume(volume: Volume, *, clock: StageClock | None = None) -> Examined:
    """A scan that was read before, with body, region, sides and quality measured.

    Args:
        volume: The scan.
        clock: Receives the stage ``measure``.
    """
    from vol3d.measure.body import body_mask
    from vol3d.measure.laterality import laterality_note
    from vol3d.measure.quality import assess_quality
    from vol3d.measure.region import estimate_region

    clock = clock or StageClock()
    with clock.stage("measure"):
        body = body_mask(volume)
        estimate = estimate_region(volume, body)
        mirrored = laterality_note(volume, body=body, region=estimate)
        if mirrored is not None:
            volume = dataclasses.replace(volume, notes=(*volume.notes, mirrored))
        region = to_region(estimate)
        quality = to_quality(assess_quality(volume, body))
        scan = describe_scan(volume, body, region, quality)
    return Examined(volume=volume, body=body, scan=scan)
