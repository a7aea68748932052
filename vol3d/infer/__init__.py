"""Load once, report, answer."""

from vol3d.infer.examples import example_scan, resolve_scan
from vol3d.infer.recorder import StageClock
from vol3d.infer.scans import Examined, examine
from vol3d.infer.vol3d import Analysis, Vol3d

__all__ = [
    "Analysis",
    "Examined",
    "StageClock",
    "Vol3d",
    "examine",
    "example_scan",
    "resolve_scan",
]
