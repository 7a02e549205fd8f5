"""Where the scatter of runs comes from: seeds of subsets, seeds of training, luck with items."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.legend import Legend, box
from analysis.figures.style import INK, Column, drawn_for, look_of, plain, settled
from analysis.metric import Metric
from analysis.numerals import number
from analysis.variance import Variance

BAR_HEIGHT, AROUND = 0.3, 0.45  # inches: a benchmark, and what axis and margins take
LABEL_SHARE = 0.25  # of the width of the figure


def components(variances: Mapping[str, Variance], metric: Metric, column: Column) -> Figure:
    """One bar per benchmark: shares of the variance of runs; the standard deviation of runs beside it."""
    names = list(dict.fromkeys(part.name for one in variances.values() for part in one.components))
    legend = Legend([box(rank) for rank in range(len(names))], names, column.width)
    with drawn_for(column):
        figure = Figure(figsize=(column.width, AROUND + BAR_HEIGHT * len(variances) + legend.height))
        axes = figure.subplots()
        for line, one in enumerate(variances.values()):
            _draw_bar(axes, one, line, names)
            text = f"sd {number(one.run_sd, metric.decimals + 1)} {metric.unit}"
            axes.text(1.02, line, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6.5)
        labels = [plain(benchmark, LABEL_SHARE * column.width, 7) for benchmark in variances]
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(variances) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter("{x:g} %")
        axes.grid(visible=False)
        axes.set_xlabel("Share of the variance of runs")
        legend.draw(figure)
        return settled(figure)


def _draw_bar(axes: Axes, one: Variance, line: int, names: list[str]) -> None:
    left = 0.0
    for part in one.components:
        look = look_of(names.index(part.name))
        width = 100 * part.share
        axes.barh(
            [line], [width], left=left, height=0.6, facecolor=look.colour, alpha=0.75, hatch=look.hatch,
            edgecolor=INK, linewidth=0.4,
        )  # fmt: skip
        left += width
