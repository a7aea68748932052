"""Short findings text from the facts of a case, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vol3d.errors import DataError, explain
from vol3d.measure.embedded_facts import (
    LESION_ORGANS,
    Attenuation,
    EmbeddedFacts,
    is_spleen_enlarged,
    missing_kidney,
)

DIAMETER_STEP_MM = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class OrganFinding:
    """What one sentence says about one organ.

    Args:
        organ: Such as ``left kidney``.
        is_absent: The organ is missing; nothing else is said then.
        is_enlarged: Said of the spleen only.
        num_lesions: ``None`` if the sentence says nothing about lesions.
        largest_mm: Longest axial diameter of the largest lesion, rounded to 5 mm.
        attenuation: Of the largest lesion.
    """

    organ: str
    is_absent: bool = False
    is_enlarged: bool = False
    num_lesions: int | None = None
    largest_mm: int | None = None
    attenuation: Attenuation | None = None


def findings_of(facts: EmbeddedFacts) -> tuple[OrganFinding, ...]:
    """The findings in report order: liver, spleen, pancreas, left kidney, right kidney.

    An organ that the masks do not cover, or whose absence cannot be told from a short scan, has no
    finding. Only an organ whose lesions were looked for has a number of lesions.
    """
    return tuple(f for organ in LESION_ORGANS if (f := _finding(facts, organ)) is not None)


def _finding(facts: EmbeddedFacts, organ: str) -> OrganFinding | None:
    known = facts.organs.get(organ)
    if known is None:
        return None
    if not known.is_present:
        is_absent = organ == f"{missing_kidney(facts)} kidney"
        return OrganFinding(organ=organ, is_absent=True) if is_absent else None
    is_enlarged = organ == "spleen" and is_spleen_enlarged(facts) is True
    if organ not in facts.annotated_lesion_organs:
        return OrganFinding(organ=organ, is_enlarged=True) if is_enlarged else None
    lesions = facts.lesions_of(organ)
    if not lesions:
        return OrganFinding(organ=organ, is_enlarged=is_enlarged, num_lesions=0)
    size = lesions[0].longest_axial_diameter_mm
    return OrganFinding(
        organ=organ,
        is_enlarged=is_enlarged,
        num_lesions=len(lesions),
        largest_mm=max(round(size / DIAMETER_STEP_MM), 1) * DIAMETER_STEP_MM,
        attenuation=lesions[0].attenuation,
    )


def findings_text(facts: EmbeddedFacts) -> str:
    """The findings as one line of short sentences, always in the same order.

    For example ``Liver: 2 lesions, largest 35 mm, hypoattenuating. Spleen: enlarged, no lesion.``
    """
    return " ".join(sentence(finding) for finding in findings_of(facts))


def sentence(finding: OrganFinding) -> str:
    """The sentence of one finding; ``parse_findings`` reads it back."""
    if finding.is_absent:
        parts = ["absent"]
    else:
        parts = ["enlarged"] if finding.is_enlarged else []
        if finding.num_lesions == 0:
            parts.append("no lesion")
        elif finding.num_lesions is not None:
            one = finding.num_lesions == 1
            parts.append("1 lesion" if one else f"{finding.num_lesions} lesions")
            parts.append(f"{finding.largest_mm} mm" if one else f"largest {finding.largest_mm} mm")
            if finding.attenuation is not None:
                parts.append(finding.attenuation)
    return f"{finding.organ.capitalize()}: {', '.join(parts)}."


_LESIONS = (
    r"(?P<none>no lesion)|(?:(?P<one>1 lesion), |(?P<many>[2-9]\d*|1\d+) lesions, largest )"
    r"(?P<size>\d+) mm(?:, (?P<attenuation>hypoattenuating|hyperattenuating))?"
)
_SENTENCE = re.compile(
    rf"(?P<organ>{'|'.join(o.capitalize() for o in LESION_ORGANS)}): "
    rf"(?:(?P<absent>absent)|(?P<only>enlarged)|(?:(?P<enlarged>enlarged), )?(?:{_LESIONS}))\."
)


def parse_findings(text: str) -> tuple[OrganFinding, ...]:
    """The findings that a text in the form of ``findings_text`` states, in its order.

    Raises:
        DataError: A part of the text is not such a sentence.
    """
    findings: list[OrganFinding] = []
    position, text = 0, text.strip()
    while position < len(text):
        match = _SENTENCE.match(text, position)
        if match is None:
            raise DataError(
                explain(
                    expected="sentences such as 'Liver: 1 lesion, 20 mm, hypoattenuating.'",
                    got=repr(text[position : position + 60]),
                    where=f"findings text, character {position}",
                    remedy="Only text in the form of findings_text can be read back.",
                )
            )
        findings.append(_read(match))
        position = match.end()
        while position < len(text) and text[position].isspace():
            position += 1
    return tuple(findings)


def _read(match: re.Match[str]) -> OrganFinding:
    part = match.groupdict()
    has_lesion = part["one"] is not None or part["many"] is not None
    count = 1 if part["one"] else int(part["many"]) if part["many"] else None
    attenuation: Attenuation | None = None
    if part["attenuation"]:
        is_hypo = part["attenuation"] == "hypoattenuating"
        attenuation = "hypoattenuating" if is_hypo else "hyperattenuating"
    return OrganFinding(
        organ=part["organ"].lower(),
        is_absent=part["absent"] is not None,
        is_enlarged=part["enlarged"] is not None or part["only"] is not None,
        num_lesions=0 if part["none"] else count,
        largest_mm=int(part["size"]) if has_lesion else None,
        attenuation=attenuation,
    )


def findings_vocabulary() -> tuple[str, ...]:
    """Sentences that together hold every word ``findings_text`` can write, except numbers."""
    attenuations: tuple[Attenuation, Attenuation] = ("hypoattenuating", "hyperattenuating")
    findings = [OrganFinding(organ=organ, is_absent=True) for organ in LESION_ORGANS[3:]]
    for organ in LESION_ORGANS:
        enlarged = (False, True) if organ == "spleen" else (False,)
        for is_enlarged in enlarged:
            findings.append(OrganFinding(organ=organ, is_enlarged=is_enlarged, num_lesions=0))
            findings += [
                OrganFinding(
                    organ=organ,
                    is_enlarged=is_enlarged,
                    num_lesions=count,
                    largest_mm=20,
                    attenuation=attenuation,
                )
                for count in (1, 2, 3)
                for attenuation in attenuations
            ]
    return tuple(sentence(finding) for finding in findings)
