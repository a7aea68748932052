"""Which part of the body a scan shows, by rules that can be read and argued with.

CT is judged slice by slice from the size of the body and what it holds; the header's body part is a
veto, never proof. MR has no fixed intensities, so only its header is believed. What is not clearly
the abdomen is not called the abdomen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vol3d.measure.body import BoolArray
from vol3d.volume import Volume
from vol3d.volume.dicom_codes import BODY_PART_REGIONS, BodyRegion

Region = BodyRegion
SliceLabel = Region | Literal["unknown"]

IN_PLANE_MM = 3.0
BETWEEN_SLICES_MM = 4.0
SMOOTHING_MM = 28.0
"""Slices are judged by medians over this length, so that discs and single ribs do not decide."""

# Bounds of the rules, from adult CT; a body is the largest connected part of a slice.
SMALLEST_BODY_CM2 = 25.0
SMALLEST_TRUNK_CM2 = 130.0
TRUNK_WIDTH_TO_DEPTH = 1.12
"""A trunk is wider than deep; heads are not."""
HEAD_BONE_SHARE = 0.08
NECK_AIR_SHARE = 0.003
CHEST_LUNG_SHARE = 0.20
LEAST_SOFT_SHARE = 0.15
LEAST_FAT_SHARE = 0.01
LEAST_BONE_SHARE = 0.001
LEAST_LIMB_TISSUE_SHARE = 0.5
PELVIC_BONE_CM2 = 5.0
"""Deep bone on both sides of the midline: iliac wings, hip joints; ribs are thinner."""
SHORTEST_ABDOMEN_MM = 15.0
LONG_ABDOMEN_MM = 150.0
ABDOMEN_SHARE = 0.5
SHORTEST_REGION_MM = 10.0

_VETO: frozenset[Region] = frozenset({"head", "neck", "extremity"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionEstimate:
    """The region of a scan and why.

    Args:
        regions: Regions that are shown over at least 10 mm (or the whole scan), from head to feet.
        is_abdomen: Whether the scan is clearly one of the abdomen.
        slice_labels: One label per slice, first slice first (towards the feet).
        length_mm: Length along z of each label that occurs.
        reasons: Sentences with the numbers behind the decision.
    """

    regions: tuple[Region, ...]
    is_abdomen: bool
    slice_labels: tuple[SliceLabel, ...]
    length_mm: dict[str, float]
    reasons: tuple[str, ...]


class _Slice(NamedTuple):
    """What a slice's largest body part measures; shares are of its area."""

    area_cm2: float = 0.0
    width_mm: float = 0.0
    depth_mm: float = 0.0
    lung: float = 0.0
    bone: float = 0.0
    fat: float = 0.0
    soft: float = 0.0
    pelvic_bone_cm2: float = 0.0


def estimate_region(volume: Volume, body: BoolArray) -> RegionEstimate:
    """The region that the scan shows.

    Args:
        volume: Any scan. Voxels are looked at only if its unit is HU.
        body: ``body_mask(volume)``.
    """
    words = volume.acquisition.body_part_examined or ""
    header = BODY_PART_REGIONS.get("".join(letter for letter in words.upper() if letter.isalpha()))
    if volume.unit != "HU":
        return _from_header(volume, header)
    step = max(1, round(BETWEEN_SLICES_MM / volume.grid.spacing_zyx_mm[0]))
    measured = _measure_slices(volume, body, step)
    window = 2 * round(SMOOTHING_MM / (step * volume.grid.spacing_zyx_mm[0]) / 2) + 1
    labels = _order_along_body([_classify(each) for each in _smoothed(measured, window)])
    per_slice = [labels[min(z // step, len(labels) - 1)] for z in range(len(body))]
    return _decide(volume, measured, tuple(per_slice), header)


def _from_header(volume: Volume, header: Region | None) -> RegionEstimate:
    count = volume.grid.shape_zyx[0]
    label: SliceLabel = header or "unknown"
    source = (
        f"the region is the header's: {header}"
        if header
        else "the header names no known part, so the region is unknown"
    )
    return RegionEstimate(
        regions=(header,) if header else (),
        is_abdomen=header == "abdomen",
        slice_labels=(label,) * count,
        length_mm={label: count * volume.grid.spacing_zyx_mm[0]},
        reasons=(f"The intensities are not HU and were not judged; {source}.",),
    )


def _measure_slices(volume: Volume, body: BoolArray, step: int) -> list[_Slice]:
    _, dy, dx = volume.grid.spacing_zyx_mm
    sy, sx = max(1, round(IN_PLANE_MM / dy)), max(1, round(IN_PLANE_MM / dx))
    first = min(step // 2, len(body) - 1)
    voxels: npt.NDArray[Any] = volume.voxels_zyx
    hu = voxels[first::step, ::sy, ::sx]
    mask = body[first::step, ::sy, ::sx]
    return [
        _measure_slice(slice_hu, slice_mask, dy * sy, dx * sx)
        for slice_hu, slice_mask in zip(hu, mask, strict=True)
    ]


def _measure_slice(hu: npt.NDArray[Any], mask: BoolArray, dy: float, dx: float) -> _Slice:
    """Features of the largest connected part of one slice."""
    if not mask.any():
        return _Slice()
    parts = cc3d.connected_components(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=4)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    main = parts == sizes.argmax()
    rows, columns = np.flatnonzero(main.any(axis=1)), np.flatnonzero(main.any(axis=0))
    values = hu[main]
    return _Slice(
        area_cm2=values.size * dy * dx / 100,
        width_mm=(columns[-1] - columns[0] + 1) * dx,
        depth_mm=(rows[-1] - rows[0] + 1) * dy,
        lung=float(np.mean((values > -980) & (values < -600))),
        bone=float(np.mean(values > 200)),
        fat=float(np.mean((values > -150) & (values < -40))),
        soft=float(np.mean((values > 0) & (values < 150))),
        pelvic_bone_cm2=_pelvic_bone_cm2((hu > 180) & main, columns, dy, dx),
    )


def _pelvic_bone_cm2(
    bone: BoolArray, body_columns: npt.NDArray[np.int64], dy: float, dx: float
) -> float:
    """Area of the largest piece of bone 35 to 160 mm off the midline, on the side that has less."""
    middle = (body_columns[0] + body_columns[-1]) / 2
    offset = (np.arange(bone.shape[1]) - middle) * dx
    largest = []
    for side in (-offset, offset):
        piece = np.ascontiguousarray(bone[:, (side > 35) & (side < 160)], dtype=np.uint8)
        if not piece.any():
            return 0.0
        sizes = np.bincount(cc3d.connected_components(piece, connectivity=8).ravel())
        largest.append(float(sizes[1:].max()) * dy * dx / 100)
    return min(largest)


def _smoothed(measured: list[_Slice], window: int) -> list[_Slice]:
    """Running medians of every feature."""
    table = ndimage.median_filter(np.array(measured), size=(window, 1), mode="nearest")
    return [_Slice(*(float(value) for value in row)) for row in table]


def _classify(each: _Slice) -> SliceLabel:
    if each.area_cm2 < SMALLEST_BODY_CM2:
        return "unknown"
    is_wide = each.width_mm >= TRUNK_WIDTH_TO_DEPTH * each.depth_mm
    if each.area_cm2 < SMALLEST_TRUNK_CM2 or not is_wide:
        return _classify_narrow(each)
    return _classify_trunk(each)


def _classify_narrow(each: _Slice) -> SliceLabel:
    """Head, neck or a limb; anything as large as a trunk that is not wider than deep is unknown."""
    if each.area_cm2 > 3 * SMALLEST_TRUNK_CM2 or each.bone < LEAST_BONE_SHARE:
        return "unknown"
    if each.area_cm2 >= 80 and each.bone >= HEAD_BONE_SHARE:
        return "head"
    if each.soft + each.fat < LEAST_LIMB_TISSUE_SHARE:
        return "unknown"
    if each.lung >= NECK_AIR_SHARE and each.area_cm2 >= 60:
        return "neck"
    return "extremity"


def _classify_trunk(each: _Slice) -> SliceLabel:
    if each.lung >= CHEST_LUNG_SHARE:
        return "chest"
    if each.bone >= HEAD_BONE_SHARE and each.area_cm2 < 3 * SMALLEST_TRUNK_CM2:
        return "head"
    is_tissue = (
        each.soft >= LEAST_SOFT_SHARE
        and each.fat >= LEAST_FAT_SHARE
        and each.bone >= LEAST_BONE_SHARE
    )
    if not is_tissue:
        return "unknown"
    return "pelvis" if each.pelvic_bone_cm2 >= PELVIC_BONE_CM2 else "abdomen"


def _order_along_body(labels: list[SliceLabel]) -> list[SliceLabel]:
    """The labels without a trunk in impossible order: shoulders are no pelvis, ribs neither."""
    ordered = list(labels)
    pairs: tuple[tuple[Region, tuple[Region, ...]], ...] = (
        ("chest", ("abdomen", "pelvis")),
        ("abdomen", ("pelvis",)),
    )
    for upper, lower in pairs:
        found = [i for i, label in enumerate(ordered) if label == upper]
        middle = float(np.median(found)) if found else np.inf
        ordered = [
            upper if i > middle and label in lower else label for i, label in enumerate(ordered)
        ]
    return ordered


def _decide(
    volume: Volume,
    measured: list[_Slice],
    labels: tuple[SliceLabel, ...],
    header: Region | None,
) -> RegionEstimate:
    slice_mm = volume.grid.spacing_zyx_mm[0]
    counts = Counter(labels)
    length_mm: dict[str, float] = {label: count * slice_mm for label, count in counts.items()}
    shortest = min(SHORTEST_REGION_MM, 0.5 * len(labels) * slice_mm)
    regions: tuple[Region, ...] = tuple(
        region for region in get_args(Region) if length_mm.get(region, 0.0) >= shortest
    )
    abdomen_mm = length_mm.get("abdomen", 0.0)
    share = counts["abdomen"] / len(labels)
    is_abdomen = abdomen_mm >= SHORTEST_ABDOMEN_MM and (
        abdomen_mm >= LONG_ABDOMEN_MM or share >= ABDOMEN_SHARE
    )
    reasons = [_describe(measured, labels), f"{abdomen_mm:.0f} mm ({share:.0%}) look abdominal."]
    if header in _VETO and header not in regions:
        seen = ", ".join(regions) or "nothing known"
        reasons.append(f"The header names the {header}; the voxels look like: {seen}.")
        regions = (header,)
    if header in _VETO:
        is_abdomen = False
    return RegionEstimate(
        regions=regions,
        is_abdomen=is_abdomen,
        slice_labels=labels,
        length_mm=length_mm,
        reasons=tuple(reasons),
    )


def _describe(measured: list[_Slice], labels: tuple[SliceLabel, ...]) -> str:
    """The medians of the measured slices in one sentence."""
    seen = [each for each in measured if each.area_cm2 > 0]
    if not seen:
        return f"No body was found in {len(labels)} slices."
    middle = _Slice(*(float(np.median(column)) for column in zip(*seen, strict=True)))
    return (
        f"Median body section {middle.area_cm2:.0f} cm2, {middle.width_mm:.0f} mm wide, "
        f"{middle.depth_mm:.0f} mm deep; lung {middle.lung:.1%}, bone {middle.bone:.1%}, "
        f"fat {middle.fat:.1%}, soft tissue {middle.soft:.1%}, "
        f"pelvic bone {middle.pelvic_bone_cm2:.1f} cm2."
    )
