"""Numbers as people print them."""

from math import floor, isfinite, log10

from analysis.least_squares import Estimate

MINUS = "\N{MINUS SIGN}"
NOTHING = "–"
MOST_DECIMALS = 6


def number(value: float | None, decimals: int) -> str:
    """A number with a true minus sign; a dash where there is none."""
    if value is None:
        return NOTHING
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def interval(estimate: Estimate, decimals: int) -> str:
    """`low to high`; a dash where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{number(estimate.low, decimals)} to {number(estimate.high, decimals)}"


def decimals_of(estimate: Estimate, otherwise: int) -> int:
    """As many decimals as give the half-width of the interval two digits; `otherwise` without an interval.

    More would be noise (Guide to the Expression of Uncertainty in Measurement, JCGM 100, 7.2.6).
    """
    half = estimate.width / 2
    if not isfinite(half) or half <= 0:
        return otherwise
    return min(max(1 - floor(log10(half)), 0), MOST_DECIMALS)


def spread(estimate: Estimate, otherwise: int) -> str:
    """`9.7 (8.2 to 11.1)`, with the digits that its interval allows."""
    decimals = decimals_of(estimate, otherwise)
    ends = "no interval" if estimate.low is None else interval(estimate, decimals)
    return f"{number(estimate.estimate, decimals)} ({ends})"


def p_value(p: float) -> str:
    """`= 0.012`, or `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def amount_text(amount: float) -> str:
    """An amount of data: `1,024` or `12.5`: without decimals from 100 on."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def exactly(value: float) -> str:
    """A number of the user's, as it was given."""
    return f"{value:,.15g}"


def counted(n: int, noun: str) -> str:
    """`1 run`, `10,000 runs`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
