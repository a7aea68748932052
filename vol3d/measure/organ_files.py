"""Masks kept as one file per organ: ``liver.nii.gz``, ``kidney_left.nii.gz`` and so on.

Organs may not overlap. Parts of an organ (``liver_segment_4``) and lesions (``liver_cyst``) lie
inside of organs, so they are kept in layers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cc3d
import numpy as np
import numpy.typing as npt

from vol3d.anatomy import (
    LabelScheme,
    find_lesion_mask,
    find_structure,
    lesion_types,
)
from vol3d.errors import DataError, explain
from vol3d.measure.mask_names import listed, plain_names
from vol3d.volume import GateNote, Grid, LabelArray, count_voxels, read_label_map
from vol3d.volume.names import shown_name

MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


LayerKind = Literal["organs", "parts", "lesions"]

ORGAN_OVERLAP_SHARE = 0.01
"""Organs that share at most this much of the smaller one are told apart; more is refused."""
FEWEST_REST_VOXELS = 10
"""A mask of any lesions without those of known type has lesions of its own from here."""
SAME_LESION_SHARE = 0.5
"""A lesion of any type that lies this much in one of known type is the same lesion."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FileLayer:
    """Files of one kind as one array of labels, in which no two labels share a voxel.

    Args:
        kind: What the labels are.
        labels_zyx: uint16; a scheme's numbers, or 1, 2, ... for the files in order of their names.
        names: Name by label, of the labels that are present.
        declared: The same for every file, also those that are empty.
    """

    kind: LayerKind
    labels_zyx: LabelArray
    names: dict[int, str]
    declared: dict[int, str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OrganFiles:
    """The files of a folder in layers; label numbers are unique over all of them.

    Args:
        layers: Organs first (also if there are none), then parts and lesions where there are any.
        notes: What was found in the files.
    """

    layers: tuple[FileLayer, ...]
    notes: tuple[GateNote, ...]


def read_organ_files(folder: Path, grid: Grid, scheme: LabelScheme | None) -> OrganFiles:
    """The masks of all organ files in a folder.

    Args:
        folder: Each mask file in it holds one organ, part or type of lesion and is named after it.
        grid: The scan's canonical grid.
        scheme: Gives the label numbers.

    Raises:
        DataError: No mask files, a file with several labels, or organs that overlap by more than
            rounding.
        GeometryError: A mask whose extent is not the scan's.
    """
    files = _organ_files(folder)
    numbers = _numbers(list(files), scheme)
    notes: dict[str, GateNote] = {}
    layers = []
    for kind in ("organs", "parts", "lesions"):
        own = {name: path for name, path in files.items() if _kind_of(name) == kind}
        if own or kind == "organs":
            layers.append(_read_layer(kind, own, numbers, grid, notes))
    if any(layer.names for layer in layers):
        notes.pop("mask_empty", None)  # organs that the scan does not show have empty files
    by_number = {number: organ for organ, number in numbers.items()}
    present = sorted(n for layer in layers for n in count_voxels(layer.labels_zyx))
    _, ignored = plain_names({n: by_number[n] for n in present}, where=shown_name(folder))
    names = {n: name for layer in layers for n, name in layer.names.items()}
    return OrganFiles(
        layers=tuple(layers),
        notes=(*notes.values(), *ignored, *_unknown(by_number, names, present, scheme)),
    )


def _kind_of(name: str) -> LayerKind:
    found = find_structure(name)
    if found is not None:
        return "parts" if found.kind == "part" else "organs"
    return "lesions" if find_lesion_mask(name) is not None else "organs"


def _read_layer(
    kind: LayerKind,
    files: dict[str, Path],
    numbers: dict[str, int],
    grid: Grid,
    notes: dict[str, GateNote],
) -> FileLayer:
    labels: LabelArray = np.zeros(grid.shape_zyx, dtype=np.uint16)
    sizes: dict[str, int] = {}
    for organ in _in_precedence(kind, list(files)):
        found = read_label_map(files[organ], grid)
        _check_one_label(found.labels_zyx, files[organ])
        inside = found.labels_zyx > 0
        sizes[organ] = int(np.count_nonzero(inside))
        taken = labels[inside]
        if kind == "organs":
            _check_overlap(taken, sizes, organ, numbers, notes)
        elif kind == "lesions" and taken.any():
            inside = _without_known(inside, labels > 0)
        labels[inside & (labels == 0)] = numbers[organ]
        for note in found.notes:
            notes.setdefault(note.code, note)
    declared, _ = plain_names({numbers[organ]: organ for organ in files}, where="")
    present = count_voxels(labels)
    return FileLayer(
        kind=kind,
        labels_zyx=labels,
        names={n: name for n, name in sorted(declared.items()) if n in present},
        declared=declared,
    )


def _in_precedence(kind: LayerKind, names: list[str]) -> list[str]:
    """Lesions of known type before those of any type; otherwise in order of their names."""
    if kind != "lesions":
        return names
    order = list(lesion_types())
    masks = {name: find_lesion_mask(name) for name in names}
    return sorted(names, key=lambda n: (order.index(m.type) if (m := masks[n]) else 0, n))


def _without_known(
    lesions: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Lesions of any type without those whose type another mask gives."""
    parts = cc3d.connected_components(lesions.astype(np.uint8), connectivity=26)
    total = np.bincount(parts.ravel())
    shared = np.bincount(parts[known], minlength=len(total))
    is_other = shared < SAME_LESION_SHARE * total
    is_other[0] = False
    rest: npt.NDArray[np.bool_] = is_other[parts] & ~known
    return rest if np.count_nonzero(rest) >= FEWEST_REST_VOXELS else np.zeros_like(rest)


def _organ_files(folder: Path) -> dict[str, Path]:
    """Mask files of a folder by the organ that they are named after, in order of their names."""
    where = shown_name(folder)
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise _no_folder_of_masks(where, type(error).__name__) from None
    files: dict[str, Path] = {}
    for path in paths:
        ending = next((e for e in MASK_ENDINGS if path.name.lower().endswith(e)), None)
        if ending is None or path.name.startswith("."):
            continue
        organ = path.name[: -len(ending)]
        if organ in files:
            raise _no_folder_of_masks(where, f"two files for {shown_name(Path(organ))}")
        files[organ] = path
    if not files:
        raise _no_folder_of_masks(where, "no mask file")
    return files


def _no_folder_of_masks(where: str, got: str) -> DataError:
    return DataError(
        explain(
            expected=f"a folder with one mask file per organ ({', '.join(MASK_ENDINGS)})",
            got=got,
            where=where,
            remedy="Pass that folder or a file; DICOM SEG and RTSTRUCT must be converted first.",
        )
    )


def _numbers(organs: list[str], scheme: LabelScheme | None) -> dict[str, int]:
    """A label for every organ; those that the scheme lacks are counted on from its last one."""
    taken = {} if scheme is None else {name: number for number, name in scheme.names.items()}
    following = max(taken.values(), default=0) + 1
    others = [organ for organ in organs if organ not in taken]
    numbers = {organ: taken[organ] for organ in organs if organ in taken}
    return numbers | {organ: following + place for place, organ in enumerate(others)}


def _check_one_label(part: LabelArray, path: Path) -> None:
    values = sorted(count_voxels(part))
    if len(values) > 1:
        raise DataError(
            explain(
                expected="one label in a file that is named after an organ",
                got=f"labels {listed(values)}",
                where=shown_name(path),
                remedy="Pass a file with several labels alone, not its folder.",
            )
        )


def _check_overlap(
    shared: LabelArray,
    sizes: dict[str, int],
    organ: str,
    numbers: dict[str, int],
    notes: dict[str, GateNote],
) -> None:
    """Refuses organs that share more voxels than rounding makes; notes those that share a few."""
    for other, size in sizes.items():
        count = int(np.count_nonzero(shared == numbers[other])) if other != organ else 0
        names = f"{shown_name(Path(organ))} and {shown_name(Path(other))}"
        if count > ORGAN_OVERLAP_SHARE * min(size, sizes[organ]):
            raise DataError(
                explain(
                    expected="organs that do not overlap",
                    got=f"{count} voxels that {shown_name(Path(other))} holds too",
                    where=shown_name(Path(organ)),
                    remedy="Pass one of the two, or correct the masks.",
                )
            )
        if count:
            message = f"{names} share {count} voxels; they count for the latter."
            notes.setdefault("organs_overlap", GateNote(code="organs_overlap", message=message))


def _is_meant_by_a_table(name: str) -> bool:
    return find_structure(name) is not None or find_lesion_mask(name) is not None


def _unknown(
    organs: dict[int, str], names: dict[int, str], present: list[int], scheme: LabelScheme | None
) -> list[GateNote]:
    """A note about organs that no scheme, or not the declared one, knows."""
    if scheme is None:
        unknown = [n for n in present if not _is_meant_by_a_table(organs[n])]
    else:
        unknown = [n for n in present if organs[n] not in scheme.names.values()]
    if not unknown:
        return []
    shown = listed(f"{n} ({names[n]})" if n in names else n for n in unknown)
    source = "any known label scheme" if scheme is None else scheme.key
    message = f"Organs of the mask files are not in {source}: {shown}. They count as labels."
    return [GateNote(code="unknown_labels", message=message)]
