"""What a report could not assess, each gap said once: no mask, not looked for, kept by a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vol3d.anatomy import group_members, structure
from vol3d.measure.facts import CaseFacts
from vol3d.measure.rules import is_fully_annotated
from vol3d.report.places import UNSPECIFIED
from vol3d.report.records import Sentence
from vol3d.report.tumour_text import staged_tumour
from vol3d.report.voice import Voice

EXPECTED = {
    "abdomen": (
        "liver",
        "gallbladder",
        "spleen",
        "pancreas",
        "kidney",
        "adrenal_gland",
        "stomach",
        "small_bowel",
        "colon",
    ),
    "pelvis": ("urinary_bladder",),
    "chest": ("lung", "heart"),
    "head": ("brain",),
}
"""Organ groups that a report on a region should speak of, or say that it cannot."""
SEXED = {"prostate": "F", "uterus": "M"}
"""Organs of one sex, and the sex that lacks them."""
_LESION_ORGANS = (
    "liver",
    "spleen",
    "pancreas",
    "kidney",
    "colon",
    "lung",
    "brain",
)
_FAT_RULES = {
    "fatty_liver": "liver",
    "is_fatty_liver": "liver",
    "steatosis_grade": "liver",
    "fatty_pancreas": "pancreas",
    "is_fatty_pancreas": "pancreas",
}
"""Rules of which a gate is reported, and the organ they speak of."""
_LUNG_PARTS = ("lungs", "lung_upper_lobe", "lung_lower_lobe", "lung_left", "lung_right")


def shown_regions(facts: CaseFacts) -> tuple[str, ...]:
    """Regions in the scan; where the record has none, those of the measured organs."""
    if facts.scan.regions:
        return facts.scan.regions
    found = {structure(key).region for key, each in facts.organs.items() if each.is_measured}
    return tuple(name for name in ("head", "neck", "chest", "abdomen", "pelvis") if name in found)


def is_core(facts: CaseFacts, key: str) -> bool:
    """Whether a report says of an organ that it is absent or not seen."""
    known = structure(key)
    if known.kind != "organ" or facts.scan.sex == SEXED.get(known.group, "none"):
        return False
    if known.group in SEXED:  # where the sex is not known, a man has no uterus that is absent
        return facts.scan.sex is not None
    expected = [group for region in shown_regions(facts) for group in EXPECTED.get(region, ())]
    return known.group in expected


def gap_sentences(voice: Voice) -> list[Sentence]:
    """All sentences under "Not assessed"."""
    return [
        *_without_mask(voice),
        *_not_seen(voice),
        *_not_looked_for(voice),
        *_gates(voice),
        *_stage(voice),
    ]


def _without_mask(voice: Voice) -> list[Sentence]:
    missing = [name for region in shown_regions(voice.facts) for name in _missing(voice, region)]
    if not missing:
        return []
    fields = {"organs": _commas(voice, missing)}
    return [voice.say("gap.organs", ("organs", "annotated", "scan.regions"), fields=fields)]


def _missing(voice: Voice, region: str) -> list[str]:
    facts = voice.facts
    found = []
    for group in EXPECTED.get(region, ()):
        lacking = [key for key in group_members(group) if key not in facts.organs]
        if group == "lung" and any(key.startswith(_LUNG_PARTS) for key in facts.organs):
            continue
        if len(lacking) == len(group_members(group)):
            found.append(voice.group(group))
        else:
            found += [voice.structure(key) for key in lacking]
    if region == "abdomen":
        found.append(voice.group("lymph_nodes"))
        if "peritoneum" not in facts.annotated:
            found.append(voice.group("peritoneum"))
    return found


def _not_seen(voice: Voice) -> list[Sentence]:
    """Organs of which the scan does not tell whether they exist, but for the core ones."""
    facts = voice.facts
    keys = [
        key
        for key, each in facts.organs.items()
        if each.status == "not_seen"
        and structure(key).kind == "organ"
        and not is_core(facts, key)
        and facts.scan.sex != SEXED.get(key, "none")
    ]
    if not keys:
        return []
    fields = {"organs": _commas(voice, [voice.structure(key) for key in keys])}
    ids = [f"organs.{key}.status" for key in keys]
    return [voice.say("gap.not_seen", ids, fields=fields)]


def _not_looked_for(voice: Voice) -> list[Sentence]:
    facts = voice.facts
    if not facts.annotated and not facts.lesions:
        return [voice.say("gap.no_masks", ("annotated",))]
    if set(facts.annotated) == {UNSPECIFIED}:
        return []
    said = []
    for group in _LESION_ORGANS:
        types = facts.annotated.get(group, ())
        is_there = any(facts.organ(key) for key in group_members(group))
        if types and not is_fully_annotated(facts, group):
            key = "gap.other_types"
        elif not types and is_there:
            key = "gap.lesions"
        else:
            continue
        ids = (f"annotated.{group}" if types else "annotated",)
        said.append(voice.say(key, ids, about=group, fields={"organ": voice.group(group)}))
    return said


def _gates(voice: Voice) -> list[Sentence]:
    """Rules that were kept from speaking, by reason."""
    facts = voice.facts
    by_reason: dict[str, list[str]] = {}
    for gate in facts.derived.gates:
        organ = _FAT_RULES.get(gate.rule)
        if organ is not None and facts.organ(organ) is not None:
            by_reason.setdefault(gate.reason, []).append(gate.rule.removeprefix("is_"))
    said = []
    for reason, rules in by_reason.items():
        key, fields, ids = _cause(voice, rules, reason)
        fields["rules"] = voice.listing(voice.word(f"rule.{rule}") for rule in rules)
        said.append(voice.say(key, ("derived.gates", *ids), fields=fields))
    return said


def _cause(
    voice: Voice, rules: Sequence[str], reason: str
) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """The reason of a gate in the report's own words, from the facts that it rests on."""
    scan = voice.facts.scan
    if scan.modality != "CT" or scan.unit != "HU":
        return "gate.no_ct", {}, ("scan.modality", "scan.unit")
    if scan.phase.value is None:
        return "gate.no_phase", {}, ("scan.phase.source",)
    if scan.phase.value != "unenhanced":
        return "gate.phase", {"phase": voice.word(f"phase.{scan.phase.value}")}, _PHASE
    spleen = voice.facts.organ("spleen")
    if "steatosis_grade" not in rules and (spleen is None or spleen.mean_intensity is None):
        return "gate.no_spleen", {}, ("organs",)
    if list(rules) == ["steatosis_grade"] and scan.kvp is not None:
        return "gate.kvp", {"kvp": f"{scan.kvp:g}"}, ("scan.kvp",)
    return "gate.other", {"reason": reason.rstrip(".")}, ()


_PHASE = ("scan.phase.value",)


def _stage(voice: Voice) -> list[Sentence]:
    """Stage and resectability of a pancreatic mass, where they could not be told."""
    tumour, derived = staged_tumour(voice.facts), voice.facts.derived
    if tumour is None:
        return []
    values = {"t_stage": derived.t_stage, "resectability": derived.resectability}
    missing = [voice.word(f"rule.{name}") for name, value in values.items() if value is None]
    if not missing:
        return []
    key = "gap.stage_cut" if tumour.is_truncated else "gap.stage"
    ids = [f"lesions.{tumour.id}.{name}" for name in ("type", "is_truncated", "vessel_angles_deg")]
    return [voice.say(key, ids, about="pancreas", fields={"rules": voice.listing(missing)})]


def _commas(voice: Voice, names: Iterable[str]) -> str:
    return ("、" if voice.language == "zh" else ", ").join(dict.fromkeys(names))
