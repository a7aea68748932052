"""What is declared about a mask's labels: a scheme by key, or a ``labels.json`` beside the mask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vol3d.anatomy import LabelScheme, find_scheme, label_scheme, scheme_keys
from vol3d.errors import DataError, explain
from vol3d.volume import GateNote
from vol3d.volume.names import is_regular, shown_name

MOST_BYTES = 1 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,39}")
"""Free text, which may hold anything, is no name of an organ."""
_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DeclaredLabels:
    """Names by label number.

    Args:
        names: Every label that the scheme or the file lists; empty if nothing is declared.
        scheme: Key of a known scheme.
        notes: What of the file was not used.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    scheme: str | None = None
    notes: tuple[GateNote, ...] = ()


def read_declared_labels(path: Path, scheme: LabelScheme | None) -> DeclaredLabels:
    """The labels of a scheme, or those that a ``labels.json`` declares; they may not disagree.

    The file is a JSON object ``{"scheme": NAME, "background": 0, "labels": {"1": "spleen", ...}}``.

    Args:
        path: Where the ``labels.json`` would be.
        scheme: The scheme that the caller declares.

    Raises:
        DataError: The file is no such object, or contradicts the scheme that it or the caller
            names.
    """
    if not path.exists():
        return _of_scheme(scheme)
    record = _load(path)
    told = find_scheme(record["scheme"]) if isinstance(record.get("scheme"), str) else None
    if scheme is not None and told is not None and scheme is not told:
        raise _contradiction(path, f"scheme {told.key}", f"{scheme.key}, as declared by the caller")
    scheme = scheme or told
    names = _names(path, record)
    if scheme is None:
        plain, notes = plain_names(names, where=shown_name(path))
        return DeclaredLabels(names=plain, notes=tuple(notes))
    for number, name in names.items():
        if scheme.names.get(number) != name:
            expected = f"{scheme.names.get(number, 'no such label')}, as scheme {scheme.key} has it"
            raise _contradiction(path, f"another name for label {number}", expected)
    return _of_scheme(scheme)


def plain_names(names: Mapping[int, str], *, where: str) -> tuple[dict[int, str], list[GateNote]]:
    """The names that are one word of letters, digits and ``_``, and a note about the others."""
    plain = {number: name for number, name in names.items() if _PLAIN_NAME.fullmatch(name)}
    ignored = sorted(names.keys() - plain.keys())
    if not ignored:
        return plain, []
    message = (
        f"{where}: the names of labels {listed(ignored)} are no plain organ names (one word of "
        "letters, digits and _, at most 40); they were left out."
    )
    return plain, [GateNote(code="label_names_ignored", message=message)]


def label_notes(present: set[int], told: DeclaredLabels) -> list[GateNote]:
    """What is not known of the labels that are present."""
    notes = []
    if not told.names and present:
        message = (
            "Nothing says which label scheme the mask uses, and one number means different organs "
            "in different schemes; its labels were not named. Declare it with --label-scheme: "
            f"{', '.join(scheme_keys())}."
        )
        notes.append(GateNote(code="label_scheme_unknown", message=message))
    known = told.names.keys() if told.names else _numbers_of_all_schemes()
    unknown = sorted(present - known)
    if unknown:
        source = told.scheme or ("its labels.json" if told.names else "any known label scheme")
        message = (
            f"Labels of the mask are not in {source}: {listed(unknown)}. They have no name; what "
            "they show is not known."
        )
        notes.append(GateNote(code="unknown_labels", message=message))
    return notes


def listed(items: Iterable[object]) -> str:
    """The first 20 items, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _numbers_of_all_schemes() -> set[int]:
    return {number for key in scheme_keys() for number in label_scheme(key).names}


def _of_scheme(scheme: LabelScheme | None) -> DeclaredLabels:
    if scheme is None:
        return DeclaredLabels()
    return DeclaredLabels(names=scheme.names, scheme=scheme.key)


def _load(path: Path) -> dict[str, Any]:
    if not is_regular(path):
        raise _unusable(path, "no plain file")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        record = json.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, f"content that cannot be read ({type(error).__name__})") from None
    if not isinstance(record, dict):
        raise _unusable(path, "another JSON value")
    return record


def _names(path: Path, record: dict[str, Any]) -> dict[int, str]:
    labels = record.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise _unusable(path, "no labels")
    if record.get("background", 0) != 0:
        raise _unusable(path, "a background that is not 0")
    numbers = [text for text in labels if re.fullmatch(r"[1-9][0-9]{0,4}", text)]
    if len(numbers) != len(labels) or not all(isinstance(each, str) for each in labels.values()):
        raise _unusable(path, "labels that are no numbers from 1 with names")
    if len(set(labels.values())) != len(labels):
        raise _unusable(path, "one name for two labels")
    return {int(text): labels[text] for text in numbers}


def _unusable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            expected='a JSON object {"scheme": NAME, "background": 0, "labels": {"1": NAME, ...}}',
            got=got,
            where=shown_name(path),
            remedy="Repair the file, or take it out of the mask's folder.",
        )
    )


def _contradiction(path: Path, got: str, expected: str) -> DataError:
    return DataError(
        explain(
            expected=expected,
            got=got,
            where=shown_name(path),
            remedy="Find out which scheme the mask uses and correct the other declaration.",
        )
    )
