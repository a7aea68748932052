"""Figures as text, the same for the terminal and the page."""

from __future__ import annotations

from vol3d.evaluate.statistics import Interval

MISSING = "-"


def percent(share: float | None, digits: int = 2) -> str:
    """A share in percent without the sign, or a hyphen where there is none."""
    if share is None:
        return MISSING
    text = f"{100 * share:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def span(interval: Interval) -> str:
    """The two ends of an interval in percent."""
    return f"{percent(interval.low, 1)} to {percent(interval.high, 1)}"


def p_value(value: float | None) -> str:
    """A p value with three decimals, or a hyphen where there is none."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
