"""True answers to the measuring and seeing subtypes: small pure functions over facts and slots.

Each gives ``None`` where the facts do not settle the answer: an organ that is cut off, a lesion
type that nobody looked for, a phase in which the rule does not hold.
"""

from __future__ import annotations

from vol3d.anatomy import group_members, threshold
from vol3d.measure.facts import CaseFacts, Contact, LesionFacts
from vol3d.measure.rules import (
    is_fully_annotated,
    largest_lesion,
    lesion_presence,
    was_looked_for,
)
from vol3d.vqa.values import NO, YES, Number, Phrase, Slots, Value, phrase_table, yes_no

ANY = "lesion"


def presence(organ: str, lesion_type: str | None) -> object:
    """An answer function: whether an organ has a lesion of a type."""

    def answer(facts: CaseFacts, slots: Slots) -> Value | None:
        return yes_no(lesion_presence(facts, organ, lesion_type))

    return answer


def splenomegaly(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether the spleen is larger than normal."""
    return yes_no(facts.derived.is_enlarged.get("spleen"))


def enlargement(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether an organ is larger than normal."""
    return yes_no(facts.derived.is_enlarged.get(slots["organ"]))


def organ_volume(facts: CaseFacts, slots: Slots) -> Value | None:
    """Volume of a whole organ in cm3."""
    organ = facts.whole_organ(slots["organ"])
    return None if organ is None else Number(value=organ.volume_cm3)


def organ_hu(facts: CaseFacts, slots: Slots) -> Value | None:
    """Mean HU without lesions; of both kidneys together, by volume."""
    if facts.scan.unit != "HU":
        return None
    found = [facts.organs.get(key) for key in group_members(slots["organ"])]
    means = [(o.volume_cm3, o.mean_intensity) for o in found if o is not None and o.is_measured]
    known = [(volume, mean) for volume, mean in means if mean is not None]
    if not known or any(o is None or o.status == "not_seen" for o in found):
        return None
    return Number(value=sum(v * m for v, m in known) / sum(v for v, _ in known))


def _typed(facts: CaseFacts, slots: Slots) -> tuple[LesionFacts, ...] | None:
    """Lesions of the asked type, or ``None`` where their number is not known."""
    organ, lesion_type = slots["organ"], slots["lesion_type"]
    if lesion_type == ANY:
        return facts.lesions_of(organ) if is_fully_annotated(facts, organ) else None
    return (
        facts.lesions_of(organ, lesion_type) if was_looked_for(facts, organ, lesion_type) else None
    )


def lesion_volume(facts: CaseFacts, slots: Slots) -> Value | None:
    """Summed volume of lesions in cm3; needs at least one."""
    found = _typed(facts, slots)
    return Number(value=sum(each.volume_cm3 for each in found)) if found else None


def hu_ratio(facts: CaseFacts, slots: Slots) -> Value | None:
    """Liver or pancreas over spleen, on unenhanced scans."""
    if facts.scan.phase.value != "unenhanced":
        return None
    table = {
        "liver": facts.derived.liver_spleen_ratio,
        "pancreas": facts.derived.pancreas_spleen_ratio,
    }
    ratio = table[slots["organ"]]
    return None if ratio is None else Number(value=ratio, decimals=2)


def burden(facts: CaseFacts, slots: Slots) -> Value | None:
    """Lesion share of an organ in percent."""
    share = facts.derived.burden_percent.get(slots["organ"])
    return None if share is None else Number(value=share)


def count(facts: CaseFacts, slots: Slots) -> Value | None:
    """Number of lesions."""
    found = _typed(facts, slots)
    return None if found is None else Number(value=len(found), decimals=0)


def count_in_segment(facts: CaseFacts, slots: Slots) -> Value | None:
    """Number of lesions in one part; a lesion in two parts counts in both."""
    found = _typed(facts, slots)
    if found is None or slots["organ"] not in facts.derived.counts_by_segment:
        return None
    return Number(value=sum(slots["segment"] in each.segments for each in found), decimals=0)


def largest_typed(facts: CaseFacts, slots: Slots) -> LesionFacts | None:
    """The largest lesion of the asked type."""
    found = _typed(facts, slots)
    return found[0] if found else None


def largest_diameter(facts: CaseFacts, slots: Slots) -> Value | None:
    """Longest diameter of the largest lesion in cm."""
    lesion = largest_typed(facts, slots)
    return None if lesion is None else Number(value=lesion.longest_axial_diameter_mm / 10)


def largest_slice(facts: CaseFacts, slots: Slots) -> Value | None:
    """Place of the largest lesion along the slices, percent from inferior."""
    lesion = largest_typed(facts, slots)
    return None if lesion is None else Number(value=lesion.slice_percent)


def aggregation(facts: CaseFacts, slots: Slots) -> Value | None:
    """Summed volume of two whole organs in cm3."""
    first, second = (facts.whole_organ(slots[key]) for key in ("organ", "organ_b"))
    if first is None or second is None:
        return None
    return Number(value=first.volume_cm3 + second.volume_cm3)


def largest_known(facts: CaseFacts, organ: str) -> LesionFacts | None:
    """The largest lesion of an organ, where all of its lesions were looked for."""
    return largest_lesion(facts, organ) if is_fully_annotated(facts, organ) else None


def healthy_mean_std(facts: CaseFacts, lesion: LesionFacts) -> tuple[float, float] | None:
    """Mean and deviation of the organ that holds a lesion, of its own side."""
    key = lesion.organ if lesion.side is None else f"{lesion.organ}_{lesion.side}"
    organ = facts.organ(key)
    if organ is None or organ.mean_intensity is None or organ.std_intensity is None:
        return None
    return organ.mean_intensity, organ.std_intensity


def hu_difference(facts: CaseFacts, slots: Slots) -> Value | None:
    """Absolute difference of HU between the largest lesion and its organ."""
    lesion = largest_known(facts, slots["organ"])
    if lesion is None or facts.scan.unit != "HU":
        return None
    healthy = healthy_mean_std(facts, lesion)
    return None if healthy is None else Number(value=abs(lesion.mean_intensity - healthy[0]))


def attenuation(facts: CaseFacts, slots: Slots) -> Value | None:
    """Attenuation class of the largest lesion."""
    lesion = largest_known(facts, slots["organ"])
    return None if lesion is None or not lesion.attenuation else Phrase(key=lesion.attenuation)


def location(facts: CaseFacts, slots: Slots) -> Value | None:
    """Parts of the organ that hold the largest lesion."""
    lesion = largest_known(facts, slots["organ"])
    if lesion is None or not lesion.segments:
        return None
    return Phrase(key="/".join(lesion.segments), kind="segments")


def segment_comparison(facts: CaseFacts, slots: Slots) -> Value | None:
    """Which of two parts holds more lesions."""
    counts = facts.derived.counts_by_segment.get(slots["organ"])
    if counts is None:
        return None
    first, second = (counts[slots[key]] for key in ("segment", "segment_b"))
    if first == second:
        return Phrase(key="equal")
    return Phrase(key=slots["segment" if first > second else "segment_b"], kind="segment")


def clustering(facts: CaseFacts, slots: Slots) -> Value | None:
    """How concentrated the liver's lesions are."""
    found = facts.derived.liver_clustering
    return None if found is None else Phrase(key=found)


def outlier(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether one lesion is far larger than all others; asked where there are lesions."""
    if not facts.lesions_of(slots["organ"]):
        return None
    return yes_no(facts.derived.is_outlier.get(slots["organ"]))


def kidney_comparison(facts: CaseFacts, slots: Slots) -> Value | None:
    """The larger kidney; equal if their volumes agree to 0.1 cm3."""
    left, right = facts.whole_organ("kidney_left"), facts.whole_organ("kidney_right")
    if left is None or right is None:
        return None
    difference = round(left.volume_cm3, 1) - round(right.volume_cm3, 1)
    if difference == 0:
        return Phrase(key="the same")
    return Phrase(key="left kidney" if difference > 0 else "right kidney")


def kidney_asymmetry(facts: CaseFacts, slots: Slots) -> Value | None:
    """The kidney with clearly more lesion volume."""
    found = facts.derived.kidney_burden
    if found is None or not facts.lesions_of("kidney"):
        return None
    return Phrase(key="symmetric" if found == "symmetric" else f"{found} kidney")


def burden_comparison(facts: CaseFacts, slots: Slots) -> Value | None:
    """The organ with the larger lesion share; equal where neither has any or both the same."""
    shares = facts.derived.burden_percent
    if slots["organ"] not in shares or slots["organ_b"] not in shares:
        return None
    first, second = shares[slots["organ"]], shares[slots["organ_b"]]
    if first == second:
        return Phrase(key="equal")
    return Phrase(key=slots["organ" if first > second else "organ_b"], kind="organ")


def neighbours(facts: CaseFacts, organ: str) -> tuple[Contact, ...]:
    """Other organs near the largest lesion, best first: most voxels within reach, then nearest."""
    lesion = largest_known(facts, organ)
    if lesion is None:
        return ()
    named = phrase_table()["names"]["organs"]
    own = {organ, *group_members(organ)} if lesion.side is None else {f"{organ}_{lesion.side}"}
    found = [c for c in lesion.contacts if c.structure in named and c.structure not in own]
    return tuple(sorted(found, key=lambda c: (-c.near_voxels, c.gap_mm, c.structure)))


def adjacent_organ(facts: CaseFacts, slots: Slots) -> Value | None:
    """The organ with most voxels within 4 mm of the largest lesion, else the nearest one."""
    found = neighbours(facts, slots["organ"])
    return Phrase(key=found[0].structure, kind="organ") if found else None


def spleen_grading(facts: CaseFacts, slots: Slots) -> Value | None:
    """Size class of the spleen."""
    grade = facts.derived.spleen_grade
    return None if grade is None else Phrase(key=f"{grade} spleen")


def pdac_or_pnet(facts: CaseFacts, slots: Slots) -> Value | None:
    """Type of the largest lesion of a known type."""
    typed = [each for each in facts.lesions_of("pancreas") if each.type in ("pdac", "pnet")]
    return Phrase(key=typed[0].type) if typed else None


def staging(facts: CaseFacts, slots: Slots) -> Value | None:
    """T stage of the pancreatic tumour."""
    return None if facts.derived.t_stage is None else Phrase(key=facts.derived.t_stage)


def cyst_resectability(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether the largest pancreatic cyst is large enough for resection."""
    cyst = largest_lesion(facts, "pancreas", "cyst")
    if cyst is None:
        return None
    is_large = cyst.volume_cm3 > threshold("pancreatic_cyst.resection_cm3")
    is_long = cyst.longest_axial_diameter_mm / 10 > threshold("pancreatic_cyst.resection_cm")
    return YES if is_large or is_long else NO


def fatty_liver(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether the unenhanced liver is darker than the spleen."""
    return yes_no(facts.derived.is_fatty_liver)


def resectability(facts: CaseFacts, slots: Slots) -> Value | None:
    """Resectability of the pancreatic tumour."""
    found = facts.derived.resectability
    return None if found is None else Phrase(key=found)


def steatosis(facts: CaseFacts, slots: Slots) -> Value | None:
    """Grade of hepatic steatosis."""
    grade = facts.derived.steatosis_grade
    return None if grade is None else Phrase(key=f"G{grade}")


def fatty_pancreas(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether the unenhanced pancreas is far darker than the spleen."""
    return yes_no(facts.derived.is_fatty_pancreas)


def portal_hypertension(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether organ sizes suggest portal hypertension."""
    return yes_no(facts.derived.is_portal_hypertension)


def cyst_or_tumor(facts: CaseFacts, slots: Slots) -> Value | None:
    """Type of the largest kidney lesion, by its mask or else by its HU."""
    lesion = largest_known(facts, "kidney")
    if lesion is None:
        return None
    if lesion.type in ("cyst", "tumor"):
        return Phrase(key=lesion.type)
    if facts.scan.unit != "HU":
        return None
    is_tumor = lesion.mean_intensity > threshold("kidney_lesion.tumor_hu")
    return Phrase(key="tumor" if is_tumor else "cyst")


def renal_mass(facts: CaseFacts, slots: Slots) -> Value | None:
    """Kind of the largest kidney lesion: a masked tumour, or by its HU."""
    lesion = largest_known(facts, "kidney")
    if lesion is None or facts.scan.unit != "HU":
        return None
    mean = lesion.mean_intensity
    if mean < threshold("renal_mass.fat_hu"):
        return Phrase(key="fat-containing")
    if lesion.type == "tumor":
        return Phrase(key="rcc")
    if mean <= threshold("renal_mass.simple_cyst_hu"):
        return Phrase(key="simple cyst")
    is_bright = mean > threshold("renal_mass.hyperattenuating_cyst_hu")
    return Phrase(key="hyperattenuating cyst" if is_bright else "indeterminate")


def pseudocyst(facts: CaseFacts, slots: Slots) -> Value | None:
    """Whether the largest pancreatic cyst is a pseudocyst, by its HU."""
    cyst = largest_lesion(facts, "pancreas", "cyst")
    if cyst is None or facts.scan.unit != "HU":
        return None
    return yes_no(cyst.mean_intensity > threshold("pseudocyst.hu"))
