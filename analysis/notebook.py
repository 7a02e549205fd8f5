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

from analysis.compare import comparison_json
from analysis.curve import Curve, as_json, curve
from analysis.drawings import Drawing, drawings_of, panel_drawings
from analysis.figures import Column, residuals_of
from analysis.laws import LAWS
from analysis.metric import ACCURACY
from analysis.panels import table_panels
from analysis.report import transfer_json
from analysis.results import Results, results_of
from analysis.study import read_study
from analysis.tidy import PERCENT, Columns, accuracy_groups, read_table
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
) -> "Fits":
    """Fit accuracy against amount in any tidy table, one row per run, as `doublings fit` does.

    `by` names the columns whose values have a fit each, `seed` those that tell replicates apart, `items` a
    column or the number of test items. Values come out in points (percent points). Raises Refused with row,
    column and remedy for a table that cannot be used.
    """
    if law not in LAWS:
        raise Refused(f"no law {law!r}: there is {', '.join(LAWS)}")
    frame = table.rename(columns=str) if isinstance(table, pd.DataFrame) else read_table(Path(table))
    columns = Columns(amount, value, _names(by), _names(seed), None if items is None else str(items))
    groups = accuracy_groups(frame.reset_index(drop=True), columns, PERCENT if percent else 1.0)
    curves = [curve(group.key, group.runs, LAWS[law], ACCURACY, group.notes) for group in groups]
    return Fits(tuple(curves), amount)


def load(study_folder: str | Path) -> "StudyAnalysis":
    """The analysis of a study in `<outputs>/studies/<name>`, as its report has it; nothing is written.

    Raises Refused where the folder holds no readable plan.
    """
    return StudyAnalysis(results_of(read_study(Path(study_folder))))


@dataclass(frozen=True)
class Fits:
    """Fitted curves, accuracies in points; what could not be estimated is missing, never zero."""

    curves: tuple[Curve, ...]
    amount: str

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per curve: its group, law, status, counts, parameters with the ends of their intervals."""
        return pd.DataFrame([_fit_row(each) for each in self.curves])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: group, amount, value, what the law says, residual, whether it is suspicious."""
        return pd.concat([_run_rows(each) for each in self.curves], ignore_index=True)

    @cached_property
    def warnings(self) -> pd.DataFrame:
        """One row per thing that looks odd."""
        rows = [{**each.group, "warning": warning} for each in self.curves for warning in each.warnings]
        return pd.DataFrame(rows, columns=[*self.curves[0].group, "warning"])

    def at(self, amounts: Sequence[float]) -> pd.DataFrame:
        """The fitted mean at each amount with its 95 % interval, one row per curve and amount."""
        wanted = np.array(amounts, dtype=np.float64)
        return pd.DataFrame(
            [
                {
                    **each.group,
                    self.amount: amount,
                    "estimate": mean.estimate,
                    "low": mean.low,
                    "high": mean.high,
                }
                for each in self.curves
                for amount, mean in zip(wanted.tolist(), each.fit.at(wanted), strict=True)
            ]
        )

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures there are."""
        return tuple(drawing.name for drawing in self._drawings())

    def figure(self, name: str = "scaling", column: str = "double") -> Figure:
        """A figure at the width of a `single` or `double` column. Raises Refused for one there is not."""
        return _draw(self._drawings(), name, column)

    def _drawings(self) -> list[Drawing]:
        return panel_drawings(table_panels(self.curves, self.amount))

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
        return Fits(self.results.curves, "amount")

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
