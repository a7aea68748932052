"""The table of a report: every measured and derived value with its unit and fact id."""

from __future__ import annotations

from collections.abc import Iterable

from vol3d.anatomy import structures
from vol3d.measure.facts import LesionFacts, OrganFacts
from vol3d.report.absence_text import DIFFUSE_TYPES
from vol3d.report.places import lesion_label, place
from vol3d.report.records import TableRow
from vol3d.report.voice import Voice


def table_rows(voice: Voice) -> tuple[TableRow, ...]:
    """All rows: organs and parts, lesions, then what follows from them."""
    facts = voice.facts
    rows: list[TableRow] = []
    order = {key: number for number, key in enumerate(structures())}
    for organ in sorted(facts.organs.values(), key=lambda each: order.get(each.key, len(order))):
        rows += _organ(voice, organ)
    for name in dict.fromkeys(each.organ for each in facts.lesions):
        for lesion in facts.lesions_of(name):
            rows += _lesion(voice, lesion)
    rows += _by_organ(voice)
    rows += _single(voice)
    return tuple(rows)


def _unit(voice: Voice) -> str:
    return "HU" if voice.is_ct_in_hu else voice.quantity("arbitrary")


def _organ(voice: Voice, organ: OrganFacts) -> Iterable[TableRow]:
    name, path = voice.structure(organ.key), f"organs.{organ.key}"
    if not organ.is_measured:
        yield TableRow(
            structure=name,
            quantity=voice.quantity("status"),
            value=voice.quantity(organ.status),
            unit="",
            fact_id=f"{path}.status",
        )
        return
    volume = "volume" if organ.status == "whole" else "volume_least"
    values = (
        (volume, organ.volume_cm3, "cm3", "volume_cm3"),
        ("mean", organ.mean_intensity, _unit(voice), "mean_intensity"),
        ("std", organ.std_intensity, _unit(voice), "std_intensity"),
    )
    for quantity, value, unit, field in values:
        if value is not None:
            yield TableRow(
                structure=name,
                quantity=voice.quantity(quantity),
                value=round(value, 1),
                unit=unit,
                fact_id=f"{path}.{field}",
            )


def _lesion(voice: Voice, lesion: LesionFacts) -> Iterable[TableRow]:
    name = f"{lesion_label(voice.facts, lesion)} ({place(voice, lesion)})"
    path = f"lesions.{lesion.id}"
    kind = voice.kind(lesion.type, lesion.organ)
    values: list[tuple[str, float | str, str, str]] = [
        (voice.quantity("type"), kind, "", "type"),
        (voice.quantity("volume"), lesion.volume_cm3, "cm3", "volume_cm3"),
    ]
    if lesion.type not in DIFFUSE_TYPES:
        values += [
            (voice.quantity("long"), lesion.longest_axial_diameter_mm, "mm", _LONG),
            (voice.quantity("short"), lesion.perpendicular_diameter_mm, "mm", _SHORT),
            (voice.quantity("feret"), lesion.feret_3d_mm, "mm", "feret_3d_mm"),
        ]
    values += [
        (voice.quantity("mean"), lesion.mean_intensity, _unit(voice), "mean_intensity"),
        (voice.quantity("std"), lesion.std_intensity, _unit(voice), "std_intensity"),
    ]
    for vessel, angle_deg in lesion.vessel_angles_deg.items():
        quantity = voice.quantity("angle").format(vessel=voice.structure(vessel))
        unit = voice.quantity("degrees")
        values.append((quantity, angle_deg, unit, f"vessel_angles_deg.{vessel}"))
    for quantity, value, unit, field in values:
        yield TableRow(
            structure=name,
            quantity=quantity,
            value=round(value, 1) if isinstance(value, float) else value,
            unit=unit,
            fact_id=f"{path}.{field}",
        )


_LONG = "longest_axial_diameter_mm"
_SHORT = "perpendicular_diameter_mm"


def _by_organ(voice: Voice) -> Iterable[TableRow]:
    """Burden, volume and number of lesions, size classes."""
    derived = voice.facts.derived
    for field, quantity, unit in (
        ("lesion_volume_cm3", "lesion_volume", "cm3"),
        ("burden_percent", "burden", "%"),
    ):
        for group, value in getattr(derived, field).items():
            yield TableRow(
                structure=voice.group(group),
                quantity=voice.quantity(quantity),
                value=round(value, 1),
                unit=unit,
                fact_id=f"derived.{field}.{group}",
            )
    for group, counts in derived.lesion_counts.items():
        named = set()
        for lesion_type, number in counts.items():
            kinds = voice.kind(lesion_type, group, number=2)
            if kinds in named:  # "lesions" of any type, where all have no other name
                continue
            named.add(kinds)
            yield TableRow(
                structure=voice.group(group),
                quantity=voice.quantity("count").format(kinds=kinds),
                value=number,
                unit="",
                fact_id=f"derived.lesion_counts.{group}.{lesion_type}",
            )
    for key, is_enlarged in derived.is_enlarged.items():
        yield TableRow(
            structure=voice.structure(key),
            quantity=voice.quantity("enlarged"),
            value=voice.word("yes" if is_enlarged else "no"),
            unit="",
            fact_id=f"derived.is_enlarged.{key}",
        )


def _single(voice: Voice) -> Iterable[TableRow]:
    """Values of the whole case: ratios, grades, stage, chest and brain."""
    facts, derived = voice.facts, voice.facts.derived
    values: list[tuple[str, str, float | str | None, str, str]] = [
        ("liver", "ratio_to_spleen", derived.liver_spleen_ratio, "", "liver_spleen_ratio"),
        ("pancreas", "ratio_to_spleen", derived.pancreas_spleen_ratio, "", "pancreas_spleen_ratio"),
        ("kidney", "total_volume", derived.total_kidney_volume_cm3, "cm3", _KIDNEYS),
        ("liver", "steatosis_grade", derived.steatosis_grade, "", "steatosis_grade"),
        ("pancreas", "t_stage", derived.t_stage, "", "t_stage"),
    ]
    if derived.resectability is not None:
        word = voice.word(f"resectability.{derived.resectability}")
        values.append(("pancreas", "resectability", word, "", "resectability"))
    if derived.spleen_grade is not None:
        word = voice.word(f"size.{derived.spleen_grade}")
        values.append(("spleen", "spleen_grade", word, "", "spleen_grade"))
    found = [(*row[:4], f"derived.{row[4]}") for row in values]
    chest, brain = facts.chest, facts.brain
    if chest is not None:
        found += [
            ("lung", "total_volume", chest.lung_volume_cm3, "cm3", "chest.lung_volume_cm3"),
            ("lung", "emphysema_index", chest.emphysema_index_percent, "%", _EMPHYSEMA),
            ("heart", "cardiothoracic_ratio", chest.cardiothoracic_ratio, "", _HEART),
        ]
    if brain is not None:
        shift_mm = brain.midline_shift_mm
        found.append(("brain", "midline_shift", shift_mm, "mm", "brain.midline_shift_mm"))
    for group, quantity, value, unit, fact_id in found:
        if value is not None:
            decimals = 1 if unit else 2
            yield TableRow(
                structure=voice.group(group),
                quantity=voice.quantity(quantity),
                value=round(value, decimals) if isinstance(value, float) else value,
                unit=unit,
                fact_id=fact_id,
            )


_KIDNEYS = "total_kidney_volume_cm3"
_EMPHYSEMA = "chest.emphysema_index_percent"
_HEART = "chest.cardiothoracic_ratio"
