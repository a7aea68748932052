"""Synthetic patients with detailed anatomy, lesions and acquisition; never for patients."""

from vol3d.phantom.subjects.make import Subject, make_subject
from vol3d.phantom.subjects.plan import LesionPlan, SubjectConfig, SubjectPlan
from vol3d.phantom.subjects.real import implant_lesions, subject_from_labels
from vol3d.phantom.subjects.tissues import LABELS, STRUCTURE_LABELS

__all__ = [
    "LABELS",
    "STRUCTURE_LABELS",
    "LesionPlan",
    "Subject",
    "SubjectConfig",
    "SubjectPlan",
    "implant_lesions",
    "make_subject",
    "subject_from_labels",
]
