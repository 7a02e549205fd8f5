"""One group's law, chosen or given, and what it says about amounts that were not run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.averages import averages
from analysis.curve import Curve, as_curve, as_json
from analysis.departures import Departures
from analysis.fitting import Fit, Runs, Status, fit, ordered
from analysis.forecast import FAR, Choice, aicc, choose
from analysis.holdout import Trial, forecast
from analysis.laws import LAWS, AnyLaw, Floats
from analysis.least_squares import Estimate, estimate_json
from analysis.metric import Metric
from analysis.numerals import amount_text, counted
from analysis.reach import NOT_REACHED, Reached, reach
from analysis.tidy import Group
from analysis.verdict import Verdict, Word, verdict

# Groups whose searches run side by side: more would hold more numbers at a time, not go faster.
SIDE_BY_SIDE = 250


@dataclass(frozen=True)
class Wishes:
    """What shall be forecast: amounts, and the value whose amount is asked for; the verdict's margin."""

    amounts: tuple[float, ...] = ()
    value: float | None = None
    margin: float | None = None  # None: the metric's own


@dataclass(frozen=True)
class Chosen:
    """A curve, how its law fares on held-out amounts, and its forecasts in the order of the wishes."""

    curve: Curve
    choice: Choice | None  # None where nothing could be fitted
    verdict: Verdict | None  # None where the law was given
    wishes: Wishes
    predictions: tuple[Estimate, ...]
    reached: Reached | None


def chosen(groups: Sequence[Group], metric: Metric, law: AnyLaw | None, wishes: Wishes) -> Iterator[Chosen]:
    """Fit each group, with the law given or the one that forecasts best, and forecast what is wished."""
    for first in range(0, len(groups), SIDE_BY_SIDE):
        part = groups[first : first + SIDE_BY_SIDE]
        runs = [_positive(ordered(group.runs)) for group in part]
        means = [
            averages(one.amounts, one.values, log_scale=metric.log_scale) for one in runs if one is not None
        ]
        choices = iter(choose(means, metric, law))
        for group, positive in zip(part, runs, strict=True):
            choice = None if positive is None else next(choices)
            if positive is None or choice is None:
                yield _unfitted(group, metric, law, wishes)
            else:
                yield _fitted(group, positive, choice, law, wishes)


def chosen_json(one: Chosen) -> dict[str, Any]:
    """One entry of `fits` with what was forecast, numbers in the metric's unit; null for what is unknown."""
    found = as_json(one.curve) | {"unit": one.curve.metric.unit}
    choice = one.choice
    found["holdout_error"] = None if choice is None else choice.holdout_error
    if one.verdict is not None:
        found["verdict"] = one.verdict.word.value
        found["reasons"] = list(one.verdict.reasons)
        found["would_tell"] = list(one.verdict.would_tell)
        found["last_amounts"] = None if choice is None else choice.candidate.window or None
        found["alternatives"] = [] if choice is None else alternatives(choice)
    found["predictions"] = [
        {"amount": amount, **estimate_json(estimate)}
        for amount, estimate in zip(one.wishes.amounts, one.predictions, strict=True)
    ]
    if one.reached is not None:
        found["reach"] = {"value": one.wishes.value, **one.reached.as_json()}
    return found


def alternatives(choice: Choice) -> list[dict[str, Any]]:
    """Each law with the least error of its windows and the AICc of its fit to all amounts, best first."""
    rows: dict[str, dict[str, Any]] = {}
    for trial, score in zip(choice.tried, choice.scores.tolist(), strict=True):
        law = trial.candidate.law
        row = rows.setdefault(law.id, {"law": law.id, "holdout_error": None, "aicc": None})
        if np.isfinite(score) and (row["holdout_error"] is None or score < row["holdout_error"]):
            row["holdout_error"] = score
        if trial.candidate.last_amounts == 0 and law is LAWS[law.id]:
            row["aicc"] = _aicc(choice, trial)
    return sorted(
        rows.values(), key=lambda row: np.inf if row["holdout_error"] is None else row["holdout_error"]
    )


def _aicc(choice: Choice, trial: Trial) -> float | None:
    """None for a law that does not describe all amounts."""
    if getattr(trial.candidate.law, "last_amounts", None):
        return None
    means = choice.means
    fitted = forecast(trial, means.amounts[None], choice.metric, means.means.min(keepdims=True))[0]
    return aicc(means, trial.candidate.law, fitted)


def _positive(runs: Runs) -> Runs | None:
    """Without amount 0, which lies on no curve of fine-tuning; None where nothing is left."""
    keep = np.flatnonzero(runs.amounts > 0)
    return runs.take(keep) if len(keep) else None


def _unfitted(group: Group, metric: Metric, law: AnyLaw | None, wishes: Wishes) -> Chosen:
    """Too few amounts above 0 for the law: the forecast is the fit's, or else the mean of the runs."""
    fitted = fit(law or LAWS["constant"], group.runs, metric)
    by_mean = law is None or fitted.status is Status.TOO_FEW_AMOUNTS
    amounts = np.array(wishes.amounts)
    # What lies about the mean of other amounts is no interval of a forecast.
    mean = Estimate(float(fitted.runs.values.mean()), None, None, None)
    notes = list(group.notes)
    if wishes.amounts:
        what = (
            "the mean of the runs, whatever the amount" if by_mean else f"that of {fitted.law.id} as fitted"
        )
        notes.append(f"too few amounts above 0 to try a forecast on: the forecast is {what}")
    return Chosen(
        curve=as_curve(group.key, fitted, metric, notes),
        choice=None,
        verdict=_no_verdict(metric, wishes) if law is None else None,
        wishes=wishes,
        predictions=(mean,) * len(amounts) if by_mean else tuple(fitted.at(amounts)),
        reached=None if wishes.value is None else NOT_REACHED,
    )


def _no_verdict(metric: Metric, wishes: Wishes) -> Verdict:
    """Of a group without fine-tuning: there is no curve to judge."""
    return Verdict(
        word=Word.CANNOT_TELL,
        margin=metric.resolution if wishes.margin is None else wishes.margin,
        reasons=("all runs are without fine-tuning data (amount 0): there is no curve",),
        would_tell=("three amounts above 0 or more, with three seeds each",),
        tests=Departures(0, exact=False),
    )


def _fitted(group: Group, positive: Runs, choice: Choice, law: AnyLaw | None, wishes: Wishes) -> Chosen:
    metric = choice.metric
    fitted = _fit(group.runs if law else positive, choice, metric, given=law)
    predictions = tuple(_forecast(choice, fitted, np.array(wishes.amounts), given=law is not None))
    found = None if wishes.value is None else reach(choice, wishes.value)
    notes = [*group.notes, *_zero_note(group.runs, law), *_choice_notes(choice, law)]
    notes += [*_averaged_note(positive, choice), *_far_notes(choice, wishes), *(found.notes if found else ())]
    return Chosen(
        curve=as_curve(group.key, fitted, metric, notes, None if law else positive),
        choice=choice,
        verdict=verdict(positive, metric, wishes.margin) if law is None else None,
        wishes=wishes,
        predictions=predictions,
        reached=found,
    )


def _fit(runs: Runs, choice: Choice, metric: Metric, given: AnyLaw | None) -> Fit:
    """The law on its window; what the search for it found is taken over where it saw the same runs."""
    if given is not None and (runs.amounts == 0).any():
        return fit(given, runs, metric)
    candidate = choice.candidate
    if candidate.last_amounts:
        smallest = choice.means.ends[-candidate.last_amounts, 0]
        runs = runs.take(np.flatnonzero(runs.amounts >= smallest))
    return fit(candidate.law, runs, metric, choice.tried[choice.chosen].optima)


def _forecast(choice: Choice, fitted: Fit, amounts: Floats, *, given: bool) -> list[Estimate]:
    """The weighted forecast; of a law that was given, or without errors to go by, the fit's interval too."""
    forecasts = choice.at(amounts)
    if not given and choice.growth is not None:
        return forecasts
    hulls = [
        _hull(one, other, choice.metric.range)
        for one, other in zip(forecasts, fitted.at(amounts), strict=True)
    ]
    if given or len(choice.means.amounts) > 1:
        return hulls
    # Runs of one amount say how sure that amount's value is, and nothing of any other.
    at_it = (amounts == choice.means.amounts[0]).tolist()
    return [hull if here else one for hull, one, here in zip(hulls, forecasts, at_it, strict=True)]


def _hull(forecast_: Estimate, fitted: Estimate, within: tuple[float, float]) -> Estimate:
    """The forecast's estimate with the wider of both ends, as far as the metric goes."""
    lows = [one.low for one in (forecast_, fitted) if one.low is not None]
    highs = [one.high for one in (forecast_, fitted) if one.high is not None]
    if not lows or forecast_.estimate is None:
        return forecast_
    least, most = within
    return replace(
        forecast_,
        low=max(min(*lows, forecast_.estimate), least),
        high=min(max(*highs, forecast_.estimate), most),
        level=fitted.level,
    )


def _zero_note(runs: Runs, law: AnyLaw | None) -> list[str]:
    n = int((runs.amounts == 0).sum())
    if not n or law is not None:
        return []
    return [f"{counted(n, 'run')} without fine-tuning data (amount 0) left out: on no curve of fine-tuning"]


def _choice_notes(choice: Choice, law: AnyLaw | None) -> list[str]:
    """What the choice of the law leaves open."""
    if law is not None:
        return []
    if choice.holdout_error is None:
        few = len(choice.means.amounts)
        if choice.rivals:
            return [
                f"{choice.candidate.law.id} alone meets all the runs: it is chosen for that, as {few} amounts"
                " are too few to hold some out for it"
            ]
        halfway = "; forecasts are halfway between it and the last value" if few > 1 else ""
        return [
            f"{counted(few, 'amount')}: none can be held out, so the law is chosen by its simplicity alone"
            f"{halfway}"
        ]
    names = {choice.tried[place].candidate.law.id: None for place in choice.rivals}
    others = [name for name in names if name != choice.candidate.law.id]
    if not others:
        return []
    return [
        f"cannot distinguish {choice.candidate.law.id} from {', '.join(others)}:"
        " within one standard error they forecast held-out amounts alike"
    ]


def _averaged_note(runs: Runs, choice: Choice) -> list[str]:
    n, n_averages = len(np.unique(runs.amounts)), len(choice.means.amounts)
    if n == n_averages:
        return []
    return [
        f"{n:,} amounts: laws that bend and forecasts see averages of neighbouring ones, {n_averages} in all"
    ]


def _far_notes(choice: Choice, wishes: Wishes) -> list[str]:
    largest = float(choice.means.ends[-1, 1])
    return [
        f"{amount_text(amount)} is {amount / largest:.3g} times the largest amount ({amount_text(largest)}):"
        f" beyond {FAR:g} times a forecast rests on the law more than on the runs"
        for amount in wishes.amounts
        if amount > FAR * largest
    ]
