"""What a model may be asked about a scan: findings only where it has seen anything alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vol3d.infer.protocol import CardLike
from vol3d.report import Candidate, Candidates, Scan

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def why_withheld(scan: Scan, card: CardLike) -> str | None:
    """Why the model is not asked about this scan, or ``None`` if it may be asked.

    A model may be asked where its card names the scan's modality together with a region that the
    scan shows, and about CT only in Hounsfield units. On anything else its sentences have no
    meaning, so they are not produced at all.

    Args:
        scan: The scan as it was read.
        card: Of the model; ``applies_to`` decides, ``trained_on`` is quoted.
    """
    reasons = []
    if scan.intensity.body_mean is None:
        reasons.append("no body was found in the voxels")
    modalities = _unique(modality for modality, _ in card.applies_to)
    if scan.modality not in modalities:
        name = "of unknown modality" if scan.modality == "unknown" else scan.modality
        reasons.append(f"the scan is {name}, not {_either(modalities)}")
    elif scan.modality == "CT" and scan.unit != "HU":
        reasons.append("its values are not Hounsfield units")
    fitting = [pair for pair in card.applies_to if pair[0] == scan.modality] or card.applies_to
    regions = _unique(region for _, region in fitting)
    if not any(_shows(scan, region) for region in regions):
        seen = ", ".join(scan.region.names) or "none recognised"
        wanted = _either([f"the {region}" for region in regions])
        reasons.append(f"{wanted} was not recognised in it (estimated region: {seen})")
    if not reasons:
        return None
    because = "; ".join(reasons)
    return f"The model was trained on {card.trained_on} and was not asked, because {because}."


def candidates_heading(card: CardLike) -> str:
    """The heading over the model's own words; names what it was trained on."""
    return f"Unvalidated candidates of a model trained on {card.trained_on_short}"


def list_candidates(text: str, card: CardLike) -> Candidates:
    """The model's text as listed candidates, one per sentence."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return Candidates(
        heading=candidates_heading(card),
        status="listed",
        withheld_reason=None,
        items=tuple(Candidate(sentence=part) for part in parts if part),
    )


def withhold_candidates(reason: str, card: CardLike) -> Candidates:
    """No candidates, and the reason."""
    return Candidates(heading=candidates_heading(card), status="withheld", withheld_reason=reason)


def _shows(scan: Scan, region: str) -> bool:
    """Whether the scan clearly shows a region; the abdomen has a stricter rule of its own."""
    return scan.region.is_abdomen if region == "abdomen" else region in scan.region.names


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _either(names: Sequence[str]) -> str:
    return " or ".join(names) or "anything that the model's card names"
