"""NIfTI files out: any axis order, qform and sform set, the same bytes every time."""

from __future__ import annotations

import gzip
import os
from io import BytesIO
from pathlib import Path

from vol3d.volume.grid import orient
from vol3d.volume.names import check_ending
from vol3d.volume.volume import Volume

_DESCRIP = b"vol3d research use only"
_SCANNER = 1
_QFORM_SHEAR = 1e-6
_GZIP_LEVEL = 4


def write_nifti(volume: Volume, path: str | os.PathLike[str], *, axcodes: str = "RAS") -> Path:
    """The path of a NIfTI-1 file that holds the volume's voxels unchanged.

    The sform holds the affine (in float32). The qform holds it too, except for sheared grids,
    which a qform cannot express: its code is 0 then. NIfTI names no modality and no unit.

    Args:
        path: ``.nii`` or ``.nii.gz``; the same volume always gives the same bytes.
        axcodes: Directions in which the file's i, j, k grow: any of the 48, such as ``"LPS"``.

    Raises:
        DataError: Another file ending.
        GeometryError: ``axcodes`` names no three different axes.
    """
    import nibabel

    path = Path(path)
    check_ending(path, ".nii", ".nii.gz")
    array, grid = orient(volume.voxels_zyx, volume.grid, axcodes)
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), None, dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=_SCANNER)
    if grid.shear < _QFORM_SHEAR:
        image.set_qform(grid.affine, code=_SCANNER)
    else:
        image.set_qform(None, code=0)
        image.header.set_zooms(grid.spacing_zyx_mm[::-1])
    image.header["descrip"] = _DESCRIP
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        buffer = BytesIO()
        with gzip.GzipFile("", "wb", compresslevel=_GZIP_LEVEL, fileobj=buffer, mtime=0) as file:
            file.write(content)
        content = buffer.getvalue()
    path.write_bytes(content)
    return path
