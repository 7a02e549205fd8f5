"""Out of domain against in domain: does what a strategy buys carry over?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.domains import Pairing
from analysis.figures.axes import percent_ordinate
from analysis.figures.grid import Frame, panel_grid
from analysis.figures.legend import Legend
from analysis.figures.style import INK, Column, Look, look_of
from analysis.metric import ACCURACY, Metric
from analysis.panels import ordinate_of

# Marker sizes in points for the smallest and the largest amount.
SMALLEST, LARGEST = 2.4, 6.0
# How references are drawn, one after another.
REFERENCE_MARKS = ("*", "P", "X", "d")


def domains(pairings: Sequence[Pairing], metric: Metric, column: Column) -> Figure:
    """One mark per amount, growing with it, joined in their order; small dots are the checkpoints."""
    series = list(dict.fromkeys(name for one in pairings for name in one.series))
    references = list(dict.fromkeys(name for one in pairings for name in one.references))

    def legend_of(width: float) -> Legend:
        looks = [look_of(rank) for rank in range(len(series))]
        handles = [
            Line2D([], [], **{**look.marks, "color": look.colour, "ls": look.dashes}) for look in looks
        ]
        marks = [Line2D([], [], **_reference(rank)) for rank in range(len(references))]
        return Legend([*handles, *marks], [*series, *references], width)

    def draw(axes: Axes, place: int, _width: float) -> None:
        for name, rows in pairings[place].series.items():
            _draw_series(axes, rows, look_of(series.index(name)))
        for name, (inside, outside) in pairings[place].references.items():
            axes.plot([inside], [outside], zorder=4, **_reference(references.index(name)))
        percent_ordinate(axes, metric)
        if metric is ACCURACY:
            axes.xaxis.set_major_formatter("{x:g} %")

    titles = tuple(
        f"{one.where}\n{one.in_domain} → {one.out_of_domain}"
        if one.where
        else f"{one.in_domain} → {one.out_of_domain}"
        for one in pairings
    )
    what = ordinate_of(metric)
    frame = Frame(titles, len(pairings), f"{what}, in domain", f"{what}, out of domain", share_abscissa=False)
    return panel_grid(frame, column, legend_of, draw)


def _reference(rank: int) -> dict[str, Any]:
    return {
        "marker": REFERENCE_MARKS[rank % len(REFERENCE_MARKS)],
        "color": INK,
        "markersize": 5.5,
        "ls": "none",
    }


def _draw_series(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    axes.plot(rows["inside"], rows["outside"], ".", color=look.colour, markersize=2, alpha=0.6, zorder=2)
    means = rows.groupby("amount").mean()
    axes.plot(means["inside"], means["outside"], color=look.colour, linestyle=look.dashes, zorder=2)
    sizes = np.linspace(SMALLEST, LARGEST, len(means)) if len(means) > 1 else np.array([LARGEST])
    for size, (_, mean) in zip(sizes.tolist(), means.iterrows(), strict=True):
        axes.plot([mean["inside"]], [mean["outside"]], markersize=size, zorder=3, **look.marks)
