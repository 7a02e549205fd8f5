"""Residuals against amount: what the law leaves of each run."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curve import Curve
from analysis.figures.axes import label_amounts, say_nothing_measured, sideways
from analysis.figures.grid import Frame, panel_grid
from analysis.figures.legend import curves_legend
from analysis.figures.style import INK, RING, Column, look_of
from analysis.laws import Floats
from analysis.panels import Panels


def residuals(panels: Panels, column: Column) -> Figure:
    """Run minus law as marks, their means per amount joined by lines: a bend in these is a misfit."""
    reach = _reach(panels)

    def draw(axes: Axes, place: int, width: float) -> None:
        panel = panels.panels[place]
        axes.set_ylim(-reach, reach)
        axes.axhline(0, color=INK, linewidth=0.6, zorder=1)
        for name, curve in panel.curves.items():
            rank = panels.series.index(name)
            _draw_curve(axes, curve, rank, sideways(rank, len(panels.series)))
        label_amounts(axes, panels.amounts, width)
        say_nothing_measured(axes, panel)

    frame = Frame(panels.titles, panels.across, panels.abscissa, f"Residual ({panels.metric.unit})")
    return panel_grid(frame, column, lambda width: curves_legend(panels, width), draw)


def _draw_curve(axes: Axes, curve: Curve, rank: int, aside: float) -> None:
    look, left, odd = look_of(rank), residuals_of(curve), list(curve.odd)
    if left is None:
        return
    amounts, group = np.unique(curve.fit.runs.amounts, return_inverse=True)
    beside = np.log2(curve.fit.runs.amounts) + aside
    axes.plot(beside, left, zorder=3, clip_on=False, **look.marks)
    if odd:
        axes.plot(beside[odd], left[odd], zorder=4, clip_on=False, **RING)
    means = np.bincount(group, left) / np.bincount(group)
    axes.plot(np.log2(amounts) + aside, means, color=look.colour, linestyle=look.dashes, zorder=2)


def residuals_of(curve: Curve) -> Floats | None:
    """Run minus law in the unit of the metric; None where nothing was fitted."""
    fitted = [mean.estimate for mean in curve.fit.at(curve.fit.runs.amounts)]
    if any(value is None for value in fitted):
        return None
    left: Floats = curve.fit.runs.values - np.array(fitted, dtype=np.float64)
    return left


def _reach(panels: Panels) -> float:
    """The same above and below zero, with a little air."""
    left = [part for part in map(residuals_of, panels.curves) if part is not None]
    largest = max((float(np.abs(part).max()) for part in left), default=0.0)
    return 1.12 * max(largest, panels.metric.resolution / 2)
