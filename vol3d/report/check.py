"""A report's text against the facts: what it invents, omits, or puts on the wrong side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.rules import lesion_presence
from vol3d.report.extract import ExtractedFinding, extract_findings

Kind = Literal[
    "invented", "omitted", "denied", "not looked for", "side", "size", "location", "count"
]
CONDITIONS = ("enlarged", "fatty", "atrophic", "missing")
SIZE_TOLERANCE_MM = 0.6
"""Rounding to 0.1 cm, and what is left of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """One point in which a text and the facts differ.

    Args:
        kind: What is wrong with the text.
        organ: Organ group.
        expected: What the facts say.
        got: What the text says.
        sentence: Index of the sentence; ``None`` for what is omitted.
    """

    kind: Kind
    organ: str
    expected: str
    got: str
    sentence: int | None = None


def check_report(
    text: str, facts: CaseFacts, *, language: Language | None = None
) -> tuple[Disagreement, ...]:
    """Every point in which a report's text disagrees with the facts.

    Args:
        text: The report, or some of its sentences.
        facts: The case.
        language: Detected where it is not given.
    """
    found = extract_findings(text, language=language)
    wrong = [each for finding in found for each in _check(finding, facts)]
    stated = {(each.organ) for each in found if each.type not in CONDITIONS}
    for organ in facts.annotated:
        lesions = facts.lesions_of(organ)
        if organ not in stated and lesions:
            expected = f"{len(lesions)} lesions"
            wrong.append(
                Disagreement(kind="omitted", organ=organ, expected=expected, got="nothing")
            )
    return tuple(wrong)


def _check(finding: ExtractedFinding, facts: CaseFacts) -> Iterator[Disagreement]:
    if finding.type in CONDITIONS or finding.presence == "uncertain":
        return
    lesion_type = None if finding.type == "lesion" else finding.type
    own = facts.lesions_of(finding.organ, lesion_type)
    if finding.presence == "absent":
        yield from _check_absence(finding, facts, own)
        return
    if not own:
        known = lesion_presence(facts, finding.organ, lesion_type)
        kind: Kind = "not looked for" if known is None else "invented"
        yield _wrong(kind, finding, "no such lesion", finding.type)
        return
    if finding.side in ("left", "right"):
        sided = tuple(each for each in own if each.side in (finding.side, None))
        if not sided:
            yield _wrong("side", finding, str(own[0].side), str(finding.side))
            return
        own = sided
    if finding.sizes_mm:
        fitting = tuple(each for each in own if _fits(each, finding.sizes_mm))
        if not fitting:
            sizes = ", ".join(f"{each.longest_axial_diameter_mm:.0f} mm" for each in own)
            yield _wrong("size", finding, sizes, f"{finding.sizes_mm[0]:g} mm")
            return
        own = fitting
    if finding.location and all(set(finding.location).isdisjoint(e.segments) for e in own):
        expected = " or ".join("/".join(each.segments) or "unknown" for each in own)
        yield _wrong("location", finding, expected, "/".join(finding.location))
    if finding.count is not None and finding.count > len(own) and not finding.sizes_mm:
        yield _wrong("count", finding, str(len(own)), str(finding.count))


def _check_absence(
    finding: ExtractedFinding, facts: CaseFacts, own: tuple[LesionFacts, ...]
) -> Iterator[Disagreement]:
    if finding.change == "resolved":
        return
    sided = [each for each in own if finding.side in (None, "bilateral", each.side)]
    lesion_type = None if finding.type == "lesion" else finding.type
    if sided:
        yield _wrong("denied", finding, f"{len(sided)} {finding.type}", "none")
    elif lesion_presence(facts, finding.organ, lesion_type) is None:
        yield _wrong("not looked for", finding, "no statement", "none")


def _fits(lesion: LesionFacts, sizes_mm: tuple[float, ...]) -> bool:
    known = (
        lesion.longest_axial_diameter_mm,
        lesion.perpendicular_diameter_mm,
        lesion.feret_3d_mm,
    )
    return any(abs(sizes_mm[0] - mm) <= SIZE_TOLERANCE_MM for mm in known)


def _wrong(kind: Kind, finding: ExtractedFinding, expected: str, got: str) -> Disagreement:
    return Disagreement(
        kind=kind, organ=finding.organ, expected=expected, got=got, sentence=finding.sentence
    )
