"""The facts of a written case beside those that SimpleITK and numpy measure from its files.

Words, counts, grades and places in the scan must be equal. Numbers may differ by rounding:
lengths, volumes and intensities by a millionth, centroids by 0.001 mm (the header's origin is
stored in single precision), largest diameters in any direction by 0.1 %, angles of contact with a
vessel by one degree. Stages follow from the angles measured here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from independent_measure import ReadCase, measured_lesions, measured_organs, read_case
from independent_rules import Findings

Record = dict[str, Any]
RELATIVE = 1e-6
CENTROID_MM = 1e-3
ANGLE_DEG = 1.0
_BY_ORGAN = ("status", "num_voxels", "box_zyx", "volume_cm3", "mean_intensity", "std_intensity")
_BY_LESION = (
    *("side", "type", "slice_index", "slice_percent", "attenuation", "is_truncated"),
    *("segments", "volume_cm3", "longest_axial_diameter_mm", "feret_3d_mm"),
    *("mean_intensity", "std_intensity"),
)
_SLACK = {"feret_3d_mm": 1e-3, "std_intensity": 1e-4}
"""The engine sums squares, which costs digits of a standard deviation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One fact compared.

    Args:
        kind: Such as ``lesion.segments``.
        where: The organ or lesion.
        told: What the facts say.
        own: What was measured here.
        is_equal: Within the slack of its kind.
        off: Size of the difference of numbers.
    """

    kind: str
    where: str
    told: Any
    own: Any
    is_equal: bool
    off: float = 0.0

    def __str__(self) -> str:
        return f"{self.where} {self.kind}: facts {self.told}, measured {self.own}"


def differences(folder: Path, scan: Path) -> list[str]:
    """Facts of a written case that the independent measurement does not confirm.

    Args:
        folder: A case of ``write_case``.
        scan: Its scan.
    """
    return [str(each) for each in checks(folder, scan) if not each.is_equal]


def checks(folder: Path, scan: Path) -> list[Check]:
    """Every compared fact of a case."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    case = read_case(folder, scan)
    organs = measured_organs(case)
    lesions = measured_lesions(case, organs)
    found = list(_scan(facts, case))
    found += _organs(facts["organs"], organs)
    pairs = _paired(facts["lesions"], lesions)
    found.append(_same("lesions", "case", len(facts["lesions"]), len(lesions)))
    for told, own in pairs:
        found += _lesion(told, own)
        rank = 1 + sum(
            o["organ"] == own["organ"] and o["num_voxels"] > own["num_voxels"] for o in lesions
        )
        ties = sum(
            o["organ"] == own["organ"] and o["num_voxels"] == own["num_voxels"] for o in lesions
        )
        number = int(told["id"].rsplit("-", 1)[1])
        found.append(
            _same("lesion.rank", told["id"], number, max(rank, min(number, rank + ties - 1)))
        )
    return found + _derived(facts, case, organs, pairs)


def _scan(facts: Record, case: ReadCase) -> Iterator[Check]:
    told = facts["scan"]
    yield _same("scan.shape", "scan", told["shape_zyx"], list(case.voxels.shape))
    for axis, (first, second) in enumerate(
        zip(told["spacing_zyx_mm"], case.spacing_zyx, strict=True)
    ):
        yield _close("scan.spacing", "zyx"[axis], first, float(second))


def _organs(told: Record, own: Record) -> Iterator[Check]:
    yield _same("organs", "case", sorted(told), sorted(own))
    for key in sorted(told.keys() & own.keys()):
        for name in _BY_ORGAN:
            yield _close(f"organ.{name}", key, told[key][name], own[key][name])
        yield _place("organ.centroid", key, told[key], own[key])


def _paired(told: list[Record], own: list[Record]) -> list[tuple[Record, Record]]:
    """Lesions by nearest centroids of the same organ."""
    left, pairs = list(own), []
    for each in told:
        same = [o for o in left if (o["organ"], o["type"]) == (each["organ"], each["type"])]
        if same:
            nearest = min(
                same, key=lambda o: math.dist(o["centroid_ras_mm"], each["centroid_ras_mm"])
            )
            left.remove(nearest)
            pairs.append((each, nearest))
    return pairs


def _lesion(told: Record, own: Record) -> Iterator[Check]:
    name = told["id"]
    for key in _BY_LESION:
        yield _close(f"lesion.{key}", name, told[key], own[key])
    across, key = own["perpendicular_diameter_mm"], "perpendicular_diameter_mm"
    nearest = min(across, key=lambda mm: abs(mm - told[key]))
    yield _close(f"lesion.{key}", name, told[key], nearest)
    yield _place("lesion.centroid", name, told, own)
    contacts = {each["structure"]: each for each in told["contacts"]}
    yield _same("lesion.contacts", name, sorted(contacts), sorted(own["contacts"]))
    for structure in sorted(contacts.keys() & own["contacts"].keys()):
        first, second = contacts[structure], own["contacts"][structure]
        where = f"{name} {structure}"
        yield _close("contact.gap_mm", where, first["gap_mm"], second["gap_mm"], 1e-5)
        yield _same("contact.near_voxels", where, first["near_voxels"], second["near_voxels"])
    angles, measured = told["vessel_angles_deg"], own["vessel_angles_deg"]
    yield _same("lesion.vessels", name, sorted(angles), sorted(measured))
    for vessel in sorted(angles.keys() & measured.keys()):
        yield angle_check(f"{name} {vessel}", angles[vessel], measured[vessel])


def angle_check(where: str, told: float, own: float) -> Check:
    """Contact with a vessel; where there is none by both, it is counted by itself."""
    off, kind = abs(told - own), "lesion.vessel_angle_deg"
    return Check(
        kind=f"{kind} of 0" if told == own == 0 else kind,
        where=where,
        told=told,
        own=own,
        is_equal=off <= ANGLE_DEG,
        off=off,
    )


def _derived(
    facts: Record, case: ReadCase, organs: Record, pairs: list[tuple[Record, Record]]
) -> list[Check]:
    """Rules on own measurements."""
    told = facts["derived"]
    looked_for: dict[str, set[str]] = {}
    for organ, its_type, _ in case.lesions:
        looked_for.setdefault(organ, set()).add(its_type)
    annotated = {organ: set(types) for organ, types in facts["annotated"].items()}
    scan = {"phase": facts["scan"]["phase"]["value"], "kvp": facts["scan"]["kvp"]}
    own = Findings(organs, [each for _, each in pairs], looked_for, scan).derived()
    found = [_same("annotated", "case", annotated, looked_for)]
    for name, value in own.items():
        if isinstance(value, dict):
            found.append(_same(f"derived.{name} keys", "case", sorted(told[name]), sorted(value)))
            found += [
                _close(f"derived.{name}", key, told[name][key], value[key])
                for key in sorted(value.keys() & told[name].keys())
            ]
        else:
            found.append(_close(f"derived.{name}", "case", told[name], value))
    return found


def _same(kind: str, where: str, told: Any, own: Any) -> Check:
    return Check(kind=kind, where=where, told=told, own=own, is_equal=told == own)


def _close(kind: str, where: str, told: Any, own: Any, relative: float | None = None) -> Check:
    """Floats by their slack, anything else by equality."""
    is_float = isinstance(told, float) and isinstance(own, (int, float))
    if not is_float or isinstance(own, bool):
        return _same(kind, where, told, own)
    slack = relative or _SLACK.get(kind.partition(".")[2], RELATIVE)
    off = abs(told - float(own))
    is_equal = off <= slack * max(abs(told), abs(float(own))) + 1e-6
    return Check(kind=kind, where=where, told=told, own=float(own), is_equal=is_equal, off=off)


def _place(kind: str, where: str, told: Record, own: Record) -> Check:
    first, second = told["centroid_ras_mm"], own["centroid_ras_mm"]
    if first is None or second is None:
        return _same(kind, where, first, second)
    off = math.dist(first, second)
    return Check(
        kind=kind, where=where, told=first, own=second, is_equal=off <= CENTROID_MM, off=off
    )
