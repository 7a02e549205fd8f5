"""Is it log-linear? A word, why, and where the data cannot tell: what would."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import special

from analysis.departures import CHANCE, Bend, Departures, Shape, departures
from analysis.fitting import Runs
from analysis.geometry import MOST_KNOTS, geometry
from analysis.laws import Floats
from analysis.metric import Metric
from analysis.numerals import amount_text, counted, number, p_value

# Through four means a break and a smooth bend both pass: only a fifth amount tells them apart.
FEWEST_AMOUNTS_FOR_A_SHAPE = 5
# A shape that leaves a lack of fit of this p does not describe the means.
DESCRIBES = 0.01
# Log-likelihood units times two within which two shapes of equally many parameters explain a curve alike.
ALIKE = 2.0
# What would tell is what gives two one-sided tests this power where the curve is a line.
POWER = 0.80
MOST_CHAINS = 60


class Word(StrEnum):
    """What can be said of a curve."""

    LOG_LINEAR = "log-linear"
    SEGMENTED = "segmented"
    SATURATING = "saturating"
    NOT_LOG_LINEAR = "not log-linear"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """The word, sentences with its reasons, and where it is `cannot tell` what further runs would tell."""

    word: Word
    margin: float  # in the unit of the values
    reasons: tuple[str, ...]
    would_tell: tuple[str, ...]
    tests: Departures


def verdict(runs: Runs, metric: Metric, margin: float | None = None) -> Verdict:
    """Whether `runs` are log-linear to within `margin`, by default one point or .01 nats per token.

    A departure is one that lack of fit and break together find at 5 %. `log-linear` takes a lack of fit test
    that finds none, and equivalence: the bend lies within the margin by two one-sided tests at 5 %.
    """
    wanted = metric.resolution if margin is None else margin
    tests = departures(runs)
    word = _word(tests, wanted)
    reasons = tuple(_reasons(tests, wanted, metric, len(runs.values)))
    would_tell = tuple(_would_tell(runs, tests, wanted)) if word is Word.CANNOT_TELL else ()
    return Verdict(word, wanted, reasons, would_tell, tests)


def verdict_json(found: Verdict) -> dict[str, Any]:
    """The verdict for machines: numbers in the metric's unit, amounts as amounts, null where not tested."""
    tests = found.tests
    fitting, bend, change = tests.lack_of_fit, tests.bend, tests.change
    return {
        "word": found.word.value,
        "margin": found.margin,
        "reasons": list(found.reasons),
        "would_tell": list(found.would_tell),
        "p": tests.p,
        "lack_of_fit": fitting
        and {"F": fitting.F, "df": [fitting.df_between, fitting.df_within], "p": fitting.p},
        "bend": bend and {"estimate": bend.estimate, "low_90": bend.low, "high_90": bend.high},
        "break": change
        and {"F": change.F, "p": change.p, "amount": change.amount, "low": change.low, "high": change.high},
    }


def _word(tests: Departures, margin: float) -> Word:
    if tests.exact:
        return Word.LOG_LINEAR
    if tests.p is None:
        return Word.CANNOT_TELL
    if tests.p < CHANCE:
        return _departing(tests)
    if tests.lack_of_fit is not None and tests.bend is not None and tests.bend.within(margin):
        return Word.LOG_LINEAR
    return Word.CANNOT_TELL


def _departing(tests: Departures) -> Word:
    """Which departure it is: the shape that explains the means, if a break was found and one does."""
    if tests.change is None or tests.change.p >= CHANCE or tests.broken is None or tests.curved is None:
        return Word.NOT_LOG_LINEAR
    best = _best(tests.broken, tests.curved)
    if tests.n_amounts < FEWEST_AMOUNTS_FOR_A_SHAPE or (best.p_left is not None and best.p_left < DESCRIBES):
        return Word.NOT_LOG_LINEAR
    if best is tests.broken:
        return Word.SEGMENTED
    return Word.SATURATING if best.flattens else Word.NOT_LOG_LINEAR


def _best(broken: Shape, curved: Shape) -> Shape:
    return broken if broken.residual_sum <= curved.residual_sum else curved


def _reasons(tests: Departures, margin: float, metric: Metric, n_runs: int) -> Iterator[str]:
    if tests.exact:
        yield "the runs lie on a line up to rounding"
        return
    if tests.n_amounts > MOST_KNOTS:
        yield f"{tests.n_amounts:,} amounts: their curve is seen as straight between {MOST_KNOTS} of them"
    yield _fitting_reason(tests)
    if tests.bend is not None:
        yield _bend_reason(tests.bend, margin, metric)
    if tests.change is not None:
        yield _break_reason(tests, metric)
    elif tests.n_amounts > 2:
        yield f"{counted(tests.n_amounts, 'amount')}, {counted(n_runs, 'run')}: too few to look for a break"
    yield from _shape_reasons(tests, metric, n_runs)
    if tests.p is not None and tests.change is not None and tests.lack_of_fit is not None:
        yield f"lack of fit and break together: p {p_value(tests.p)}"


def _fitting_reason(tests: Departures) -> str:
    if tests.n_amounts < 3:
        why = "one is no curve" if tests.n_amounts == 1 else "any two lie on a line"
        return f"{counted(tests.n_amounts, 'distinct amount')}: {why}"
    if tests.lack_of_fit is None:
        return "no replicates to compare with: lack of fit cannot be tested"
    one = tests.lack_of_fit
    found = "more than" if one.p < CHANCE else "no more than"
    return (
        f"the means depart from the line by {found} the runs scatter"
        f" (lack of fit, F({one.df_between}, {one.df_within}) = {one.F:.1f}, p {p_value(one.p)})"
    )


def _bend_reason(bend: Bend, margin: float, metric: Metric) -> str:
    decimals = metric.decimals + 1
    ends = f"{number(bend.low, decimals)} to {number(bend.high, decimals)}"
    held = "within" if bend.within(margin) else "not within"
    return (
        f"the middle lies {number(bend.estimate, decimals)} {metric.unit} above the chord"
        f" (90 % interval {ends}): {held} ±{margin:g}"
    )


def _break_reason(tests: Departures, metric: Metric) -> str:
    change = tests.change
    assert change is not None
    chance = f"largest F = {change.F:.1f}, exact p {p_value(change.p)}"
    if change.p >= CHANCE:
        return f"no break found ({chance})"
    low = "the smallest amounts" if change.low is None else amount_text(change.low)
    high = "the largest amounts" if change.high is None else amount_text(change.high)
    slopes = ""
    if tests.broken is not None:
        first, last = (
            number(end, metric.decimals + 1) for end in (tests.broken.first_slope, tests.broken.last_slope)
        )
        slopes = f", {first} {metric.unit} per doubling before and {last} after"
    return f"a break at {amount_text(change.amount)} (95 % interval {low} to {high}){slopes} ({chance})"


def _shape_reasons(tests: Departures, metric: Metric, n_runs: int) -> Iterator[str]:
    broken, curved = tests.broken, tests.curved
    if broken is None or curved is None:
        return
    if tests.n_amounts < FEWEST_AMOUNTS_FOR_A_SHAPE:
        yield "four amounts cannot tell a break from a smooth bend: a fifth could"
        return
    best = _best(broken, curved)
    if best.p_left is not None and best.p_left < DESCRIBES:
        left = f"lack of fit that is left: p {p_value(best.p_left)}"
        yield f"neither a break nor a smooth bend describes the means ({left})"
        return
    names = ("a break", "a smooth bend") if best is broken else ("a smooth bend", "a break")
    other = curved if best is broken else broken
    alike = other.residual_sum < best.residual_sum * np.exp(ALIKE / n_runs)
    yield f"{names[0]} explains the means {'hardly' if alike else 'clearly'} better than {names[1]}"
    if best is curved:
        first, last = (number(end, metric.decimals + 1) for end in (best.first_slope, best.last_slope))
        yield f"the slope goes from {first} to {last} {metric.unit} per doubling"


def _would_tell(runs: Runs, tests: Departures, margin: float) -> Iterator[str]:
    """Further amounts or seeds that would settle it, for the scatter there is."""
    amounts = np.unique(runs.amounts)
    if len(amounts) < 3:
        yield "at least two more amounts, with the seeds there are"
        return
    if tests.lack_of_fit is None:
        yield "a second and a third seed at each amount"
    if tests.bend is None:
        return
    scatter = tests.bend.standard_error * float(np.linalg.norm(geometry(runs.amounts, runs.chains).parabola))
    size = abs(tests.bend.estimate)
    wanted, condition = (margin, "is a line") if size <= margin else (size, "bends as it seems to")
    # A true line must pass both one-sided tests, each failing with half the chance that is left; a bend one
    # two-sided test.
    chances = (1 - CHANCE, (1 + POWER) / 2) if size <= margin else (1 - CHANCE / 2, POWER)
    halved = np.sort(np.concatenate([amounts, np.sqrt(amounts[1:] * amounts[:-1])]))
    for grid, text in ((amounts, "these amounts"), (halved, "these amounts and those halfway between")):
        chains = _chains_needed(grid, wanted / scatter, chances) if scatter > 0 else None
        if chains is None:
            yield f"more than {MOST_CHAINS} seeds at {text}, or more test items"
        elif chains > runs.n_seeds or grid is halved:
            seeds = max(chains, runs.n_seeds)
            yield f"{seeds} seeds at {text}: a power of {POWER:.0%} if the curve {condition}"


def _chains_needed(amounts: Floats, ratio: float, chances: tuple[float, float]) -> int | None:
    """Complete chains for which t_first + t_second standard errors of the bend are `ratio` run sds."""
    single = geometry(amounts, None)
    length = float(np.linalg.norm(single.parabola))
    for m in range(2, MOST_CHAINS + 1):
        freedom = m * single.df_line - 1
        quantiles = float(special.stdtrit(freedom, chances[0]) + special.stdtrit(freedom, chances[1]))
        if quantiles <= ratio * length * np.sqrt(m):
            return m
    return None
