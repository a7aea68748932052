"""Findings read back from report text, English or Chinese, with negation and laterality.

A text is cut into sentences and these into clauses; each clause is read with tables of terms
(``extract_terms.json``): which organs, which type of lesion or condition, denied or uncertain, how
large, where, how many, and what changed since a prior scan. What the tables do not know is not
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vol3d.anatomy import Language
from vol3d.report.extract_measures import (
    SLICE,
    VOLUME,
    bound_in,
    count_in,
    is_paired,
    location_in,
    pieces_of,
    side_in,
    sizes_in,
    with_units,
)
from vol3d.report.extract_split import SplitSentence, detect_language, split_sentences
from vol3d.report.extract_terms import Terms, first_meaning, organs_in, terms_of

Presence = Literal["present", "absent", "uncertain"]
FOCAL_TYPES = ("lesion", "nodule", "tumor", "cyst", "metastasis", "pdac", "pnet")
"""Types that are single lesions with a size; the others are states or fluid."""
_BREAKDOWN = re.compile(
    r"[(\uff08][^()\uff08\uff09]*(?:个|mass|cyst|lesion)[^()\uff08\uff09]*[)\uff09]"
)
"""How many lesions of which type, in parentheses after their number."""
_SIZES_OF_TWO = re.compile(r"(\d\s*(?:mm|cm)) and an? (?=\d)")
"""``a 12 mm and a 25 mm lesion``: the noun stands once."""
_COMMA = re.compile("[,;\uff0c\uff1b]")
_OPPOSITE = {"left": "right", "right": "left"}
_Organs = Sequence[tuple[str, str | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractedFinding:
    """One finding that a text states or denies.

    Args:
        organ: Organ group, such as ``kidney``; ``unspecified`` where the text names none.
        presence: Whether it is stated, denied, or called uncertain.
        type: Lesion type, or ``enlarged``, ``fatty``, ``atrophic``, ``missing``.
        sizes_mm: Diameters of the (largest) lesion, largest first; sizes of prior scans left out.
        location: Segments, parts or lobes.
        count: Number of lesions, where the text says it.
        side: Of a paired organ.
        change: Since a prior scan.
        sentence: Index of the sentence in the text.
        below_mm: What the diameter is said to be below: 10 for ``subcentimetre``.
        is_open: Whether there may be more than ``count``.
    """

    organ: str
    presence: Presence
    type: str
    sizes_mm: tuple[float, ...] = ()
    location: tuple[str, ...] = ()
    count: int | None = None
    side: str | None = None
    change: str | None = None
    sentence: int = 0
    below_mm: float | None = None
    is_open: bool = False


def extract_findings(
    text: str, *, language: Language | None = None
) -> tuple[ExtractedFinding, ...]:
    """The findings of a text in its order.

    Args:
        text: Sentences of a report.
        language: Detected where it is not given.
    """
    language = language or detect_language(text)
    terms = terms_of(language)
    found: list[ExtractedFinding] = []
    for sentence in split_sentences(text, language):
        if sentence.is_skipped or terms.has("skip", sentence.text):
            continue
        if sentence.is_joined and found and terms.single["anaphor"].match(sentence.text):
            found[-1] = _told_more(found[-1], sentence.text, terms)
        else:
            found += _sentence(sentence, terms)
    return tuple(found)


def _told_more(finding: ExtractedFinding, text: str, terms: Terms) -> ExtractedFinding:
    """The finding with what a sentence that refers back to it adds."""
    if terms.has("gone", text):
        return replace(finding, presence="absent", change="resolved")
    bare = with_units(terms.without("prior", text))
    return replace(
        finding,
        sizes_mm=finding.sizes_mm or (() if finding.presence == "absent" else sizes_in(bare)),
        location=finding.location or location_in(bare, finding.organ, terms),
        change=finding.change or first_meaning(text, terms.changes),
    )


def _sentence(sentence: SplitSentence, terms: Terms) -> list[ExtractedFinding]:
    found: list[ExtractedFinding] = []
    context = sentence.context
    text = _BREAKDOWN.sub(" ", sentence.text)
    of_two = _SIZES_OF_TWO.search(text)
    if of_two is not None and not _names_type(text[: of_two.start()], terms):
        text = _SIZES_OF_TWO.sub(r"\1 and ", text, count=1)
    clauses = terms.single["split"].split(text)
    for number, clause in enumerate(clauses):
        fallback = context or _organ_ahead(clauses[number + 1 :], terms)
        made = list(_clause(clause, terms, fallback, sentence.number))
        if found and _is_nature(clause, found[-1], made, terms):
            continue
        if not made and found:
            found[-1:] = _continued(found[-1], clause, text, terms)
        named = organs_in(terms.without("relation", clause), terms)
        context = named[-1] if named else context
        if made and not named and made[-1].organ != "unspecified":
            context = (made[-1].organ, None)
        found += made
    return found


def _continued(
    before: ExtractedFinding, clause: str, text: str, terms: Terms
) -> list[ExtractedFinding]:
    """The finding before a clause that names none, with what the clause adds to it or lists."""
    change = first_meaning(clause, terms.changes)
    bare = with_units(terms.without("prior", clause))
    is_focal = before.type in FOCAL_TYPES and before.presence == "present"
    if is_focal and terms.single["largest"].match(bare):
        before = replace(
            before,
            sizes_mm=before.sizes_mm or sizes_in(bare),
            location=before.location or location_in(bare, before.organ, terms),
        )
    elif is_focal and before.sizes_mm and sizes_in(bare) and not organs_in(bare, terms):
        location = location_in(bare, before.organ, terms)
        if location:
            is_open = before.is_open or (before.count is None and terms.has("plural", text))
            listed = replace(before, sizes_mm=sizes_in(bare), location=location, count=1)
            return [replace(before, count=before.count or 1, is_open=is_open), listed]
    return [before if change is None else replace(before, change=change)]


def _is_nature(
    clause: str, before: ExtractedFinding, made: Sequence[ExtractedFinding], terms: Terms
) -> bool:
    """Whether a clause only says what the lesion before it may be: "; IPMN favored"."""
    return (
        before.presence != "absent"
        and before.type in FOCAL_TYPES
        and len(made) == 1
        and made[0].type in FOCAL_TYPES
        and made[0].presence != "absent"
        and not (made[0].sizes_mm or made[0].location)
        and terms.has("nature", clause)
        and not organs_in(clause, terms)
    )


def _organ_ahead(clauses: Sequence[str], terms: Terms) -> tuple[str, str | None] | None:
    """The one organ that the rest of a sentence names."""
    named = [each for clause in clauses for each in organs_in(clause, terms)]
    return (named[0][0], None) if len({organ for organ, _ in named}) == 1 else None


def _clause(
    clause: str, terms: Terms, context: tuple[str, str | None] | None, number: int
) -> Iterator[ExtractedFinding]:
    change = first_meaning(clause, terms.changes)
    if terms.has("prior", clause) and change is None:
        change = _compared(clause, terms)
    bare = with_units(terms.without("prior", clause))
    bare = terms.without("pseudo", SLICE.sub(" ", VOLUME.sub(" ", bare)))
    kind, match = _type_of(terms.without("nonlesion", bare), terms)
    condition = first_meaning(bare, terms.conditions)
    if kind in FOCAL_TYPES and condition == "missing" and terms.has("gone", bare):
        condition = None
    is_normal = terms.has("normal", bare)
    is_history = terms.has("history", bare) and condition is None
    if (kind is None and condition is None and not is_normal) or is_history:
        return
    presence = _presence(bare, terms)
    if condition is not None and (kind is None or condition == "missing"):
        kind, match, presence = condition, None, "present"
    elif is_normal and (kind is None or terms.language == "zh"):
        kind, match, presence = "lesion", None, "absent"
    organs = _organs(bare, presence, terms) or ([context] if context else [])
    is_resolved = terms.has("resolved", bare) and presence == "absent"
    finding = ExtractedFinding(
        organ="unspecified",
        presence=presence,
        type=kind or "lesion",
        count=count_in(bare, kind, match, terms) if presence == "present" else None,
        change="resolved" if is_resolved else change,
        sentence=number,
    )
    yield from _of_organs(finding, bare, organs or [("unspecified", None)], terms)
    if condition is not None and kind != condition:
        organ = organs[0][0] if organs else "unspecified"
        yield replace(finding, organ=organ, presence="present", type=condition, count=None)


def _organs(clause: str, presence: Presence, terms: Terms) -> _Organs:
    """The organs that a clause speaks about; those that a lesion only touches are left out."""
    stated = organs_in(terms.without("relation", clause), terms)
    named = stated if presence != "absent" and stated else organs_in(clause, terms)
    if named:
        return named
    organ = first_meaning(clause, terms.implied)
    return [(organ, None)] if organ else []


def _of_organs(
    finding: ExtractedFinding, clause: str, organs: _Organs, terms: Terms
) -> Iterator[ExtractedFinding]:
    """The finding in each organ; listed lesions of known size one by one."""
    is_listed = finding.presence != "absent" and finding.type in FOCAL_TYPES
    pieces = pieces_of(clause, terms) if is_listed else [clause]
    if is_listed and len(pieces) == 1 and terms.has("each_sized", clause):
        pieces = [clause] * (finding.count or 1)
    counts = _counts(finding.count, pieces)
    is_open = len(pieces) > 1 and finding.count is None and terms.has("plural", clause)
    finding = replace(finding, is_open=is_open)
    for index, (piece, count) in enumerate(zip(pieces, counts, strict=True)):
        own = organs_in(terms.without("relation", piece), terms) if len(pieces) > 1 else []
        for organ, named_side in own or organs:
            text = piece if index or len(pieces) > 1 else clause
            side = side_in(text, organ, named_side, terms)
            if len(pieces) > 1 and side is None:
                side = side_in(clause, organ, named_side, terms)
            each = replace(
                finding,
                organ=organ,
                location=location_in(text, organ, terms),
                count=count,
                side=side,
            )
            yield from _sided(_sized(each, text), text, terms)


def _counts(count: int | None, pieces: Sequence[str]) -> list[int | None]:
    """Number of lesions in each piece: one for each size, and the rest in the first."""
    if len(pieces) == 1:
        return [count]
    return [max((count or 1) - len(pieces) + 1, 1), *([1] * (len(pieces) - 1))]


def _sized(finding: ExtractedFinding, text: str) -> ExtractedFinding:
    if finding.presence == "absent":
        return finding
    sizes = sizes_in(text)
    return replace(finding, sizes_mm=sizes, below_mm=None if sizes else bound_in(text))


def _sided(finding: ExtractedFinding, text: str, terms: Terms) -> Iterator[ExtractedFinding]:
    """Lesions on both sides of which one side's is described come as two findings."""
    if finding.side != "bilateral":
        yield finding
        return
    if finding.presence == "absent":
        yield replace(finding, side=None)
        return
    named = [side for pattern, side in terms.sides if side in _OPPOSITE and pattern.search(text)]
    if len(named) != 1 or not is_paired(finding.organ) or not finding.sizes_mm:
        yield finding
        return
    one = replace(finding, count=1, is_open=finding.is_open or finding.count is None)
    yield replace(one, side=named[0])
    yield replace(one, side=_OPPOSITE[named[0]], sizes_mm=(), location=())


def _compared(clause: str, terms: Terms) -> str | None:
    """Larger or smaller, from the prior size that a clause names."""
    prior = terms.single["prior"].search(clause)
    old = sizes_in(prior.group()) if prior else ()
    new = sizes_in(terms.without("prior", clause))
    if not old or not new or old[0] == new[0]:
        return None
    return "larger" if new[0] > old[0] else "smaller"


def _type_of(clause: str, terms: Terms) -> tuple[str | None, re.Match[str] | None]:
    for pattern, kind in terms.types:
        match = pattern.search(clause)
        if match is not None:
            return kind, match
    return None, None


def _presence(clause: str, terms: Terms) -> Presence:
    """Whether a clause states, denies or doubts its finding.

    A doubt that follows a lesion ("a mass, likely a metastasis") is about its nature, not about
    whether it is there; in Chinese so is only what a lesion is "considered" to be.
    """
    doubt = terms.single["uncertain"].search(clause)
    if doubt is not None and not terms.has("not_uncertain", clause):
        is_nature = terms.language == "en" or doubt.group() == "考虑"
        is_nature = is_nature and _names_type(clause[: doubt.start()], terms, FOCAL_TYPES)
        if not is_nature or terms.has("existence", clause):
            return "uncertain"
    return "absent" if _is_denied(clause, terms) else "present"


def _is_denied(clause: str, terms: Terms) -> bool:
    """Whether a negation is about the finding and not about how it looks.

    A negation that follows the finding and is followed by none before the next comma ("a lesion
    shows no enhancement") leaves it in place.
    """
    if terms.has("gone", clause):
        return True
    return any(
        not _names_type(clause[: cue.start()], terms)
        or _names_type(_COMMA.split(clause[cue.end() :])[0], terms)
        for cue in terms.single["negation"].finditer(clause)
    )


def _names_type(text: str, terms: Terms, kinds: Sequence[str] | None = None) -> bool:
    return any(
        pattern.search(text) is not None
        for pattern, kind in terms.types
        if kinds is None or kind in kinds
    )
