"""The report as one self-contained page: styles and pictures inside, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vol3d.export.gallery import Figure
from vol3d.report import Report, RunManifest


def render_page(report: Report, figures: Sequence[Figure], manifest: RunManifest) -> str:
    """HTML text of a report.

    Args:
        report: What is said.
        figures: Key slices in the order of the page.
        manifest: How the report was made.
    """
    return _template().render(report=report, figures=figures, manifest=manifest)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("vol3d.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["triple"] = _format_triple
    return environment.get_template("report.html.j2")


def _format_triple(values: Sequence[float], digits: int = 3) -> str:
    """Three numbers with an x between them, without needless zeros after the point."""
    texts = (f"{value:.{digits}f}" for value in values)
    return " x ".join(text.rstrip("0").rstrip(".") if "." in text else text for text in texts)
