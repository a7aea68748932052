"""Load once, report, answer."""

from vol3d.infer.examples import example_scan, resolve_scan
from vol3d.infer.vol3d import Analysis, Vol3d

__all__ = ["Analysis", "Vol3d", "example_scan", "resolve_scan"]
