"""Masks of a scan with the organs' names, and what ``vol3d info SCAN --masks M`` tells of both.

Numbers alone do not say which organ they mean, so names come from a declared label scheme, from a
``labels.json`` beside the mask, or from the names of per-organ files; never from a guess.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vol3d.anatomy import LabelScheme, label_scheme
from vol3d.errors import ConfigError, DataError, explain
from vol3d.measure.laterality import laterality_note
from vol3d.measure.mask_names import DeclaredLabels, label_notes, read_declared_labels
from vol3d.measure.organ_files import read_organ_files
from vol3d.volume import (
    GateNote,
    Grid,
    LabelArray,
    Modality,
    Refusal,
    ScanInspection,
    count_voxels,
    inspect_and_read,
    read_label_map,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskLayer:
    """Labels on a scan's grid, no two of which share a voxel.

    Args:
        labels_zyx: 0 (background) or a label per voxel.
        names: Organ by label, of the labels that are present and known.
        declared: Organ by label, of all labels that the mask could have shown.
    """

    labels_zyx: LabelArray
    names: Mapping[int, str]
    declared: Mapping[int, str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Masks:
    """What a mask file or folder holds, on a scan's grid, and what its labels mean.

    Args:
        layers: A file's labels are one layer; a folder may have others for parts and lesions.
        scheme: Key of the label scheme that gave the names; ``None`` if none is known.
        notes: What was found in the files and what was done about it.
    """

    layers: tuple[MaskLayer, ...]
    scheme: str | None
    notes: tuple[GateNote, ...] = ()

    @property
    def labels_zyx(self) -> LabelArray:
        """Labels of the first layer."""
        return self.layers[0].labels_zyx

    @property
    def names(self) -> dict[int, str]:
        """Names of all layers by label, of the labels that are present and known."""
        return {label: name for layer in self.layers for label, name in layer.names.items()}

    @property
    def voxels(self) -> dict[int, int]:
        """Number of voxels of every label that is present, by label."""
        counts = {n: c for layer in self.layers for n, c in count_voxels(layer.labels_zyx).items()}
        return dict(sorted(counts.items()))


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSummary:
    """One label of a mask; ``name`` is ``None`` where nothing says what it is."""

    label: int
    name: str | None
    voxels: int
    cm3: float


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskInspection:
    """What a mask holds, on the scan's grid, or why it is refused."""

    scheme: str | None = None
    labels: tuple[LabelSummary, ...] = ()
    notes: tuple[GateNote, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CaseInspection:
    """A scan's inspection and that of its masks.

    Args:
        scan: As ``inspect_path`` returns it, and a note if the organs seem mirrored.
        masks: ``None`` when no masks were given, or the scan is refused and they were not read.
    """

    scan: ScanInspection
    masks: MaskInspection | None = None

    @property
    def refusal(self) -> Refusal | None:
        """The scan's refusal, else the masks'."""
        of_masks = None if self.masks is None else self.masks.refusal
        return self.scan.refusal or of_masks

    def to_dict(self) -> dict[str, Any]:
        """The scan's record with ``masks``; its notes and refusal are those of both."""
        record = self.scan.to_dict()
        record["masks"] = None if self.masks is None else asdict(self.masks)
        if record["masks"] is not None:
            record["masks"] |= {key: list(record["masks"][key]) for key in ("labels", "notes")}
            record["notes"] = record["notes"] + record["masks"]["notes"]
        record["refusal"] = None if self.refusal is None else asdict(self.refusal)
        return record


def inspect_scan_and_masks(
    path: str | os.PathLike[str],
    *,
    masks: str | os.PathLike[str] | None = None,
    label_scheme: str | None = None,
    series: str | None = None,
    modality: Modality | None = None,
) -> CaseInspection:
    """Everything found at a path and in its masks, and whether both are accepted.

    Args:
        path: As for ``read_volume``.
        masks: As for :func:`read_masks`.
        label_scheme: As ``scheme`` of :func:`read_masks`.
        series: As for ``read_volume``.
        modality: As for ``read_volume``.

    Raises:
        ConfigError: ``series`` or ``label_scheme`` names nothing, or a scheme comes without masks.
    """
    if masks is None and label_scheme is not None:
        raise ConfigError(
            explain(
                expected="masks whose labels the scheme names",
                got="a label scheme alone",
                where="label scheme",
                remedy="Give the masks too, or leave the scheme out.",
            )
        )
    _scheme_of(label_scheme)
    scan, volume = inspect_and_read(path, series=series, modality=modality)
    if volume is None:
        return CaseInspection(scan=scan)
    mirrored = laterality_note(volume)
    if mirrored is not None:
        scan = replace(scan, notes=(*scan.notes, mirrored))
    if masks is None:
        return CaseInspection(scan=scan)
    try:
        found = read_masks(masks, volume.grid, scheme=label_scheme)
    except DataError as error:
        refusal = Refusal(code=type(error).__name__, message=str(error))
        return CaseInspection(scan=scan, masks=MaskInspection(refusal=refusal))
    return CaseInspection(scan=scan, masks=summarise_masks(found, volume.grid))


def summarise_masks(masks: Masks, grid: Grid) -> MaskInspection:
    """Voxels and volume of every label that is present."""
    labels = tuple(
        LabelSummary(
            label=label,
            name=masks.names.get(label),
            voxels=voxels,
            cm3=round(voxels * grid.voxel_volume_mm3 / 1000, 3),
        )
        for label, voxels in masks.voxels.items()
    )
    return MaskInspection(scheme=masks.scheme, labels=labels, notes=masks.notes)


def read_masks(path: str | os.PathLike[str], grid: Grid, *, scheme: str | None = None) -> Masks:
    """The masks of a scan on its grid, named as far as something says what the labels are.

    Args:
        path: A file with labels, or a folder with one file per organ (``liver.nii.gz``, ...).
        grid: The scan's canonical grid.
        scheme: Key of the label scheme; if ``None``, what a ``labels.json`` beside the file says.

    Raises:
        DataError: No masks, damaged, overlapping, or names that contradict each other.
        GeometryError: A mask whose extent is not the scan's.
        ConfigError: There is no such scheme.
    """
    path = Path(path)
    declared = _scheme_of(scheme)
    if path.is_dir():
        files = read_organ_files(path, grid, declared)
        layers = tuple(
            MaskLayer(labels_zyx=each.labels_zyx, names=each.names, declared=each.declared)
            for each in files.layers
        )
        return Masks(layers=layers, scheme=scheme, notes=files.notes)
    found = read_label_map(path, grid)
    told = read_declared_labels(path.with_name("labels.json"), declared)
    present = set(count_voxels(found.labels_zyx))
    if any(note.code == "channels_as_labels" for note in found.notes):
        layer = MaskLayer(labels_zyx=found.labels_zyx, names={}, declared={})
        notes = (*found.notes, *_channels_unnamed(told))
        return Masks(layers=(layer,), scheme=None, notes=notes)
    names = {label: told.names[label] for label in sorted(present & told.names.keys())}
    layer = MaskLayer(labels_zyx=found.labels_zyx, names=names, declared=told.names)
    notes = (*found.notes, *told.notes, *label_notes(present, told))
    return Masks(layers=(layer,), scheme=told.scheme, notes=notes)


def _scheme_of(key: str | None) -> LabelScheme | None:
    return None if key is None else label_scheme(key)


def _channels_unnamed(told: DeclaredLabels) -> list[GateNote]:
    if not told.names:
        return []
    message = (
        "The mask's channels carry no label numbers, so the declared label names were not used: "
        "the order of channels does not say what they show."
    )
    return [GateNote(code="label_names_ignored", message=message)]
