"""Names of organs: which label number means which organ in which scheme."""

from vol3d.anatomy.schemes import LabelScheme, find_scheme, label_scheme, scheme_keys

__all__ = ["LabelScheme", "find_scheme", "label_scheme", "scheme_keys"]
