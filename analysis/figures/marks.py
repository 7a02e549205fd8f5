"""Where the runs of a drawn scaling figure lie, for whatever is laid over it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from analysis.curve import Curve
from analysis.figures.axes import sideways
from analysis.laws import Floats
from analysis.panels import Panels


@dataclass(frozen=True)
class Marks:
    """The places (n, 2) of one curve's runs as shares of width and height, from the upper left."""

    curve: Curve
    places: Floats


def marks(figure: Figure, panels: Panels) -> Iterator[Marks]:
    """Those of every curve, in the order of the figure's panels and series."""
    for axes, panel in zip(figure.axes, panels.panels, strict=False):
        for name, curve in panel.curves.items():
            aside = sideways(panels.series.index(name), len(panels.series))
            points = np.column_stack([np.log2(curve.fit.runs.amounts) + aside, curve.fit.runs.values])
            shares = figure.transFigure.inverted().transform(axes.transData.transform(points))
            yield Marks(curve, np.column_stack([shares[:, 0], 1 - shares[:, 1]]))
