"""An evaluation as one self-contained page: styles and plots inside, nothing loaded."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vol3d.evaluate import plots
from vol3d.evaluate.calibration import thinned
from vol3d.evaluate.figures import EvaluationSummary
from vol3d.evaluate.formats import MISSING, p_value, percent, span
from vol3d.evaluate.paired import FALSE_DISCOVERY

RISK_ROWS = 20


def render_evaluation(summary: EvaluationSummary) -> str:
    """HTML text of an evaluation; every name in it is shown as text, whatever it holds.

    Args:
        summary: What ``summarise`` returned.
    """
    return _template().render(
        summary=summary,
        reliability=plots.plot_reliability(summary.calibration),
        coverage=plots.plot_coverage_risk(summary.coverage_risk),
        risk_rows=thinned(summary.coverage_risk.points, RISK_ROWS),
        size=plots,
        level=FALSE_DISCOVERY,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("vol3d.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: _typeset(percent(share))
    environment.filters["short"] = lambda share: _typeset(percent(share, 1))
    environment.filters["span"] = lambda interval: _typeset(span(interval))
    environment.filters["p_value"] = lambda value: _typeset(p_value(value))
    environment.filters["place"] = place
    return environment.get_template("evaluation.html.j2")


def place(share: float, low: float = 0.0, high: float = 1.0) -> str:
    """Where a value lies on an axis from ``low`` to ``high``, for an SVG coordinate."""
    return f"{100 * (share - low) / (high - low):.2f}%"


def _typeset(text: str) -> str:
    """Text with a minus sign before numbers, or a dash alone."""
    return "\N{EN DASH}" if text == MISSING else text.replace("-", "\N{MINUS SIGN}")
