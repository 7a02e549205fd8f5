"""Accuracy against amount: runs, fitted lines with their bands, references."""

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
from analysis.figures.style import MUTED, RING, Column, look_of, plain
from analysis.fitting import Status
from analysis.panels import Panel, Panels

BAND_POINTS = 65


def scaling(panels: Panels, column: Column) -> Figure:
    """Runs as marks, each series' law with its 95 % band, references as dotted lines; odd runs are ringed."""

    def draw(axes: Axes, place: int, width: float) -> None:
        _draw(axes, panels.panels[place], panels, width)

    frame = Frame(panels.titles, panels.across, panels.abscissa, panels.ordinate)
    return panel_grid(frame, column, lambda width: curves_legend(panels, width), draw)


def _draw(axes: Axes, panel: Panel, panels: Panels, width: float) -> None:
    axes.set_ylim(*value_range(panels))
    for name, curve in panel.curves.items():
        rank = panels.series.index(name)
        _draw_curve(axes, curve, rank, sideways(rank, len(panels.series)))
    draw_lines(axes, panel.lines)
    label_amounts(axes, panels.amounts, width)
    mark_passes(axes, panel.pass_ends, width)
    percent_ordinate(axes, panels.metric)
    say_nothing_measured(axes, panel)
    _tell_status(axes, panel, width)


def _draw_curve(axes: Axes, curve: Curve, rank: int, aside: float) -> None:
    """The runs, moved `aside` so that none hides another, and the fitted line with its band."""
    look, x = look_of(rank), np.log2(curve.fit.runs.amounts)
    beside, odd = x + aside, list(curve.odd)
    axes.plot(beside, curve.fit.runs.values, zorder=3, clip_on=False, **look.marks)
    if odd:
        axes.plot(beside[odd], curve.fit.runs.values[odd], zorder=4, clip_on=False, **RING)
    if curve.fit.status is Status.TOO_FEW_AMOUNTS:
        return
    grid = np.linspace(x.min(), x.max(), BAND_POINTS)
    means = curve.fit.at(2.0**grid)
    middle = np.array([mean.estimate for mean in means], dtype=np.float64)
    axes.plot(grid, middle, color=look.colour, linestyle=look.dashes, zorder=2)
    if means[0].low is not None:
        ends = np.array([(mean.low, mean.high) for mean in means], dtype=np.float64)
        axes.fill_between(grid, ends[:, 0], ends[:, 1], color=look.colour, alpha=0.16, linewidth=0, zorder=1)


def _tell_status(axes: Axes, panel: Panel, width: float) -> None:
    """How a fit ended that did not converge."""
    unsettled = {name: curve.fit.status for name, curve in panel.curves.items()}
    told = [f"{name}: {status}" for name, status in unsettled.items() if status is not Status.CONVERGED]
    text = plain("\n".join(told), width, 6)
    axes.text(0.02, 0.97, text, transform=axes.transAxes, va="top", color=MUTED, fontsize=6)
