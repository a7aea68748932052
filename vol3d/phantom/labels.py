"""Labels that a phantom's organ mask uses, and their names in words."""

from __future__ import annotations

from enum import IntEnum


class Organ(IntEnum):
    """Values of ``Phantom.organs_zyx``; left and right are the patient's."""

    BACKGROUND = 0
    BODY = 1  # skin, fat, muscle and everything else that has no label of its own
    LIVER = 2
    SPLEEN = 3
    PANCREAS = 4
    KIDNEY_LEFT = 5
    KIDNEY_RIGHT = 6
    AORTA = 7
    VENA_CAVA = 8
    STOMACH = 9
    BOWEL = 10
    LUNG = 11
    BONE = 12
    GALLBLADDER = 13
    BLADDER = 14


ORGAN_NAMES: dict[int, str] = {
    Organ.LIVER: "liver",
    Organ.SPLEEN: "spleen",
    Organ.PANCREAS: "pancreas",
    Organ.KIDNEY_LEFT: "left kidney",
    Organ.KIDNEY_RIGHT: "right kidney",
    Organ.AORTA: "aorta",
    Organ.VENA_CAVA: "inferior vena cava",
    Organ.STOMACH: "stomach",
    Organ.BOWEL: "bowel",
    Organ.LUNG: "lungs",
    Organ.BONE: "bone",
    Organ.GALLBLADDER: "gallbladder",
    Organ.BLADDER: "urinary bladder",
}
"""Names of the labels that are organs, for ``measure_case`` and for people."""

LESION_ORGANS: tuple[Organ, ...] = (
    Organ.LIVER,
    Organ.SPLEEN,
    Organ.PANCREAS,
    Organ.KIDNEY_LEFT,
    Organ.KIDNEY_RIGHT,
)
"""Organs in which a phantom can have lesions."""
