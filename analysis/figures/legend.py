"""The legend: above the panels, where there is nothing to cover."""

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import RING, look_of, plain
from analysis.results import Results

HANDLE_WIDTH, LETTER_WIDTH = 0.55, 0.062  # inches


@dataclass(frozen=True)
class Legend:
    """Which looks stand for which names, in how many columns."""

    looks: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    columns: int

    @property
    def rows(self) -> int:
        """How many rows it takes."""
        return -(-len(self.labels) // self.columns)

    @classmethod
    def of(cls, results: Results, width: float) -> "Legend":
        """One entry per strategy, as many columns as the width (inches) holds."""
        drawn = [look_of(rank) for rank in range(len(results.strategies))]
        looks = [{**look.marks, "color": look.colour, "linestyle": look.dashes} for look in drawn]
        labels = [plain(strategy) for strategy in results.strategies]
        if any(curve.odd for curve in results.curves):
            looks, labels = [*looks, RING], [*labels, "suspicious run"]
        widest = HANDLE_WIDTH + LETTER_WIDTH * max(map(len, labels), default=0)
        return cls(tuple(looks), tuple(labels), max(1, min(int(width / widest), len(labels))))

    def draw(self, figure: Figure) -> None:
        """Put it above the panels."""
        handles = [Line2D([], [], **look) for look in self.looks]
        if handles:
            columns = {"ncols": self.columns, "columnspacing": 1.4}
            figure.legend(handles, self.labels, loc="outside upper left", **columns)
