"""How figures look: exact widths, and marks told apart by colour, shape and dashes alike."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib import rc_params_from_file
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

STYLES = Path(__file__).parents[1] / "styles"
INK, MUTED, RULE, PAPER = "#1a1a1a", "#6b6b6b", "#dcdcdc", "#ffffff"
PANEL_HEIGHT = 2.4  # inches
LINE_HEIGHT = 0.17  # inches, of a title or a row of the legend
POINTS_PER_INCH = 72.0


class Column(StrEnum):
    """For which width of a paper a figure is drawn."""

    SINGLE = "single"
    DOUBLE = "double"

    @property
    def sheets(self) -> list[str]:
        """The style sheets, for `matplotlib.style.use`."""
        return [str(STYLES / "paper.mplstyle"), str(STYLES / f"{self}.mplstyle")]

    @property
    def width(self) -> float:
        """Inches."""
        return float(rc_params_from_file(self.sheets[1], use_default_template=False)["figure.figsize"][0])


@dataclass(frozen=True)
class Look:
    """How one series is drawn."""

    colour: str
    marker: str
    dashes: Any
    hatch: str

    @property
    def marks(self) -> dict[str, Any]:
        """How its runs are drawn."""
        face = {"markerfacecolor": PAPER, "markeredgecolor": self.colour}
        return {"marker": self.marker, "linestyle": "none", **face}


# Okabe and Ito's colours (jfly.uni-koeln.de/color), which colour-blind readers tell apart. The lists differ
# in length, so that more series than colours still differ in something.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (1.2, 1.2)), (0, (8, 1.5)))
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "----", "oo")
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


def look_of(rank: int) -> Look:
    """How the series of that rank is drawn."""
    return Look(
        COLOURS[rank % len(COLOURS)],
        MARKERS[rank % len(MARKERS)],
        DASHES[rank % len(DASHES)],
        HATCHES[rank % len(HATCHES)],
    )


@contextmanager
def drawn_for(column: Column) -> Iterator[None]:
    """Draw in the style of that column."""
    with matplotlib.style.context(column.sheets):
        yield


def settled(figure: Figure) -> Figure:
    """The figure with its layout made once, so that every format has the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def plain(text: str, width: float, size: float = 7.5) -> str:
    """A name as it is, but for the middle of lines wider than `width` inches at `size` points.

    A leading `_` would hide it from a legend.
    """
    whole = "\n".join(_shortened(line, width, size) for line in text.split("\n"))
    return "\u200b" * whole.startswith("_") + whole


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Inches that one line takes in the sheets' font at `size` points."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        font = FontProperties(family="DejaVu Sans", size=size)
        measure = RendererAgg(1, 1, POINTS_PER_INCH)
        return float(measure.get_text_width_height_descent(text, font, False)[0]) / POINTS_PER_INCH


def _shortened(line: str, width: float, size: float) -> str:
    kept = len(line)
    while kept > 4 and text_width(_middle_out(line, kept), size) > width:
        kept -= 1
    return _middle_out(line, kept)


def _middle_out(line: str, kept: int) -> str:
    """The first and last of `kept` letters."""
    tail = (kept - 1) // 2
    return line if kept == len(line) else f"{line[: kept - 1 - tail]}…{line[len(line) - tail :]}"
