"""Facts and rules that agents look up, each with its source."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vol3d.anatomy import Threshold, threshold, thresholds

MOST_RESULTS = 2
SHARE_OF_BEST = 0.5
"""A second result must score at least this share of the best one.

Source: look-up of the DeepTumorVQA v2 agent."""
_NUMBER = re.compile(r"<([a-z_0-9.]+)>")
_WORD = re.compile(r"[a-z0-9/]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One thing to know.

    Args:
        id: Short name.
        keywords: Lower-case phrases that lead to it.
        subtypes: Kinds of questions that it decides.
        text: With its numbers filled in.
        source: Where text and numbers come from.
    """

    id: str
    keywords: tuple[str, ...]
    subtypes: tuple[str, ...]
    text: str
    source: str


@cache
def topics() -> tuple[Topic, ...]:
    """All topics: those of the data file, then one for every clinical threshold."""
    text = (Path(__file__).resolve().parent / "knowledge.json").read_text(encoding="utf-8")
    rows = json.loads(text)["topics"]
    return (*(_topic(row) for row in rows), *(_of_threshold(t) for t in thresholds().values()))


def _topic(row: Mapping[str, Any]) -> Topic:
    ids = list(dict.fromkeys(_NUMBER.findall(row["text"])))
    sources = [row["source"], *(thresholds()[each].source for each in ids)]
    parts = [part for source in sources for part in source.split("; ") if part]
    return Topic(
        id=row["id"],
        keywords=tuple(row["keywords"]),
        subtypes=tuple(row["subtypes"]),
        text=_NUMBER.sub(lambda match: f"{threshold(match.group(1)):g}", row["text"]),
        source="; ".join(dict.fromkeys(parts)),
    )


def _of_threshold(row: Threshold) -> Topic:
    unit = f" {row.unit}" if row.unit else ""
    others = f" Also in use: {', '.join(row.alternatives)}." if row.alternatives else ""
    return Topic(
        id=row.id,
        keywords=(row.id, row.id.replace(".", " ").replace("_", " ")),
        subtypes=(),
        text=f"{row.id}: {row.value:g}{unit}; {row.meaning}.{others}",
        source=f"{row.source} ({row.status})",
    )


def look_up(query: str) -> list[Topic]:
    """The one or two topics that fit a query best; none where no keyword does.

    A topic scores one for each keyword that stands in the query or shares all its words with it,
    and ten for the exact name of a kind of question or id of a threshold.

    Args:
        query: In English; case does not matter.
    """
    text = query.casefold()
    words = set(_WORD.findall(text))
    scored = [(_score(topic, text, words), -place) for place, topic in enumerate(topics())]
    ranked = sorted((pair for pair in scored if pair[0] > 0), reverse=True)
    best = ranked[0][0] if ranked else 0
    kept = [pair for pair in ranked[:MOST_RESULTS] if pair[0] >= SHARE_OF_BEST * best]
    return [topics()[-place] for _, place in kept]


def _score(topic: Topic, text: str, words: set[str]) -> int:
    names = topic.subtypes or (topic.id,)
    named = 10 * sum(name.casefold() in text for name in names)
    return named + sum(
        keyword in text or set(_WORD.findall(keyword)) <= words for keyword in topic.keywords
    )
