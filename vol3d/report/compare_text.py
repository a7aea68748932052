"""Sentences about what changed between two scans, each with the ids of its facts."""

from __future__ import annotations

from vol3d.anatomy import Language, group_name, is_group, lesion_types, structure
from vol3d.measure.compare import Comparison, LesionChange
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.report.records import Sentence

_WORDS_ZH = {
    "larger": "增大",
    "smaller": "缩小",
    "stable": "无明显变化",
}
_REASONS_ZH = {
    "the other scan does not cover its place": "另一次扫描未覆盖该部位",
    "nobody looked for such lesions in the other scan": "另一次扫描未标注此类病灶",
    "the scans could not be laid over each other reliably": "两次扫描无法可靠配准",
}


def comparison_sentences(
    comparison: Comparison, prior: CaseFacts, current: CaseFacts, language: Language
) -> tuple[Sentence, ...]:
    """One sentence per lesion that is in either scan, then one per organ of changed volume.

    Fact ids start with ``prior.``, ``current.`` or ``comparison.``.

    Args:
        comparison: What changed.
        prior: Facts of the earlier scan.
        current: Facts of the later scan.
        language: Of the sentences.
    """
    sentences = []
    for change in comparison.lesions:
        text = _lesion_text(change, prior, current, language)
        ids = [f"comparison.lesions.{change.id}"]
        ids += [f"prior.lesions.{change.prior_id}"] if change.prior_id else []
        ids += [f"current.lesions.{change.current_id}"] if change.current_id else []
        sentences.append(Sentence(text=text, fact_ids=tuple(ids), organ=change.organ))
    for organ in comparison.organs:
        if structure(organ.organ).kind != "organ" or abs(organ.change_percent) < 10:
            continue
        name = structure(organ.organ).name(language)
        old, new, share = organ.prior_volume_cm3, organ.current_volume_cm3, organ.change_percent
        text = (
            f"{name.capitalize()}: {new:.1f} cm3, previously {old:.1f} cm3 ({share:+.0f} %)."
            if language == "en"
            else f"{name}: {new:.1f} cm3, 前次{old:.1f} cm3 ({share:+.0f} %)。"
        )
        ids = [f"{scan}.organs.{organ.organ}.volume_cm3" for scan in ("prior", "current")]
        sentences.append(Sentence(text=text, fact_ids=tuple(ids), organ=organ.organ))
    return tuple(sentences)


def _lesion_text(
    change: LesionChange, prior: CaseFacts, current: CaseFacts, language: Language
) -> str:
    lesion = _find(current, change.current_id) or _find(prior, change.prior_id)
    if lesion is None:
        raise ValueError(f"{change.id} names a lesion that neither scan has")
    place = _place(lesion, language)
    size = f"{lesion.longest_axial_diameter_mm / 10:.1f} cm"
    kind = lesion_types()[lesion.type].name(language)
    if change.change == "new":
        return (
            f"New {kind} in the {place}, {size}."
            if language == "en"
            else (f"{place}新发{kind}, 最长径{size}。")
        )
    if change.change == "resolved":
        return (
            f"The {kind} in the {place} (previously {size}) is no longer seen."
            if (language == "en")
            else f"{place}{kind}(前次{size})本次未见。"
        )
    if change.change == "not comparable":
        if language == "en":
            return f"A {kind} in the {place}, {size}: not comparable; {change.reason}."
        return f"{place}{kind}, {size}: 无法比较, {_REASONS_ZH[change.reason]}。"
    old, new = change.prior_volume_cm3 or 0.0, change.current_volume_cm3 or 0.0
    share = change.volume_change_percent or 0.0
    if language == "en":
        return (
            f"The {kind} in the {place}: {new:.1f} cm3, previously {old:.1f} cm3 "
            f"({share:+.0f} %); {change.change}."
        )
    word = _WORDS_ZH[change.change]
    return f"{place}{kind}: {new:.1f} cm3, 前次{old:.1f} cm3 ({share:+.0f} %), {word}。"


def _find(facts: CaseFacts, lesion_id: str | None) -> LesionFacts | None:
    return next((lesion for lesion in facts.lesions if lesion.id == lesion_id), None)


def _place(lesion: LesionFacts, language: Language) -> str:
    name = group_name(lesion.organ, language) if is_group(lesion.organ) else lesion.organ
    if lesion.side is not None:
        zh = {"left": "左", "right": "右"}[lesion.side]
        name = f"{lesion.side} {name}" if language == "en" else f"{zh}{name}"
    numbers = [each for each in lesion.segments if each.isdigit()]
    if numbers:
        shown = "/".join(numbers)
        name = f"{name} (segment {shown})" if language == "en" else f"{name}{shown}段"
    return name
