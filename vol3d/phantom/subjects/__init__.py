"""Synthetic patients with detailed anatomy, lesions and acquisition; never for patients."""

from vol3d.phantom.subjects.make import Subject, make_subject
from vol3d.phantom.subjects.plan import LesionPlan, SubjectConfig, SubjectPlan
from vol3d.phantom.subjects.tissues import LABELS, STRUCTURE_LABELS

__all__ = [
    "LABELS",
    "STRUCTURE_LABELS",
    "LesionPlan",
    "Subject",
    "SubjectConfig",
    "SubjectPlan",
    "make_subject",
]
