"""Laws written out a second time, with parameters as a fit reports them, and runs of them."""

import numpy as np

from analysis.fitting import Runs

AMOUNTS = 2.0 ** np.arange(7, 15)

ACCURACY_LAWS = {
    "constant": (lambda D, level: level + 0 * D, {"level": 37.5}),
    "loglinear": (
        lambda D, intercept, per_doubling: intercept + per_doubling * np.log2(D),
        {"intercept": 11.0, "per_doubling": 4.0},
    ),
    "logoffset": (
        lambda D, intercept, per_doubling, offset: intercept + per_doubling * np.log2(D + offset),
        {"intercept": -20.0, "per_doubling": 6.0, "offset": 700.0},
    ),
    "logit": (
        lambda D, ceiling, intercept, per_doubling: (
            ceiling / (1 + np.exp(-(intercept + per_doubling * np.log2(D))))
        ),
        {"ceiling": 100.0, "intercept": -4.0, "per_doubling": 0.41},
    ),
    "segmented": (
        lambda D, intercept, per_doubling, change, **at: (
            intercept + per_doubling * np.log2(D) + change * np.maximum(np.log2(D / at["break"]), 0)
        ),
        {"intercept": 10.0, "per_doubling": 4.0, "change": -2.5, "break": 700.0},
    ),
    "power": (
        lambda D, asymptote, amplitude, exponent: asymptote + amplitude * D**-exponent,
        {"asymptote": 82.0, "amplitude": -160.0, "exponent": 0.37},
    ),
    "mmf4": (
        lambda D, floor, ceiling, half, exponent: (
            (floor * half**exponent + ceiling * D**exponent) / (half**exponent + D**exponent)
        ),
        {"floor": 6.0, "ceiling": 71.0, "half": 900.0, "exponent": 0.8},
    ),
    "rectified": (
        lambda D, asymptote, amplitude, learned, exponent: asymptote + amplitude / (learned + D**exponent),
        {"asymptote": 85.0, "amplitude": -400.0, "learned": 6.0, "exponent": 0.5},
    ),
    "bnsl1": (
        lambda D, asymptote, amplitude, first, further, width, **at: (
            asymptote + amplitude * D**-first * (1 + (D / at["break"]) ** (1 / width)) ** (-further * width)
        ),
        {
            "asymptote": 90.0,
            "amplitude": -150.0,
            "first": 0.15,
            "break": 1500.0,
            "further": 0.5,
            "width": 0.3,
        },
    ),
}
LOSS_LAWS = {
    "power": (ACCURACY_LAWS["power"][0], {"asymptote": 1.2, "amplitude": 9.0, "exponent": 0.35}),
    "rectified": (
        ACCURACY_LAWS["rectified"][0],
        {"asymptote": 0.5, "amplitude": 900.0, "learned": 300.0, "exponent": 0.7},
    ),
    "mmf4": (
        ACCURACY_LAWS["mmf4"][0],
        {"floor": 4.0, "ceiling": 0.7, "half": 2000.0, "exponent": 0.6},
    ),
    "logoffset": (
        ACCURACY_LAWS["logoffset"][0],
        {"intercept": 6.0, "per_doubling": -0.25, "offset": 900.0},
    ),
}


def runs_of(values, amounts=AMOUNTS, m=1, sd=0.0, seed=0):
    """`m` chains of runs about `values` (K,), with normal scatter."""
    noise = np.random.default_rng(seed).normal(scale=sd, size=(m, len(amounts))) if sd else 0.0
    all_values = (np.broadcast_to(values, (m, len(amounts))) + noise).ravel()
    chains = np.repeat(np.arange(m), len(amounts))
    return Runs(np.tile(amounts, m), all_values, chains, [f"run {i}" for i in range(len(all_values))])
