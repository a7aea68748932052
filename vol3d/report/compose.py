"""From the facts of a case to its report."""

from __future__ import annotations

from vol3d.anatomy import Language, group_members, structure
from vol3d.measure.facts import CaseFacts
from vol3d.report.chest_brain_text import (
    aorta_sentences,
    brain_sentences,
    heart_sentences,
    lung_sentences,
)
from vol3d.report.gaps import gap_sentences, is_core, shown_regions
from vol3d.report.impression import impression_sentences
from vol3d.report.lesion_text import lesion_sentences
from vol3d.report.organ_text import derived_sentences, members, organ_sentences
from vol3d.report.places import UNSPECIFIED
from vol3d.report.records import FindingsReport, ReportSection, SectionKey, Sentence, Style
from vol3d.report.schema import DISCLAIMER
from vol3d.report.table import table_rows
from vol3d.report.voice import Voice

ORGAN_ORDER = (
    "liver",
    "gallbladder",
    "common_bile_duct",
    "spleen",
    "pancreas",
    "kidney",
    "adrenal_gland",
    "stomach",
    "duodenum",
    "small_bowel",
    "colon",
    "rectum",
    "urinary_bladder",
    "prostate",
    "uterus",
    "peritoneum",
    "aorta",
    "inferior_vena_cava",
    "portal_vein_and_splenic_vein",
    "portal_vein",
    "lungs",
    "lung",
    "pleura",
    "heart",
    "pericardium",
    "mediastinum",
    "esophagus",
    "trachea",
    "thyroid_gland",
    "brain",
    "spinal_cord",
)
"""Order of the findings; organs with lesions that are not in it follow, then unnamed ones."""
_DISCLAIMERS = {"en": DISCLAIMER, "zh": f"仅供研究使用，不得用于临床。{DISCLAIMER}"}  # noqa: RUF001


def compose_report(
    facts: CaseFacts, *, language: Language, style: Style, seed: int = 0
) -> FindingsReport:
    """The report on a case.

    Args:
        facts: The case.
        language: ``en`` or ``zh``.
        style: ``structured``: one short line per statement and a table in the text; ``narrative``:
            a paragraph per organ.
        seed: Picks among wordings in the narrative style; 0 is always the first one.

    Returns:
        Exam, findings by organ, what was not assessed, impression, where the masks came from, and
        the table. Every sentence names the facts behind it.
    """
    voice = Voice(facts=facts, language=language, style=style, seed=seed)
    parts: tuple[tuple[SectionKey, list[Sentence]], ...] = (
        ("exam", exam_sentences(voice)),
        ("findings", finding_sentences(voice)),
        ("not_assessed", gap_sentences(voice)),
        ("impression", impression_sentences(voice)),
        ("provenance", provenance_sentences(voice)),
    )
    return FindingsReport(
        sections=tuple(
            ReportSection(key=key, heading=voice.word(f"heading.{key}"), sentences=tuple(said))
            for key, said in parts
        ),
        table=table_rows(voice),
        table_heading=voice.word("heading.table"),
        language=language,
        style=style,
        disclaimer=_DISCLAIMERS[language],
    )


def exam_sentences(voice: Voice) -> list[Sentence]:
    """Modality, region, contrast phase and how it is known, spacing."""
    scan = voice.facts.scan
    modality = voice.word(f"modality.{scan.modality}")
    names = [f"region.{name}" for name in shown_regions(voice.facts)]
    regions = [voice.word(name) for name in names if voice.has_word(name)]
    said = [voice.say("exam.scan_only", ("scan.modality",), fields={"modality": modality})]
    if regions:
        fields = {"modality": modality, "regions": voice.listing(regions)}
        where = "scan.regions" if scan.regions else "organs"
        said = [voice.say("exam.scan", ("scan.modality", where), fields=fields)]
    if scan.modality == "CT":
        said.append(_phase(voice))
    z, y, x = (f"{step:.2f}".rstrip("0").rstrip(".") for step in scan.spacing_zyx_mm)
    fields = {"x": x, "y": y, "z": z}
    return [*said, voice.say("exam.spacing", ("scan.spacing_zyx_mm",), fields=fields)]


def _phase(voice: Voice) -> Sentence:
    phase = voice.facts.scan.phase
    if phase.value is None:
        return voice.say("exam.phase_unknown", ("scan.phase.source",))
    fields = {
        "phase": voice.word(f"phase.{phase.value}"),
        "source": voice.word(f"phase_source.{phase.source}"),
    }
    return voice.say("exam.phase", ("scan.phase.value", "scan.phase.source"), fields=fields)


def finding_sentences(voice: Voice) -> list[Sentence]:
    """All organs in order: each with its volume, what follows from it, and its lesions."""
    facts = voice.facts
    others = dict.fromkeys((*facts.annotated, *(each.organ for each in facts.lesions)))
    rest = [name for name in others if name not in ORGAN_ORDER and name != UNSPECIFIED]
    said = []
    for group in (*ORGAN_ORDER, *rest, UNSPECIFIED):
        for organ in members(facts, group):
            said += organ_sentences(voice, organ, is_core=is_core(facts, organ.key))
        said += _measurements(voice, group)
        said += lesion_sentences(voice, group)
    return said + _tissue(voice)


def _measurements(voice: Voice, group: str) -> list[Sentence]:
    if group == "lung":
        return lung_sentences(voice)
    if group == "heart":
        return heart_sentences(voice)
    if group == "aorta":
        return aorta_sentences(voice)
    if group == "brain":
        return brain_sentences(voice)
    return derived_sentences(voice, group) if group_members(group) else []


def _tissue(voice: Voice) -> list[Sentence]:
    """One line for bones and muscles."""
    keys = [
        key
        for key, each in voice.facts.organs.items()
        if each.is_measured and structure(key).kind in ("bone", "muscle")
    ]
    ids = [f"organs.{key}.volume_cm3" for key in keys]
    return [voice.say("tissue.table_only", ids)] if keys else []


def provenance_sentences(voice: Voice) -> list[Sentence]:
    """Who made the masks, and what the values are not."""
    made = voice.facts.provenance
    ids = ["provenance.mask_source", "provenance.profile"]
    fields = {
        "source": voice.word(f"source.{made.mask_source}"),
        "profile": made.profile,
        "tool": "",
    }
    if made.mask_tool:
        fields["tool"] = voice.fill("provenance.tool", (), {"tool": made.mask_tool})
        ids.append("provenance.mask_tool")
    masks = voice.say("provenance.masks", ids, fields=fields)
    return [masks, voice.say("provenance.limits", ("provenance.mask_source",))]
