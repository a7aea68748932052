"""vol3d: read CT and MR volumes, say what they show, and prove it. Research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vol3d.infer import Vol3d
    from vol3d.report import Answer, Report
    from vol3d.volume import read_volume

__version__ = "0.1.0"

__all__ = ["Answer", "Report", "Vol3d", "__version__", "read_volume"]

_HOMES = {
    "Answer": "vol3d.report",
    "Report": "vol3d.report",
    "Vol3d": "vol3d.infer",
    "read_volume": "vol3d.volume",
}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that ``import vol3d`` itself stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vol3d' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, also those that were not used yet."""
    return sorted({*globals(), *__all__})
