"""Forest plots: estimates with their intervals, one row each, beside their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import INK, PAPER, Column, drawn_for, look_of, plain, settled
from analysis.least_squares import Estimate
from analysis.numerals import spread
from analysis.panels import Panels

ROW_HEIGHT, AROUND = 0.19, 0.6  # inches: a row, and what axis and margins take
LABEL_SHARE, HEADING_SHARE = 0.3, 0.65  # of the width of the figure, at most
TEXT_SIZE = 6.5


@dataclass(frozen=True)
class Row:
    """One estimate. `rank` chooses its look; `told` replaces its numbers where it has none."""

    label: str
    estimate: Estimate
    rank: int
    told: str = ""


@dataclass(frozen=True)
class Forest:
    """Sections of rows over one abscissa: `neutral` is the value of no effect, ratios have a log axis."""

    sections: Sequence[tuple[str, Sequence[Row]]]
    abscissa: str
    neutral: float
    decimals: int
    ratios: bool = False


def slopes(panels: Panels, column: Column) -> Figure:
    """What each doubling buys, by panel and series."""
    sections = []
    for panel in panels.panels:
        rows = [
            Row(name, curve.fit.parameters["per_doubling"], panels.series.index(name), str(curve.fit.status))
            for name, curve in panel.curves.items()
            if "per_doubling" in curve.fit.parameters
        ]
        sections.append((panel.title.replace("\n", ", "), rows))
    unit = panels.metric.unit
    abscissa = f"{unit} per doubling of the data".capitalize()
    return forest(Forest(sections, abscissa, 0.0, panels.metric.decimals + 1), column)


def forest(drawn: Forest, column: Column) -> Figure:
    """Marks with 95 % intervals; an interval that runs out of the axis ends in an arrow."""
    sections = [(title, rows) for title, rows in drawn.sections if rows]
    n_lines = sum(len(rows) + bool(title) for title, rows in sections)
    with drawn_for(column):
        figure = Figure(figsize=(column.width, AROUND + ROW_HEIGHT * max(n_lines, 2)))
        axes = figure.subplots()
        if drawn.ratios:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        low, high = _range(drawn, sections)
        axes.set_xlim(low, high)
        axes.set_ylim(n_lines - 0.4, -0.6)
        axes.axvline(drawn.neutral, color=INK, linewidth=0.6, zorder=1)
        labels = _draw_sections(axes, drawn, sections, column.width)
        axes.set_yticks(list(labels), list(labels.values()))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(drawn.abscissa)
        return settled(figure)


def _draw_sections(
    axes: Axes, drawn: Forest, sections: Sequence[tuple[str, Sequence[Row]]], width: float
) -> dict[int, str]:
    """Draw every row; the label of each by its line."""
    labels: dict[int, str] = {}
    line = 0
    for title, rows in sections:
        if title:
            labels[line] = ""
            heading = plain(title, HEADING_SHARE * width, 8.0)
            _draw_heading(axes, heading, line)
            line += 1
        for row in rows:
            labels[line] = plain(row.label, LABEL_SHARE * width, 7)
            _draw_row(axes, row, line, drawn.decimals)
            line += 1
    return labels


def _draw_heading(axes: Axes, heading: str, line: int) -> None:
    """On a ground of its own, since rules run behind it."""
    ground = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
    look: dict[str, Any] = {"va": "center", "weight": "bold", "fontsize": 7, "zorder": 5, "bbox": ground}
    axes.text(0.0, line, heading, transform=axes.get_yaxis_transform(), **look)


def _draw_row(axes: Axes, row: Row, line: int, decimals: int) -> None:
    look, one = look_of(row.rank), row.estimate
    across = axes.get_yaxis_transform()
    text = row.told if one.estimate is None else spread(one, decimals)
    axes.text(1.02, line, text, transform=across, va="center", fontsize=TEXT_SIZE)
    if one.estimate is None:
        return
    if one.low is not None and one.high is not None:
        low, high = axes.get_xlim()
        shown = np.clip([one.low, one.high], low, high)
        axes.plot(shown, [line, line], color=look.colour, linewidth=1.2, solid_capstyle="butt", zorder=2)
        for end, limit, arrow in ((one.low, low, "<"), (one.high, high, ">")):
            if (end - limit) * (1 if arrow == ">" else -1) > 0:
                axes.plot([limit], [line], arrow, color=look.colour, markersize=4, clip_on=False, zorder=2)
    face = look.colour if one.low is not None else "none"
    axes.plot([one.estimate], [line], look.marker, color=look.colour, markerfacecolor=face, zorder=3)


def _range(drawn: Forest, sections: Sequence[tuple[str, Sequence[Row]]]) -> tuple[float, float]:
    """All estimates and the neutral value; intervals as far as three times the range of these."""
    known = [row.estimate for _, rows in sections for row in rows if row.estimate.estimate is not None]
    middles = [drawn.neutral, *(one.estimate for one in known if one.estimate is not None)]
    ends = [end for one in known for end in (one.low, one.high) if end is not None]
    if drawn.ratios:
        low, high = _padded(
            np.log2([value for value in middles if value > 0]), np.log2([end for end in ends if end > 0])
        )
        return float(2**low), float(2**high)
    return _padded(np.array(middles), np.array(ends))


def _padded(middles: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    least, most = float(middles.min()), float(middles.max())
    room = 3 * (most - least) or 1.0
    inside = np.clip(ends, least - room, most + room)
    low, high = min([least, *inside.tolist()]), max([most, *inside.tolist()])
    air = 0.05 * (high - low or 1.0)
    return low - air, high + air
