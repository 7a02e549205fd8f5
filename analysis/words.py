"""Numbers as sentences: the three answers of a study."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from analysis.compare import Comparison, Transfer
from analysis.curve import Curve
from analysis.fitting import SUBSET_LUCK, Status
from analysis.least_squares import Estimate
from analysis.numerals import interval, number, p_value
from analysis.results import Results
from analysis.suspicions import LACK_OF_FIT_CHANCE

# Settings whose values say of themselves what they are.
SPEAKING = ("model", "benchmark", "strategy")


# More curves than this make a list, not a sentence: the tables have them all.
MOST_TOLD = 4
Told = TypeVar("Told", Curve, Comparison)


@dataclass(frozen=True)
class Answer:
    """A question of the study and the sentences that answer it."""

    question: str
    text: str


def answers(results: Results) -> list[Answer]:
    """Which strategy, how it grows, whether it carries over: one answer each, with 95 % intervals."""
    if not results.curves:
        return [
            Answer("Nothing yet.", "No cell of this study has a record: there is nothing to answer with.")
        ]
    return [
        Answer("Which strategy?", _which(results)),
        Answer("How does it grow?", _growth(results)),
        Answer("Does it carry over?", _carried(results)),
    ]


def enumeration(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def place(group: dict[str, Any], names: Iterable[str]) -> str:
    """The values of a group's settings, for a reader."""
    return ", ".join(str(group[name]) if name in SPEAKING else f"{name} {group[name]}" for name in names)


def _which(results: Results) -> str:
    told = _in_domain(results, results.comparisons)
    if not results.study.analysis.compare:
        return "The study names no two strategies to set against each other."
    if not told:
        return "The strategies to be set against each other have no records yet."
    return " ".join(_compared(one, results) for one in told)


def _compared(one: Comparison, results: Results) -> str:
    where = _where(one.group, results)
    at = f"For {where}, at equal amounts" if where else "At equal amounts"
    average, decimals = one.average, results.metric.decimals
    notes = f"; {'; '.join(one.notes)}" if one.notes else ""
    if average.estimate is None:
        return f"{at} {one.first} cannot be set against {one.second}{notes}."
    if one.at_largest.estimate is not None and len(one.amounts) > 1:
        largest = f", and {_spread(one.at_largest, decimals)} at {one.amounts[-1]:,}"
    else:
        largest = ""
    chains = "one chain" if one.n_chains == 1 else f"{one.n_chains} chains"
    return (
        f"{at} {one.first} {_verdict(average, results)} {one.second}: the difference is"
        f" {_spread(average, decimals, '95 % interval ')} {results.metric.unit} on average over"
        f" {_range(one.amounts)}{largest}; paired over {chains}{notes}."
    )


def _verdict(average: Estimate, results: Results) -> str:
    if average.estimate is None or average.low is None or average.high is None:
        return "is measured without an interval against"
    if average.low <= 0 <= average.high:
        return "cannot be told apart on average from"
    return "is ahead of" if average.estimate * results.metric.better > 0 else "is behind"


def _growth(results: Results) -> str:
    told = _in_domain(results, results.curves)
    lower = "" if results.metric.better > 0 else " (lower is better)"
    parts = _slopes(told, results)
    luck = "" if all(one.fit.includes_subset_luck for one in told) else f" ({SUBSET_LUCK})"
    text = f"In {results.metric.unit} per doubling{lower}, with 95 % intervals{luck}: {parts}."
    poor = [one for one in told if one.fit.lack_of_fit and one.fit.lack_of_fit.p < LACK_OF_FIT_CHANCE]
    if not poor:
        return text
    names = enumeration([_name(one.group, results) for one in poor])
    chances = dict.fromkeys(p_value(one.fit.lack_of_fit.p) for one in poor if one.fit.lack_of_fit)
    line = "its line" if len(poor) == 1 else "their lines"
    return (
        f"{text} The means of {names} depart from {line} by more than the runs scatter (lack of fit,"
        f" p {enumeration(list(chances))}): there the slope is an average over these amounts, not a law."
    )


def _slopes(told: Sequence[Curve], results: Results) -> str:
    """All of them, or the least and the greatest where they would be too many for a sentence."""
    known = sorted(
        (one for one in told if one.fit.parameters["per_doubling"].estimate is not None),
        key=lambda one: one.fit.parameters["per_doubling"].estimate or 0.0,
    )
    if len(told) <= MOST_TOLD or not known:
        return "; ".join(_slope(one, results) for one in told)
    least, greatest = _slope(known[0], results), _slope(known[-1], results)
    return f"from {least} to {greatest}; {len(told)} curves in all"


def _slope(one: Curve, results: Results) -> str:
    name, slope = _name(one.group, results), one.fit.parameters["per_doubling"]
    if slope.estimate is None:
        return f"{name} unknown ({one.fit.status})"
    explained = "" if one.fit.r_squared is None else f", R² {one.fit.r_squared:.3f}"
    ended = "" if one.fit.status is Status.CONVERGED else f", {one.fit.status}"
    return f"{name} {_spread(slope, results.metric.decimals)}{explained}{ended}"


def _carried(results: Results) -> str:
    if not results.transfers:
        return "The study has no records both in and out of its domain."
    groups: dict[str, list[str]] = {}
    for one in results.transfers:
        groups.setdefault(_gain(one, results), []).append(_name(one.group, results))
    verdict = "; ".join(f"{what}: {enumeration(list(dict.fromkeys(who)))}" for what, who in groups.items())
    if len(results.transfers) > MOST_TOLD:
        return f"{verdict[:1].upper()}{verdict[1:]}."
    parts = "; ".join(_transfer(one, results) for one in results.transfers)
    unit = results.metric.unit
    slopes = f"{verdict[:1].upper()}{verdict[1:]}. In {unit} per doubling, with 95 % intervals: {parts}."
    return " ".join([slopes, *_levels(results)])


def _levels(results: Results) -> Iterator[str]:
    """Where curves out of domain begin and end, beside the base: a rise may only make good a fall."""
    decimals = results.metric.decimals
    for line in results.lines:
        curves = [one for one in results.curves if line.group.items() <= one.group.items()]
        if line.name == "base" and curves and results.roles[line.group["benchmark"]] == "out_of_domain":
            ends = "; ".join(f"{_name(one.group, results)} {_ends(one)}" for one in curves)
            base = number(line.value, decimals)
            yield f"{results.metric.label} on {line.group['benchmark']}: base {base}; {ends}."


def _ends(one: Curve) -> str:
    """The means at the smallest and the largest amount."""
    runs, decimals = one.fit.runs, one.metric.decimals
    first, last = runs.amounts.min(), runs.amounts.max()
    low, high = (number(float(runs.values[runs.amounts == end].mean()), decimals) for end in (first, last))
    return f"{low} at {first:,.0f} to {high} at {last:,.0f}"


def _gain(one: Transfer, results: Results) -> str:
    """What the slope out of domain shows, and whether it is surely less than in domain."""
    outside, better = one.outside, results.metric.better
    if outside.estimate is None or outside.low is None or outside.high is None:
        return "not known"
    if outside.low <= 0 <= outside.high:
        return "not shown"
    if outside.estimate * better < 0:
        return "no, it gets worse"
    return "yes, by less than in domain" if one.ratio.high is not None and one.ratio.high < 1 else "yes"


def _transfer(one: Transfer, results: Results) -> str:
    decimals = results.metric.decimals
    name = _name(one.group, results)
    if one.inside.estimate is None:
        return f"{name} unknown ({'; '.join(one.notes)})"
    ratio = _spread(one.ratio, 2) if one.ratio.low is not None else "not identified"
    return (
        f"{name} {_spread(one.outside, decimals)} on {one.out_of_domain} against"
        f" {_spread(one.inside, decimals)} on {one.in_domain}, ratio {ratio}"
    )


def _in_domain(results: Results, parts: Sequence[Told]) -> list[Told]:
    """Those of the benchmarks in domain, or all where there are none."""
    inside = [one for one in parts if results.roles[one.group["benchmark"]] == "in_domain"]
    return inside or list(parts)


def _name(group: dict[str, Any], results: Results) -> str:
    """The strategy, with what else tells its curves apart."""
    where = _where(group, results)
    return f"{group['strategy']} ({where})" if where else str(group["strategy"])


def _where(group: dict[str, Any], results: Results) -> str:
    """Settings, and the benchmark where several have its role."""
    role = results.roles.get(group.get("benchmark", ""))
    several = role is not None and list(results.roles.values()).count(role) > 1
    return place(group, [*results.study.settings, *(["benchmark"] if several else [])])


def _spread(estimate: Estimate, decimals: int, label: str = "") -> str:
    """`9.7 (8.2 to 11.1)`."""
    spread = f"{label}{interval(estimate, decimals)}" if estimate.low is not None else "no interval"
    return f"{number(estimate.estimate, decimals)} ({spread})"


def _range(amounts: Sequence[float]) -> str:
    return f"{amounts[0]:,}" if len(amounts) == 1 else f"{amounts[0]:,} to {amounts[-1]:,}"
