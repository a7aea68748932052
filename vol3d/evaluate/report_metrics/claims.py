"""The lesions that a report claims and the organs it clears: what tumour scores compare.

Reading is by statement: each is read alone, and all are sorted before lesions that are told twice
(findings, then impression) are put together, so that the order of statements changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import lesion_presence
from vol3d.report.extract import FOCAL_TYPES, ExtractedFinding, extract_findings
from vol3d.report.extract_split import detect_language, split_statements

SAME_SIZE_MM = 1.0
"""Two mentions of one lesion differ by rounding only: 2.1 cm in the findings, 2 cm below."""
LEAST_OF_MANY = 2
"""Lesions that an uncounted plural claims: "several cysts" is at least two."""
_CYSTIC, _SOLID = {"cyst"}, {"nodule", "tumor", "metastasis", "pdac", "pnet"}
_PLACED = ("liver", "pancreas", "lung", "brain")
"""Organs whose ``LesionFacts.segments`` a report's text can name; a kidney's is its side."""
_FURTHER = re.compile(r"\b(?:an)?other\b|\badditional\b|\bfurther\b|另|其余", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionClaim:
    """One lesion that a report says is there.

    Args:
        organ: Organ group without side; ``unspecified`` where the text names none.
        type: Lesion type; ``lesion`` where the text does not say.
        size_mm: Longest diameter, if told.
        below_mm: What the diameter is told to be below, where it is not told itself.
        side: ``left`` or ``right``, if told.
        location: Segments, parts or lobes; any of them may hold it.
        is_uncertain: Whether the report doubts that it is there.
    """

    organ: str
    type: str = "lesion"
    size_mm: float | None = None
    below_mm: float | None = None
    side: str | None = None
    location: tuple[str, ...] = ()
    is_uncertain: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportClaims:
    """What a report claims about lesions.

    Args:
        lesions: Each lesion once.
        denied: Organs said to hold no lesion (some of which a lesion may be claimed in elsewhere).
        open_organs: Organs with an uncounted plural of lesions: there may be more than claimed.
        scored: Organs that a statement can be checked for; ``None`` for all, as with a text.
        denies_any: Whether a lesion is denied anywhere, be it without an organ ("no metastasis").
    """

    lesions: tuple[LesionClaim, ...] = ()
    denied: frozenset[str] = frozenset()
    open_organs: frozenset[str] = frozenset()
    scored: frozenset[str] | None = None
    denies_any: bool = False

    @property
    def is_normal(self) -> bool:
        """Whether lesions are denied and none is claimed, not even with doubt."""
        return self.denies_any and not self.lesions

    def presence(self, organ: str) -> bool | None:
        """Whether the organ holds a lesion; ``None`` if the report does not say or doubts it."""
        own = [each for each in self.lesions if each.organ == organ]
        if any(not each.is_uncertain for each in own):
            return True
        return False if organ in self.denied and not own else None


def claims_of_text(text: str, *, language: Language | None = None) -> ReportClaims:
    """The claims of a report's text.

    Args:
        text: A whole report.
        language: Detected where it is not given.
    """
    language = language or detect_language(text)
    mentions: list[_Mention] = []
    denied: set[str] = set()
    open_organs: set[str] = set()
    for number, statement in enumerate(sorted(split_statements(text, language=language))):
        is_further = _FURTHER.search(statement) is not None
        for finding in extract_findings(statement, language=language):
            if finding.type not in FOCAL_TYPES:
                continue
            if finding.presence == "absent":
                denied.add(finding.organ)
                continue
            if finding.presence == "present" and (finding.count is None or finding.is_open):
                open_organs.add(finding.organ)
            source = (number, finding.sentence)
            mentions += [_Mention(each, source, is_further) for each in _expand(finding)]
    return ReportClaims(
        lesions=tuple(sorted(_merge(mentions), key=_order)),
        denied=frozenset(denied - {"unspecified"}),
        open_organs=frozenset(open_organs),
        denies_any=bool(denied),
    )


def claims_of_facts(facts: CaseFacts) -> ReportClaims:
    """The claims that measured facts make: every focal lesion, and organs known to have none."""
    lesions = [
        LesionClaim(
            organ=each.organ,
            type=each.type,
            size_mm=each.longest_axial_diameter_mm,
            side=each.side,
            location=each.segments if each.organ in _PLACED else (),
        )
        for each in facts.lesions
        if each.type in FOCAL_TYPES
    ]
    organs = {*facts.annotated, *(each.organ for each in facts.lesions)}
    known = {organ: lesion_presence(facts, organ) for organ in organs}
    denied = frozenset(organ for organ, is_there in known.items() if is_there is False)
    return ReportClaims(
        lesions=tuple(sorted(lesions, key=_order)),
        denied=denied,
        scored=denied | {each.organ for each in lesions},
        denies_any=bool(denied),
    )


def is_same_place(first: LesionClaim, second: LesionClaim) -> bool:
    """Whether two locations share a part, or one is not told."""
    if not first.location or not second.location:
        return True
    return not set(first.location).isdisjoint(second.location)


def is_same_side(first: LesionClaim, second: LesionClaim) -> bool:
    """Whether two sides are equal, or one is not told."""
    return None in (first.side, second.side) or first.side == second.side


@dataclass(frozen=True, slots=True)
class _Mention:
    claim: LesionClaim
    source: tuple[int, int]
    is_further: bool


def _expand(finding: ExtractedFinding) -> Iterator[LesionClaim]:
    """One claim per lesion of a finding; only the first has the size that a clause gives."""
    first = LesionClaim(
        organ=finding.organ,
        type=finding.type,
        size_mm=finding.sizes_mm[0] if finding.sizes_mm else None,
        below_mm=finding.below_mm,
        side=finding.side if finding.side != "bilateral" else None,
        location=finding.location,
        is_uncertain=finding.presence == "uncertain",
    )
    count = 1 if first.is_uncertain else finding.count or LEAST_OF_MANY
    is_sized = first.size_mm is not None
    if finding.side == "bilateral" and count == 2 and not is_sized:
        yield from (replace(first, side=side) for side in ("left", "right"))
    elif count == len(finding.location) and not is_sized:
        yield from (replace(first, location=(part,)) for part in finding.location)
    else:
        yield first
        rest = replace(first, size_mm=None, location=() if is_sized else first.location)
        yield from [rest] * (count - 1)


def _merge(mentions: Sequence[_Mention]) -> Iterable[LesionClaim]:
    """Each lesion once: mentions of different sentences that may be one lesion are joined."""
    clusters: list[tuple[LesionClaim, set[tuple[int, int]]]] = []
    for mention in sorted(mentions, key=_rank):
        place = _home(mention, clusters)
        if place is None:
            clusters.append((mention.claim, {mention.source}))
        else:
            claim, sources = clusters[place]
            clusters[place] = (_joined(claim, mention.claim), sources | {mention.source})
    return [claim for claim, _ in clusters]


def _rank(mention: _Mention) -> tuple[object, ...]:
    """Sized mentions first, and those called another lesion after the ones that are not."""
    is_unsized = mention.claim.size_mm is None
    return (is_unsized, mention.is_further, _order(mention.claim), mention.source)


def _home(
    mention: _Mention, clusters: Sequence[tuple[LesionClaim, set[tuple[int, int]]]]
) -> int | None:
    fitting = [
        (-_likeness(claim, mention.claim), index)
        for index, (claim, sources) in enumerate(clusters)
        if mention.source not in sources
        and _may_be_one(claim, mention.claim)
        and (not mention.is_further or _is_told_alike(claim, mention.claim))
    ]
    return min(fitting)[1] if fitting else None


def _may_be_one(first: LesionClaim, second: LesionClaim) -> bool:
    kinds = {first.type, second.type}
    return (
        first.organ == second.organ
        and is_same_side(first, second)
        and is_same_place(first, second)
        and not (kinds & _CYSTIC and kinds & _SOLID)
        and _is_same_size(first, second)
    )


def _is_told_alike(first: LesionClaim, second: LesionClaim) -> bool:
    """Whether both tell size and location: then "another lesion" may be a repeated one."""
    return all(each.size_mm is not None and each.location for each in (first, second))


def _is_same_size(first: LesionClaim, second: LesionClaim) -> bool:
    if first.size_mm is not None and second.size_mm is not None:
        return abs(first.size_mm - second.size_mm) <= SAME_SIZE_MM
    sizes = [size for size in (first.size_mm, second.size_mm) if size is not None]
    bounds = [bound for bound in (first.below_mm, second.below_mm) if bound is not None]
    return not sizes or not bounds or sizes[0] <= bounds[0]


def _likeness(first: LesionClaim, second: LesionClaim) -> int:
    return sum(
        own is not None and own == other
        for own, other in (
            (first.size_mm, second.size_mm),
            (first.side, second.side),
            (first.location or None, second.location),
            (first.type, second.type),
        )
    )


def _joined(first: LesionClaim, second: LesionClaim) -> LesionClaim:
    shared = tuple(part for part in first.location if part in second.location)
    return replace(
        first,
        type=second.type if first.type in ("lesion", "nodule") else first.type,
        size_mm=first.size_mm if first.size_mm is not None else second.size_mm,
        below_mm=first.below_mm if first.below_mm is not None else second.below_mm,
        side=first.side or second.side,
        location=shared or first.location or second.location,
        is_uncertain=first.is_uncertain and second.is_uncertain,
    )


def _order(claim: LesionClaim) -> tuple[str, float, str, tuple[str, ...], str, bool]:
    """Sized lesions first, the largest leading; the same for equal claims."""
    size = -claim.size_mm if claim.size_mm is not None else 0.0
    side = claim.side or "~"
    location = claim.location or ("~",)
    return (claim.organ, size, side, location, claim.type, claim.is_uncertain)
