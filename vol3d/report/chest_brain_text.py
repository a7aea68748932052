"""Sentences on measurements of the chest and of the brain that are no organ or lesion."""

from __future__ import annotations

from vol3d.report import numerals
from vol3d.report.records import Sentence
from vol3d.report.voice import Voice


def lung_sentences(voice: Voice) -> list[Sentence]:
    """Lung volume and emphysema."""
    chest = voice.facts.chest
    if chest is None:
        return []
    said = []
    if chest.lung_volume_cm3 is not None:
        volume = numerals.volume(chest.lung_volume_cm3)
        said.append(
            voice.say(
                "lung.volume", ("chest.lung_volume_cm3",), about="lung", fields={"volume": volume}
            )
        )
    if chest.emphysema_index_percent is not None:
        ids, has = abnormality(voice, "emphysema")
        key = "lung.emphysema" if has else "lung.emphysema_index"
        percent = numerals.percent(chest.emphysema_index_percent)
        ids = ("chest.emphysema_index_percent", *ids)
        said.append(voice.say(key, ids, about="lung", fields={"percent": percent}))
    return said


def heart_sentences(voice: Voice) -> list[Sentence]:
    """Cardiothoracic ratio and calcium of the coronary arteries."""
    chest = voice.facts.chest
    if chest is None:
        return []
    said = []
    if chest.cardiothoracic_ratio is not None:
        ids, has = abnormality(voice, "cardiomegaly")
        ids = ("chest.cardiothoracic_ratio", *ids)
        fields = {"ratio": numerals.ratio(chest.cardiothoracic_ratio)}
        key = "heart.large" if has else "heart.ratio"
        said.append(voice.say(key, ids, about="heart", fields=fields))
    ids, has = abnormality(voice, "coronary artery wall calcification")
    if has is not None:
        key = "heart.coronary" if has else "heart.no_coronary"
        said.append(voice.say(key, ids, about="heart"))
    return said


def aorta_sentences(voice: Voice) -> list[Sentence]:
    """Calcium of the aorta."""
    ids, has = abnormality(voice, "arterial wall calcification")
    return [voice.say("aorta.calcium", ids, about="aorta")] if has else []


def abnormality(voice: Voice, word: str) -> tuple[tuple[str, ...], bool | None]:
    """Whether the chest facts settle an abnormality word, with the id of that fact."""
    chest = voice.facts.chest
    for key, is_present in (chest.abnormalities if chest else {}).items():
        if key.casefold() == word:
            return (f"chest.abnormalities.{key}",), is_present
    return (), None


def shift_fields(voice: Voice) -> dict[str, str] | None:
    """Length and direction of a midline shift that does not print as zero."""
    brain = voice.facts.brain
    shift_mm = None if brain is None else brain.midline_shift_mm
    if shift_mm is None or numerals.one(shift_mm) == "0.0":
        return None
    side = "right" if shift_mm > 0 else "left"
    return {"shift": numerals.one(abs(shift_mm)), "side": voice.word(f"side.{side}")}


def brain_sentences(voice: Voice) -> list[Sentence]:
    """Midline shift and mass effect."""
    brain = voice.facts.brain
    if brain is None:
        return []
    said = []
    if brain.midline_shift_mm is not None:
        fields = shift_fields(voice)
        key = "brain.no_shift" if fields is None else "brain.shift"
        ids = ("brain.midline_shift_mm",)
        said.append(voice.say(key, ids, about="brain", fields=fields or {}))
    if brain.has_mass_effect is not None:
        key = "brain.mass_effect" if brain.has_mass_effect else "brain.no_mass_effect"
        said.append(voice.say(key, ("brain.has_mass_effect",), about="brain"))
    return said
