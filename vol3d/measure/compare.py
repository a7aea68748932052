"""Lesions of two scans of one patient: matched, grown, new, gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from vol3d.anatomy import threshold
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.rules import is_fully_annotated, was_looked_for
from vol3d.volume import Grid
from vol3d.volume.registration import RigidTransform

ChangeClass = Literal["new", "resolved", "larger", "smaller", "stable", "not comparable"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LesionChange(_Record):
    """What became of one lesion; ids are those of ``prior`` and ``current`` facts."""

    id: str
    organ: str
    change: ChangeClass
    reason: str = ""
    prior_id: str | None = None
    current_id: str | None = None
    prior_volume_cm3: float | None = None
    current_volume_cm3: float | None = None
    volume_change_percent: float | None = None
    prior_diameter_mm: float | None = None
    current_diameter_mm: float | None = None
    diameter_change_mm: float | None = None
    doubling_time_days: float | None = None
    distance_mm: float | None = Field(default=None, description="Between the matched centres.")


class OrganChange(_Record):
    """Volumes of an organ that both scans show whole."""

    organ: str
    prior_volume_cm3: float
    current_volume_cm3: float
    change_percent: float


class Comparison(_Record):
    """Two scans of one patient compared. Research use only, not for clinical use."""

    schema_version: Literal[1] = 1
    is_registration_reliable: bool
    registration_overlap: float
    registration_correlation: float
    interval_days: int | None = None
    lesions: tuple[LesionChange, ...]
    organs: tuple[OrganChange, ...]


def compare_cases(
    prior: CaseFacts,
    current: CaseFacts,
    transform: RigidTransform,
    *,
    grids: tuple[Grid, Grid],
    interval_days: int | None = None,
) -> Comparison:
    """What changed between two scans.

    A lesion is new only where the prior scan covers its place and its type was looked for there;
    resolved only where the same holds the other way round.

    Args:
        prior: Facts of the earlier scan.
        current: Facts of the later scan.
        transform: From the prior scan's space to the current one's.
        grids: Of the prior and the current scan.
        interval_days: Between the scans; gives doubling times.
    """
    pairs = _pairs(prior, current, transform)
    matched_prior = {old.id for old, _, _ in pairs}
    matched_current = {new.id for _, new, _ in pairs}
    changes = [_matched(old, new, mm, interval_days) for old, new, mm in pairs]
    inverse = np.linalg.inv(transform.matrix)
    for new in current.lesions:
        if new.id not in matched_current:
            place = inverse @ np.array([*new.centroid_ras_mm, 1.0])
            reason = _unseen(prior, new, grids[0], place[:3])
            changes.append(_single(new, "new", reason, transform))
    for old in prior.lesions:
        if old.id not in matched_prior:
            place = transform.apply_mm(old.centroid_ras_mm)
            reason = _unseen(current, old, grids[1], place)
            changes.append(_single(old, "resolved", reason, transform))
    return Comparison(
        is_registration_reliable=transform.is_reliable,
        registration_overlap=transform.overlap,
        registration_correlation=transform.correlation,
        interval_days=interval_days,
        lesions=tuple(
            change.model_copy(update={"id": f"change-{number}"})
            for number, change in enumerate(changes, 1)
        ),
        organs=tuple(_organs(prior, current)),
    )


def _pairs(
    prior: CaseFacts, current: CaseFacts, transform: RigidTransform
) -> list[tuple[LesionFacts, LesionFacts, float]]:
    """Best one-to-one pairs of lesions of one organ whose centres lie close enough."""
    from scipy.optimize import linear_sum_assignment

    if not prior.lesions or not current.lesions:
        return []
    cost = np.full((len(prior.lesions), len(current.lesions)), 1e6)
    for i, old in enumerate(prior.lesions):
        moved = transform.apply_mm(old.centroid_ras_mm)
        for j, new in enumerate(current.lesions):
            apart = float(np.linalg.norm(moved - np.array(new.centroid_ras_mm)))
            if old.organ == new.organ and apart <= _reach_mm(old, new):
                cost[i, j] = apart
    rows, columns = linear_sum_assignment(cost)
    return [
        (prior.lesions[i], current.lesions[j], float(cost[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if cost[i, j] < 1e6
    ]


def _reach_mm(old: LesionFacts, new: LesionFacts) -> float:
    """How far centres of one lesion may lie apart: slack of the registration and half its size."""
    largest = max(old.longest_axial_diameter_mm, new.longest_axial_diameter_mm)
    return threshold("compare.slack_mm") + 0.5 * largest


def _matched(
    old: LesionFacts, new: LesionFacts, apart_mm: float, interval_days: int | None
) -> LesionChange:
    ratio = new.volume_cm3 / old.volume_cm3
    percent = 100.0 * (ratio - 1)
    limit = threshold("compare.volume_change_percent")
    change: ChangeClass = "stable"
    if percent > limit:
        change = "larger"
    elif percent < -limit:
        change = "smaller"
    doubling = None
    if interval_days and ratio > 1:
        doubling = interval_days * float(np.log(2) / np.log(ratio))
    return LesionChange(
        id="",
        organ=new.organ,
        change=change,
        prior_id=old.id,
        current_id=new.id,
        prior_volume_cm3=old.volume_cm3,
        current_volume_cm3=new.volume_cm3,
        volume_change_percent=percent,
        prior_diameter_mm=old.longest_axial_diameter_mm,
        current_diameter_mm=new.longest_axial_diameter_mm,
        diameter_change_mm=new.longest_axial_diameter_mm - old.longest_axial_diameter_mm,
        doubling_time_days=doubling,
        distance_mm=apart_mm,
    )


def _unseen(
    facts: CaseFacts, lesion: LesionFacts, grid: Grid, place: npt.NDArray[np.float64]
) -> str:
    """Why the other scan cannot tell whether a lesion was there; empty if it can."""
    index = grid.world_to_index_zyx(place)
    last = np.array(grid.shape_zyx) - 1
    if bool((index < 0).any() or (index > last).any()):
        return "the other scan does not cover its place"
    if not (
        was_looked_for(facts, lesion.organ, lesion.type) or is_fully_annotated(facts, lesion.organ)
    ):
        return "nobody looked for such lesions in the other scan"
    return ""


def _single(
    lesion: LesionFacts, change: ChangeClass, reason: str, transform: RigidTransform
) -> LesionChange:
    if not reason and not transform.is_reliable:
        reason = "the scans could not be laid over each other reliably"
    is_new = change == "new"
    return LesionChange(
        id="",
        organ=lesion.organ,
        change="not comparable" if reason else change,
        reason=reason,
        prior_id=None if is_new else lesion.id,
        current_id=lesion.id if is_new else None,
        prior_volume_cm3=None if is_new else lesion.volume_cm3,
        current_volume_cm3=lesion.volume_cm3 if is_new else None,
        prior_diameter_mm=None if is_new else lesion.longest_axial_diameter_mm,
        current_diameter_mm=lesion.longest_axial_diameter_mm if is_new else None,
    )


def _organs(prior: CaseFacts, current: CaseFacts) -> Iterator[OrganChange]:
    for key in current.organs:
        old, new = prior.whole_organ(key), current.whole_organ(key)
        if old is None or new is None or not old.volume_cm3:
            continue
        yield OrganChange(
            organ=key,
            prior_volume_cm3=old.volume_cm3,
            current_volume_cm3=new.volume_cm3,
            change_percent=100.0 * (new.volume_cm3 / old.volume_cm3 - 1),
        )
