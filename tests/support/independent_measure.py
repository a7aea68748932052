"""Organs and lesions measured from a written case's files with SimpleITK and numpy alone.

Nothing of ``vol3d.measure`` is used: this is what its facts are compared with. The tables of
``vol3d.anatomy`` (kinds of structures, thresholds) are definitions and belong to both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from independent_angles import contact_deg
from independent_sizes import axial_sizes, feret_mm

from vol3d.anatomy import structures, threshold

Bools = npt.NDArray[np.bool_]
Record = dict[str, Any]
Kind = tuple[str, str, str | None]
"""Organ, type and side of a lesion mask."""
_PLAIN: dict[str, Kind] = {
    "ascites": ("peritoneum", "ascites", None),
    "pleural_effusion": ("pleura", "effusion", None),
    "consolidation": ("lung", "consolidation", None),
    "brain_metastases": ("brain", "metastasis", None),
}
_TYPES = ("tumor", "cyst", "lesion", "pdac", "pnet", "nodule")
_ABSENT_IF_WHOLE = {
    "kidney_left": {"kidney_right"},
    "kidney_right": {"kidney_left"},
    "adrenal_gland_left": {"adrenal_gland_right", "kidney_left"},
    "adrenal_gland_right": {"adrenal_gland_left", "kidney_right"},
    "spleen": {"kidney_left", "pancreas"},
    "gallbladder": {"liver"},
}
_SOLID = ("liver", "spleen", "pancreas", "kidney", "adrenal_gland")
_ANGLED = (
    *("superior_mesenteric_artery", "celiac_trunk", "common_hepatic_artery", "splenic_artery"),
    *("aorta", "portal_vein_and_splenic_vein", "portal_vein", "superior_mesenteric_vein"),
    *("splenic_vein", "inferior_vena_cava"),
)
_PARTS = {
    "liver": {str(n): (f"liver_segment_{n}",) for n in range(1, 9)},
    "pancreas": {each: (f"pancreas_{each}",) for each in ("head", "body", "tail")},
    "kidney": {each: (f"kidney_{each}",) for each in ("left", "right")},
}
_LISTED_MM = 30.0
_VESSEL_MM = 70.0
"""How far around a tumour its vessels are held for the angle of contact."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReadCase:
    """A case as SimpleITK reads it; arrays (z, y, x), axes to head, front and right."""

    image: Any
    voxels: npt.NDArray[np.float64]
    organs: dict[str, Bools]
    lesions: dict[Kind, Bools]

    @property
    def spacing_zyx(self) -> npt.NDArray[np.float64]:
        return np.array(self.image.GetSpacing())[::-1]

    @property
    def voxel_cm3(self) -> float:
        return float(np.prod(self.spacing_zyx)) / 1000.0

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """3x3 from (x, y, z) indices to RAS mm."""
        lps = np.array(self.image.GetDirection()).reshape(3, 3)
        ras = np.diag([-1.0, -1.0, 1.0]) @ lps
        steps: npt.NDArray[np.float64] = ras * self.image.GetSpacing()
        return steps

    def world(self, zyx: npt.ArrayLike) -> tuple[float, float, float]:
        """RAS mm of an index."""
        place = [float(each) for each in np.asarray(zyx)[::-1]]
        x, y, z = self.image.TransformContinuousIndexToPhysicalPoint(place)
        return -x, -y, z


def read_case(folder: Path, scan: Path) -> ReadCase:
    """All files of a case of ``write_case``."""
    image = _read(scan)
    organs, lesions = {}, {}
    for path in sorted((folder / "segmentations").glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        mask = SimpleITK.GetArrayFromImage(_read(path)) > 0
        kind = lesion_kind(name)
        if kind is None:
            organs[name] = mask
        else:
            lesions[kind] = mask
    voxels = SimpleITK.GetArrayFromImage(image).astype(np.float64)
    return ReadCase(image=image, voxels=voxels, organs=organs, lesions=lesions)


def _read(path: Path) -> Any:
    """A file or a folder of slices, turned to right, front, head."""
    if path.is_dir():
        names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
        image = SimpleITK.ReadImage(names)
    else:
        image = SimpleITK.ReadImage(str(path))
    return SimpleITK.DICOMOrient(image, "RAS")


def lesion_kind(name: str) -> Kind | None:
    """What a mask's file name means, ``None`` if no lesion: ``kidney_cyst_left``."""
    if name in _PLAIN:
        return _PLAIN[name]
    words = name.split("_")
    side = words.pop() if words[-1] in ("left", "right") else None
    return ("_".join(words[:-1]), words[-1], side) if words[-1] in _TYPES else None


def measured_organs(case: ReadCase) -> dict[str, Record]:
    """Status, volume, intensity, centroid and box of every structure."""
    sick = _union(case)
    known = {key: mask for key, mask in case.organs.items() if key in structures()}
    whole = {key for key, mask in known.items() if mask.any() and not _is_cut(mask)}
    found = {}
    for key, mask in known.items():
        count = int(mask.sum())
        if not count and structures()[key].kind != "organ":
            continue
        own = [m for (organ, _, side), m in case.lesions.items() if key in _keys(organ, side)]
        outside = sum(int((lesion & ~mask).sum()) for lesion in own)
        record: Record = {
            "status": _status(key, count + outside, whole),
            "volume_cm3": (count + outside) * case.voxel_cm3,
            "num_voxels": count,
            **dict.fromkeys(("mean_intensity", "std_intensity", "centroid_ras_mm", "box_zyx")),
        }
        values = case.voxels[mask & ~sick]
        if values.size:
            record |= {"mean_intensity": values.mean(), "std_intensity": values.std()}
        if count:
            zyx = np.argwhere(mask)
            record["centroid_ras_mm"] = case.world(zyx.mean(axis=0))
            record["box_zyx"] = [*zyx.min(axis=0).tolist(), *zyx.max(axis=0).tolist()]
        found[key] = record
    return found


def measured_lesions(case: ReadCase, organs: dict[str, Record]) -> list[Record]:
    """Every 26-connected part of every lesion mask."""
    found = []
    for kind, mask in case.lesions.items():
        image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
        parts = SimpleITK.GetArrayFromImage(SimpleITK.ConnectedComponent(image, True))
        found += [
            _lesion(case, organs, kind, np.argwhere(parts == n))
            for n in range(1, int(parts.max()) + 1)
        ]
    return found


def _lesion(case: ReadCase, organs: dict[str, Record], kind: Kind, zyx: Any) -> Record:
    organ, its_type, side = kind
    slices = case.voxels.shape[0]
    low, high = zyx.min(axis=0), zyx.max(axis=0)
    values = case.voxels[tuple(zyx.T)]
    own = np.zeros(high - low + 1, dtype=bool)
    own[tuple((zyx - low).T)] = True
    size = axial_sizes(own, case.spacing_zyx[1:])
    index = size.slice_index + int(low[0])
    contacts, angles = _surroundings(case, kind, zyx)
    return {
        "organ": organ,
        "side": side,
        "type": its_type,
        "num_voxels": len(zyx),
        "volume_cm3": len(zyx) * case.voxel_cm3,
        "longest_axial_diameter_mm": size.longest_mm,
        "perpendicular_diameter_mm": size.perpendicular_mm,
        "feret_3d_mm": feret_mm(own, case.spacing_zyx),
        "slice_index": index,
        "slice_percent": 100.0 * index / (slices - 1),
        "mean_intensity": values.mean(),
        "std_intensity": values.std(),
        "attenuation": _attenuation(organ, side, float(values.mean()), organs),
        "centroid_ras_mm": case.world(zyx.mean(axis=0)),
        "is_truncated": bool((low == 0).any() or (high == np.array(case.voxels.shape) - 1).any()),
        "segments": _segments(case, organ, side, zyx),
        "contacts": contacts,
        "vessel_angles_deg": angles,
    }


def _attenuation(
    organ: str, side: str | None, mean: float, organs: dict[str, Record]
) -> str | None:
    healthy = organs.get(_keys(organ, side)[0], {})
    if organ not in _SOLID or healthy.get("mean_intensity") is None:
        return None
    off = mean - healthy["mean_intensity"]
    if abs(off) < threshold("attenuation.std_share") * healthy["std_intensity"]:
        return "isoattenuating"
    return "hyperattenuating" if off > 0 else "hypoattenuating"


def _segments(case: ReadCase, organ: str, side: str | None, zyx: Any) -> list[str]:
    """Parts with more than a tenth of the voxels that lie in any part."""
    held = {}
    for name, keys in _PARTS.get(organ, {}).items():
        held[name] = sum(int(case.organs[k][tuple(zyx.T)].sum()) for k in keys if k in case.organs)
    total = sum(held.values())
    named = [n for n, count in held.items() if count > threshold("location.least_share") * total]
    return named or ([side] if organ == "kidney" and side else [])


def _surroundings(
    case: ReadCase, kind: Kind, zyx: Any
) -> tuple[dict[str, Record], dict[str, float]]:
    """Gaps to structures, and contact angles with vessels, in a box around a lesion."""
    organ, its_type, _ = kind
    spacing = case.spacing_zyx
    box, own = _around(case, zyx, _LISTED_MM + float(np.linalg.norm(spacing)))
    image = SimpleITK.GetImageFromArray(own.astype(np.uint8))
    image.SetSpacing(spacing[::-1].tolist())
    away = SimpleITK.GetArrayFromImage(
        SimpleITK.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    ).clip(min=0.0)
    contacts: dict[str, Record] = {}
    for key, mask in case.organs.items():
        known = structures().get(key)
        here = away[mask[box]]
        if known is None or known.kind not in ("organ", "vessel") or known.group == organ:
            continue
        if not here.size:
            continue
        nearest, diagonal = float(here.min()), float(np.linalg.norm(spacing))
        gap = 0.0 if nearest <= 1.001 * diagonal else nearest - float(np.prod(spacing)) ** (1 / 3)
        if gap <= _LISTED_MM:
            near = int((here <= threshold("contact.reach_mm")).sum())
            contacts[key] = {"gap_mm": max(gap, 0.0), "near_voxels": near}
    is_cyst = its_type == "cyst"
    return contacts, {} if is_cyst else _angles(case, organ, contacts, zyx)


def _around(case: ReadCase, zyx: Any, margin_mm: float) -> tuple[tuple[slice, ...], Bools]:
    """A box around a lesion, cut to the scan, and the lesion in it."""
    margin = np.ceil(margin_mm / case.spacing_zyx).astype(int)
    low = np.maximum(zyx.min(axis=0) - margin, 0)
    high = np.minimum(zyx.max(axis=0) + margin + 1, case.voxels.shape)
    own = np.zeros(high - low, dtype=bool)
    own[tuple((zyx - low).T)] = True
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), own


def _angles(case: ReadCase, organ: str, contacts: dict[str, Record], zyx: Any) -> dict[str, float]:
    """Contact with vessels: of the pancreas' tumours with all, of others with touched ones."""
    box, tumour = _around(case, zyx, _VESSEL_MM)
    touched = {key for key, each in contacts.items() if each["gap_mm"] == 0}
    found = {}
    for key in _ANGLED:
        if key not in case.organs or not case.organs[key].any():
            continue
        if key in touched:
            found[key] = contact_deg(tumour, case.organs[key][box], case.affine)
        elif organ == "pancreas":
            found[key] = 0.0
    return found


def _keys(organ: str, side: str | None) -> tuple[str, ...]:
    return (organ,) if side is None else (f"{organ}_{side}",)


def _union(case: ReadCase) -> Bools:
    sick = np.zeros(case.voxels.shape, dtype=bool)
    for mask in case.lesions.values():
        sick |= mask
    return sick


def _is_cut(mask: Bools) -> bool:
    """Whether it reaches the first or last slice, row or column."""
    return any(bool(mask.take(end, axis=axis).any()) for axis in range(3) for end in (0, -1))


def _status(key: str, count: int, whole: set[str]) -> str:
    if count:
        return "whole" if key in whole else "truncated"
    return "absent" if _ABSENT_IF_WHOLE.get(key, {""}) <= whole else "not_seen"
