"""Masks kept as one file per organ: ``liver.nii.gz``, ``kidney_left.nii.gz`` and so on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vol3d.anatomy import LabelScheme, label_scheme, scheme_keys
from vol3d.errors import DataError, explain
from vol3d.measure.mask_names import listed, plain_names
from vol3d.volume import GateNote, Grid, LabelArray, count_voxels, read_label_map
from vol3d.volume.names import shown_name

MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OrganFiles:
    """The files of a folder as one array of labels.

    Args:
        labels_zyx: uint16; a scheme's numbers, or 1, 2, ... for the files in order of their names.
        names: Organ by label, of the labels that are present.
        notes: What was found in the files.
    """

    labels_zyx: LabelArray
    names: dict[int, str]
    notes: tuple[GateNote, ...]


def read_organ_files(folder: Path, grid: Grid, scheme: LabelScheme | None) -> OrganFiles:
    """The masks of all organ files in a folder.

    Args:
        folder: Each mask file in it holds one organ and is named after it.
        grid: The scan's canonical grid.
        scheme: Gives the label numbers.

    Raises:
        DataError: No mask files, a file with several labels, or organs that overlap.
        GeometryError: A mask whose extent is not the scan's.
    """
    files = _organ_files(folder)
    numbers = _numbers(list(files), scheme)
    labels: LabelArray = np.zeros(grid.shape_zyx, dtype=np.uint16)
    notes: dict[str, GateNote] = {}
    for organ, file in files.items():
        found = read_label_map(file, grid)
        inside = found.labels_zyx > 0
        _check_organ(found.labels_zyx, labels, files, organ, numbers)
        labels[inside] = numbers[organ]
        for note in found.notes:
            notes.setdefault(note.code, note)
    present = sorted(count_voxels(labels))
    if present:
        notes.pop("mask_empty", None)  # organs that the scan does not show have empty files
    by_number = {number: organ for organ, number in numbers.items()}
    names, ignored = plain_names({n: by_number[n] for n in present}, where=shown_name(folder))
    return OrganFiles(
        labels_zyx=labels,
        names=names,
        notes=(*notes.values(), *ignored, *_unknown(by_number, names, present, scheme)),
    )


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


def _check_organ(
    part: LabelArray,
    labels: LabelArray,
    files: dict[str, Path],
    organ: str,
    numbers: dict[str, int],
) -> None:
    """Refuses a file with several labels, and organs that share voxels."""
    where = shown_name(files[organ])
    values = sorted(count_voxels(part))
    if len(values) > 1:
        raise DataError(
            explain(
                expected="one label in a file that is named after an organ",
                got=f"labels {listed(values)}",
                where=where,
                remedy="Pass a file with several labels alone, not its folder.",
            )
        )
    shared = labels[part > 0]
    overlaps = {other: int(np.count_nonzero(shared == n)) for other, n in numbers.items()}
    for other, count in overlaps.items():
        if count:
            raise DataError(
                explain(
                    expected="organs that do not overlap",
                    got=f"{count} voxels that {shown_name(files[other])} holds too",
                    where=where,
                    remedy="Pass one of the two, or correct the masks.",
                )
            )


def _unknown(
    organs: dict[int, str], names: dict[int, str], present: list[int], scheme: LabelScheme | None
) -> list[GateNote]:
    """A note about organs that no scheme, or not the declared one, knows."""
    schemes = [scheme] if scheme else [label_scheme(key) for key in scheme_keys()]
    known = {name for each in schemes for name in each.names.values()}
    unknown = [n for n in present if organs[n] not in known]
    if not unknown:
        return []
    shown = listed(f"{n} ({names[n]})" if n in names else n for n in unknown)
    source = "any known label scheme" if scheme is None else scheme.key
    message = f"Organs of the mask files are not in {source}: {shown}. They count as labels."
    return [GateNote(code="unknown_labels", message=message)]
