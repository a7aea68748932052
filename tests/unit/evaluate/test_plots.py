"""Coordinates of the square plots."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scored_rows import scored

from vol3d.evaluate.calibration import calibrate, coverage_risk
from vol3d.evaluate.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    plot_coverage_risk,
    plot_reliability,
)


def test_a_confidence_that_is_true_lies_on_the_diagonal() -> None:
    plot = plot_reliability(calibrate([scored("a", 1.0, confidence=1.0)]))
    x1, y1, x2, y2 = plot.reference
    assert (x1, y1) == (LEFT, HEIGHT - BOTTOM)
    assert (x2, y2) == (WIDTH - RIGHT, TOP)
    assert (plot.dots[0].x, plot.dots[0].y) == (x2, y2)


def test_higher_scores_lie_higher() -> None:
    rows = [scored("a", 0.0, confidence=0.1), scored("b", 1.0, confidence=0.9)]
    low, high = plot_reliability(calibrate(rows)).dots
    assert low.x < high.x
    assert low.y > high.y


def test_the_risk_axis_ends_at_the_next_ten_percent() -> None:
    rows = [scored(str(i), float(i > 2), confidence=i / 10) for i in range(10)]
    ticks = plot_coverage_risk(coverage_risk(rows)).y_ticks
    assert [tick.label for tick in ticks] == ["0 %", "10 %", "20 %", "30 %"]
    assert ticks[-1].at == TOP


def test_own_abstentions_are_a_dot() -> None:
    rows = [scored("a", confidence=0.5), scored("b", 0.0, confidence=0.5, is_abstention=True)]
    (dot,) = plot_coverage_risk(coverage_risk(rows)).dots
    assert dot.label == "own abstentions: coverage 0.50, risk 0.00"


def test_without_confidences_there_is_no_curve() -> None:
    plot = plot_coverage_risk(coverage_risk([scored("a")]))
    assert (plot.path, plot.dots) == ("", ())


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_everything_lies_inside_the_frame(answers: list[tuple[float, float]]) -> None:
    rows = [scored(str(i), s, confidence=c) for i, (c, s) in enumerate(answers)]
    for plot in (plot_reliability(calibrate(rows)), plot_coverage_risk(coverage_risk(rows))):
        numbers = [part.lstrip("ML") for part in plot.path.split()]
        xs = [float(x) for x in numbers[::2]] + [dot.x for dot in plot.dots]
        ys = [float(y) for y in numbers[1::2]] + [dot.y for dot in plot.dots]
        assert all(LEFT <= x <= WIDTH - RIGHT for x in xs)
        assert all(TOP <= y <= HEIGHT - BOTTOM for y in ys)
