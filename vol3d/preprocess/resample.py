"""Antialiased resampling as an invertible MONAI dictionary transform."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.inverse import InvertibleTransform
from monai.transforms.transform import MapTransform
from monai.utils.enums import TraceKeys

from vol3d.preprocess.metatensor import array_affine, grid_of
from vol3d.preprocess.regrid import Triple, resample_to, resampled_grid
from vol3d.volume import Grid


class ResampleAntialiasedd(MapTransform, InvertibleTransform):
    """Resamples MetaTensors (1, z, y, x) to a spacing, low-passing where it goes coarser.

    The new grid covers the same extent around the same centre. Sheared grids and grids turned by
    more than 5 degrees become aligned with the patient. ``inverse`` brings tensors back to the
    exact grid they came from: labels by nearest voxel, images by the same antialiased rule (what
    the low-pass removed does not come back).

    Args:
        keys: Keys of the tensors to resample.
        spacing_zyx_mm: Voxel size along (z, y, x) after the transform.
        label_keys: The keys that hold labels or masks: nearest voxel, dtype kept, 0 outside.
        fill_value: Value of image voxels outside the scan (only rotated grids have any).
        allow_missing_keys: Whether missing keys are passed over.
    """

    def __init__(
        self,
        keys: Sequence[Hashable],
        spacing_zyx_mm: Triple,
        *,
        label_keys: Sequence[Hashable] = (),
        fill_value: float = -1024.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.spacing_zyx_mm = spacing_zyx_mm
        self.label_keys = frozenset(label_keys)
        self.fill_value = fill_value

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The data with every key resampled and its affine updated."""
        out = dict(data)
        for key in self.key_iterator(out):
            image: MetaTensor = out[key]
            source = grid_of(image)
            target = resampled_grid(source, self.spacing_zyx_mm)
            resampled = self._resample(key, image, source, target)
            # in MONAI's array order: target indices to source indices
            relative = torch.linalg.inv(image.affine) @ torch.from_numpy(
                array_affine(target.affine)
            ).to(image.affine)
            moved = MetaTensor(resampled).copy_meta_from(image)
            out[key] = self.push_transform(
                moved,
                affine=relative,
                orig_size=tuple(source.shape_zyx),
                extra_info={"affine": source.affine.tolist()},
            )
        return out

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The data with every key back on the grid it was resampled from."""
        out = dict(data)
        for key in self.key_iterator(out):
            image: MetaTensor = out[key]
            record = self.pop_transform(image)
            z, y, x = (int(n) for n in record[TraceKeys.ORIG_SIZE])
            original = Grid(shape_zyx=(z, y, x), affine=record[TraceKeys.EXTRA_INFO]["affine"])
            restored = self._resample(key, image, grid_of(image), original)
            moved = MetaTensor(restored).copy_meta_from(image)
            moved.affine = torch.from_numpy(array_affine(original.affine))
            out[key] = moved
        return out

    def _resample(
        self, key: Hashable, image: MetaTensor, source: Grid, target: Grid
    ) -> torch.Tensor:
        is_label = key in self.label_keys
        return resample_to(
            image.as_tensor()[0],
            source,
            target,
            is_label=is_label,
            fill=0 if is_label else self.fill_value,
        )[None]
