"""Questions about chest CT and the brain: a table of their own beside DeepTumorVQA's 42 subtypes.

Modality and region decide which may be asked: a chest row needs what ``CaseFacts.chest`` holds of a
chest CT, a brain row lesions or a midline of the brain. No row rests on HU but those of the chest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vol3d.anatomy import threshold
from vol3d.measure.chest import lung_keys
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.measure.neighbours import part_names
from vol3d.measure.rules import is_fully_annotated, lesion_presence, was_looked_for
from vol3d.vqa.clear import is_near
from vol3d.vqa.subtypes import AnswerRule, AnswerType, Subtype, SuperType
from vol3d.vqa.values import Number, Phrase, Slots, Value, yes_no

LEAST_SHIFT_MM = 1.0
"""The direction of a smaller shift is not asked for."""
LEAST_INDEX_PERCENT = 0.5
"""A smaller emphysema index is not asked for: its options would look the same."""


def _chest_number(name: str, *, decimals: int = 1) -> AnswerRule:
    def answer(facts: CaseFacts, slots: Slots) -> Value | None:
        value = None if facts.chest is None else getattr(facts.chest, name)
        return None if value is None else Number(value=value, decimals=decimals)

    return answer


def is_chest_ct(facts: CaseFacts) -> bool:
    """Whether a case may be asked about as a chest CT: its region says so, or its lungs are whole.

    The aorta of an abdomen may be calcified too; that makes it no chest.
    """
    return "chest" in facts.scan.regions or _has_whole_lungs(facts)


def _has_whole_lungs(facts: CaseFacts) -> bool:
    lungs = lung_keys(facts)
    return bool(lungs) and all(facts.whole_organ(key) is not None for key in lungs)


def _abnormality(facts: CaseFacts, slots: Slots) -> Value | None:
    if facts.chest is None or not is_chest_ct(facts):
        return None
    return yes_no(facts.chest.abnormalities.get(slots["abnormality"]))


def _nodules(facts: CaseFacts) -> tuple[LesionFacts, ...] | None:
    """Nodules of the lungs, or ``None`` where their number is not known."""
    is_known = _has_whole_lungs(facts) and was_looked_for(facts, "lung", "nodule")
    return facts.lesions_of("lung", "nodule") if is_known else None


def _brain_lesions(facts: CaseFacts) -> tuple[LesionFacts, ...] | None:
    return facts.lesions_of("brain") if is_fully_annotated(facts, "brain") else None


def _count(found: tuple[LesionFacts, ...] | None) -> Value | None:
    return None if found is None else Number(value=len(found), decimals=0)


def _diameter(found: tuple[LesionFacts, ...] | None) -> Value | None:
    longest = max((each.longest_axial_diameter_mm for each in found or ()), default=None)
    return None if longest is None else Number(value=longest)


def _place(found: tuple[LesionFacts, ...] | None) -> Value | None:
    """The part that holds the largest lesion, where it is a single one."""
    if not found or len(found[0].segments) != 1:
        return None
    lesion = found[0]
    names = part_names(lesion.organ)
    keys = [key for key, name in names.items() if name == lesion.segments[0]]
    if len(keys) > 1:
        keys = [key for key in keys if lesion.side and key.endswith(f"_{lesion.side}")]
    return Phrase(key=keys[0], kind="part") if len(keys) == 1 else None


def _sides(found: tuple[LesionFacts, ...]) -> Value | None:
    sides = {each.side for each in found}
    if not sides or None in sides:
        return None
    return Phrase(key="both sides" if len(sides) == 2 else f"{sides.pop()} side")


def _effusion_side(facts: CaseFacts, slots: Slots) -> Value | None:
    return _sides(facts.lesions_of("pleura", "effusion"))


def _shift_mm(facts: CaseFacts) -> float | None:
    return None if facts.brain is None else facts.brain.midline_shift_mm


def _shift(facts: CaseFacts, slots: Slots) -> Value | None:
    shift_mm = _shift_mm(facts)
    return None if shift_mm is None else Number(value=abs(shift_mm))


def _shift_direction(facts: CaseFacts, slots: Slots) -> Value | None:
    shift_mm = _shift_mm(facts)
    return None if not shift_mm else Phrase(key="right side" if shift_mm > 0 else "left side")


def _is_shifted(facts: CaseFacts, slots: Slots) -> Value | None:
    shift_mm = _shift_mm(facts)
    limit = threshold("midline_shift.mass_effect_mm")
    return yes_no(None if shift_mm is None else abs(shift_mm) >= limit)


def _volume(facts: CaseFacts, slots: Slots) -> Value | None:
    found = _brain_lesions(facts)
    return Number(value=found[0].volume_cm3) if found else None


def _row(
    name: str,
    group: tuple[SuperType, AnswerType],
    answer: AnswerRule,
    organ: str,
    *,
    lesions: bool = False,
    slots: tuple[str, ...] = (),
) -> Subtype:
    return Subtype(
        name=name,
        super_type=group[0],
        answer_type=group[1],
        slots=slots,
        num_tools=1 if group[0] == "recognition" else 2,
        organ=organ,
        is_about_lesions=lesions,
        answer=answer,
    )


_ROWS = (
    _row(
        "chest abnormality existence",
        ("recognition", "binary"),
        _abnormality,
        "chest",
        slots=("abnormality",),
    ),
    _row(
        "lung volume measurement",
        ("measurement", "numeric"),
        _chest_number("lung_volume_cm3"),
        "lung",
    ),
    _row(
        "emphysema index",
        ("measurement", "numeric"),
        _chest_number("emphysema_index_percent"),
        "lung",
    ),
    _row(
        "cardiothoracic ratio",
        ("measurement", "numeric"),
        _chest_number("cardiothoracic_ratio", decimals=2),
        "heart",
    ),
    _row(
        "lung nodule counting",
        ("visual reasoning", "numeric"),
        lambda facts, slots: _count(_nodules(facts)),
        "lung",
        lesions=True,
    ),
    _row(
        "largest lung nodule diameter",
        ("visual reasoning", "numeric"),
        lambda facts, slots: _diameter(_nodules(facts)),
        "lung",
        lesions=True,
    ),
    _row(
        "largest lung nodule lobe",
        ("visual reasoning", "categorical"),
        lambda facts, slots: _place(_nodules(facts)),
        "lung",
        lesions=True,
    ),
    _row("pleural effusion side", ("visual reasoning", "categorical"), _effusion_side, "pleura"),
    _row(
        "brain lesion existence",
        ("recognition", "binary"),
        lambda facts, slots: yes_no(lesion_presence(facts, "brain")),
        "brain",
        lesions=True,
    ),
    _row(
        "brain lesion counting",
        ("visual reasoning", "numeric"),
        lambda facts, slots: _count(_brain_lesions(facts)),
        "brain",
        lesions=True,
    ),
    _row(
        "brain lesion side",
        ("visual reasoning", "categorical"),
        lambda facts, slots: _sides(_brain_lesions(facts) or ()),
        "brain",
        lesions=True,
    ),
    _row("largest brain lesion volume", ("measurement", "numeric"), _volume, "brain", lesions=True),
    _row(
        "largest brain lesion diameter",
        ("visual reasoning", "numeric"),
        lambda facts, slots: _diameter(_brain_lesions(facts)),
        "brain",
        lesions=True,
    ),
    _row(
        "largest brain lesion region",
        ("visual reasoning", "categorical"),
        lambda facts, slots: _place(_brain_lesions(facts)),
        "brain",
        lesions=True,
    ),
    _row("midline shift measurement", ("measurement", "numeric"), _shift, "brain"),
    _row("midline shift direction", ("visual reasoning", "categorical"), _shift_direction, "brain"),
    _row("midline shift of 5 mm", ("medical reasoning", "binary"), _is_shifted, "brain"),
)

CHEST_BRAIN_SUBTYPES: Mapping[str, Subtype] = MappingProxyType({row.name: row for row in _ROWS})
"""All rows by name."""

_THRESHOLDS = {"Emphysema": "emphysema.index_percent", "Cardiomegaly": "cardiomegaly.ratio"}


def is_clear_here(subtype: str, facts: CaseFacts, slots: Slots) -> bool:
    """Whether a question of this table may be asked; its answer must be known.

    Args:
        subtype: Name of the row.
        facts: The case.
        slots: What the question asks about.
    """
    if subtype == "chest abnormality existence":
        return _is_clear_word(facts, slots["abnormality"])
    if subtype == "emphysema index" and facts.chest is not None:
        return (facts.chest.emphysema_index_percent or 0.0) >= LEAST_INDEX_PERCENT
    if subtype.startswith("largest"):
        found = (_nodules if "nodule" in subtype else _brain_lesions)(facts) or ()
        return _has_one_largest(found, by_length=subtype.endswith("diameter"))
    shift_mm = abs(_shift_mm(facts) or 0.0)
    if subtype in ("midline shift measurement", "midline shift direction"):
        return shift_mm >= LEAST_SHIFT_MM
    if subtype == "midline shift of 5 mm":
        return not is_near(shift_mm, threshold("midline_shift.mass_effect_mm"))
    return True


def _is_clear_word(facts: CaseFacts, word: str) -> bool:
    chest = facts.chest
    if chest is None or word not in _THRESHOLDS:
        return True
    value = chest.cardiothoracic_ratio if word == "Cardiomegaly" else chest.emphysema_index_percent
    return value is None or not is_near(value, threshold(_THRESHOLDS[word]))


def _has_one_largest(found: tuple[LesionFacts, ...], *, by_length: bool) -> bool:
    sizes = sorted(
        (each.longest_axial_diameter_mm if by_length else each.volume_cm3 for each in found),
        reverse=True,
    )
    return len(sizes) < 2 or not is_near(sizes[1], sizes[0])
