"""The figures, one function each. The only module that knows matplotlib."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.curve import Curve
from analysis.fitting import Status
from analysis.laws import Floats
from analysis.metric import ACCURACY
from analysis.results import Line, Results
from analysis.words import place

STYLE = Path(__file__).parent / "styles" / "paper.mplstyle"
INK, MUTED, RULE, PAPER = "#1a1a1a", "#6b6b6b", "#dcdcdc", "#ffffff"
DOUBLE_COLUMN, SINGLE_COLUMN, PANEL_HEIGHT = 6.75, 3.4, 2.4  # inches
LINE_HEIGHT = 0.17  # inches, of a title or a row of the legend
# Two labels nearer than this share of their axis would touch.
LABEL_GAP, PASS_GAP = 0.062, 0.3
MOST_TICKS = 8
LONGEST = 30  # letters of a name, which fit a single column
HANDLE_WIDTH, LETTER_WIDTH = 0.55, 0.062  # inches in a legend
ASIDE = 0.07  # doublings between the marks of two strategies at one amount
BAND_POINTS = 65


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn, told apart by colour, marker and dashes alike."""

    colour: str
    marker: str
    dashes: Any

    @property
    def marks(self) -> dict[str, Any]:
        """How its runs are drawn."""
        face = {"markerfacecolor": PAPER, "markeredgecolor": self.colour}
        return {"marker": self.marker, "linestyle": "none", **face}


# Okabe and Ito's colours (jfly.uni-koeln.de/color), which colour-blind readers tell apart. The lists differ
# in length, so that more strategies than colours still differ in something.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (1.2, 1.2)), (0, (8, 1.5)))
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows."""

    title: str
    curves: tuple[Curve, ...]
    lines: tuple[Line, ...]


def _look(rank: int) -> Look:
    return Look(COLOURS[rank % len(COLOURS)], MARKERS[rank % len(MARKERS)], DASHES[rank % len(DASHES)])


@dataclass(frozen=True)
class _Legend:
    """Above the panels, where there is nothing to cover."""

    looks: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    columns: int

    @property
    def rows(self) -> int:
        return -(-len(self.labels) // self.columns)

    @classmethod
    def of(cls, results: Results, width: float) -> "_Legend":
        drawn = [_look(rank) for rank in range(len(results.strategies))]
        looks = [{**look.marks, "color": look.colour, "linestyle": look.dashes} for look in drawn]
        labels = [_plain(strategy) for strategy in results.strategies]
        if any(curve.odd for curve in results.curves):
            looks, labels = [*looks, RING], [*labels, "suspicious run"]
        widest = HANDLE_WIDTH + LETTER_WIDTH * max(map(len, labels), default=0)
        return cls(tuple(looks), tuple(labels), max(1, min(int(width / widest), len(labels))))

    def draw(self, figure: Figure) -> None:
        handles = [Line2D([], [], **look) for look in self.looks]
        if handles:
            columns = {"ncols": self.columns, "columnspacing": 1.4}
            figure.legend(handles, self.labels, loc="outside upper left", **columns)


def scaling(results: Results) -> Figure:
    """The scaling figure: a row per setting, a column per benchmark, one ordinate for all."""
    settings, benchmarks = results.settings(), list(results.roles)
    panels = [_panel(results, benchmark, setting) for setting, benchmark in product(settings, benchmarks)]
    return _figure(results, panels, len(benchmarks))


def scaling_panel(results: Results, benchmark: str, setting: dict[str, Any]) -> Figure:
    """One panel of the scaling figure on its own, for narrow screens; the same ordinate as in the whole."""
    return _figure(results, [_panel(results, benchmark, setting)], 1)


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as `pdf`, `svg` or `png`, the same bytes each time."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
    stream = io.BytesIO()
    with matplotlib.style.context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; tables and the page have it in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format=kind, metadata=metadata[kind])
    return stream.getvalue()


def _figure(results: Results, panels: Sequence[Panel], columns: int) -> Figure:
    """Panels row by row under one legend, as high as panels, titles and legend need."""
    width, rows = DOUBLE_COLUMN if columns > 1 else SINGLE_COLUMN, len(panels) // columns
    legend = _Legend.of(results, width)
    titles = max(panel.title.count("\n") for panel in panels) + 1
    height = rows * (PANEL_HEIGHT + titles * LINE_HEIGHT) + legend.rows * LINE_HEIGHT
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(width, height))
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=True):
            _draw(axes, panel, results)
        for axes in grid[:, 0]:
            axes.set_ylabel(_ordinate(results))
        for axes in grid[-1]:
            axes.set_xlabel(_abscissa(results))
        legend.draw(figure)
    return figure


def _panel(results: Results, benchmark: str, setting: dict[str, Any]) -> Panel:
    role = results.roles[benchmark].replace("_", " ")
    where = place(setting, setting)
    here = {"benchmark": benchmark, **setting}
    return Panel(
        title=_plain(f"{where}\n{benchmark} ({role})" if where else f"{benchmark} ({role})"),
        curves=tuple(curve for curve in results.curves if here.items() <= curve.group.items()),
        lines=results.lines_at(benchmark, setting),
    )


def _draw(axes: Axes, panel: Panel, results: Results) -> None:
    low, high = _range(results)
    axes.set_ylim(low, high)
    axes.set_title(panel.title, pad=13)
    for curve in panel.curves:
        rank = results.strategies.index(curve.group["strategy"])
        _draw_curve(axes, curve, rank, _aside(rank, len(results.strategies)))
    _draw_lines(axes, panel.lines)
    _label_amounts(axes, results)
    _mark_passes(axes, results)
    if results.metric is ACCURACY:
        axes.yaxis.set_major_formatter("{x:g} %")
    unsettled = [curve for curve in panel.curves if curve.fit.status is not Status.CONVERGED]
    told = [_plain(f"{curve.group['strategy']}: {curve.fit.status}") for curve in unsettled]
    told += [] if panel.curves else ["no records yet"]
    axes.text(0.02, 0.97, "\n".join(told), transform=axes.transAxes, va="top", color=MUTED, fontsize=6)


def _draw_curve(axes: Axes, curve: Curve, rank: int, aside: float) -> None:
    """The runs, moved `aside` so that none hides another, and the fitted line with its band."""
    look, x = _look(rank), np.log2(curve.fit.runs.amounts)
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


def _aside(rank: int, n: int) -> float:
    """How far, in doublings, the marks of the strategy of that rank among `n` are moved sideways."""
    step = min(ASIDE, 4 * ASIDE / n)
    return step * (rank - (n - 1) / 2)


def _draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """References as horizontal lines with their names at the right, moved apart where they would touch."""
    low, high = axes.get_ylim()
    ordered = sorted(lines, key=lambda line: line.value)
    heights = np.array([(line.value - low) / (high - low) for line in ordered])
    for line, height, label in zip(ordered, heights, _apart(heights), strict=True):
        axes.axhline(line.value, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=1)
        axes.plot(
            [1.0, 1.025], [height, label], transform=axes.transAxes, color=MUTED, linewidth=0.5, clip_on=False
        )
        axes.text(
            1.035, label, _plain(line.name), transform=axes.transAxes, color=MUTED, va="center", fontsize=6.5
        )


def _apart(heights: Floats) -> Floats:
    """The sorted heights, moved as little as needed to lie a label apart, within the axis."""
    moved = heights.copy()
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + LABEL_GAP)
    if len(moved):
        moved -= max(0.0, (moved - heights).mean())
    return moved


def _label_amounts(axes: Axes, results: Results) -> None:
    """The abscissa is log2 of the amount; its labels are the amounts themselves."""
    amounts = np.unique(np.concatenate([curve.fit.runs.amounts for curve in results.curves] or [np.ones(1)]))
    x = np.log2(amounts)
    shown = amounts[:: -(-len(amounts) // MOST_TICKS)]
    axes.set_xticks(np.log2(shown), [f"{amount:,g}" if amount < 1e4 else _short(amount) for amount in shown])
    axes.set_xticks(x, minor=True)
    margin = 0.04 * max(float(np.ptp(x)), 1.0) + ASIDE
    axes.set_xlim(x[0] - margin, x[-1] + margin)


def _short(amount: float) -> str:
    return f"{amount / 1e6:,.3g}M" if amount >= 1e6 else f"{amount / 1e3:,.3g}k"


def _mark_passes(axes: Axes, results: Results) -> None:
    """A faint line where the first pass over the sources ends, named above the axes."""
    ends = results.study.pass_ends()
    low, high = axes.get_xlim()
    last = -np.inf
    for amount in sorted(set(ends.values())):
        x = np.log2(amount)
        if not low <= x <= high:
            continue
        axes.axvline(x, color=MUTED, linewidth=0.5, linestyle=(0, (1, 3)), zorder=0)
        share = (x - low) / (high - low)
        if share - last >= PASS_GAP:
            side = "left" if share < 0.2 else "right" if share > 0.8 else "center"
            text = f"one pass over {amount:,} sources"
            axes.text(share, 1.015, text, transform=axes.transAxes, ha=side, color=MUTED, fontsize=6)
            last = share


def _range(results: Results) -> tuple[float, float]:
    """The ordinate that holds every point and line, with a little air, within what is possible."""
    lines = [line.value for line in results.lines]
    values = np.concatenate([*(curve.fit.runs.values for curve in results.curves), lines])
    if not len(values):
        return 0.0, 1.0
    air = max(0.07 * float(np.ptp(values)), results.metric.resolution)
    low, high = float(values.min()) - air, float(values.max()) + air
    ceiling = results.metric.ceiling
    return max(low, 0.0), high if ceiling is None else min(high, ceiling)


def _ordinate(results: Results) -> str:
    return "Accuracy" if results.metric is ACCURACY else "NLL per token (nats)"


def _abscissa(results: Results) -> str:
    subset = results.study.cells[0]["cell"]["subset"]
    counted = f"{subset['axis']} " if subset["with_seed"] else ""
    return f"Training {counted}{subset['unit']} (log scale)".capitalize()


def _plain(text: str) -> str:
    """A name as it is, but for its middle where it is long: a dollar starts no formula, `_` hides nothing."""
    lines = [line if len(line) <= LONGEST else f"{line[:15]}…{line[-14:]}" for line in text.split("\n")]
    whole = "\n".join(lines)
    return "\u200b" * whole.startswith("_") + whole.replace("$", r"\$")
