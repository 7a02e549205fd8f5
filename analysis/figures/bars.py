"""Series as bars at equal amounts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curve import Curve
from analysis.figures.axes import amount_text, percent_ordinate, say_nothing_measured
from analysis.figures.grid import Frame, panel_grid
from analysis.figures.legend import bars_legend
from analysis.figures.style import INK, PAPER, Column, look_of
from analysis.least_squares import FEWEST_CHAINS, solve
from analysis.panels import Panel, Panels

LEAST_BAR = 0.075  # inches; a thinner bar cannot carry an interval
SHARE = 0.8  # of the distance between amounts that their bars take


def bars(panels: Panels, column: Column) -> Figure:
    """Mean over runs, its 95 % t interval from three runs on, the runs as dots; at amounts that all have.

    Where there is no room for all such amounts the largest and an even choice of the others are shown.
    """

    def draw(axes: Axes, place: int, width: float) -> None:
        panel = panels.panels[place]
        amounts = _chosen(_common(panel), int(width * SHARE / (LEAST_BAR * len(panels.series))))
        _draw(axes, panel, panels, amounts)
        percent_ordinate(axes, panels.metric)
        say_nothing_measured(axes, panel)

    abscissa = panels.abscissa.replace(" (log scale)", "")
    frame = Frame(panels.titles, panels.across, abscissa, panels.ordinate)
    return panel_grid(frame, column, lambda width: bars_legend(panels, width), draw)


def _common(panel: Panel) -> list[float]:
    """The amounts that every series of the panel has."""
    amounts = [set(curve.fit.runs.amounts.tolist()) for curve in panel.curves.values()]
    return sorted(set.intersection(*amounts)) if amounts else []


def _chosen(amounts: Sequence[float], most: int) -> list[float]:
    """At most `most`, at least one: the largest, and the others evenly."""
    if not amounts:
        return []
    wanted = min(max(most, 1), len(amounts))
    places = np.linspace(len(amounts) - 1, 0, wanted).round().astype(int)
    return [amounts[place] for place in sorted(set(places.tolist()))]


def _draw(axes: Axes, panel: Panel, panels: Panels, amounts: Sequence[float]) -> None:
    step = SHARE / len(panels.series)
    for name, curve in panel.curves.items():
        rank = panels.series.index(name)
        offset = step * (rank - (len(panels.series) - 1) / 2)
        for place, amount in enumerate(amounts):
            _draw_bar(axes, curve, amount, place + offset, (rank, step))
    axes.set_xticks(range(len(amounts)), [amount_text(amount) for amount in amounts])
    axes.set_xlim(-0.6, max(len(amounts), 1) - 0.4)
    axes.tick_params(axis="x", length=0)
    if not amounts and panel.curves:
        axes.text(0.5, 0.5, "no amount in common", transform=axes.transAxes, ha="center", fontsize=7)


def _draw_bar(axes: Axes, curve: Curve, amount: float, x: float, shape: tuple[int, float]) -> None:
    rank, width = shape
    look = look_of(rank)
    values = curve.fit.runs.values[curve.fit.runs.amounts == amount]
    mean = solve(np.ones((len(values), 1)), values, None).estimates(np.ones((1, 1)))[0]
    inside: dict[str, Any] = {"facecolor": look.colour, "alpha": 0.75, "hatch": look.hatch}
    axes.bar([x], [float(values.mean())], width=0.92 * width, edgecolor=INK, linewidth=0.4, **inside)
    if len(values) >= FEWEST_CHAINS and mean.low is not None and mean.high is not None:
        axes.plot([x, x], [max(mean.low, 0.0), mean.high], color=INK, linewidth=0.8, zorder=3)
    axes.plot(np.full(len(values), x), values, "o", markersize=1.8, color=PAPER, markeredgecolor=INK,
              markeredgewidth=0.4, zorder=4)  # fmt: skip
