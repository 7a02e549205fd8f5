"""What `doublings fit` was asked for, checked, and carried out over the groups of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
from rich.progress import track

from analysis.bootstrap import bootstrapped
from analysis.chosen import Chosen, Wishes, chosen
from analysis.curve import Curve, curve
from analysis.fitting import Status
from analysis.laws import LAWS, LOGLINEAR, AnyLaw, CurvedLaw, Law
from analysis.metric import ACCURACY, LOSS, POINTS_PER_FRACTION, Metric
from analysis.numerals import exactly
from analysis.terminal import stderr
from analysis.tidy import ABOVE_ZERO, MOST_DATA, PERCENT, Columns, Group, accuracy_groups, loss_groups
from orchestrator.refusal import Refused

AUTO = "auto"
TABLE_METRICS = {metric.id: metric for metric in (ACCURACY, LOSS)}
# More groups than this take long enough to want a bar: fits of a line, and anything that is searched for.
MANY_LINES = 500
MANY_SEARCHES = 10


@dataclass(frozen=True)
class Request:
    """The law (None: the one that forecasts best), the metric and its scale, and what shall be forecast.

    Parameters of laws that bend get bootstrap intervals from so many refits; 0: profile intervals.
    """

    law: AnyLaw | None
    metric: Metric
    scale: float  # value of a perfect accuracy in the table; 1 for losses
    wishes: Wishes
    n_refits: int

    @classmethod
    def of(
        cls,
        law: str,
        metric: str,
        *,
        percent: bool,
        predict: str | None,
        reach: float | None,
        bootstrap: int,
    ) -> "Request":
        """From the words of the command line. Raises Refused where they make no sense."""
        if law not in (AUTO, *LAWS):
            raise Refused(f"no law {law!r}: there is {AUTO}, {', '.join(LAWS)}")
        if metric not in TABLE_METRICS:
            raise Refused(f"no metric {metric!r}: there is {', '.join(TABLE_METRICS)}")
        measured = TABLE_METRICS[metric]
        if percent and measured is not ACCURACY:
            raise Refused("--percent is for accuracies: leave it out with --metric loss")
        given = LAWS.get(law)
        if isinstance(given, CurvedLaw) and given.bounded_metrics_only and measured.ceiling is None:
            raise Refused(f"--law {law} is for accuracies, which end at 1: choose another law for a loss")
        scale = PERCENT if percent else 1.0
        wishes = Wishes(_amounts(predict), _value(reach, measured, scale))
        return cls(given, measured, scale, wishes, bootstrap)

    def within(self, margin: float | None) -> "Request":
        """The same with a margin, in the metric's unit, within which a curve counts as a line."""
        if margin is not None and not 0 < margin < float("inf"):
            raise Refused(f"--margin {exactly(margin)} is no margin above 0: give {self.metric.unit}")
        return replace(self, wishes=replace(self.wishes, margin=margin))

    @property
    def forecasts(self) -> bool:
        """Whether held-out amounts are looked at: always but for a line that is only to be fitted."""
        return not isinstance(self.law, Law) or self.wishes != Wishes()

    def groups(self, table: pd.DataFrame, columns: Columns) -> list[Group]:
        """The groups of the table, refused where the law cannot take their amounts or values."""
        least = 0.0 if self.law is None or self.law.admits_zero else ABOVE_ZERO
        if self.metric is ACCURACY:
            return accuracy_groups(table, columns, self.scale, least)
        if columns.items is not None:
            raise Refused("--items counts the answers behind an accuracy: leave it out with --metric loss")
        in_logarithms = self.law is None or isinstance(self.law, CurvedLaw) or self.forecasts
        return loss_groups(table, columns, least, ABOVE_ZERO if in_logarithms else -float("inf"))


def fit_groups(groups: Sequence[Group], request: Request) -> list[Curve]:
    """The line given, fitted to each group."""
    assert isinstance(request.law, Law)
    bar = track(groups, "fitting", console=stderr(), transient=True, disable=len(groups) < MANY_LINES)
    return [curve(group.key, group.runs, request.law, request.metric, group.notes) for group in bar]


def forecast_groups(groups: Sequence[Group], request: Request) -> list[Chosen]:
    """The law given or chosen, and its forecasts, for each group."""
    found = chosen(groups, request.metric, request.law, request.wishes)
    if request.n_refits:
        found = (_bootstrapped(one, request.n_refits) for one in found)
    bar = track(
        found,
        "fitting",
        total=len(groups),
        console=stderr(),
        transient=True,
        disable=len(groups) < MANY_SEARCHES,
    )
    return list(bar)


def _bootstrapped(one: Chosen, n_refits: int) -> Chosen:
    return replace(one, curve=replace(one.curve, fit=bootstrapped(one.curve.fit, n_refits)))


def refuse_unless_any_fitted(curves: Sequence[Curve], columns: Columns) -> None:
    """Raises Refused where no group has amounts enough for the law."""
    if any(each.fit.status is not Status.TOO_FEW_AMOUNTS for each in curves):
        return
    where = f" in every group of {', '.join(columns.by)}" if columns.by else ""
    law = curves[0].fit.law
    if law is LOGLINEAR:
        raise Refused(
            f"column {columns.amount!r} has a single amount{where}, {exactly(curves[0].fit.runs.amounts[0])}:"
            " a line takes at least two"
        )
    raise Refused(
        f"column {columns.amount!r} has fewer than {law.fewest_amounts} amounts{where}:"
        f" {law.id} takes at least that many"
    )


def _amounts(predict: str | None) -> tuple[float, ...]:
    amounts = []
    for text in (predict or "").split(","):
        if not text.strip():
            continue
        try:
            amount = float(text)
        except ValueError:
            amount = float("nan")
        if not 0 < amount < float("inf"):
            raise Refused(f"--predict {text.strip()!r} is no amount above 0: give numbers parted by commas")
        if amount > MOST_DATA:
            raise Refused(f"--predict {text.strip()!r} is more data than there is: give up to {MOST_DATA:g}")
        amounts.append(amount)
    if predict is not None and not amounts:
        raise Refused("--predict names no amount: give numbers parted by commas")
    return tuple(amounts)


def _value(reach: float | None, metric: Metric, scale: float) -> float | None:
    """The value in the metric's unit."""
    if reach is None:
        return None
    if metric is ACCURACY:
        if not 0 < reach <= scale:
            raise Refused(
                f"--reach {exactly(reach)} is no accuracy above 0 and up to {scale:g}, as the table has them"
            )
        return reach * POINTS_PER_FRACTION / scale
    if not 0 < reach < float("inf"):
        raise Refused(f"--reach {exactly(reach)} is no loss above 0")
    return reach
