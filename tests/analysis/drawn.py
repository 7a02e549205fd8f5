"""What a drawn figure shows, for tests: its visible texts and where they are."""

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

# Pixels at 100 a inch that two boxes may share: the air around letters.
TOUCH = 1.5


def boxes(figure: Figure):
    """Each visible text with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip("\u200b \n")
    ]
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts
        if all(_shown(text, axes) for axes in figure.axes)
    ]


def overlaps(figure: Figure):
    """Pairs of texts that cover each other."""
    return [
        (one, other)
        for (one, first), (other, second) in combinations(boxes(figure), 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > TOUCH
        and min(first.y1, second.y1) - max(first.y0, second.y0) > TOUCH
    ]


def outside(figure: Figure):
    """Texts that stick out of the figure."""
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text
        for text, box in boxes(figure)
        if box.x0 < -TOUCH or box.y0 < -TOUCH or box.x1 > width + TOUCH or box.y1 > height + TOUCH
    ]


def _shown(text: Text, axes: Axes) -> bool:
    """Whether it is drawn: not in hidden axes, and no tick label beyond the limits or left over."""
    if not axes.get_visible() and text in axes.findobj(Text):
        return False
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if text is not axis.label and text in axis.findobj(Text):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            drawn = [tick for tick in ticks if min(limits) <= tick.get_loc() <= max(limits)]
            return any(text in (tick.label1, tick.label2) for tick in drawn)
    return True
