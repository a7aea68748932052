"""What a model said about a public set: words per question or image, probabilities per image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from vol3d.config import json_lines
from vol3d.errors import DataError, explain
from vol3d.evaluate.public_sets.images import without_ending
from vol3d.evaluate.public_sets.tables import Row, read_rows
from vol3d.volume.names import shown_name


def read_words(path: Path, *, key: str) -> dict[str, str]:
    """The words of a CSV or JSONL file by id; blank words are kept, as no answer.

    Args:
        path: With the fields ``key`` and ``prediction``.
        key: ``qid`` or ``image_id``.

    Raises:
        DataError: The file cannot be read, a field is missing, or an id comes twice.
    """
    words: dict[str, str] = {}
    for row in _rows(path, (key, "prediction")):
        name = row.text(key)
        if name in words:
            raise row.wrong(f"every {key} once", f"{name[:80]!r} again")
        words[name] = row.cells["prediction"]
    return words


def read_probabilities(path: Path, names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The probabilities of a CSV file by image id, in the order of ``names``.

    Args:
        path: With the column ``image_id`` and one column per finding.
        names: The findings.

    Raises:
        DataError: The file cannot be read, a column is missing, a value is not from 0 to 1, or an
            image comes twice.
    """
    found: dict[str, tuple[float, ...]] = {}
    for row in read_rows(path, ("image_id", *names)):
        image_id = without_ending(row.text("image_id"))
        if image_id in found:
            raise row.wrong("every image once", f"{image_id[:80]!r} again")
        values = tuple(row.number_in(name) for name in names)
        if not all(0 <= value <= 1 for value in values):
            raise row.wrong(
                "probabilities from 0 to 1", str(min(values)) + " to " + str(max(values))
            )
        found[image_id] = values
    return found


def check_known(given: Collection[str], known: Collection[str], *, where: str) -> None:
    """Refuses predictions for things that the set does not have.

    Raises:
        DataError: There are some; the first one is named.
    """
    strange = sorted(set(given) - set(known))
    if strange:
        raise DataError(
            explain(
                expected="predictions for this set and split only",
                got=f"{len(strange)} others, such as {strange[0][:80]!r}",
                where=where,
                remedy="Check the split that the predictions were made on.",
            )
        )


def _rows(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    if path.suffix.lower() != ".jsonl":
        yield from read_rows(path, fields)
        return
    for number, entry in json_lines(path):
        row = Row(file=shown_name(path), number=number, cells={})
        texts = entry if isinstance(entry, dict) else {}
        if not all(isinstance(texts.get(field), str) for field in fields):
            raise row.wrong(f"an object with the texts {', '.join(fields)}", "another line")
        yield Row(
            file=row.file, number=number, cells={field: texts[field].strip() for field in fields}
        )
