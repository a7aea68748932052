"""All masks of a case: files and folders together, by the structures and lesions they show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vol3d.anatomy import (
    LesionMask,
    find_lesion_mask,
    find_structure,
    group_members,
    is_group,
    parts_of,
)
from vol3d.errors import DataError, explain
from vol3d.measure.mask_names import listed
from vol3d.measure.masks import MaskLayer, Masks, read_masks
from vol3d.measure.organ_files import MASK_ENDINGS
from vol3d.volume import GateNote, Grid, LabelArray, count_voxels
from vol3d.volume.names import shown_name

BoolArray = npt.NDArray[np.bool_]
_Key = TypeVar("_Key")
_ABOUT_NAMES = {"label_scheme_unknown", "unknown_labels"}


class LayerLabel(NamedTuple):
    """Where a structure is: a layer's place in ``CaseMasks.layers``, and the label in it."""

    layer: int
    label: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CaseMasks:
    """The masks of a case on the scan's grid.

    Args:
        layers: Arrays of labels, (z, y, x).
        structures: Where each structure is, by its key; those too that a mask could have shown
            and did not.
        pairs: The same for both organs of a pair in one label, by group, such as ``kidney``.
        lesions: Where each kind of lesion is, in the same sense.
        unnamed: Labels that are present and whose meaning is not known.
        scheme: Key of the label scheme of the masks, if one is declared.
        notes: What was found in the files and what was done about it.
    """

    layers: tuple[LabelArray, ...]
    structures: Mapping[str, LayerLabel]
    pairs: Mapping[str, LayerLabel]
    lesions: Mapping[LesionMask, LayerLabel]
    unnamed: tuple[str, ...] = ()
    scheme: str | None = None
    notes: tuple[GateNote, ...] = ()


def read_case_masks(
    paths: Sequence[str | os.PathLike[str]],
    grid: Grid,
    *,
    scheme: str | None = None,
    names: Mapping[int, str] | None = None,
) -> CaseMasks:
    """The masks of all files and folders of a case.

    Args:
        paths: As for ``read_masks``; each structure may be in one of them only.
        grid: The scan's canonical grid.
        scheme: Key of the label scheme of all files.
        names: Names by label that the user gives; they win over those of files and schemes.

    Raises:
        DataError: No masks, damaged, overlapping, names that contradict each other, or one
            structure twice.
        GeometryError: A mask whose extent is not the scan's.
        ConfigError: There is no such scheme.
    """
    found = [_named_by_file(read_masks(p, grid, scheme=scheme), Path(p)) for p in paths]
    where = ", ".join(shown_name(Path(path)) for path in paths)
    return assemble_masks(found, names=names or {}, where=where)


def structure_voxels(masks: CaseMasks, keys: Iterable[str]) -> BoolArray | None:
    """Voxels of structures together, each by its own label or by those of all its parts.

    Args:
        masks: Masks of a case.
        keys: Structure keys.

    Returns:
        (z, y, x); ``None`` where a structure is not masked or shows no voxel.
    """
    inside: BoolArray | None = None
    for key in keys:
        names = [key] if key in masks.structures else list(parts_of(key))
        found = [masks.structures.get(name) for name in names]
        labels = [at for at in found if at is not None]
        if not labels or len(labels) < len(found):
            return None
        here = np.any([masks.layers[at.layer] == at.label for at in labels], axis=0)
        if not here.any():
            return None
        inside = here if inside is None else inside | here
    return inside


def _named_by_file(masks: Masks, path: Path) -> Masks:
    """A file with one label that nothing names, named by the file: ``liver_cyst.nii.gz``."""
    layer = masks.layers[0]
    name = next((path.name[: -len(e)] for e in MASK_ENDINGS if path.name.endswith(e)), "")
    is_meant = find_structure(name) is not None or find_lesion_mask(name) is not None
    if path.is_dir() or layer.declared or not is_meant or len(masks.voxels) > 1:
        return masks
    label = next(iter(masks.voxels), 1)
    names = {label: name}
    named = MaskLayer(
        labels_zyx=layer.labels_zyx, names=names if masks.voxels else {}, declared=names
    )
    notes = tuple(note for note in masks.notes if note.code not in _ABOUT_NAMES)
    return Masks(layers=(named,), scheme=None, notes=notes)


def assemble_masks(
    found: Iterable[Masks], *, names: Mapping[int, str] | None = None, where: str = "masks"
) -> CaseMasks:
    """Masks that were read, as one case.

    Args:
        found: In order of precedence.
        names: As for :func:`read_case_masks`.
        where: Names the masks in errors.

    Raises:
        DataError: There are none, or one structure is there twice.
    """
    found = list(found)
    if not found:
        raise DataError(
            explain(expected="masks", got="none", where=where, remedy="Pass a mask file or folder.")
        )
    tables = _Tables(where)
    layers: list[LabelArray] = []
    for masks in found:
        for layer in masks.layers:
            tables.add(len(layers), layer, names or {})
            layers.append(layer.labels_zyx)
    return CaseMasks(
        layers=tuple(layers),
        structures=tables.structures,
        pairs=tables.pairs,
        lesions=tables.lesions,
        unnamed=tuple(tables.unnamed),
        scheme=next((masks.scheme for masks in found if masks.scheme), None),
        notes=tuple(_notes(found, named=bool(names), unnamed=tables.unnamed)),
    )


class _Tables:
    """What every label means, collected layer by layer."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.structures: dict[str, LayerLabel] = {}
        self.pairs: dict[str, LayerLabel] = {}
        self.lesions: dict[LesionMask, LayerLabel] = {}
        self.unnamed: list[str] = []

    def add(self, place: int, layer: MaskLayer, names: Mapping[int, str]) -> None:
        present = count_voxels(layer.labels_zyx)
        declared = dict(layer.declared)
        if names:  # the user's names win, also over labels of the scheme that are not there
            declared = {n: name for n, name in declared.items() if n in present}
            declared |= {n: name for n, name in names.items() if n in present}
        for label, name in sorted(declared.items()):
            at = LayerLabel(place, label)
            if not self._add_named(name, at) and label in present:
                self.unnamed.append(name)
        self.unnamed += [str(label) for label in sorted(present.keys() - declared.keys())]

    def _add_named(self, name: str, at: LayerLabel) -> bool:
        structure = find_structure(name)
        group = name.casefold().removesuffix("s")
        if structure is None and is_group(group) and len(group_members(group)) == 2:
            self._put(self.pairs, group, at)
        elif structure is not None:
            self._put(self.structures, structure.key, at)
        elif (lesion := find_lesion_mask(name)) is not None:
            self._put(self.lesions, lesion, at)
        else:
            return False
        return True

    def _put(self, table: dict[_Key, LayerLabel], key: _Key, at: LayerLabel) -> None:
        if key in table:
            raise DataError(
                explain(
                    expected="one mask of each structure",
                    got=f"two of {_shown(key)}",
                    where=self.where,
                    remedy="Pass one of the two only.",
                )
            )
        table[key] = at


def _shown(key: object) -> str:
    if isinstance(key, LesionMask):
        return " ".join(each for each in (key.side, key.organ, key.type) if each)
    return str(key)


def _notes(found: list[Masks], *, named: bool, unnamed: list[str]) -> list[GateNote]:
    dropped = _ABOUT_NAMES if named else set()
    notes = [note for masks in found for note in masks.notes if note.code not in dropped]
    if unnamed:
        message = f"Labels of unknown meaning were not measured: {listed(unnamed)}."
        notes.append(GateNote(code="labels_not_measured", message=message))
    return notes
