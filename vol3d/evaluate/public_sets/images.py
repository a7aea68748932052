"""Images of public sets: where they lie, and reading them without making up a geometry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.records import ImagePolicy, PublicImage
from vol3d.volume import Volume, read_volume
from vol3d.volume.names import shown_name

NO_GEOMETRY = (
    "No spacing, direction or position is published for this image: voxels are in the file's own "
    "order, and no millimetre, volume or side can be derived from them."
)
_ENDINGS = (".nii.gz", ".nii", ".npy")
_FIRST = 5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ArrayWithoutGeometry:
    """The numbers of an image that is not placed in millimetres.

    Args:
        image_id: The set's name of the image.
        values: Three axes in the file's own order; which is head to feet is not known.
        statement: What must be told with everything that is derived from it.
    """

    image_id: str
    values: npt.NDArray[Any]
    statement: str = NO_GEOMETRY


def without_ending(name: str) -> str:
    """A file's name or path without ``.nii.gz``, ``.nii`` or ``.npy``.

    >>> without_ending("valid_1_a_1.nii.gz")
    'valid_1_a_1'
    """
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def path_below(root: Path, relative: str) -> Path | None:
    """The file at a published relative path; ``None`` where it is not there.

    Raises:
        ValueError: The path is absolute or leads out of ``root``.
    """
    parts = PurePosixPath(relative)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise ValueError(f"{relative[:80]!r} does not stay below the data set's folder")
    path = root.joinpath(*parts.parts)
    return path if path.is_file() else None


def check_images(images: Iterable[PublicImage], policy: ImagePolicy, *, where: str) -> None:
    """Refuses a set with missing images unless that was allowed.

    Args:
        images: Of all records.
        policy: ``required`` or ``optional``.
        where: Name of the table, for the message.

    Raises:
        DataError: Images are required and some are missing; the first ones are named.
    """
    if policy == "optional":
        return
    wanted = {image.image_id: image for image in images}
    missing = [image.image_id for image in wanted.values() if image.path is None]
    if missing:
        named = ", ".join(missing[:_FIRST]) + (", ..." if len(missing) > _FIRST else "")
        raise DataError(
            explain(
                expected=f"the image of every record ({len(wanted)} images)",
                got=f"{len(missing)} missing: {named}",
                where=where,
                remedy="Download them, or say images='optional' to score text only.",
            )
        )


def open_image(image: PublicImage) -> Volume | ArrayWithoutGeometry:
    """The volume, or bare numbers where nothing that is published places it in millimetres.

    Args:
        image: With a path. Files are NIfTI or NumPy; a NumPy file has three axes, or a leading
            axis of length 1 before them.

    Raises:
        DataError: No path, or the file cannot be read as what it should be.
        GeometryError: A NIfTI file that should hold a geometry and does not.
    """
    if image.path is None:
        raise DataError(
            explain(
                expected="an image file",
                got="none on this machine",
                where=f"image {image.image_id}",
                remedy="Load the set with images='required' to see all that are missing.",
            )
        )
    if image.path.suffix.lower() == ".npy":
        return ArrayWithoutGeometry(image_id=image.image_id, values=numpy_values(image.path))
    if image.geometry == "file":
        return read_volume(image.path)
    from vol3d.volume.nifti import read_stored

    _, volumes = read_stored(image.path)
    values = _three_axes(volumes[0].transpose(2, 1, 0), image.path, volumes=len(volumes))
    return ArrayWithoutGeometry(image_id=image.image_id, values=values)


def numpy_values(path: Path) -> npt.NDArray[Any]:
    """The three axes of a NumPy file, mapped and not copied; a leading axis of length 1 is dropped.

    Raises:
        DataError: It holds anything but one volume of numbers.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _wrong(path, f"content that cannot be read ({type(error).__name__})") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise _wrong(path, f"a {getattr(values, 'dtype', 'nameless')} archive or array")
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    return _three_axes(values, path, volumes=1)


def _three_axes(values: npt.NDArray[Any], path: Path, *, volumes: int) -> npt.NDArray[Any]:
    if values.ndim != 3 or 0 in values.shape or volumes != 1:
        raise _wrong(path, f"{volumes} volume(s) of shape {values.shape}")
    return values


def _wrong(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected="one volume: numbers with three axes, or a leading axis of length 1 more",
            got=got,
            where=shown_name(path),
            remedy="Prepare the image again with the data set's own script.",
        )
    )
