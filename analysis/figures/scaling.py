"""Accuracy against amount: runs, fitted lines with their bands, references."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curve import Curve
from analysis.figures.axes import (
    abscissa,
    draw_lines,
    label_amounts,
    mark_passes,
    ordinate,
    sideways,
    value_range,
)
from analysis.figures.legend import Legend
from analysis.figures.style import (
    DOUBLE_COLUMN,
    LINE_HEIGHT,
    MUTED,
    PANEL_HEIGHT,
    RING,
    SINGLE_COLUMN,
    STYLE,
    look_of,
    plain,
)
from analysis.fitting import Status
from analysis.metric import ACCURACY
from analysis.results import Line, Results
from analysis.words import place

BAND_POINTS = 65


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows."""

    title: str
    curves: tuple[Curve, ...]
    lines: tuple[Line, ...]


def scaling(results: Results) -> Figure:
    """The scaling figure: a row per setting, a column per benchmark, one ordinate for all."""
    settings, benchmarks = results.settings(), list(results.roles)
    panels = [_panel(results, benchmark, setting) for setting, benchmark in product(settings, benchmarks)]
    return _figure(results, panels, len(benchmarks))


def scaling_panel(results: Results, benchmark: str, setting: dict[str, Any]) -> Figure:
    """One panel of the scaling figure on its own, for narrow screens; the same ordinate as in the whole."""
    return _figure(results, [_panel(results, benchmark, setting)], 1)


def _figure(results: Results, panels: Sequence[Panel], columns: int) -> Figure:
    """Panels row by row under one legend, as high as panels, titles and legend need."""
    width, rows = DOUBLE_COLUMN if columns > 1 else SINGLE_COLUMN, len(panels) // columns
    legend = Legend.of(results, width)
    titles = max(panel.title.count("\n") for panel in panels) + 1
    height = rows * (PANEL_HEIGHT + titles * LINE_HEIGHT) + legend.rows * LINE_HEIGHT
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(width, height))
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=True):
            _draw(axes, panel, results)
        for axes in grid[:, 0]:
            axes.set_ylabel(ordinate(results))
        for axes in grid[-1]:
            axes.set_xlabel(abscissa(results))
        legend.draw(figure)
    return figure


def _panel(results: Results, benchmark: str, setting: dict[str, Any]) -> Panel:
    role = results.roles[benchmark].replace("_", " ")
    where = place(setting, setting)
    here = {"benchmark": benchmark, **setting}
    return Panel(
        title=plain(f"{where}\n{benchmark} ({role})" if where else f"{benchmark} ({role})"),
        curves=tuple(curve for curve in results.curves if here.items() <= curve.group.items()),
        lines=results.lines_at(benchmark, setting),
    )


def _draw(axes: Axes, panel: Panel, results: Results) -> None:
    low, high = value_range(results)
    axes.set_ylim(low, high)
    axes.set_title(panel.title, pad=13)
    for curve in panel.curves:
        rank = results.strategies.index(curve.group["strategy"])
        _draw_curve(axes, curve, rank, sideways(rank, len(results.strategies)))
    draw_lines(axes, panel.lines)
    label_amounts(axes, results)
    mark_passes(axes, results)
    if results.metric is ACCURACY:
        axes.yaxis.set_major_formatter("{x:g} %")
    unsettled = [curve for curve in panel.curves if curve.fit.status is not Status.CONVERGED]
    told = [plain(f"{curve.group['strategy']}: {curve.fit.status}") for curve in unsettled]
    told += [] if panel.curves else ["no records yet"]
    axes.text(0.02, 0.97, "\n".join(told), transform=axes.transAxes, va="top", color=MUTED, fontsize=6)


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
