"""Label schemes: published tables of numbers and organ names, one JSON file each.

Schemes give one number to different organs (7 is the aorta in TotalSegmentator v1 and the pancreas
in v2), so a mask is named only by a scheme that somebody declared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from vol3d.errors import ConfigError, explain

_VOCABULARIES = Path(__file__).resolve().parent / "vocabularies"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelScheme:
    """A table of label numbers.

    Args:
        key: Name in options and outputs, such as ``totalsegmentator_v2``.
        name: Name of the tool or data set.
        version: Versions of it that use this table.
        source: Where the table was published.
        aliases: Other names, as a ``labels.json`` may give them.
        names: Organ by label number; left and right are the patient's.
    """

    key: str
    name: str
    version: str
    source: str
    aliases: tuple[str, ...]
    names: Mapping[int, str]

    def number_of(self, organ: str) -> int | None:
        """The label of an organ; ``None`` if the scheme has no such organ."""
        return next((number for number, name in self.names.items() if name == organ), None)


@cache
def scheme_keys() -> tuple[str, ...]:
    """Keys of all schemes, sorted."""
    return tuple(sorted(path.name.removesuffix(".json") for path in _VOCABULARIES.glob("*.json")))


@cache
def label_scheme(key: str) -> LabelScheme:
    """The scheme of a key.

    Raises:
        ConfigError: There is none.
    """
    if key not in scheme_keys():
        raise ConfigError(
            explain(
                expected=f"one of {', '.join(scheme_keys())}",
                got=repr(key),
                where="label scheme",
                remedy="Name the scheme that the mask's tool uses, or leave it out.",
            )
        )
    record = json.loads((_VOCABULARIES / f"{key}.json").read_text(encoding="utf-8"))
    return LabelScheme(
        key=key,
        name=record["name"],
        version=record["version"],
        source=record["source"],
        aliases=tuple(record["aliases"]),
        names=MappingProxyType({int(n): str(name) for n, name in record["labels"].items()}),
    )


def find_scheme(text: str) -> LabelScheme | None:
    """The scheme that a text names by key or alias, in any case; ``None`` if it names none."""
    wanted = text.strip().casefold()
    for key in scheme_keys():
        scheme = label_scheme(key)
        if wanted in (each.casefold() for each in (key, *scheme.aliases)):
            return scheme
    return None
