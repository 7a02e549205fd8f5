"""What axes carry: amounts, references with their names, ends of passes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.style import MUTED, plain
from analysis.laws import Floats
from analysis.metric import ACCURACY
from analysis.results import Line, Results

# Two labels nearer than this share of their axis would touch.
LABEL_GAP, PASS_GAP = 0.062, 0.3
MOST_TICKS = 8
ASIDE = 0.07  # doublings between the marks of two strategies at one amount


def sideways(rank: int, n: int) -> float:
    """How far, in doublings, the marks of the strategy of that rank among `n` are moved sideways."""
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
        axes.text(
            1.035, label, plain(line.name), transform=axes.transAxes, color=MUTED, va="center", fontsize=6.5
        )


def _apart(heights: Floats) -> Floats:
    """The sorted heights, moved as little as needed to lie a label apart, within the axis."""
    moved = heights.copy()
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + LABEL_GAP)
    if len(moved):
        moved -= max(0.0, (moved - heights).mean())
    return moved


def label_amounts(axes: Axes, results: Results) -> None:
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


def mark_passes(axes: Axes, results: Results) -> None:
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


def value_range(results: Results) -> tuple[float, float]:
    """The ordinate that holds every point and line, with a little air, within what is possible."""
    lines = [line.value for line in results.lines]
    values = np.concatenate([*(curve.fit.runs.values for curve in results.curves), lines])
    if not len(values):
        return 0.0, 1.0
    air = max(0.07 * float(np.ptp(values)), results.metric.resolution)
    low, high = float(values.min()) - air, float(values.max()) + air
    ceiling = results.metric.ceiling
    return max(low, 0.0), high if ceiling is None else min(high, ceiling)


def ordinate(results: Results) -> str:
    """The label of the ordinate."""
    return "Accuracy" if results.metric is ACCURACY else "NLL per token (nats)"


def abscissa(results: Results) -> str:
    """The label of the abscissa: what is counted."""
    subset = results.study.cells[0]["cell"]["subset"]
    counted = f"{subset['axis']} " if subset["with_seed"] else ""
    return f"Training {counted}{subset['unit']} (log scale)".capitalize()
