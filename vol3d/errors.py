"""The errors that vol3d raises on purpose.

Each message answers four questions: what was expected, what came, where, and what to do.
The command line maps them to exit codes: :class:`GeometryError` and :class:`DataError` end with 3
(input refused), :class:`ConfigError` with 2 (usage), everything else with 1.
"""

from __future__ import annotations


class Vol3dError(ValueError):
    """Base of every error that vol3d raises for a user's input."""


class DataError(Vol3dError):
    """A file that cannot be read as the scan, mask or table it should be."""


class GeometryError(DataError):
    """A scan whose geometry is unusable: missing slices, mixed orientations, no spacing."""


class BudgetError(DataError):
    """A scan that is fine but larger than a model can take."""


class ConfigError(Vol3dError):
    """A configuration, option or question that does not fit the schema."""


class CheckpointError(Vol3dError):
    """A checkpoint that is incomplete, damaged or made for something else."""


def explain(*, expected: str, got: str, where: str, remedy: str) -> str:
    """Returns one message in the house form: where, got, expected, remedy.

    >>> explain(expected="> 0 mm", got="0.0 mm", where="pixdim[3]", remedy="Repair the header.")
    'pixdim[3]: got 0.0 mm; expected > 0 mm. Repair the header.'
    """
    return f"{where}: got {got}; expected {expected}. {remedy}"
