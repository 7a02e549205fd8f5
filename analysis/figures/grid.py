"""Panels row by row under one legend, in a figure as high as they need."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.legend import Legend
from analysis.figures.style import LINE_HEIGHT, PANEL_HEIGHT, Column, drawn_for, plain, settled

# Inches beside axes: their tick labels and, in the first of a row, the label of the ordinate.
BESIDE = 0.55
MOST_TICKS = 6
TITLE_SIZE = 9.2  # points, a little more than in the sheet: bold letters are wider


@dataclass(frozen=True)
class Frame:
    """What stands around panels: their titles, the labels of their axes, how many a row should have."""

    titles: tuple[str, ...]
    across: int
    abscissa: str
    ordinate: str
    share_abscissa: bool = True


# Gets axes, the place of the panel among the titles, and the width of the axes in inches.
DrawPanel = Callable[[Axes, int, float], None]


def panel_grid(frame: Frame, column: Column, legend_of: Callable[[float], Legend], draw: DrawPanel) -> Figure:
    """One ordinate for all panels, one legend (made for a width in inches) above them."""
    width, n = column.width, len(frame.titles)
    across = 1 if column is Column.SINGLE else _across(frame.across)
    down = -(-n // across)
    legend = legend_of(width)
    titles = [plain(title, width / across - BESIDE - 0.1, TITLE_SIZE) for title in frame.titles]
    title_lines = max((title.count("\n") + bool(title) for title in titles), default=0)
    with drawn_for(column):
        height = down * (PANEL_HEIGHT + title_lines * LINE_HEIGHT) + legend.height
        figure = Figure(figsize=(width, height))
        grid = figure.subplots(down, across, sharey=True, squeeze=False)
        for place, (axes, title) in enumerate(zip(grid.flat, titles, strict=False)):
            axes.set_title(title, pad=13)
            # A number of ticks that followed the size of the axes would change with the layout it changes.
            axes.locator_params(nbins=MOST_TICKS)
            draw(axes, place, width / across - BESIDE)
            if place >= n - across or not frame.share_abscissa:
                axes.set_xlabel(frame.abscissa)
        for axes in grid.flat[n:]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel(frame.ordinate)
        legend.draw(figure)
        return settled(figure)


def _across(wanted: int) -> int:
    """Three panels in a row can be read; four are better two by two."""
    if wanted <= 3:
        return max(wanted, 1)
    return 2 if wanted % 2 == 0 else 3
