"""What axes carry: amounts, references with their names, ends of passes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import MUTED, plain, text_width
from analysis.laws import Floats
from analysis.metric import ACCURACY, Metric
from analysis.panels import Panel, Panels
from analysis.results import Line

# Two labels nearer than this share of their axis would touch.
LABEL_GAP = 0.062
# How far beyond the points a band may widen the ordinate, as a share of their range.
MOST_BAND = 0.3
ROOM = 0.07  # inches between two labels side by side
ASIDE = 0.07  # doublings between the marks of two series at one amount
REFERENCE_WIDTH = 0.55  # inches beside the axes for the names of references


def sideways(rank: int, n: int) -> float:
    """How far, in doublings, the marks of the series of that rank among `n` are moved sideways."""
    step = min(ASIDE, 4 * ASIDE / n)
    return step * (rank - (n - 1) / 2)


def draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """References as horizontal lines with their names at the right, moved apart where they would touch."""
    low, high = axes.get_ylim()
    ordered = sorted(lines, key=lambda line: line.value)
    heights = np.array([(line.value - low) / (high - low) for line in ordered])
    for line, height, label in zip(ordered, heights, _apart(heights), strict=True):
        axes.axhline(line.value, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=1)
        axes.plot(
            [1.0, 1.025], [height, label], transform=axes.transAxes, color=MUTED, linewidth=0.5, clip_on=False
        )
        name = plain(line.name, REFERENCE_WIDTH, 6.5)
        axes.text(1.035, label, name, transform=axes.transAxes, color=MUTED, va="center", fontsize=6.5)


def _apart(heights: Floats) -> Floats:
    """The sorted heights, moved as little as needed to lie a label apart, within the axis."""
    moved = heights.copy()
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + LABEL_GAP)
    if len(moved):
        moved -= max(0.0, (moved - heights).mean())
    return moved


def label_amounts(axes: Axes, amounts: Floats, width: float) -> None:
    """The abscissa is log2 of the amount; its labels are amounts, as many as `width` (inches) holds."""
    x = np.log2(amounts)
    margin = 0.04 * max(float(np.ptp(x)), 1.0) + ASIDE
    axes.set_xlim(x[0] - margin, x[-1] + margin)
    inches = (x - x[0] + margin) * width / (float(np.ptp(x)) + 2 * margin)
    labels = [amount_text(amount) for amount in amounts.tolist()]
    shown = _spaced(inches, [text_width(label, 7) for label in labels])
    axes.set_xticks(x[shown], [labels[i] for i in shown])
    axes.set_xticks(x, minor=True)


def amount_text(amount: float) -> str:
    """`2,048`, `16.4k`, `1.64M`."""
    if amount < 1e4:
        return f"{amount:,g}"
    return f"{amount / 1e6:,.3g}M" if amount >= 1e6 else f"{amount / 1e3:,.3g}k"


def _spaced(centres: Floats, widths: Sequence[float]) -> list[int]:
    """The evenest choice of labels that do not touch: every one, every second, every third, ..."""
    for step in range(1, len(centres) + 1):
        shown = list(range(len(centres)))[::step]
        pairs = list(pairwise(shown))
        if all(centres[b] - centres[a] >= (widths[a] + widths[b]) / 2 + ROOM for a, b in pairs):
            break
    return shown


def mark_passes(axes: Axes, ends: Sequence[int], width: float) -> None:
    """A faint line where the first pass over the sources ends, named above axes `width` inches wide."""
    low, high = axes.get_xlim()
    free = 0.0
    for amount in ends:
        share = (np.log2(amount) - low) / (high - low)
        if not 0 <= share <= 1:
            continue
        axes.axvline(np.log2(amount), color=MUTED, linewidth=0.5, linestyle=(0, (1, 3)), zorder=0)
        text = f"one pass over {amount:,} sources"
        half = text_width(text, 6) / 2 / width
        centre = min(max(share, half), max(1 - half, half))
        if centre - half >= free:
            place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center"}
            axes.text(centre, 1.015, text, color=MUTED, fontsize=6, **place)
            free = centre + half


def value_range(panels: Panels) -> tuple[float, float]:
    """The ordinate that holds every point and line, and bands as far as they leave room for these."""
    lines = [line.value for panel in panels.panels for line in panel.lines]
    values = np.concatenate([*(curve.fit.runs.values for curve in panels.curves), lines])
    if not len(values):
        return 0.0, 1.0
    reach = MOST_BAND * float(np.ptp(values))
    bands = np.clip(_band_ends(panels), values.min() - reach, values.max() + reach)
    values = np.concatenate([values, bands])
    air = max(0.07 * float(np.ptp(values)), panels.metric.resolution)
    low, high = float(values.min()) - air, float(values.max()) + air
    ceiling = panels.metric.ceiling
    return max(low, 0.0), high if ceiling is None else min(high, ceiling)


def _band_ends(panels: Panels) -> Floats:
    """Both ends of every band at its smallest and largest amount."""
    ends = [
        end
        for curve in panels.curves
        for mean in curve.fit.at(np.array([curve.fit.runs.amounts.min(), curve.fit.runs.amounts.max()]))
        for end in (mean.low, mean.high)
    ]
    return np.array([end for end in ends if end is not None], dtype=np.float64)


def percent_ordinate(axes: Axes, metric: Metric) -> None:
    """Accuracies are labelled as percent."""
    if metric is ACCURACY:
        axes.yaxis.set_major_formatter("{x:g} %")


def say_nothing_measured(axes: Axes, panel: Panel) -> None:
    """An empty panel says why."""
    if not panel.curves:
        axes.text(0.5, 0.5, "no records yet", transform=axes.transAxes, ha="center", color=MUTED, fontsize=7)
