"""What a model may be asked about a scan: findings only where it has seen anything alike."""

from __future__ import annotations

import re

from vol3d.report import Candidate, Candidates, Scan

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def why_withheld(scan: Scan) -> str | None:
    """Why the model is not asked about this scan, or ``None`` if it may be asked.

    The models that ship were trained on synthetic CT phantoms of the abdomen. On anything else
    their sentences have no meaning, so they are not produced at all.
    """
    reasons = []
    if scan.intensity.body_mean is None:
        reasons.append("no body was found in the voxels")
    if scan.modality != "CT":
        name = "of unknown modality" if scan.modality == "unknown" else scan.modality
        reasons.append(f"the scan is {name}, not CT")
    elif scan.unit != "HU":
        reasons.append("its values are not Hounsfield units")
    if not scan.region.is_abdomen:
        seen = ", ".join(scan.region.names) or "none recognised"
        reasons.append(f"the abdomen was not recognised in it (estimated region: {seen})")
    if not reasons:
        return None
    return (
        "The model was trained on synthetic CT phantoms of the abdomen and was not asked, because "
        + "; ".join(reasons)
        + "."
    )


def split_candidates(text: str) -> Candidates:
    """The model's text as listed candidates, one per sentence."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return Candidates(
        status="listed",
        withheld_reason=None,
        items=tuple(Candidate(sentence=part) for part in parts if part),
    )
