"""The legend: above the panels, where there is nothing to cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.style import INK, LINE_HEIGHT, RING, look_of, plain, text_width
from analysis.panels import Panels

HANDLE_WIDTH = 0.5  # inches, with the room to the next entry
MARGIN = 0.15  # inches


@dataclass(frozen=True)
class Legend:
    """Handles and their names, in as many columns as the width (inches) holds."""

    handles: Sequence[Artist]
    names: Sequence[str]
    width: float

    @property
    def labels(self) -> list[str]:
        """The names, shortened to what one column of the legend holds."""
        return [plain(name, self.width - HANDLE_WIDTH - MARGIN) for name in self.names]

    @property
    def across(self) -> int:
        """Entries in a row: as many as fit, each column as wide as its widest."""
        widths = [HANDLE_WIDTH + text_width(label, 7.5) for label in self.labels]
        for across in range(len(widths), 1, -1):
            # As matplotlib deals them out: the first columns are one longer where the rest does not go up.
            if sum(part.max() for part in np.array_split(widths, across)) <= self.width - MARGIN:
                return across
        return 1

    @property
    def height(self) -> float:
        """Inches."""
        return -(-len(self.names) // self.across) * LINE_HEIGHT

    def draw(self, figure: Figure) -> None:
        """Put it above the panels."""
        if self.names:
            columns = {"ncols": self.across, "columnspacing": 1.4}
            figure.legend(self.handles, self.labels, loc="outside upper left", **columns)


def curves_legend(panels: Panels, width: float) -> Legend:
    """Marks and lines of each series, and the ring if any run is suspicious. A nameless series needs none."""
    looks: list[dict[str, Any]] = []
    for rank in range(len(panels.series)):
        look = look_of(rank)
        looks.append({**look.marks, "color": look.colour, "linestyle": look.dashes})
    names = list(panels.series) if any(panels.series) else []
    handles = [Line2D([], [], **look) for look in looks[: len(names)]]
    if any(curve.odd for curve in panels.curves):
        handles, names = [*handles, Line2D([], [], **RING)], [*names, "suspicious run"]
    return Legend(handles, names, width)


def bars_legend(panels: Panels, width: float) -> Legend:
    """Filled boxes of each series."""
    names = list(panels.series) if any(panels.series) else []
    handles = [box(rank) for rank in range(len(names))]
    return Legend(handles, names, width)


def box(rank: int) -> Patch:
    """How a bar of that series looks."""
    look = look_of(rank)
    return Patch(facecolor=look.colour, edgecolor=INK, hatch=look.hatch, linewidth=0.4, alpha=0.75)
