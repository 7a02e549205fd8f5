"""Numbers as people print them."""

from analysis.least_squares import Estimate

MINUS = "\N{MINUS SIGN}"
NOTHING = "–"


def number(value: float | None, decimals: int) -> str:
    """A number with a true minus sign; a dash where there is none."""
    if value is None:
        return NOTHING
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def interval(estimate: Estimate, decimals: int) -> str:
    """`low to high`; a dash where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{number(estimate.low, decimals)} to {number(estimate.high, decimals)}"


def p_value(p: float) -> str:
    """`= 0.012`, or `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def amount_text(amount: float) -> str:
    """An amount of data: `1,024` or `12.5`: without decimals from 100 on."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
