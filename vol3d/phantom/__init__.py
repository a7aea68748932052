"""Procedural abdominal CT phantoms with exact masks, for training and tests; never for patients."""

from vol3d.phantom.labels import LESION_ORGANS, ORGAN_NAMES, Organ
from vol3d.phantom.lesions import LesionTruth
from vol3d.phantom.make import Phantom, make_phantom
from vol3d.phantom.plan import Attenuation, CasePlan, Draw, PhantomConfig, plan_case

__all__ = [
    "LESION_ORGANS",
    "ORGAN_NAMES",
    "Attenuation",
    "CasePlan",
    "Draw",
    "LesionTruth",
    "Organ",
    "Phantom",
    "PhantomConfig",
    "make_phantom",
    "plan_case",
]
