"""Where the queries of pools lie beside those of benchmarks."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.grid import Frame, panel_grid
from analysis.figures.legend import Legend
from analysis.figures.style import INK, Column, look_of

# Points of one pool or benchmark: more would make a blot, and a slow file.
MOST_POINTS = 800


def distribution(queries: pd.DataFrame, column: Column) -> Figure:
    """A panel per benchmark: its queries as black crosses over those of every pool.

    `queries` is as `analysis.distribution` reads it. Of large pools evenly spaced rows are drawn. Axes of
    such an embedding have no units, so they carry no numbers.
    """
    pools = list(queries["pool"].dropna().unique())
    benchmarks = list(queries["benchmark"].dropna().unique())

    def legend_of(width: float) -> Legend:
        handles = [Line2D([], [], **_pool_marks(rank)) for rank in range(len(pools))]
        crosses = [Line2D([], [], **_BENCHMARK)] if benchmarks else []
        return Legend([*handles, *crosses], [*map(str, pools), *["benchmark"][: len(crosses)]], width)

    def draw(axes: Axes, place: int, _width: float) -> None:
        for rank, pool in enumerate(pools):
            rows = _thinned(queries[queries["pool"] == pool])
            axes.plot(rows["x"], rows["y"], **_pool_marks(rank))
        if benchmarks:
            rows = _thinned(queries[queries["benchmark"] == benchmarks[place]])
            axes.plot(rows["x"], rows["y"], **_BENCHMARK)
        axes.set_xlim(_padded(queries["x"]))
        axes.set_ylim(_padded(queries["y"]))
        axes.set_xticks([])
        axes.set_yticks([])

    titles = tuple(map(str, benchmarks)) or ("",)
    return panel_grid(Frame(titles, len(titles), "component 1", "component 2"), column, legend_of, draw)


_BENCHMARK: dict[str, Any] = {
    "marker": "x",
    "color": INK,
    "markersize": 3,
    "markeredgewidth": 0.6,
    "linestyle": "none",
    "zorder": 3,
}


def _pool_marks(rank: int) -> dict[str, Any]:
    look = look_of(rank)
    return {**look.marks, "markersize": 2.6, "markeredgewidth": 0.5, "alpha": 0.7, "zorder": 2}


def _padded(values: pd.Series) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    air = 0.04 * (high - low or 1.0)
    return low - air, high + air


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    if len(rows) <= MOST_POINTS:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int)]
