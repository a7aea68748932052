"""Structures of the body and types of lesions: names in two languages, sides, parents, codes.

The tables lie in ``structures.json`` and ``lesions.json``. A mask's label is one or the other:
``find_structure("postcava")`` is the inferior vena cava, ``find_lesion_mask("kidney_cyst_left")`` a
mask of cysts in the left kidney.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from vol3d.errors import ConfigError, explain

Language = Literal["en", "zh"]
StructureKind = Literal["organ", "vessel", "part", "bone", "muscle", "tissue"]
Side = Literal["left", "right"]

_HERE = Path(__file__).resolve().parent
_SIDES: tuple[Side, Side] = ("left", "right")
SNOMED_SIDES: Mapping[Side, str] = {"left": "7771000", "right": "24028007"}
"""SNOMED CT modifiers of side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """One structure.

    Args:
        key: Such as ``kidney_left``; TotalSegmentator's name where it has one.
        name_en: Such as ``left kidney``.
        name_zh: Such as ``左肾``.
        kind: ``part`` is a piece of the ``parent`` organ, such as a liver segment.
        side: The patient's; ``None`` for an unpaired structure.
        group: Key of the organ without side (``kidney``), the key itself if unpaired.
        parent: Organ of which this is a part.
        region: ``head``, ``neck``, ``chest``, ``abdomen``, ``pelvis`` or ``extremity``.
        snomed_ct: SNOMED CT concept id, of a paired organ without its side; ``None`` where none
            is known. The side is a modifier, see ``SNOMED_SIDES``.
        aliases: Names in other schemes.
    """

    key: str
    name_en: str
    name_zh: str
    kind: StructureKind
    side: Side | None
    group: str
    parent: str | None
    region: str
    snomed_ct: str | None
    aliases: tuple[str, ...]

    def name(self, language: Language) -> str:
        """The name in a language."""
        return self.name_en if language == "en" else self.name_zh


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionType:
    """One type of lesion.

    Args:
        key: Such as ``cyst``; ``lesion`` is a lesion of any type.
        name_en: Such as ``cyst``.
        plural_en: Such as ``cysts``.
        name_zh: Such as ``囊肿``.
        organs: Organ groups in which it occurs.
        snomed_ct: SNOMED CT concept id of the morphology or disorder; ``None`` where none is known.
    """

    key: str
    name_en: str
    plural_en: str
    name_zh: str
    organs: tuple[str, ...]
    snomed_ct: str | None

    def name(self, language: Language) -> str:
        """The name in a language."""
        return self.name_en if language == "en" else self.name_zh


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionMask:
    """What a mask of lesions shows.

    Args:
        organ: Organ group, such as ``kidney``; ``None`` where the name does not say.
        type: Key of the lesion type.
        side: Where the name says it.
    """

    organ: str | None
    type: str
    side: Side | None = None


@cache
def structures() -> Mapping[str, Structure]:
    """All structures by key."""
    rows = json.loads((_HERE / "structures.json").read_text(encoding="utf-8"))["structures"]
    table = {}
    for row in rows:
        sides: tuple[Side | None, ...] = _SIDES if row.get("paired") else (None,)
        for side in sides:
            made = _structure(row, side)
            table[made.key] = made
    return MappingProxyType(table)


def _structure(row: Mapping[str, object], side: Side | None) -> Structure:
    group = str(row["key"])
    zh = {"left": "左", "right": "右"}
    codes = row.get("snomed_ct")
    code = codes.get(side) if isinstance(codes, dict) else codes
    kind: StructureKind = row["kind"]  # type: ignore[assignment]
    aliases = row.get("aliases", [])
    if not isinstance(aliases, list):
        raise ConfigError(f"structures.json: aliases of {group} are no list")
    return Structure(
        key=group if side is None else f"{group}_{side}",
        name_en=str(row["en"]) if side is None else f"{side} {row['en']}",
        name_zh=str(row["zh"]) if side is None else f"{zh[side]}{row['zh']}",
        kind=kind,
        side=side,
        group=group,
        parent=None if row.get("parent") is None else str(row["parent"]),
        region=str(row["region"]),
        snomed_ct=None if code is None else str(code),
        aliases=tuple(str(each) if side is None else f"{each}_{side}" for each in aliases),
    )


def structure(key: str) -> Structure:
    """The structure of a key.

    Raises:
        ConfigError: There is none.
    """
    found = structures().get(key)
    if found is None:
        raise ConfigError(
            explain(
                expected="a structure key such as liver or kidney_left",
                got=repr(key),
                where="anatomy",
                remedy="See vol3d/anatomy/structures.json for the keys.",
            )
        )
    return found


@cache
def _by_name() -> Mapping[str, Structure]:
    table: dict[str, Structure] = {}
    for each in structures().values():
        for name in (each.key, *each.aliases):
            table[_plain(name)] = each
        if each.side is not None:  # left_kidney is kidney_left
            for name in (each.group, *(a.removesuffix(f"_{each.side}") for a in each.aliases)):
                table[_plain(f"{each.side}_{name}")] = each
    return table


def find_structure(name: str) -> Structure | None:
    """The structure that a mask's name means, in any known scheme; ``None`` if it means none."""
    return _by_name().get(_plain(name))


def is_group(key: str) -> bool:
    """Whether a key names an organ without its side, such as ``kidney``, or an unpaired one."""
    return any(each.group == key for each in structures().values())


@cache
def group_members(group: str) -> tuple[str, ...]:
    """Keys of the structures of an organ group, left first: ``kidney_left``, ``kidney_right``."""
    return tuple(each.key for each in structures().values() if each.group == group)


@cache
def parts_of(organ: str) -> tuple[str, ...]:
    """Keys of the parts of an organ, such as the eight liver segments, in the table's order."""
    return tuple(each.key for each in structures().values() if each.parent == organ)


@cache
def group_name(group: str, language: Language) -> str:
    """Name of an organ without its side: ``kidney``, ``肾``."""
    for each in structures().values():
        if each.group == group:
            if each.side is None:
                return each.name(language)
            return each.name_en.split(" ", 1)[1] if language == "en" else each.name_zh[1:]
    structure(group)
    raise AssertionError(group)


@cache
def lesion_types() -> Mapping[str, LesionType]:
    """All lesion types by key, in the order in which masks take precedence."""
    rows = json.loads((_HERE / "lesions.json").read_text(encoding="utf-8"))["types"]
    return MappingProxyType(
        {
            row["key"]: LesionType(
                key=row["key"],
                name_en=row["en"],
                plural_en=row["plural_en"],
                name_zh=row["zh"],
                organs=tuple(row["organs"]),
                snomed_ct=row.get("snomed_ct"),
            )
            for row in rows
        }
    )


@cache
def _lesion_aliases() -> Mapping[str, LesionMask]:
    rows = json.loads((_HERE / "lesions.json").read_text(encoding="utf-8"))["masks"]
    return {
        _plain(name): LesionMask(organ=row["organ"], type=row["type"], side=row.get("side"))
        for row in rows
        for name in row["names"]
    }


def find_lesion_mask(name: str) -> LesionMask | None:
    """What a mask of lesions shows, from its name; ``None`` if the name means no lesions.

    Known are published names (``kidney_cyst_left``, ``pancreatic_pdac``, ``lesion_roi``) and every
    ``ORGAN_TYPE`` or ``ORGAN_TYPE_SIDE`` of the tables, such as ``adrenal_gland_tumor_left``.
    """
    plain = _plain(name)
    known = _lesion_aliases().get(plain)
    if known is not None:
        return known
    side: Side | None = None
    for each in _SIDES:
        if plain.endswith(f"_{each}"):
            side, plain = each, plain.removesuffix(f"_{each}")
    for key, kind in lesion_types().items():
        for suffix in (key, _plain(kind.plural_en)):
            organ = plain.removesuffix(f"_{suffix}")
            if organ == plain:
                continue
            if is_group(organ):
                return LesionMask(organ=organ, type=key, side=side)
            found = find_structure(organ)
            if found is not None:
                return LesionMask(organ=found.group, type=key, side=found.side or side)
    return None


def _plain(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return plain.replace("tumour", "tumor")
