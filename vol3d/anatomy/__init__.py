"""Structures, lesion types, label schemes and the thresholds of clinical rules."""

from vol3d.anatomy.ct_rate import CT_RATE_ABNORMALITIES
from vol3d.anatomy.schemes import LabelScheme, find_scheme, label_scheme, scheme_keys
from vol3d.anatomy.structures import (
    Language,
    LesionMask,
    LesionType,
    Structure,
    find_lesion_mask,
    find_structure,
    group_members,
    group_name,
    is_group,
    lesion_types,
    parts_of,
    structure,
    structures,
)
from vol3d.anatomy.thresholds import Threshold, threshold, thresholds, thresholds_sha256

__all__ = [
    "CT_RATE_ABNORMALITIES",
    "LabelScheme",
    "Language",
    "LesionMask",
    "LesionType",
    "Structure",
    "Threshold",
    "find_lesion_mask",
    "find_scheme",
    "find_structure",
    "group_members",
    "group_name",
    "is_group",
    "label_scheme",
    "lesion_types",
    "parts_of",
    "scheme_keys",
    "structure",
    "structures",
    "threshold",
    "thresholds",
    "thresholds_sha256",
]
