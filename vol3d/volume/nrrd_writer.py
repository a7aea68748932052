"""NRRD files out: any axis order, the affine in full precision, sheared grids included."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from vol3d.errors import DataError, explain
from vol3d.volume.grid import orient
from vol3d.volume.names import check_ending
from vol3d.volume.volume import Volume

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def write_nrrd(volume: Volume, path: str | os.PathLike[str], *, axcodes: str = "RAS") -> Path:
    """The path of an NRRD file that holds the volume's voxels unchanged.

    Space directions and origin hold the affine in double precision, in the space
    ``left-posterior-superior``. The axes of a sheared grid (a tilted gantry) stay as they are;
    programs that take only perpendicular axes may refuse such a file. NRRD names no modality and
    no unit.

    Args:
        path: ``.nrrd``; header and voxels (gzip) in one file. The same volume always gives the
            same bytes.
        axcodes: Directions in which the file's axes grow, fastest first: any of the 48, such as
            ``"LPS"``.

    Raises:
        DataError: Another file ending, or the file cannot be written.
        GeometryError: ``axcodes`` names no three different axes.
    """
    import SimpleITK

    path = Path(path)
    check_ending(path, ".nrrd")
    array, grid = orient(volume.voxels_zyx, volume.grid, axcodes)
    steps_lps = _RAS_TO_LPS @ grid.affine[:3, :3]
    spacing_xyz_mm = np.linalg.norm(steps_lps, axis=0)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing_xyz_mm.tolist())
    image.SetDirection((steps_lps / spacing_xyz_mm).ravel().tolist())
    image.SetOrigin((_RAS_TO_LPS @ grid.affine[:3, 3]).tolist())
    try:
        SimpleITK.WriteImage(image, str(path), useCompression=True, imageIO="NrrdImageIO")
    except RuntimeError:
        raise DataError(
            explain(
                expected="a folder that exists and can be written to",
                got="a file that cannot be written",
                where=path.name,
                remedy="Check the folder and the space left.",
            )
        ) from None
    return path
