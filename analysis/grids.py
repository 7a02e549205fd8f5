"""Results as tables of text, for whatever sets them: the page, the terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.compare import Comparison, Transfer
from analysis.curve import Curve
from analysis.equivalence import DataEquivalence
from analysis.least_squares import Estimate, Level
from analysis.metric import ACCURACY, Metric
from analysis.numerals import NOTHING, amount_text, decimals_of, interval, number, p_value
from analysis.provenance import Provenance
from analysis.results import Results
from analysis.table import measured, n_answers, seed_text
from analysis.traces import anchor
from analysis.words import place

UNBOUNDED = "not identified"
# Counts of a record, and what their shares are called.
GRADED = {
    "n_correct": "correct",
    "n_no_answer": "no answer",
    "n_truncated": "truncated",
    "n_unparsable": "unparsable",
    "n_grader_timed_out": "timed out",
    "n_agree": "as to the letter",
}
LEVELS = {Level.RUN: "runs", Level.CHAIN: "chains"}


@dataclass(frozen=True)
class Grid:
    """A table of texts. The first `n_labels` columns name a row, the others hold numbers.

    `anchors` says for each cell where in the page its sources are, "" where nowhere; it may be empty.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int
    anchors: tuple[tuple[str, ...], ...] = ()


def fits(results: Results) -> Grid:
    """One row per curve, parameters with 95 % intervals in the metric's unit."""
    head = (
        *("benchmark", *results.study.settings, "strategy"),
        *("per doubling", "95 % interval", "scatter of", "R²", "residual sd", "lack of fit", "at amount 1"),
        *("amounts × chains", "runs", "status"),
    )
    rows = tuple(_fit_row(curve, results) for curve in results.curves)
    return Grid(head, rows, 2 + len(results.study.settings))


def means(results: Results, benchmark: str, metric: Metric) -> Grid:
    """Mean over the runs of each amount and strategy, with the number of runs."""
    rows = results.table[(results.table["benchmark"] == benchmark) & results.table["reference"].isna()]
    rows = rows.assign(value=measured(rows, metric))
    groups = list(rows.groupby([*results.study.settings, "strategy"], sort=False, dropna=False))
    amounts = sorted(rows["amount"].unique())
    parts = [[group[group["amount"] == amount] for _, group in groups] for amount in amounts]
    return Grid(
        ("amount", *(_group_name(group, results) for _, group in groups)),
        tuple(
            (f"{amount:,}", *(_mean(part, metric) for part in line))
            for amount, line in zip(amounts, parts, strict=True)
        ),
        1,
        tuple(("", *(_anchor(part, results) for part in line)) for line in parts),
    )


def references(results: Results, benchmark: str, metric: Metric) -> Grid:
    """The same for what is drawn as a line."""
    rows = results.table[(results.table["benchmark"] == benchmark) & results.table["reference"].notna()]
    rows = rows.assign(value=measured(rows, metric))
    names = ("reference", *results.study.settings)
    groups = [group for _, group in rows.groupby(list(names), sort=False, dropna=False)]
    return Grid(
        (*names, "mean (runs)"),
        tuple((*(str(group[name].iloc[0]) for name in names), _mean(group, metric)) for group in groups),
        len(names),
        tuple((*("" for _ in names), _anchor(group, results)) for group in groups),
    )


def comparisons(results: Results) -> Grid:
    """First minus second strategy."""
    head = (
        *("benchmark", *results.study.settings, "strategies"),
        *("on average", "95 % interval", "at the largest", "95 % interval", "per doubling", "95 % interval"),
        *("chains",),
    )
    rows = tuple(_comparison_row(one, results) for one in results.comparisons)
    return Grid(head, rows, 2 + len(results.study.settings))


def transfers(results: Results) -> Grid:
    """Slopes in and out of domain."""
    head = (
        *("strategy", *results.study.settings, "benchmarks"),
        *("in domain", "95 % interval", "out of domain", "95 % interval", "ratio", "95 % interval"),
    )
    rows = tuple(_transfer_row(one, results) for one in results.transfers)
    return Grid(head, rows, 2 + len(results.study.settings))


def equivalences(results: Results) -> Grid:
    """What one example of the first strategy is worth in examples of the second."""
    head = ("benchmark", *results.study.settings, "strategies", "at", "worth", "95 % interval")
    rows = tuple(row for one in results.equivalences for row in _equivalence_rows(one, results))
    return Grid(head, rows, 3 + len(results.study.settings))


def variances(results: Results) -> Grid:
    """Sources of scatter, one column each."""
    names = dict.fromkeys(part.name for one in results.variances.values() for part in one.components)
    decimals = results.metric.decimals + 1
    rows = []
    for benchmark, one in results.variances.items():
        parts = {
            part.name: f"{number(part.sd, decimals)} ({100 * part.share:.0f} %)" for part in one.components
        }
        cells = (parts.get(name, NOTHING) for name in names)
        rows.append((benchmark, number(one.run_sd, decimals), *cells, str(one.degrees_of_freedom)))
    return Grid(("benchmark", "all runs", *names, "degrees of freedom"), tuple(rows), 1)


def grading(results: Results) -> Grid:
    """How many answers were cut off or could not be read, beside how many were right.

    The last column shows how often the grader and a comparison to the letter say the same.
    """
    present = results.table[results.table["state"] == "present"]
    present = present.sort_values("role", key=lambda roles: roles != "in_domain", kind="stable")
    names = present["reference"].fillna(present["strategy"]).rename("name")
    rows = []
    for (benchmark, name), group in present.groupby(["benchmark", names], sort=False):
        answers = int(n_answers(group).sum())
        shares = [_percent(int(group[count].sum()), answers) for count in GRADED]
        rows.append((str(benchmark), str(name), str(group["record"].nunique()), f"{answers:,}", *shares))
    head = ("benchmark", "strategy", "records", "answers", *GRADED.values())
    return Grid(head, tuple(rows), 2)


def made(provenance: Provenance) -> Grid:
    """Artifacts by kind, and what they took."""
    rows = []
    for one in provenance.made:
        spent = (one.seconds, one.cpu_seconds, one.gpu_seconds)
        times = (_duration(seconds) if seconds else NOTHING for seconds in spent)
        rows.append((one.kind, str(one.planned), str(one.complete), *times))
    return Grid(("artifact", "planned", "complete", "time", "CPU time", "GPU time"), tuple(rows), 1)


def missing(results: Results) -> Grid:
    """The cells without a record."""
    head = ("strategy", *results.study.settings, "amount", "seeds", "benchmark")
    rows = tuple(
        (
            str(row["reference"] if not pd.isna(row["reference"]) else row["strategy"]),
            *(str(row[name]) for name in results.study.settings),
            f"{row['amount']:,}",
            seed_text(row["subset_seed"], row["train_seed"]),
            str(row["benchmark"]),
        )
        for _, row in results.missing.iterrows()
    )
    return Grid(head, rows, len(head))


def _fit_row(curve: Curve, results: Results) -> tuple[str, ...]:
    fit, otherwise = curve.fit, curve.metric.decimals + 1
    slope, intercept = fit.parameters["per_doubling"], fit.parameters["intercept"]
    decimals = decimals_of(slope, otherwise)
    test = fit.lack_of_fit
    return (
        *(str(curve.group["benchmark"]), *_setting_cells(curve.group, results), str(curve.group["strategy"])),
        *(number(slope.estimate, decimals), interval(slope, decimals)),
        LEVELS[slope.level] if slope.level else NOTHING,
        *(number(fit.r_squared, 3), number(fit.residual_sd, otherwise)),
        f"p {p_value(test.p)}" if test else NOTHING,
        number(intercept.estimate, decimals_of(intercept, otherwise - 1)),
        *(f"{fit.n_amounts} × {fit.runs.n_seeds}", str(len(fit.runs.values))),
        fit.status.value,
    )


def _comparison_row(one: Comparison, results: Results) -> tuple[str, ...]:
    decimals = results.metric.decimals
    parts = (one.average, one.at_largest, one.per_doubling)
    return (
        *(str(one.group["benchmark"]), *_setting_cells(one.group, results), f"{one.first} − {one.second}"),
        *(text for part in parts for text in _told(part, decimals)),
        str(one.n_chains),
    )


def _equivalence_rows(one: DataEquivalence, results: Results) -> Iterator[tuple[str, ...]]:
    names = (str(one.group["benchmark"]), *_setting_cells(one.group, results), f"{one.first} : {one.second}")
    at = [] if one.parallel else [(amount_text(each.amount), each.ratio) for each in one.at]
    for where, factor in at or [("any amount", one.overall)]:
        if factor.low is None:
            yield (*names, where, number(factor.estimate, 2), UNBOUNDED)
        else:
            yield (*names, where, *_told(factor, 2))


def _transfer_row(one: Transfer, results: Results) -> tuple[str, ...]:
    decimals = results.metric.decimals
    return (
        *(str(one.group["strategy"]), *_setting_cells(one.group, results)),
        f"{one.in_domain} → {one.out_of_domain}",
        *(*_told(one.inside, decimals), *_told(one.outside, decimals)),
        *(_told(one.ratio, 2) if one.ratio.low is not None else (number(one.ratio.estimate, 2), UNBOUNDED)),
    )


def _told(estimate: Estimate, otherwise: int) -> tuple[str, str]:
    """Estimate and interval with the digits that the interval allows."""
    decimals = decimals_of(estimate, otherwise)
    return number(estimate.estimate, decimals), interval(estimate, decimals)


def _setting_cells(group: dict[str, Any], results: Results) -> tuple[str, ...]:
    return tuple(str(group[name]) for name in results.study.settings)


def _group_name(group: pd.DataFrame, results: Results) -> str:
    first = group.iloc[0]
    where = place({name: first[name] for name in results.study.settings}, results.study.settings)
    return f"{first['strategy']} ({where})" if where else str(first["strategy"])


def _anchor(rows: pd.DataFrame, results: Results) -> str:
    """Where the sources of a mean are; nowhere without a record."""
    present = rows[rows["state"] == "present"]
    return anchor(present.iloc[0].to_dict(), results) if len(present) else ""


def _mean(rows: pd.DataFrame, metric: Metric) -> str:
    """`61.2 (3)`: the mean and how many runs it is over; `missing` where all of them are."""
    if rows.empty:
        return NOTHING
    values = rows.drop_duplicates("record")["value"].dropna()
    if values.empty:
        return "missing"
    decimals = metric.decimals if metric is not ACCURACY else 1
    return f"{number(float(values.mean()), decimals)} ({len(values)})"


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else NOTHING


def _duration(seconds: float) -> str:
    """Seconds up to two minutes, minutes up to two hours, then hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
