"""Laws with one bend: offset log-linear, logit-linear, segmented log-linear, power law with asymptote."""

from dataclasses import replace

import numpy as np

from analysis.laws.declaration import CurvedLaw, Floats, Parameter, Trust, corners, product_grid

PERFECT = 100.0  # points


def _power_of_two(coordinates: Floats) -> Floats:
    return np.exp2(coordinates)


def _stack(*columns: Floats) -> Floats:
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


# --- offset log-linear ------------------------------------------------------------------------------------


def _logoffset_basis(x: Floats, offset: Floats) -> Floats:
    return _stack(np.ones_like(x), np.log2(np.exp2(x) + np.exp2(offset)))


def _logoffset_limits(x: Floats) -> Floats:
    # An offset a thousandth of the smallest amount is none; one of a hundred times the largest, a straight
    # line in the amount itself.
    return corners([x.min(axis=1) - 10], [x.max(axis=1) + 7])


LOGOFFSET = CurvedLaw(
    id="logoffset",
    formula="value = intercept + per_doubling * log2(amount + offset)",
    linear=(
        Parameter("intercept", "value where amount + offset is 1"),
        Parameter("per_doubling", "what each doubling of amount + offset adds", per="doubling"),
    ),
    shapes=(Parameter("offset", "data that the model brings along", unit="amount"),),
    basis=_logoffset_basis,
    natural=_power_of_two,
    limits=_logoffset_limits,
    starts=lambda x: product_grid(_logoffset_limits(x), (40,)),
    derivation="Mahmood et al. (CVPR 2022), 'logarithmic': the log-linear law of a model that brings data.",
    trust=Trust(accuracy={0: 0.1}, loss={0: 0.1}),
    admits_zero=True,
)

# --- logit-linear -----------------------------------------------------------------------------------------


def _logit_basis(x: Floats, shapes: Floats) -> Floats:
    logits = shapes[..., :1] + shapes[..., 1:] * x
    return (1 / (1 + np.exp(-np.clip(logits, -500, 500))))[..., None]


def _logit_limits(x: Floats) -> Floats:
    wide = np.ones(len(x))
    return corners([-1000 * wide, -20 * wide], [1000 * wide, 20 * wide])


def _logit_starts(x: Floats) -> Floats:
    """Levels at the middle amount, from 1 to 99 percent, times slopes."""
    limits = np.broadcast_to(np.array([[-4.6, -2.0], [4.6, 2.0]]), (len(x), 2, 2))
    grid = product_grid(limits, (10, 10))
    middle = x.mean(axis=1)[:, None]
    return np.stack([grid[..., 0] - grid[..., 1] * middle, grid[..., 1]], axis=-1)


LOGIT = CurvedLaw(
    id="logit",
    formula="value = ceiling / (1 + exp(-(intercept + per_doubling * log2(amount))))",
    linear=(Parameter("ceiling", "a perfect score", held=PERFECT),),
    shapes=(
        Parameter("intercept", "log odds at amount 1", unit="log odds"),
        Parameter("per_doubling", "log odds that each doubling adds", per="doubling", unit="log odds"),
    ),
    basis=_logit_basis,
    natural=lambda coordinates: coordinates,
    limits=_logit_limits,
    starts=_logit_starts,
    derivation="Each doubling multiplies the odds by one factor; from .3 to .7 it is the log-linear law.",
    trust=Trust(accuracy={0: 0.3, 4: 1.0}),
    bounded_metrics_only=True,
)

# --- segmented log-linear ---------------------------------------------------------------------------------


def _segmented_basis(x: Floats, at: Floats) -> Floats:
    return _stack(np.ones_like(x), x, np.maximum(x - at, 0))


def _segmented_limits(x: Floats) -> Floats:
    """Between the second and the second-largest amount, so that each side has a slope of its own."""
    ordered = np.sort(x, axis=1)
    second = np.where(ordered > ordered[:, :1], ordered, np.inf).min(axis=1)
    second_largest = np.where(ordered < ordered[:, -1:], ordered, -np.inf).max(axis=1)
    return corners([np.minimum(second, second_largest)], [np.maximum(second, second_largest)])


def _segmented_starts(x: Floats) -> Floats:
    """Between the amounts and at them, where the objective has kinks."""
    limits = _segmented_limits(x)
    amounts = np.clip(x, limits[:, 0], limits[:, 1])[..., None]
    return np.sort(np.concatenate([product_grid(limits, (60,)), amounts], axis=1), axis=1)


SEGMENTED = CurvedLaw(
    id="segmented",
    formula="value = intercept + per_doubling * log2(amount) + change * max(log2(amount / break), 0)",
    linear=(
        Parameter("intercept", "value of the first line at amount 1"),
        Parameter("per_doubling", "what each doubling adds below the break", per="doubling"),
        Parameter("change", "what each doubling adds beyond that above the break", per="doubling"),
    ),
    shapes=(Parameter("break", "amount at which the slope changes", unit="amount"),),
    basis=_segmented_basis,
    natural=_power_of_two,
    limits=_segmented_limits,
    starts=_segmented_starts,
    derivation=(
        "Two log-linear pieces that meet (Muggeo 2003). A break found by looking for one is no evidence:"
        " the test of the verdict is."
    ),
    trust=Trust(accuracy={0: 0.1}, loss={0: 0.1}),
)

# --- power law with asymptote -----------------------------------------------------------------------------


def _power_basis(x: Floats, log_exponent: Floats) -> Floats:
    return _stack(np.ones_like(x), np.exp2(-np.exp2(log_exponent) * x))


def _power_limits(x: Floats) -> Floats:
    wide = np.ones(len(x))
    return corners([np.log2(0.01) * wide], [np.log2(5.0) * wide])


POWER = CurvedLaw(
    id="power",
    formula="value = asymptote + amplitude * amount^-exponent",
    linear=(
        Parameter("asymptote", "the value that unlimited data would reach", level=True),
        Parameter("amplitude", "distance from the asymptote at amount 1, negative for rising values"),
    ),
    shapes=(Parameter("exponent", "how fast the distance shrinks, per factor e in log amount", unit="1"),),
    basis=_power_basis,
    natural=_power_of_two,
    limits=_power_limits,
    starts=lambda x: product_grid(_power_limits(x), (48,)),
    derivation="The distance from an asymptote is a power of the amount (Hestness 2017, arXiv 1712.00409).",
    trust=Trust(accuracy={0: 1.0, 5: 1.0}, loss={0: 0.5, 5: 0.5}),
)

# The straight line in logarithms. Through the last few amounts it is the local forecast of a loss.
POWER_LINE = replace(
    POWER,
    linear=(replace(POWER.linear[0], held=0.0), POWER.linear[1]),
    trust=Trust(loss={3: 1.0, 4: 1.0}),
)

LAWS = (LOGOFFSET, LOGIT, SEGMENTED, POWER)
VARIANTS = (POWER_LINE,)
