"""What the lesion masks of a case allow one to say: looked for, present, how large.

No lesion in a record means "none" only where somebody looked. A type was looked for if it has a
mask of its own, or if a mask of all lesions of the organ is empty: then there is none of any type.
A mask of all lesions that shows some says nothing about a type.
"""

from __future__ import annotations

from types import MappingProxyType

from vol3d.anatomy import group_members
from vol3d.measure.facts import CaseFacts, LesionFacts

ANY_TYPE = "lesion"
"""The type of a mask that shows lesions of all types."""

_COMPLETE_TYPES = MappingProxyType(
    {
        "liver": (frozenset({"tumor", "cyst"}),),
        "kidney": (frozenset({"tumor", "cyst"}),),
        "pancreas": (frozenset({"pdac", "pnet", "cyst"}), frozenset({"tumor", "cyst"})),
        "colon": (frozenset({"tumor"}),),
        "spleen": (frozenset({"tumor", "cyst"}),),
        "lung": (frozenset({"nodule"}), frozenset({"tumor"})),
        "brain": (frozenset({"metastasis"}), frozenset({"tumor"})),
    }
)
"""By organ: sets of types of which one, looked for, covers the organ's lesions."""


def was_looked_for(facts: CaseFacts, organ: str, lesion_type: str) -> bool:
    """Whether the masks settle how many lesions of a type an organ has.

    Args:
        facts: The record.
        organ: Without side, such as ``kidney``.
        lesion_type: Key of the type; ``lesion`` asks about a mask of lesions of any type.
    """
    looked_for = _looked_for(facts, organ)
    if lesion_type in looked_for:
        return True
    return ANY_TYPE in looked_for and not facts.lesions_of(organ)


def is_fully_annotated(facts: CaseFacts, organ: str) -> bool:
    """Whether all lesions of an organ were looked for: as such, or every standard type of it."""
    looked_for = _looked_for(facts, organ)
    if ANY_TYPE in looked_for:
        return True
    return any(types <= looked_for for types in _COMPLETE_TYPES.get(organ, ()))


def _looked_for(facts: CaseFacts, organ: str) -> frozenset[str]:
    """Types with a mask; none where the scan is known not to show the organ."""
    known = [key for key in group_members(organ) if key in facts.organs]
    is_out = bool(known) and not any(facts.organs[key].is_measured for key in known)
    if is_out and not facts.lesions_of(organ):
        return frozenset()
    return frozenset(facts.annotated.get(organ, ()))


def lesion_presence(facts: CaseFacts, organ: str, lesion_type: str | None = None) -> bool | None:
    """Whether an organ has a lesion.

    Args:
        facts: The record.
        organ: Without side, such as ``kidney``.
        lesion_type: Of this type; of any type if ``None``.

    Returns:
        ``None`` where nobody looked, so that an empty record is no statement.
    """
    if facts.lesions_of(organ, lesion_type):
        return True
    if lesion_type is None:
        return False if is_fully_annotated(facts, organ) else None
    return False if was_looked_for(facts, organ, lesion_type) else None


def largest_lesion(
    facts: CaseFacts, organ: str, lesion_type: str | None = None
) -> LesionFacts | None:
    """The lesion of largest volume of an organ (and type), or ``None`` if it has none."""
    return next(iter(facts.lesions_of(organ, lesion_type)), None)
