"""What a figure shows, whoever asks: curves in panels, the names of their series, their axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from analysis.curve import Curve
from analysis.laws import Floats
from analysis.metric import ACCURACY, Metric
from analysis.results import Line, Results
from analysis.words import place
from orchestrator.refusal import Refused

# More than these in one figure cannot be told apart, or read.
MOST_SERIES, MOST_PANELS = 12, 24


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows: a curve per series, references, where passes over the sources end."""

    title: str
    curves: Mapping[str, Curve]
    lines: tuple[Line, ...] = ()
    pass_ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Panels:
    """The panels of one figure, which share series, metric and axes. `across` of them make a row."""

    metric: Metric
    series: tuple[str, ...]
    panels: tuple[Panel, ...]
    across: int
    abscissa: str

    @property
    def curves(self) -> list[Curve]:
        """All curves of all panels."""
        return [curve for panel in self.panels for curve in panel.curves.values()]

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the panels."""
        return tuple(panel.title for panel in self.panels)

    @property
    def amounts(self) -> Floats:
        """The distinct amounts, in order; 1 where nothing was measured."""
        return np.unique(np.concatenate([curve.fit.runs.amounts for curve in self.curves] or [np.ones(1)]))

    @property
    def ordinate(self) -> str:
        """The label of the ordinate."""
        return ordinate_of(self.metric)


def ordinate_of(metric: Metric) -> str:
    """A metric as the label of an axis."""
    return "Accuracy" if metric is ACCURACY else "NLL per token (nats)"


def study_panels(results: Results) -> Panels:
    """A row per setting, a panel per benchmark, a series per strategy."""
    places = product(results.settings(), results.roles)
    ends = tuple(sorted(set(results.study.pass_ends().values())))
    return Panels(
        metric=results.metric,
        series=tuple(results.strategies),
        panels=tuple(_study_panel(results, benchmark, setting, ends) for setting, benchmark in places),
        across=len(results.roles),
        abscissa=_abscissa(results),
    )


def table_panels(curves: Sequence[Curve], amount: str) -> Panels:
    """Curves of any table: the last column of their groups names the series, those before it the panel.

    `amount` is the name of the column of amounts. Raises Refused where there are more panels or series than
    anybody could tell apart.
    """
    panels: dict[str, dict[str, Curve]] = {}
    for curve in curves:
        *places, name = [str(value) for value in curve.group.values()] or [""]
        panels.setdefault(", ".join(places), {})[name] = curve
    series = tuple(dict.fromkeys(name for panel in panels.values() for name in panel))
    if len(series) > MOST_SERIES or len(panels) > MOST_PANELS:
        raise Refused(
            f"{len(series)} series in {len(panels)} panels are no figure: at most {MOST_SERIES} and"
            f" {MOST_PANELS} can be told apart; the last column of --by tells series apart, those before it"
            " panels, so give fewer groups"
        )
    return Panels(
        metric=curves[0].metric,
        series=series,
        panels=tuple(Panel(title, part) for title, part in panels.items()),
        across=min(3, len(panels)),
        abscissa=f"{amount} (log scale)",
    )


def _study_panel(
    results: Results, benchmark: str, setting: dict[str, Any], pass_ends: tuple[int, ...]
) -> Panel:
    role = results.roles[benchmark].replace("_", " ")
    where = place(setting, setting)
    here = {"benchmark": benchmark, **setting}
    found = [curve for curve in results.curves if here.items() <= curve.group.items()]
    return Panel(
        title=f"{where}\n{benchmark} ({role})" if where else f"{benchmark} ({role})",
        curves={curve.group["strategy"]: curve for curve in found},
        lines=results.lines_at(benchmark, setting),
        pass_ends=pass_ends,
    )


def _abscissa(results: Results) -> str:
    subset = results.study.cells[0]["cell"]["subset"]
    counted = f"{subset['axis']} " if subset["with_seed"] else ""
    return f"Training {counted}{subset['unit']} (log scale)".capitalize()
