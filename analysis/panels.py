"""What a figure shows, whoever asks: curves in panels, the names of their series, their axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from analysis.curve import Curve, curve
from analysis.fitting import Runs
from analysis.laws import Floats
from analysis.least_squares import Estimate
from analysis.metric import NLL, Metric
from analysis.results import Line, Results
from analysis.words import place
from orchestrator.refusal import Refused

# More than these in one figure cannot be told apart, or read.
MOST_SERIES, MOST_PANELS = 12, 24
ZERO_ASIDE = 1.5  # doublings between amount 0 and the smallest other one
FEWEST_KEPT = 2  # amounts, after one is held out


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows: a curve per series, references, where passes over the sources end.

    `forecasts` has for each series amounts and the values forecast there, `held_out` runs that were kept from
    its fit to be foreseen, `unused` those that its law does not look at.
    """

    title: str
    curves: Mapping[str, Curve]
    lines: tuple[Line, ...] = ()
    pass_ends: tuple[int, ...] = ()
    forecasts: Mapping[str, tuple[tuple[float, Estimate], ...]] = field(default_factory=dict)
    held_out: Mapping[str, Runs] = field(default_factory=dict)
    unused: Mapping[str, Runs] = field(default_factory=dict)

    @property
    def apart(self) -> list[Runs]:
        """The runs that are shown but no part of a fit."""
        return [*self.held_out.values(), *self.unused.values()]

    @property
    def amounts(self) -> Floats:
        """Those of runs and forecasts."""
        runs = [*(curve.fit.runs for curve in self.curves.values()), *self.apart]
        forecast = [[amount for amount, _ in each] for each in self.forecasts.values()]
        return np.concatenate([np.empty(0), *(one.amounts for one in runs), *forecast])


@dataclass(frozen=True)
class Shown:
    """A curve of any table, all runs of its group, and what was forecast: amounts and values."""

    curve: Curve
    runs: Runs
    forecasts: tuple[tuple[float, Estimate], ...] = ()

    @property
    def unused(self) -> Runs | None:
        """The runs at amounts that the curve's law does not look at; None without any."""
        outside = ~np.isin(self.runs.amounts, self.curve.fit.runs.amounts)
        return self.runs.take(np.flatnonzero(outside)) if outside.any() else None


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
        amounts = np.unique(np.concatenate([panel.amounts for panel in self.panels]))
        return amounts if len(amounts) else np.ones(1)

    def x_of(self, amounts: Floats) -> Floats:
        """Places on the abscissa: log2 of the amount, and amount 0 some way left of all others."""
        positive = self.amounts[self.amounts > 0]
        zero = np.log2(positive[0]) - ZERO_ASIDE if len(positive) else 0.0
        return np.log2(amounts, out=np.full(len(amounts), zero), where=amounts > 0)

    @property
    def ordinate(self) -> str:
        """The label of the ordinate."""
        return ordinate_of(self.metric)


def ordinate_of(metric: Metric) -> str:
    """A metric as the label of an axis."""
    return "NLL per token (nats)" if metric is NLL else metric.label


def without_largest(panels: Panels) -> Panels:
    """The panels with every curve's largest amount held out of its fit; short curves drop out."""
    return replace(panels, panels=tuple(_without_largest(panel) for panel in panels.panels))


def _without_largest(panel: Panel) -> Panel:
    curves, held_out = {}, {}
    for name, one in panel.curves.items():
        runs, law = one.fit.runs, one.fit.law
        largest = runs.amounts == runs.amounts.max()
        if one.fit.n_amounts > max(law.fewest_amounts, FEWEST_KEPT):
            curves[name] = curve(one.group, runs.take(np.flatnonzero(~largest)), law, one.metric)
            held_out[name] = runs.take(np.flatnonzero(largest))
    return replace(panel, curves=curves, forecasts={}, held_out=held_out)


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


def table_panels(shown: Sequence[Shown], amount: str) -> Panels:
    """Curves of any table: the last column of their groups names the series, those before it the panel.

    `amount` is the name of the column of amounts. Raises Refused where there are more panels or series than
    anybody could tell apart.
    """
    panels: dict[str, dict[str, Shown]] = {}
    for one in shown:
        *places, name = [str(value) for value in one.curve.group.values()] or [""]
        panels.setdefault(", ".join(places), {})[name] = one
    series = tuple(dict.fromkeys(name for panel in panels.values() for name in panel))
    if len(series) > MOST_SERIES or len(panels) > MOST_PANELS:
        raise Refused(
            f"{len(series)} series in {len(panels)} panels are no figure: at most {MOST_SERIES} and"
            f" {MOST_PANELS} can be told apart; the last column of --by tells series apart, those before it"
            " panels, so give fewer groups"
        )
    return Panels(
        metric=shown[0].curve.metric,
        series=series,
        panels=tuple(_table_panel(title, part) for title, part in panels.items()),
        across=min(3, len(panels)),
        abscissa=f"{amount} (log scale)",
    )


def _table_panel(title: str, part: Mapping[str, Shown]) -> Panel:
    return Panel(
        title,
        {name: one.curve for name, one in part.items()},
        forecasts={name: one.forecasts for name, one in part.items() if one.forecasts},
        unused={name: unused for name, one in part.items() if (unused := one.unused) is not None},
    )


def _study_panel(
    results: Results, benchmark: str, setting: dict[str, Any], pass_ends: tuple[int, ...]
) -> Panel:
    role = results.roles[benchmark].replace("_", " ")
    where = place(setting, setting)
    here = {"benchmark": benchmark, **setting}
    found = [one for one in results.curves if here.items() <= one.group.items()]
    return Panel(
        title=f"{where}\n{benchmark} ({role})" if where else f"{benchmark} ({role})",
        curves={one.group["strategy"]: one for one in found},
        lines=results.lines_at(benchmark, setting),
        pass_ends=pass_ends,
    )


def _abscissa(results: Results) -> str:
    subset = results.study.cells[0]["cell"]["subset"]
    counted = f"{subset['axis']} " if subset["with_seed"] else ""
    return f"Training {counted}{subset['unit']} (log scale)".capitalize()
