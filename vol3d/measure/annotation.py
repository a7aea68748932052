"""What was looked for: the difference between "no lesion" and "nobody looked"."""

from __future__ import annotations

from vol3d.measure.facts import CaseFacts, LesionFacts

ANY_LESION = "lesion"
"""Type of masks that hold lesions of any type."""
_TYPES_OF = {
    "liver": ({"tumor", "cyst"},),
    "kidney": ({"tumor", "cyst"},),
    "spleen": ({"tumor", "cyst"},),
    "pancreas": ({"pdac", "pnet", "cyst"}, {"tumor", "cyst"}),
    "colon": ({"tumor"},),
    "lung": ({"nodule"}, {"tumor"}),
    "brain": ({"tumor"}, {"metastasis"}),
}
"""Types of which masks together show all lesions of an organ."""


def is_fully_annotated(facts: CaseFacts, organ: str) -> bool:
    """Whether lesions of every type were looked for in an organ.

    Args:
        facts: The case.
        organ: Without side, such as ``kidney``.
    """
    looked_for = set(facts.annotated.get(organ, ()))
    if ANY_LESION in looked_for:
        return True
    return any(types <= looked_for for types in _TYPES_OF.get(organ, ()))


def was_looked_for(facts: CaseFacts, organ: str, lesion_type: str) -> bool:
    """Whether it is known if an organ has lesions of a type.

    A mask of lesions of any type settles it only where it is empty: what it shows has no type.
    """
    looked_for = facts.annotated.get(organ, ())
    if lesion_type == ANY_LESION:
        return is_fully_annotated(facts, organ)
    if lesion_type in looked_for:
        return not facts.lesions_of(organ, ANY_LESION) or bool(facts.lesions_of(organ, lesion_type))
    return ANY_LESION in looked_for and not facts.lesions_of(organ, ANY_LESION)


def lesion_presence(facts: CaseFacts, organ: str, lesion_type: str | None = None) -> bool | None:
    """Whether an organ has a lesion; ``None`` where nobody looked for it.

    Args:
        facts: The case.
        organ: Without side.
        lesion_type: Of this type only; of any type if ``None``.
    """
    if lesion_type in (None, ANY_LESION):
        if facts.lesions_of(organ):
            return True
        return False if is_fully_annotated(facts, organ) else None
    if facts.lesions_of(organ, lesion_type):
        return True
    return False if was_looked_for(facts, organ, str(lesion_type)) else None


def largest_lesion(
    facts: CaseFacts, organ: str, lesion_type: str | None = None
) -> LesionFacts | None:
    """The lesion of an organ with the largest volume, of one type if one is named."""
    found = facts.lesions_of(organ, lesion_type)
    return found[0] if found else None
