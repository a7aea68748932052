"""What the public sets have in common: images, reports, questions and labels as typed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ImagePolicy = Literal["required", "optional"]
"""``required``: a record whose image is not there is an error that names it. ``optional``: its
path is ``None``, for scoring text that was made elsewhere."""

Geometry = Literal["file", "unknown"]
"""``file``: the image file places its voxels in millimetres. ``unknown``: nothing that is published
does, so no length, volume or side may be derived from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicImage:
    """One volume of a public set.

    Args:
        image_id: The set's own name of the volume, without a file ending.
        patient_id: The set's own number of the patient or case, which groups volumes for
            intervals; ``None`` where the set does not publish one.
        path: The file; ``None`` where it is not there and that was allowed.
        geometry: Whether the file says where its voxels lie.
    """

    image_id: str
    patient_id: str | None
    path: Path | None
    geometry: Geometry

    @property
    def cluster(self) -> str:
        """What intervals resample: the patient, or the volume where no patient is published."""
        return self.image_id if self.patient_id is None else self.patient_id


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicReport:
    """One report; sections that the set leaves empty are ``None``.

    Args:
        image: Its volume.
        split: The set's own split.
        row: Number of the record in its file, from 1.
        findings: The findings section, or the whole text where the set has no sections.
    """

    image: PublicImage
    split: str
    row: int
    findings: str | None
    impression: str | None = None
    technique: str | None = None
    clinical_information: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicQuestion:
    """One question.

    Args:
        qid: Made here from the file and the row: the sets publish none.
        image: Its volume.
        task: The set's own group of questions.
        row: Number of the record in its file, from 1.
        choices: Letter to text, in order; empty for an open question.
        answer: The reference in words.
        answer_letter: The letter of the right choice; ``None`` exactly for an open question.
    """

    qid: str
    image: PublicImage
    task: str
    row: int
    question: str
    choices: Mapping[str, str]
    answer: str
    answer_letter: str | None

    @property
    def is_closed(self) -> bool:
        """Whether it is answered by choosing a letter."""
        return self.answer_letter is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicLabels:
    """The labels of one volume.

    Args:
        image: The volume.
        row: Number of the record in its file, from 1.
        labels: Name to present (``True``), absent (``False``) or not known (``None``).
    """

    image: PublicImage
    row: int
    labels: Mapping[str, bool | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptPair:
    """Two sentences for a zero-shot classifier: one says that a finding is there, one that not."""

    name: str
    positive: str
    negative: str
