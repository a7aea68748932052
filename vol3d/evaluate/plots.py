"""Coordinates of the two square plots of an evaluation page; the template only draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vol3d.evaluate.calibration import Calibration, CoverageRisk

WIDTH, HEIGHT = 400, 310
LEFT, RIGHT, TOP, BOTTOM = 66, 26, 14, 44


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A grid line with its label, in pixels along one axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A mean with its interval, in pixels from the top left."""

    x: float
    y: float
    y_low: float
    y_high: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A square plot in pixels from the top left; y grows downwards.

    Args:
        x_ticks: Along the lower edge.
        y_ticks: Along the left edge.
        path: SVG path of the curve; empty without one.
        reference: Ends of the dashed line to compare with: x1, y1, x2, y2.
        dots: Marked points.
    """

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    path: str
    reference: tuple[float, float, float, float]
    dots: tuple[Dot, ...]


def plot_reliability(calibration: Calibration) -> Plot:
    """Score against confidence, one dot per bin, beside the diagonal."""
    x, y = _scale_x(1.0), _scale_y(1.0)
    return Plot(
        x_ticks=_ticks(x, 1.0),
        y_ticks=_ticks(y, 1.0),
        path="",
        reference=(x(0), y(0), x(1), y(1)),
        dots=tuple(
            Dot(
                x=x(each.confidence),
                y=y(each.score),
                y_low=y(each.interval.low),
                y_high=y(each.interval.high),
                label=f"confidence {each.confidence:.2f}, score {each.score:.2f}, {each.num}",
            )
            for each in calibration.bins
        ),
    )


def plot_coverage_risk(curve: CoverageRisk) -> Plot:
    """Risk against coverage, beside the flat line of confidences that tell nothing."""
    risks = [point.risk for point in curve.points] + ([curve.own.risk] if curve.own else [])
    top = min(1.0, max(0.1, math.ceil(10 * max(risks, default=0.1) - 1e-9) / 10))
    x, y = _scale_x(1.0), _scale_y(top)
    whole = curve.points[-1].risk if curve.points else 0.0
    own = curve.own
    return Plot(
        x_ticks=_ticks(x, 1.0),
        y_ticks=_ticks(y, top),
        path=_path([(x(point.coverage), y(point.risk)) for point in curve.points]),
        reference=(x(0), y(whole), x(1), y(whole)),
        dots=()
        if own is None
        else (
            Dot(
                x=x(own.coverage),
                y=y(own.risk),
                y_low=y(own.risk),
                y_high=y(own.risk),
                label=f"own abstentions: coverage {own.coverage:.2f}, risk {own.risk:.2f}",
            ),
        ),
    )


def _scale_x(top: float) -> Callable[[float], float]:
    return lambda value: round(LEFT + value / top * (WIDTH - LEFT - RIGHT), 1)


def _scale_y(top: float) -> Callable[[float], float]:
    return lambda value: round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def _ticks(scale: Callable[[float], float], top: float) -> tuple[Tick, ...]:
    """Five or fewer steps of a round size from 0 to the top, labelled in percent."""
    step = next(step for step in (2, 5, 10, 20, 25) if 100 * top / step <= 5)
    num = math.floor(100 * top / step + 1e-9)
    values = [step * index for index in range(num + 1)]
    return tuple(Tick(at=scale(value / 100), label=f"{value} %") for value in values)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{'ML'[index > 0]}{x} {y}" for index, (x, y) in enumerate(points))
