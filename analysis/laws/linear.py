"""Laws that are linear in all their parameters: constant, carry-last, log-linear."""

import numpy as np

from analysis.laws.declaration import Floats, Law, Parameter, Trust


def _level_design(amounts: Floats) -> Floats:
    return np.ones((len(amounts), 1))


def _loglinear_design(amounts: Floats) -> Floats:
    return np.column_stack([np.ones_like(amounts), np.log2(amounts)])


CONSTANT = Law(
    id="constant",
    formula="value = level",
    parameters=(Parameter("level", "the value at every amount"),),
    design=_level_design,
    derivation="More data buys nothing: what every other law has to beat.",
    trust=Trust(accuracy={0: 0.1}, loss={0: 0.1}),
    admits_zero=True,
)

LAST = Law(
    id="last",
    formula="value = level at the largest amount",
    parameters=(Parameter("level", "the value at the largest amount, carried forward"),),
    design=_level_design,
    derivation=(
        "Carry the last value forward. Second of 16 extrapolators over the 4,367 curves of LCDB"
        " (Mohr et al. 2022): a forecast that does not beat it is none."
    ),
    trust=Trust(accuracy={0: 0.3}, loss={0: 0.2}),
    admits_zero=True,
    last_amounts=1,
)

LOGLINEAR = Law(
    id="loglinear",
    formula="value = intercept + per_doubling * log2(amount)",
    parameters=(
        Parameter("intercept", "value of the line at amount 1, usually far outside the data"),
        Parameter("per_doubling", "what each doubling of the amount adds", per="doubling"),
    ),
    design=_loglinear_design,
    derivation="Each doubling buys the same; as it must end at the bounds of the metric, it is local.",
    trust=Trust(accuracy={0: 0.3, 3: 0.3, 4: 0.3}, loss={0: 0.1}),
)

LAWS = (CONSTANT, LAST, LOGLINEAR)
