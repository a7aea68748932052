"""Sentences on a pancreatic tumour: what it touches, vessel by vessel, stage, resectability."""

from __future__ import annotations

from vol3d.anatomy import structure, threshold
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.report import numerals
from vol3d.report.places import place_ids
from vol3d.report.records import Sentence
from vol3d.report.voice import Voice

VESSELS = (
    "superior_mesenteric_artery",
    "celiac_trunk",
    "common_hepatic_artery",
    "splenic_artery",
    "portal_vein_and_splenic_vein",
    "portal_vein",
    "superior_mesenteric_vein",
    "splenic_vein",
    "inferior_vena_cava",
    "aorta",
)
"""Order in which contact with vessels is listed."""


def staged_tumour(facts: CaseFacts) -> LesionFacts | None:
    """The largest pancreatic lesion that is no cyst: that which stage and resectability mean."""
    return next((each for each in facts.lesions_of("pancreas") if each.type != "cyst"), None)


def tumour_sentences(voice: Voice, lesion: LesionFacts, named: dict[str, str]) -> list[Sentence]:
    """Contacts, vessel angles and stage of a pancreatic tumour."""
    said = []
    touched = [
        voice.structure(each.structure)
        for each in lesion.contacts
        if each.gap_mm == 0 and structure(each.structure).kind == "organ"
    ]
    if touched:
        ids = (f"lesions.{lesion.id}.contacts", *place_ids(lesion))
        articled = [name if voice.language == "zh" else f"the {name}" for name in touched]
        others = voice.listing(articled)
        said.append(
            voice.say("lesion.touches", ids, lesion=lesion, fields=named | {"others": others})
        )
    vessels = [name for name in VESSELS if name in lesion.vessel_angles_deg]
    if vessels:
        ids = (*(f"lesions.{lesion.id}.vessel_angles_deg.{v}" for v in vessels), *place_ids(lesion))
        phrases = ", ".join(_vessel(voice, v, lesion.vessel_angles_deg[v]) for v in vessels)
        if voice.language == "zh":
            phrases = phrases.replace(", ", "、")
        said.append(
            voice.say("lesion.vessels", ids, lesion=lesion, fields=named | {"vessels": phrases})
        )
    stage = stage_fields(voice, lesion)
    if stage is not None:
        fields, stage_ids = stage
        ids = (*stage_ids, *place_ids(lesion))
        said.append(voice.say("lesion.stage", ids, lesion=lesion, fields=named | fields))
    return said


def _vessel(voice: Voice, vessel: str, angle_deg: float) -> str:
    contact = "none" if angle_deg == 0 else "contact"
    if angle_deg >= threshold("t_stage.artery_angle_deg"):
        contact = "encasement"
    fields = {
        "vessel": voice.structure(vessel),
        "angle": numerals.angle(angle_deg),
        "contact": voice.word(f"vessel.{contact}"),
    }
    return voice.fill("lesion.vessel", (), fields)


def stage_fields(
    voice: Voice, lesion: LesionFacts
) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """Stage and resectability, if this is the tumour that they belong to, with their ids."""
    derived = voice.facts.derived
    staged = staged_tumour(voice.facts)
    if derived.t_stage is None or staged is None or staged.id != lesion.id:
        return None
    fields = {"stage": f"c{derived.t_stage}NxMx", "resectability": ""}
    ids: tuple[str, ...] = ("derived.t_stage",)
    if derived.resectability is not None:
        word = voice.word(f"resectability.{derived.resectability}")
        fields["resectability"] = voice.fill("resectability", (), {"resectability": word})
        ids = (*ids, "derived.resectability")
    return fields, ids
