"""Organs and lesions measured from files with SimpleITK alone, to compare the engine with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import SimpleITK


def differences(folder: Path, scan: Path) -> list[str]:
    """Facts of a written case that SimpleITK does not confirm: volumes, means, spreads, counts.

    Args:
        folder: A case of ``write_case``.
        scan: Its scan.
    """
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    image = SimpleITK.Cast(SimpleITK.ReadImage(str(scan)), SimpleITK.sitkFloat64)
    masks = {
        path.name.removesuffix(".nii.gz"): SimpleITK.ReadImage(str(path)) > 0
        for path in sorted((folder / "segmentations").glob("*.nii.gz"))
    }
    lesions = {n: m for n, m in masks.items() if n not in facts["organs"] and _is_lesion(n)}
    any_lesion = None
    for mask in lesions.values():
        any_lesion = mask if any_lesion is None else any_lesion | mask
    wrong = []
    for key, organ in facts["organs"].items():
        if key in masks and organ["num_voxels"]:
            wrong += _organ(key, organ, image, masks[key], any_lesion)
    return wrong + _lesions(facts, image, lesions)


def _is_lesion(name: str) -> bool:
    words = ("tumor", "cyst", "lesion", "pdac", "pnet", "nodule", "metasta", "effusion", "ascites")
    return any(word in name for word in words) or name == "consolidation"


def _statistics(image: Any, mask: Any) -> Any:
    found = SimpleITK.LabelStatisticsImageFilter()
    found.Execute(image, mask)
    return found


def _organ(key: str, organ: dict[str, Any], image: Any, mask: Any, any_lesion: Any) -> list[str]:
    voxel_cm3 = 1e-3
    for step in image.GetSpacing():
        voxel_cm3 *= step
    own = _statistics(image, mask)
    wrong = []
    if abs(own.GetCount(1) * voxel_cm3 - organ["volume_cm3"]) > 1e-3 * organ["volume_cm3"] + 1e-6:
        wrong.append(f"{key} volume {own.GetCount(1) * voxel_cm3} {organ['volume_cm3']}")
    healthy = mask & ~any_lesion if any_lesion is not None else mask
    rest = _statistics(image, healthy)
    if rest.HasLabel(1) and organ["mean_intensity"] is not None:
        if abs(rest.GetMean(1) - organ["mean_intensity"]) > 0.01:
            wrong.append(f"{key} mean {rest.GetMean(1)} {organ['mean_intensity']}")
        if rest.GetCount(1) > 30 and abs(rest.GetSigma(1) - organ["std_intensity"]) > 0.02 * abs(
            rest.GetSigma(1)
        ):
            wrong.append(f"{key} std {rest.GetSigma(1)} {organ['std_intensity']}")
    return wrong


def _lesions(facts: dict[str, Any], image: Any, lesions: dict[str, Any]) -> list[str]:
    """Connected parts of every lesion mask, by volume and mean, against the facts' list."""
    voxel_cm3 = 1e-3
    for step in image.GetSpacing():
        voxel_cm3 *= step
    found: list[tuple[float, float]] = []
    for mask in lesions.values():
        parts = SimpleITK.ConnectedComponent(mask, True)
        values = _statistics(image, parts)
        found += [
            (values.GetCount(label) * voxel_cm3, values.GetMean(label))
            for label in values.GetLabels()
            if label
        ]
    told = [(each["volume_cm3"], each["mean_intensity"]) for each in facts["lesions"]]
    if len(found) != len(told):
        return [f"{len(found)} lesions, {len(told)} told"]
    pairs = zip(sorted(found), sorted(told), strict=True)
    return [
        f"lesion {one} {other}"
        for one, other in pairs
        if abs(one[0] - other[0]) > 1e-3 * one[0] + 1e-6 or abs(one[1] - other[1]) > 0.05
    ]
