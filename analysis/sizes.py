"""Model size as a second axis: a line per size, one law for amount and size together, and a size held out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.least_squares import Estimate, Solution, estimate_json, solve
from orchestrator.refusal import Refused

FORMULA = (
    "value = level + per_doubling * (x - mean x) + per_size_doubling * (z - mean z)"
    " + interaction * (x - mean x) * (z - mean z); x = log2(amount), z = log2(size)"
)
NAMES = ("level", "per_doubling", "per_size_doubling", "interaction")
# A held-out size takes two others to draw a line through.
FEWEST_SIZES_TO_HOLD_OUT = 3
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True)
class SizeSlope:
    """What a doubling of the data buys at one size."""

    size: float
    per_doubling: Estimate
    n_amounts: int


@dataclass(frozen=True)
class Joint:
    """The joint law: estimates by the names of `FORMULA`, its centre, and the scatter about it."""

    parameters: dict[str, Estimate]
    mean_x: float
    mean_z: float
    residual_sd: float | None
    r_squared: float | None
    solution: Solution

    def at(self, amount: float, size: float) -> Estimate:
        """The mean value of an amount at a size."""
        x, z = np.array([np.log2(amount) - self.mean_x]), np.array([np.log2(size) - self.mean_z])
        return self.solution.estimates(_design(x, z))[0]


@dataclass(frozen=True)
class HeldOutSize:
    """Root mean square errors of predicting the means at a size from the other sizes alone.

    `additive` has no interaction; `nearest` carries the line of the nearest size over.
    """

    size: float
    joint: float | None  # None where the other sizes do not determine an interaction
    additive: float
    nearest: float
    predictions: tuple[tuple[float, float, Estimate | None], ...]  # amount, observed mean, predicted


@dataclass(frozen=True)
class Sizes:
    """The size axis of one group; `joint` is None where sizes or amounts are too few."""

    group: dict[str, Any]
    slopes: tuple[SizeSlope, ...]
    joint: Joint | None
    held_out: tuple[HeldOutSize, ...]  # every size in turn, the largest last: that is the extrapolation
    notes: tuple[str, ...]


def parse_size(text: Any) -> float:
    """`7b`, `350M`, `7e9`, 7 or a name with one such size, `LLaMA-2-7B`, as a number.

    Raises Refused for anything else.
    """
    plain = str(text).strip().lower()
    found = re.fullmatch(r"([0-9.]+(?:e[+-]?[0-9]+)?) ?([kmbt]?)", plain)
    named = re.findall(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)([kmbt])(?![a-z0-9])", plain)
    number, unit = found.groups() if found else named[0] if len(named) == 1 else ("", "")
    try:
        size = float(number) * UNITS[unit]
    except ValueError:
        raise Refused(f"size {str(text)!r} is no number of parameters: write 7b, 350M or 7e9") from None
    if not size > 0:
        raise Refused(f"size {str(text)!r} is not above 0: a model has parameters")
    return size


def fit_sizes(group: dict[str, Any], runs: pd.DataFrame) -> Sizes:
    """Fit lines per size, both axes together, and each size from the others.

    `runs` has columns `size`, `amount` (both above 0), `chain` (a name, missing where unknown; shared over
    sizes where seeds are) and `value`.
    """
    runs = runs.sort_values(["size", "amount", "chain", "value"], ignore_index=True)
    sizes = sorted(set(runs["size"]))
    slopes = tuple(_slope(runs[runs["size"] == size], size) for size in sizes)
    joint = _joint(runs)
    held_out = (
        tuple(_held_out(runs, size) for size in sizes) if len(sizes) >= FEWEST_SIZES_TO_HOLD_OUT else ()
    )
    return Sizes(group, slopes, joint, held_out, tuple(_notes(sizes, joint)))


def sizes_json(found: Sizes) -> dict[str, Any]:
    """The size axis for machines."""

    joint = found.joint
    return {
        "group": found.group,
        "slopes": [
            {"size": one.size, "per_doubling": estimate_json(one.per_doubling)} for one in found.slopes
        ],
        "joint": joint
        and {
            "formula": FORMULA,
            "mean_log2_amount": joint.mean_x,
            "mean_log2_size": joint.mean_z,
            "parameters": {name: estimate_json(one) for name, one in joint.parameters.items()},
            "residual_sd": joint.residual_sd,
            "r_squared": joint.r_squared,
        },
        "held_out": [
            {
                "size": one.size,
                "rms_error": {"joint": one.joint, "additive": one.additive, "nearest": one.nearest},
                "predictions": [
                    {
                        "amount": amount,
                        "observed": observed,
                        "predicted": predicted and estimate_json(predicted),
                    }
                    for amount, observed, predicted in one.predictions
                ],
            }
            for one in found.held_out
        ],
        "notes": list(found.notes),
    }


def _slope(runs: pd.DataFrame, size: float) -> SizeSlope:
    n_amounts = int(runs["amount"].nunique())
    if n_amounts < 2:
        return SizeSlope(size, Estimate(None, None, None, None), n_amounts)
    x = np.log2(runs["amount"].to_numpy(dtype=np.float64))
    design = np.column_stack([np.ones_like(x), x])
    solution = solve(design, runs["value"].to_numpy(dtype=np.float64), _chains(runs))
    return SizeSlope(size, solution.estimates(np.array([[0.0, 1.0]]))[0], n_amounts)


def _joint(runs: pd.DataFrame) -> Joint | None:
    """The law with interaction; None where the runs do not determine it."""
    x, z = (np.log2(runs[name].to_numpy(dtype=np.float64)) for name in ("amount", "size"))
    design = _design(x - x.mean(), z - z.mean())
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    values = runs["value"].to_numpy(dtype=np.float64)
    solution = solve(design, values, _chains(runs))
    estimates = dict(zip(NAMES, solution.estimates(np.eye(len(NAMES))), strict=True))
    total = float(((values - values.mean()) ** 2).sum())
    explained = 1 - solution.residual_sum / total if total > 0 else None
    return Joint(estimates, float(x.mean()), float(z.mean()), solution.residual_sd, explained, solution)


def _held_out(runs: pd.DataFrame, size: float) -> HeldOutSize:
    """What the other sizes say of one: their joint law, the same without interaction, the nearest line."""
    rest = runs[runs["size"] != size]
    means = runs[runs["size"] == size].groupby("amount")["value"].mean()
    joint = _joint(rest)
    others = sorted(set(rest["size"]))
    nearest = min(others, key=lambda other: abs(np.log2(other / size)))
    observed = means.to_numpy(dtype=np.float64)
    amounts = means.index.to_numpy(dtype=np.float64)
    predicted = [None if joint is None else joint.at(float(amount), size) for amount in amounts]
    estimates = [one.estimate for one in predicted if one is not None and one.estimate is not None]
    return HeldOutSize(
        size=size,
        joint=_rms(np.array(estimates) - observed) if estimates else None,
        additive=_rms(_additive(rest, amounts, size) - observed),
        nearest=_rms(_line(rest[rest["size"] == nearest], amounts) - observed),
        predictions=tuple(zip(amounts.tolist(), observed.tolist(), predicted, strict=True)),
    )


def _additive(rest: pd.DataFrame, amounts: Floats, size: float) -> Floats:
    x, z = (np.log2(rest[name].to_numpy(dtype=np.float64)) for name in ("amount", "size"))
    design = np.column_stack([np.ones_like(x), x, z])
    parameters = np.linalg.pinv(design) @ rest["value"].to_numpy(dtype=np.float64)
    new = np.column_stack([np.ones_like(amounts), np.log2(amounts), np.full_like(amounts, np.log2(size))])
    predicted: Floats = new @ parameters
    return predicted


def _line(runs: pd.DataFrame, amounts: Floats) -> Floats:
    x = np.log2(runs["amount"].to_numpy(dtype=np.float64))
    parameters = np.linalg.pinv(np.column_stack([np.ones_like(x), x])) @ runs["value"].to_numpy(
        dtype=np.float64
    )
    predicted: Floats = parameters[0] + parameters[1] * np.log2(amounts)
    return predicted


def _design(x: Floats, z: Floats) -> Floats:
    return np.column_stack([np.ones_like(x), x, z, x * z])


def _chains(runs: pd.DataFrame) -> NDArray[np.intp] | None:
    if runs["chain"].isna().any():
        return None
    codes: NDArray[np.intp] = runs.groupby("chain").ngroup().to_numpy().astype(np.intp)
    return codes


def _rms(errors: Floats) -> float:
    return float(np.sqrt((errors**2).mean()))


def _notes(sizes: Sequence[float], joint: Joint | None) -> Iterator[str]:
    if joint is None:
        yield "no joint law: it takes two sizes with two amounts each"
    if len(sizes) < FEWEST_SIZES_TO_HOLD_OUT:
        yield f"{len(sizes)} sizes: none can be held out, which takes three"
