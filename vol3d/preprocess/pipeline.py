"""From a scan to encoder input, and to the blank baseline of the same shape.

``prepare`` crops to the body, resamples antialiased to the first allowed spacing whose kept patches
fit the budget, stores int16 and pads to whole patches. The steps that move voxels are invertible
MONAI transforms (:func:`spatial_transforms`); MONAI is imported when they are built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import ndimage

from vol3d.errors import BudgetError, DataError, explain
from vol3d.measure.body import body_mask
from vol3d.preprocess.intensity import stored_intensity
from vol3d.preprocess.metatensor import grid_of, to_metatensor
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.regrid import Triple, regrid_note, resample_to, resampled_grid
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import GateNote, Grid, Volume

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

BoolArray = npt.NDArray[np.bool_]
LabelArray = npt.NDArray[np.uint8]
Box = tuple[tuple[int, int, int], tuple[int, int, int]]

IMAGE, BODY = "image", "body"

SMALLEST_BODY_SHARE = 0.005
"""A body mask below this share of the whole scan is a failed one."""
SMALLEST_BODY_CM3 = 50.0
"""So is one below this volume, in a scan that is larger."""


class _Plan(NamedTuple):
    """What is decided before any intensity is resampled."""

    box_zyx: Box
    spacing_zyx_mm: Triple
    patch_index_zyx: torch.Tensor
    notes: tuple[GateNote, ...]


def prepare(
    volume: Volume,
    spec: PreprocessSpec,
    *,
    body: BoolArray | None = None,
    device: str | torch.device = "cpu",
) -> PreparedVolume:
    """The scan as the encoder wants it.

    Args:
        volume: Any scan; HU windows are used only if its unit is HU.
        spec: The checkpoint's preprocessing.
        body: The body mask on the scan's grid, if it is known already; ``body_mask`` otherwise.
        device: Where the resampling is computed; the result always lies in host memory.

    Raises:
        BudgetError: At no allowed spacing do the kept patches fit ``spec.max_patches``.
        DataError: ``body`` does not have the scan's shape.
    """
    return prepare_labels(volume, {}, spec, body=body, device=device)[0]


def prepare_labels(
    volume: Volume,
    labels: Mapping[str, LabelArray],
    spec: PreprocessSpec,
    *,
    body: BoolArray | None = None,
    device: str | torch.device = "cpu",
) -> tuple[PreparedVolume, dict[str, torch.Tensor]]:
    """The prepared scan and the label maps on its grid (nearest voxel, uint8, 0 in padding).

    Args:
        volume: The scan.
        labels: Label maps uint8 (z, y, x) on the scan's grid, by any name.
        spec: The checkpoint's preprocessing.
        body: As for ``prepare``.
        device: As for ``prepare``.

    Raises:
        BudgetError: At no allowed spacing do the kept patches fit ``spec.max_patches``.
        DataError: A label map or ``body`` does not have the scan's shape.
    """
    mask = body_mask(volume) if body is None else body
    _check_shapes({**labels, BODY: mask}, volume.grid)
    doubt = _body_doubt(volume.grid, mask)
    if doubt is not None:  # what is no body must not decide on crop, patches, windows or centre
        mask = np.zeros_like(mask)
    plan = _plan(volume.grid, mask, spec, doubt)
    names: dict[Hashable, str] = {("label", name): name for name in labels}
    lowest = _lowest(volume, spec)
    data: dict[Hashable, Any] = {
        IMAGE: to_metatensor(volume.voxels_zyx, volume.grid),
        BODY: to_metatensor(mask, volume.grid),
        **{key: to_metatensor(labels[name], volume.grid) for key, name in names.items()},
    }
    crop, resample = spatial_transforms(plan.box_zyx, plan.spacing_zyx_mm, (BODY, *names), lowest)
    data = crop(data)
    data[IMAGE], repaired = _repaired(data[IMAGE], lowest, is_hu=volume.unit == "HU")
    data = resample({key: tensor.to(device) for key, tensor in data.items()})
    data = {key: tensor.cpu() for key, tensor in data.items()}
    image: torch.Tensor = data[IMAGE].as_tensor()[0]
    store = stored_intensity(image, data[BODY].as_tensor()[0], volume.unit, spec)
    data[IMAGE] = to_metatensor(store.encode(image), grid_of(data[IMAGE]))
    pad_value = int(store.encode(torch.tensor([lowest]))[0])
    for transform in padding_transforms(spec.patch_zyx, (BODY, *names), pad_value):
        data = transform(data)
    prepared = PreparedVolume(
        voxels_zyx=data[IMAGE].as_tensor()[0].contiguous(),
        body_zyx=data[BODY].as_tensor()[0].to(torch.bool),
        patch_index_zyx=plan.patch_index_zyx,
        windows=store.windows,
        grid=grid_of(data[IMAGE]),
        scan_grid=volume.grid,
        slope=store.slope,
        intercept=store.intercept,
        modality=volume.modality,
        spec_sha256=spec.sha256,
        pad_value=pad_value,
        notes=plan.notes if repaired is None else (*plan.notes, repaired),
    )
    return prepared, {name: data[key].as_tensor()[0].contiguous() for key, name in names.items()}


def blank_like(prepared: PreparedVolume) -> PreparedVolume:
    """The same geometry and kept patches with every voxel at the padding value (air).

    The baseline that shows what a model says without seeing: all but the voxels is unchanged.
    """
    return dataclasses.replace(
        prepared, voxels_zyx=torch.full_like(prepared.voxels_zyx, prepared.pad_value)
    )


def spatial_transforms(
    box_zyx: Box, spacing_zyx_mm: Triple, label_keys: tuple[Hashable, ...], fill_value: float
) -> tuple[Any, ...]:
    """The invertible transforms that crop and resample ``image`` and the label keys, in order."""
    from monai.transforms.croppad.dictionary import SpatialCropd

    from vol3d.preprocess.resample import ResampleAntialiasedd

    keys = (IMAGE, *label_keys)
    return (
        SpatialCropd(keys, roi_start=box_zyx[0], roi_end=box_zyx[1]),
        ResampleAntialiasedd(keys, spacing_zyx_mm, label_keys=label_keys, fill_value=fill_value),
    )


def padding_transforms(
    patch_zyx: tuple[int, int, int], label_keys: tuple[Hashable, ...], pad_value: float
) -> tuple[Any, ...]:
    """The invertible transforms that pad to whole patches at the high-index ends."""
    from monai.transforms.croppad.dictionary import DivisiblePadd

    return (
        DivisiblePadd((IMAGE,), k=patch_zyx, method="end", value=pad_value),
        DivisiblePadd(label_keys, k=patch_zyx, method="end", value=0),
    )


def kept_patches(body_zyx: torch.Tensor, patch_zyx: tuple[int, int, int]) -> torch.Tensor:
    """Which patches touch the body or are neighbours (26) of one that does; bool (Z, Y, X) patches.

    Args:
        body_zyx: Body mask; padded with False to whole patches here.
        patch_zyx: Voxels of a patch.
    """
    missing = [-n % p for n, p in zip(body_zyx.shape, patch_zyx, strict=True)]
    z, y, x = missing
    padded = F.pad(body_zyx.to(torch.float32), (0, x, 0, y, 0, z))
    touched = F.max_pool3d(padded[None, None], patch_zyx, patch_zyx)[0, 0].numpy() > 0
    return torch.from_numpy(ndimage.binary_dilation(touched, np.ones((3, 3, 3), dtype=bool)))


def _lowest(volume: Volume, spec: PreprocessSpec) -> float:
    """The intensity of what lies outside the scan."""
    if volume.unit == "HU":
        return float(spec.pad_value_hu)
    voxels: npt.NDArray[Any] = volume.voxels_zyx
    lowest = float(voxels.min())
    if np.isfinite(lowest):
        return lowest
    finite = voxels[np.isfinite(voxels)]
    return float(finite.min()) if finite.size else 0.0


def _repaired(
    image: MetaTensor, lowest: float, *, is_hu: bool
) -> tuple[MetaTensor, GateNote | None]:
    """The image without values that would spread when neighbours are mixed.

    What scanners write outside the field of view (-1500 to -3024) is not HU and becomes air; what
    is not finite becomes air too, and the user is told.
    """
    voxels: npt.NDArray[Any] = image.as_tensor().numpy()
    note = None
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        count = int(np.count_nonzero(~np.isfinite(voxels)))
        message = f"{count} voxels hold no finite number and were set to {lowest:g}."
        note = GateNote(code="not_finite_replaced", message=message)
        image = image.nan_to_num(nan=lowest, posinf=lowest, neginf=lowest)
        voxels = image.as_tensor().numpy()
    if is_hu and voxels.min() < lowest:
        image = image.clamp_min(int(lowest))
    return image, note


def _check_shapes(arrays: Mapping[str, npt.NDArray[Any]], grid: Grid) -> None:
    for name, array in arrays.items():
        if array.shape != grid.shape_zyx:
            raise DataError(
                explain(
                    expected=f"an array of the scan's shape {grid.shape_zyx} (z, y, x)",
                    got=str(array.shape),
                    where=f"label map {name!r}",
                    remedy="Bring it to the scan's grid first.",
                )
            )


def _body_doubt(grid: Grid, body: BoolArray) -> str | None:
    """Why the mask is not that of a patient's body; judged on the whole scan, before any crop."""
    count = int(np.count_nonzero(body))
    if count == 0:
        return "No body was found"
    share, cm3_per_voxel = count / body.size, grid.voxel_volume_mm3 / 1000.0
    is_small = count * cm3_per_voxel < SMALLEST_BODY_CM3 <= body.size * cm3_per_voxel
    if share >= SMALLEST_BODY_SHARE and not is_small:
        return None
    return (
        f"The body that was found is implausible ({count * cm3_per_voxel:.3g} cm3, {share:.2%} of "
        "the scan) and was not used"
    )


def _plan(grid: Grid, body: BoolArray, spec: PreprocessSpec, doubt: str | None) -> _Plan:
    """Crop box, spacing and kept patches; a body in doubt is an empty one."""
    box = _crop_box(grid, body, spec)
    (z0, y0, x0), (z1, y1, x1) = box
    affine = grid.affine.copy()
    affine[:3, 3] = grid.index_to_world_mm((z0, y0, x0))
    crop_grid = Grid(shape_zyx=(z1 - z0, y1 - y0, x1 - x0), affine=affine)
    crop = torch.from_numpy(np.require(body[z0:z1, y0:y1, x0:x1], requirements=["W"]))
    regridded = regrid_note(crop_grid)
    notes = () if regridded is None else (regridded,)
    fewest: int | None = None
    for spacing in spec.spacings_zyx_mm:
        target = resampled_grid(crop_grid, spacing)
        mask = resample_to(crop, crop_grid, target, is_label=True, fill=0)
        kept, note = _choose_patches(kept_patches(mask, spec.patch_zyx), spec, doubt)
        fewest = len(kept) if fewest is None else min(fewest, len(kept))
        if len(kept) <= spec.max_patches:
            return _Plan(box, spacing, kept, notes if note is None else (*notes, note))
    raise BudgetError(
        explain(
            expected=f"at most {spec.max_patches} patches of {spec.patch_zyx} voxels",
            got=f"{fewest} at the coarsest allowed spacing of {spec.spacings_zyx_mm} mm",
            where="preprocessing",
            remedy="Use a shorter series, crop the scan, or use a model with coarser voxels.",
        )
    )


def _choose_patches(
    near_body: torch.Tensor, spec: PreprocessSpec, doubt: str | None
) -> tuple[torch.Tensor, GateNote | None]:
    """Indices (N, 3) of the patches to keep, and a note if air could not be dropped."""
    everything = torch.ones_like(near_body)
    if not spec.is_air_dropped:
        return torch.nonzero(everything), None
    fraction = float(near_body.to(torch.float32).mean())
    lowest, highest = spec.kept_fraction_range
    if near_body.any() and lowest <= fraction <= highest:
        return torch.nonzero(near_body), None
    reason = doubt or f"The body fills an implausible {fraction:.1%} of the crop"
    index = torch.nonzero(everything)
    if fraction > 0 or len(index) <= spec.max_patches:
        note = GateNote(code="air_not_dropped", message=f"{reason}, so no patch was dropped.")
        return index, note
    centre = (torch.tensor(near_body.shape) - 1) / 2
    nearest = torch.argsort((index - centre).square().sum(dim=1), stable=True)
    note = GateNote(
        code="air_not_dropped",
        message=f"{reason}; of {len(index)} patches the {spec.max_patches} nearest to the centre "
        "were kept.",
    )
    return index[nearest[: spec.max_patches].sort().values], note


def _crop_box(grid: Grid, body: BoolArray, spec: PreprocessSpec) -> Box:
    """First and one-past-last (z, y, x) index of the body with its margin, or the whole scan."""
    plane_yx: BoolArray = np.logical_or.reduce(body, axis=0)
    if not spec.is_body_cropped or not plane_yx.any():
        return (0, 0, 0), grid.shape_zyx
    is_used: tuple[BoolArray, ...] = (
        np.logical_or.reduce(body, axis=(1, 2)),
        np.logical_or.reduce(plane_yx, axis=1),
        np.logical_or.reduce(plane_yx, axis=0),
    )
    starts, stops = [], []
    for used, count, mm in zip(is_used, grid.shape_zyx, grid.spacing_zyx_mm, strict=True):
        where = np.flatnonzero(used)
        margin = int(np.ceil(spec.body_margin_mm / mm))
        starts.append(max(0, int(where[0]) - margin))
        stops.append(min(count, int(where[-1]) + 1 + margin))
    return (starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2])
