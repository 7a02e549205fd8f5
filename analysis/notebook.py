"""The analysis from Python: what `doublings fit` and `report` do, as DataFrames and matplotlib figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.between import Between, between
from analysis.chosen import Chosen
from analysis.compare import comparison_json
from analysis.curve import Curve, as_json
from analysis.drawings import Drawing, drawings_of, equivalence_drawings, panel_drawings
from analysis.equivalence import equivalence_json
from analysis.figures import Column, residuals_of
from analysis.fit_command import Request, fit_groups, forecast_groups
from analysis.least_squares import estimate_json
from analysis.panels import Shown, table_panels
from analysis.reading import read_table
from analysis.report import transfer_json
from analysis.results import Results, results_of
from analysis.sizes import sizes_json
from analysis.study import read_study
from analysis.tidy import Columns, Group
from analysis.words import Answer, answers
from orchestrator.refusal import Refused

Names = str | Sequence[str]


def fit(  # noqa: PLR0913 (one argument per option of the command)
    table: pd.DataFrame | str | Path,
    *,
    amount: str,
    value: str,
    by: Names = (),
    seed: Names = (),
    items: str | int | None = None,
    percent: bool = False,
    law: str = "loglinear",
    metric: str = "accuracy",
    predict: Sequence[float] = (),
    reach: float | None = None,
    bootstrap: int = 0,
    margin: float | None = None,
    compare: str | None = None,
    size: str | None = None,
) -> "Fits":
    """Fit accuracy or loss against amount in any tidy table, one row per run, as `doublings fit` does.

    `by` names the columns whose values have a fit each, `seed` those that tell replicates apart, `items` a
    column or the number of test items, `predict` amounts to forecast, `reach` the value whose amount is
    asked for; `law="auto"` chooses the law that forecasts best, and `margin` is what its verdict counts as a
    line. `bootstrap` refits give the intervals of laws that bend. `compare` names a column whose values are
    set against each other, `size` one with model sizes. Accuracies come out in points (percent
    points). Raises Refused with row, column and remedy for a table that cannot be used.
    """
    amounts = ",".join(str(float(each)) for each in predict) or None
    request = Request.of(
        law, metric, percent=percent, predict=amounts, reach=reach, bootstrap=bootstrap
    ).within(margin)
    frame = table.rename(columns=str) if isinstance(table, pd.DataFrame) else read_table(Path(table))
    apart = dict.fromkeys((*_names(by), *(name for name in (compare, size) if name is not None)))
    columns = Columns(amount, value, tuple(apart), _names(seed), None if items is None else str(items))
    groups = request.groups(frame.reset_index(drop=True), columns)
    beside = between(groups, compare, size)
    if request.forecasts:
        return forecast_fits(groups, forecast_groups(groups, request), amount, beside)
    return plain_fits(groups, fit_groups(groups, request), amount, beside)


def plain_fits(groups: Sequence[Group], curves: Sequence[Curve], amount: str, beside: Between) -> "Fits":
    """The curves that were fitted to these groups, and what was set beside each other."""
    shown = [Shown(one, group.runs) for one, group in zip(curves, groups, strict=True)]
    return Fits(tuple(shown), amount, beside)


def forecast_fits(groups: Sequence[Group], found: Sequence[Chosen], amount: str, beside: Between) -> "Fits":
    """What was chosen and forecast for these groups, and what was set beside each other."""
    shown = [
        Shown(one.curve, group.runs, tuple(zip(one.wishes.amounts, one.predictions, strict=True)))
        for one, group in zip(found, groups, strict=True)
    ]
    return Fits(tuple(shown), amount, beside, tuple(found))


def load(study_folder: str | Path) -> "StudyAnalysis":
    """The analysis of a study in `<outputs>/studies/<name>`, as its report has it; nothing is written.

    Raises Refused where the folder holds no readable plan.
    """
    return StudyAnalysis(results_of(read_study(Path(study_folder))))


@dataclass(frozen=True)
class Fits:
    """Fitted curves, accuracies in points; what could not be estimated is missing, never zero.

    `amount` is the name of the column of amounts, `beside` what was compared; `found` has what was chosen and
    forecast, if that was asked for.
    """

    shown: tuple[Shown, ...]
    amount: str
    beside: Between
    found: tuple[Chosen, ...] = ()

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curve of each group."""
        return tuple(one.curve for one in self.shown)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per curve: its group, law, status, counts, parameters with the ends of their intervals.

        Where laws were chosen or forecast there are also `holdout_error` and `verdict`.
        """
        rows = [_fit_row(each) for each in self.curves]
        for row, one in zip(rows, self.found, strict=False):
            row["holdout_error"] = None if one.choice is None else one.choice.holdout_error
            row["verdict"] = None if one.verdict is None else one.verdict.word.value
        return pd.DataFrame(rows)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The forecasts asked for, one row per curve and amount, with their 95 % intervals."""
        rows = [
            {**one.curve.group, self.amount: amount, **estimate_json(estimate)}
            for one in self.shown
            for amount, estimate in one.forecasts
        ]
        return pd.DataFrame(rows, columns=[*self.curves[0].group, self.amount, "estimate", "low", "high"])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: group, amount, value, what the law says, residual, whether it is suspicious."""
        return pd.concat([_run_rows(each) for each in self.curves], ignore_index=True)

    @cached_property
    def warnings(self) -> pd.DataFrame:
        """One row per thing that looks odd."""
        rows = [{**each.group, "warning": warning} for each in self.curves for warning in each.warnings]
        return pd.DataFrame(rows, columns=[*self.curves[0].group, "warning"])

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row per pair of values of the compared column: differences with the ends of their intervals."""
        return pd.json_normalize([comparison_json(one) for one in self.beside.comparisons])

    @cached_property
    def equivalences(self) -> pd.DataFrame:
        """One row per pair: what one example of the first is worth in examples of the second."""
        return pd.json_normalize([equivalence_json(one) for one in self.beside.equivalences])

    @cached_property
    def sizes(self) -> pd.DataFrame:
        """One row per group whose model sizes were asked for: the joint law of amount and size."""
        return pd.json_normalize([sizes_json(one) for one in self.beside.sizes])

    def at(self, amounts: Sequence[float]) -> pd.DataFrame:
        """The fitted mean at each amount with its 95 % interval, one row per curve and amount."""
        wanted = np.array(amounts, dtype=np.float64)
        rows = [
            {**each.group, self.amount: amount, **estimate_json(mean)}
            for each in self.curves
            for amount, mean in zip(wanted.tolist(), each.fit.at(wanted), strict=True)
        ]
        return pd.DataFrame(rows)

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures there are."""
        return tuple(drawing.name for drawing in self.drawings())

    def figure(self, name: str = "scaling", column: str = "double") -> Figure:
        """A figure at the width of a `single` or `double` column. Raises Refused for one there is not."""
        return _draw(self.drawings(), name, column)

    def drawings(self) -> list[Drawing]:
        """The figures there are, each to be drawn for a column."""
        panels = panel_drawings(table_panels(self.shown, self.amount))
        return [*panels, *equivalence_drawings(self.beside.equivalences)]

    def _repr_html_(self) -> str:
        """The table and the warnings, everything that was typed escaped."""
        warnings = self.warnings
        listed = _html(warnings) if len(warnings) else Markup()
        return str(_html(self.table) + listed)


@dataclass(frozen=True)
class StudyAnalysis:
    """What the report of a study says."""

    results: Results

    @cached_property
    def answers(self) -> list[Answer]:
        """The questions of the study, each answered in sentences."""
        return answers(self.results)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per cell and benchmark with its counts and the key of its record, as in results.csv."""
        return self.results.table

    @property
    def fits(self) -> Fits:
        """The curves."""
        beside = Between(self.results.comparisons, self.results.equivalences, ())
        return Fits(tuple(Shown(one, one.fit.runs) for one in self.results.curves), "amount", beside)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row per pair of strategies and benchmark: differences with the ends of their intervals."""
        return pd.json_normalize([comparison_json(one) for one in self.results.comparisons])

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """One row per strategy: slopes in and out of domain, and their ratio."""
        return pd.json_normalize([transfer_json(one) for one in self.results.transfers])

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures there are."""
        return tuple(drawing.name for drawing in drawings_of(self.results))

    def figure(self, name: str = "scaling", column: str = "double") -> Figure:
        """A figure at the width of a `single` or `double` column. Raises Refused for one there is not."""
        return _draw(drawings_of(self.results), name, column)

    def _repr_html_(self) -> str:
        """The answers and the table of fits, everything that was typed escaped."""
        told = Markup().join(
            Markup("<p><b>{}</b> {}</p>").format(one.question, one.text) for one in self.answers
        )
        return str(told + (_html(self.fits.table) if self.results.curves else Markup()))


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _fit_row(each: Curve) -> dict[str, Any]:
    told = as_json(each)
    parameters = {
        f"{name}{suffix}": estimate[end]
        for name, estimate in told["parameters"].items()
        for suffix, end in (("", "estimate"), ("_low", "low"), ("_high", "high"))
    }
    counts = {name: told[name] for name in ("law", "status", "n_points", "n_amounts", "n_seeds")}
    return {
        **each.group,
        **counts,
        **parameters,
        **{name: told[name] for name in ("r_squared", "residual_sd")},
        "n_warnings": len(each.warnings),
    }


def _run_rows(each: Curve) -> pd.DataFrame:
    runs, left = each.fit.runs, residuals_of(each)
    suspicious = np.zeros(len(runs.values), dtype=bool)
    suspicious[list(each.odd)] = True
    rows = pd.DataFrame({"run": list(runs.labels), "amount": runs.amounts, "value": runs.values})
    rows["fitted"] = np.nan if left is None else runs.values - left
    rows["residual"] = np.nan if left is None else left
    for place, (name, value) in enumerate(each.group.items()):
        rows.insert(place, name, value)
    return rows.assign(suspicious=suspicious)


def _draw(drawings: Sequence[Drawing], name: str, column: str) -> Figure:
    named = {drawing.name: drawing for drawing in drawings}
    if name not in named:
        raise Refused(f"no figure {name!r}: there is {', '.join(named)}")
    if column not in tuple(Column):
        raise Refused(f"no column {column!r}: there is {', '.join(Column)}")
    return named[name].draw(Column(column))


def _html(table: pd.DataFrame) -> Markup:
    # pandas escapes what it shows.
    return Markup(table.to_html(index=False, na_rep="–", float_format="{:.4g}".format, escape=True))  # noqa: S704
