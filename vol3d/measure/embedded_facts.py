"""The facts of a case: one record, measured from masks, that questions and report text share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vol3d.volume import Modality, Unit

Side = Literal["left", "right"]
Attenuation = Literal["hypoattenuating", "hyperattenuating"]
MaskSource = Literal["annotator", "segmenter", "own_head", "phantom"]
PointRAS = tuple[float, float, float]

LESION_ORGANS = ("liver", "spleen", "pancreas", "left kidney", "right kidney")
"""Names of the organs whose lesions questions and reports speak of, in report order."""

NORMAL_SPLEEN_MAX_CM3 = 300.0
ENLARGED_SPLEEN_MIN_CM3 = 450.0
"""Between the two bounds nothing is said about the spleen's size."""
ATTENUATION_MARGIN_HU = 10.0
"""Up to this difference from its organ a lesion is called neither dark nor bright."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OrganFacts(_Frozen):
    """What a mask says about one organ; an absent organ has volume 0 and no mean or centroid.

    ``mean_intensity`` is over the organ without its lesions, in ``EmbeddedFacts.unit``;
    ``is_truncated`` says that the organ touches the border of the scan.
    """

    name: str
    is_present: bool
    volume_cm3: float
    mean_intensity: float | None
    is_truncated: bool
    centroid_ras_mm: PointRAS | None


class LesionFacts(_Frozen):
    """What a mask says about one lesion.

    ``side`` is the patient's, and ``None`` for an unpaired organ or where it is not known.
    ``attenuation`` compares with the rest of the organ; it is ``None`` within 10 HU of it, where
    nothing of it is left, or where the scan is not CT in HU.
    """

    id: int
    organ: str
    side: Side | None
    attenuation: Attenuation | None
    volume_cm3: float
    longest_axial_diameter_mm: float
    mean_intensity: float
    centroid_ras_mm: PointRAS


class EmbeddedFacts(_Frozen):
    """Everything measured on one scan and its masks.

    ``organs`` holds only organs that the mask could have shown; ``annotated_lesion_organs`` names
    those whose lesions were looked for, so that "no lesion" is a statement and not a gap.
    """

    modality: Modality
    unit: Unit
    is_contrast_given: bool | None
    organs: dict[str, OrganFacts]
    lesions: tuple[LesionFacts, ...]
    annotated_lesion_organs: tuple[str, ...]
    mask_source: MaskSource

    def lesions_of(self, organ: str) -> tuple[LesionFacts, ...]:
        """The lesions of one organ, largest axial diameter first."""
        own = [lesion for lesion in self.lesions if lesion.organ == organ]
        return tuple(sorted(own, key=_largest_first))


def _largest_first(lesion: LesionFacts) -> tuple[float, int]:
    return -lesion.longest_axial_diameter_mm, lesion.id


def largest_lesion(facts: EmbeddedFacts) -> LesionFacts | None:
    """The lesion with the longest axial diameter (ties: lowest id); ``None`` without lesions."""
    return min(facts.lesions, key=_largest_first, default=None)


def missing_kidney(facts: EmbeddedFacts) -> Literal["left", "right", "none"] | None:
    """The side without a kidney, ``none`` if both are there, ``None`` if that cannot be said.

    A kidney is called missing only where the scan covers the other one completely.
    """
    left, right = facts.organs.get("left kidney"), facts.organs.get("right kidney")
    if left is None or right is None:
        return None
    if left.is_present and right.is_present:
        return "none"
    if left.is_present and not left.is_truncated:
        return "right"
    if right.is_present and not right.is_truncated:
        return "left"
    return None


def is_spleen_enlarged(facts: EmbeddedFacts) -> bool | None:
    """Whether the spleen is enlarged; ``None`` in the gap between the bounds or if cut off."""
    spleen = facts.organs.get("spleen")
    if spleen is None or not spleen.is_present:
        return None
    if spleen.volume_cm3 >= ENLARGED_SPLEEN_MIN_CM3:
        return True
    if spleen.volume_cm3 <= NORMAL_SPLEEN_MAX_CM3 and not spleen.is_truncated:
        return False
    return None


def lesion_attenuation(lesion_hu: float, organ_hu: float) -> Attenuation | None:
    """How a lesion differs from the rest of its organ; ``None`` within ``ATTENUATION_MARGIN_HU``.

    Args:
        lesion_hu: Mean of the lesion.
        organ_hu: Mean of the organ without its lesions.
    """
    difference = lesion_hu - organ_hu
    if abs(difference) <= ATTENUATION_MARGIN_HU:
        return None
    return "hypoattenuating" if difference < 0 else "hyperattenuating"


def is_side_named(organ: str) -> bool:
    """Whether an organ's name says its side, or the organ has none: its place is not needed."""
    words = set(organ.split())
    return bool(words & {"left", "right"}) or not words & {"kidney", "kidneys"}


def organ_side(organ: str, offset_right_mm: float | None) -> Side | None:
    """The patient's side of a lesion: from the organ's name, or from its place for ``kidney``.

    Args:
        organ: Such as ``left kidney``, ``kidneys`` or ``liver``.
        offset_right_mm: World x of the lesion minus that of the body's midline; ``None`` where
            the midline is not known.
    """
    words = organ.split()
    if "left" in words:
        return "left"
    if "right" in words:
        return "right"
    if offset_right_mm is not None and not is_side_named(organ):
        return "right" if offset_right_mm > 0 else "left"
    return None
