"""Accuracy against amount: runs, fitted lines with their bands, references."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curve import Curve
from analysis.figures.axes import (
    draw_lines,
    label_amounts,
    mark_passes,
    percent_ordinate,
    say_nothing_measured,
    sideways,
    value_range,
)
from analysis.figures.grid import Frame, panel_grid
from analysis.figures.legend import curves_legend
from analysis.figures.style import MUTED, RING, Column, Look, look_of, plain
from analysis.fitting import Status
from analysis.laws import Floats
from analysis.least_squares import Estimate
from analysis.panels import Panel, Panels

BAND_POINTS = 65
ZERO_HALF = 0.25  # doublings to either side of amount 0 that its mean is drawn


def scaling(panels: Panels, column: Column) -> Figure:
    """Runs as marks, each series' law with its 95 % band, references as dotted lines; odd runs are ringed.

    Filled marks are forecasts, with their intervals, and runs that were held out of the fit; faint ones are
    runs that the law does not look at.
    """

    def draw(axes: Axes, place: int, width: float) -> None:
        _draw(axes, panels.panels[place], panels, width)

    frame = Frame(panels.titles, panels.across, panels.abscissa, panels.ordinate)
    return panel_grid(frame, column, lambda width: curves_legend(panels, width), draw)


def _draw(axes: Axes, panel: Panel, panels: Panels, width: float) -> None:
    axes.set_ylim(*value_range(panels))
    for name, curve in panel.curves.items():
        rank = panels.series.index(name)
        aside = sideways(rank, len(panels.series))
        _draw_runs(axes, curve, panels.x_of(curve.fit.runs.amounts) + aside, look_of(rank))
        _draw_law(axes, curve, panels, _reach(panel, name), look_of(rank))
        filled = {"markerfacecolor": look_of(rank).colour}
        for runs, how in ((panel.held_out.get(name), filled), (panel.unused.get(name), {"alpha": 0.4})):
            if runs is not None:
                x = panels.x_of(runs.amounts) + aside
                axes.plot(x, runs.values, zorder=3, clip_on=False, **look_of(rank).marks | how)
        _draw_forecasts(axes, panel.forecasts.get(name, ()), panels, aside, look_of(rank))
    draw_lines(axes, panel.lines)
    label_amounts(axes, panels, width)
    mark_passes(axes, panel.pass_ends, width)
    percent_ordinate(axes, panels.metric)
    say_nothing_measured(axes, panel)
    _tell_status(axes, panel, width)


def _reach(panel: Panel, name: str) -> float:
    """The largest amount to which the law of a series is drawn."""
    largest = float(panel.curves[name].fit.runs.amounts.max())
    held = panel.held_out.get(name)
    return largest if held is None else max(largest, float(held.amounts.max()))


def _draw_runs(axes: Axes, curve: Curve, x: Floats, look: Look) -> None:
    """The runs, moved aside so that none hides another; suspicious ones ringed."""
    axes.plot(x, curve.fit.runs.values, zorder=3, clip_on=False, **look.marks)
    odd = list(curve.odd)
    if odd:
        axes.plot(x[odd], curve.fit.runs.values[odd], zorder=4, clip_on=False, **RING)


def _draw_law(axes: Axes, curve: Curve, panels: Panels, reach: float, look: Look) -> None:
    """The fitted law with its band over the amounts above 0, and at 0 where it has runs there."""
    amounts = curve.fit.runs.amounts
    positive = amounts[amounts > 0]
    if curve.fit.status is Status.TOO_FEW_AMOUNTS:
        return
    if len(positive):
        grid = np.exp2(np.linspace(np.log2(positive.min()), np.log2(reach), BAND_POINTS))
        _draw_means(axes, panels.x_of(grid), curve.fit.at(grid), look)
    if len(positive) < len(amounts):
        zero = np.zeros(2)
        _draw_means(axes, panels.x_of(zero) + np.array([-ZERO_HALF, ZERO_HALF]), curve.fit.at(zero), look)


def _draw_means(axes: Axes, x: Floats, means: Sequence[Estimate], look: Look) -> None:
    # An optimum that cannot be evaluated somewhere has no mean there: a gap, never a zero.
    rows = np.array([(mean.estimate, mean.low, mean.high) for mean in means], dtype=np.float64)
    axes.plot(x, rows[:, 0], color=look.colour, linestyle=look.dashes, zorder=2)
    if np.isfinite(rows[:, 1:]).all():
        axes.fill_between(x, rows[:, 1], rows[:, 2], color=look.colour, alpha=0.16, linewidth=0, zorder=1)


def _draw_forecasts(
    axes: Axes, forecasts: Sequence[tuple[float, Estimate]], panels: Panels, aside: float, look: Look
) -> None:
    """Filled marks with their intervals."""
    for amount, one in forecasts:
        if one.estimate is None:
            continue
        x = panels.x_of(np.array([amount])) + aside
        if one.low is not None and one.high is not None:
            axes.plot([x[0], x[0]], [one.low, one.high], color=look.colour, linewidth=1.0, zorder=3)
        axes.plot(x, [one.estimate], zorder=4, **look.marks | {"markerfacecolor": look.colour})


def _tell_status(axes: Axes, panel: Panel, width: float) -> None:
    """How a fit ended that did not converge, in the corner where the curves do not begin."""
    unsettled = {name: curve.fit.status for name, curve in panel.curves.items()}
    told = [f"{name}: {status}" for name, status in unsettled.items() if status is not Status.CONVERGED]
    text = plain("\n".join(told), width, 6)
    low, high = axes.get_ylim()
    begin = [one.fit.runs.values[one.fit.runs.amounts.argmin()] for one in panel.curves.values()]
    y, side = (0.97, "top") if not begin or np.mean(begin) < (low + high) / 2 else (0.03, "bottom")
    axes.text(0.02, y, text, transform=axes.transAxes, va=side, color=MUTED, fontsize=6)
