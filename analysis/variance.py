"""How much of the scatter of runs is the subset's seed, the training seed, luck with single test items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.power import Scatter


@dataclass(frozen=True)
class Component:
    """One source of scatter: its standard deviation and its share of the variance."""

    name: str
    sd: float
    share: float


@dataclass(frozen=True)
class Variance:
    """Where the scatter of runs about the means of their amounts comes from; variances add up.

    `item_variance` is what one item contributes: divided by the number of items it is the component `items`.
    None: there are no records of single items. Estimates are those of moments, never below zero.
    """

    run_sd: float
    degrees_of_freedom: int
    components: tuple[Component, ...]
    slope_sd: float  # of the chains' own slopes, per doubling, beyond what their runs explain
    intraclass: float  # share of the variance that a chain's runs have in common
    item_variance: float | None
    n_items: float | None
    correlation: float | None = None  # of two strategies' runs that share seeds and amount

    @property
    def scatter(self) -> Scatter:
        """The same, as `analysis.power` plans with it."""
        items = self.item_variance / self.n_items if self.item_variance and self.n_items else 0.0
        seeds = max(self.run_sd**2 - items, 0.0)
        correlation = min(max(self.correlation or 0.0, 0.0), 0.95)
        return Scatter(
            float(np.sqrt(seeds)), self.item_variance or 0.0, self.n_items or 1.0, self.slope_sd, correlation
        )


def variance_table(runs: pd.DataFrame, items: Sequence[Floats | None] | None = None) -> Variance | None:
    """Pooled over the curves of `runs`; None without replicates.

    `runs` has the columns `curve`, `amount`, `subset`, `train` (names of seeds) and `value`. `items` has for
    each run its correctness per item in the unit of the values (n_items,), or None where not known.
    """
    sums = _Sums.of(runs, items)
    if sums.df_total == 0:
        return None
    total = sums.between_and_within / sums.df_total
    crossed = sums.df_within > 0 and sums.weight > 0
    if crossed:
        train = sums.within / sums.df_within
        subset = max(0.0, (sums.between - sums.df_between * train) / sums.weight)
        parts = {"subset seed": subset, "training seed": train}
        total = subset + train
    else:
        name = "training seed" if sums.df_within else "seeds (subset and training together)"
        parts = {name: total}
    flips = min(sums.flips, total) if sums.flips is not None else None
    components = tuple(_components(parts, flips, total))
    slope, intraclass = _chains(runs)
    return Variance(
        run_sd=float(np.sqrt(total)),
        degrees_of_freedom=sums.df_total,
        components=components,
        slope_sd=slope,
        intraclass=intraclass,
        item_variance=None if flips is None or sums.n_items is None else flips * sums.n_items,
        n_items=sums.n_items,
        correlation=_correlation(runs),
    )


@dataclass(frozen=True)
class _Sums:
    """One-way analyses of variance by subset, one per curve and amount, added up."""

    between: float
    within: float
    df_between: int
    df_within: int
    weight: float  # of the variance between subsets in the expectation of `between`
    flips: float | None  # mean variance of an item between runs, over the number of items
    n_items: float | None

    @property
    def between_and_within(self) -> float:
        return self.between + self.within

    @property
    def df_total(self) -> int:
        return self.df_between + self.df_within

    @classmethod
    def of(cls, runs: pd.DataFrame, items: Sequence[Floats | None] | None) -> "_Sums":
        between = within = weight = 0.0
        df_between = df_within = 0
        flips: list[tuple[float, int, int]] = []
        for found in runs.reset_index(drop=True).groupby(["curve", "amount"]).indices.values():
            places = np.asarray(found, dtype=np.intp)
            values = runs["value"].to_numpy(dtype=np.float64)[places]
            subsets = pd.factorize(runs["subset"].to_numpy()[places])[0]
            counts = np.bincount(subsets)
            means = np.bincount(subsets, values) / counts
            between += float((counts * (means - values.mean()) ** 2).sum())
            within += float(((values - means[subsets]) ** 2).sum())
            df_between, df_within = df_between + len(counts) - 1, df_within + len(values) - len(counts)
            weight += len(values) - float((counts**2).sum()) / len(values)
            flips += _flips(places, items)
        freedom = sum(weighed for _, weighed, _ in flips)
        share = sum(flip * weighed for flip, weighed, _ in flips) / freedom if freedom else None
        n_items = float(np.mean([n for _, _, n in flips])) if flips else None
        return cls(between, within, df_between, df_within, weight, share, n_items)


def _flips(
    places: NDArray[np.intp], items: Sequence[Floats | None] | None
) -> Iterator[tuple[float, int, int]]:
    """Mean over items of the variance between runs, over their number; degrees of freedom; their number."""
    known = [items[place] for place in places] if items is not None else []
    answers = [each for each in known if each is not None]
    if len(answers) < 2 or len({len(each) for each in answers}) > 1:
        return
    n_items = len(answers[0])
    yield float(np.var(np.array(answers), axis=0, ddof=1).mean()) / n_items, len(answers) - 1, n_items


def _components(parts: dict[str, float], flips: float | None, total: float) -> Iterator[Component]:
    """Luck with items is taken off the seeds in proportion: it is theirs as long as items are few."""
    left = 1.0 if flips is None or total == 0 else 1 - flips / total
    shares = {name: variance * left for name, variance in parts.items()}
    if flips is not None:
        shares["items"] = flips
    for name, variance in shares.items():
        yield Component(name, float(np.sqrt(variance)), variance / total if total else 0.0)


def _chains(runs: pd.DataFrame) -> tuple[float, float]:
    """Standard deviation of the chains' own slopes, and the intraclass correlation, from complete chains."""
    slopes: list[tuple[float, float, int]] = []  # variance between, expectation from runs, df
    levels: list[tuple[float, float, int]] = []
    for _, curve in runs.groupby("curve"):
        table = curve.assign(chain=curve["subset"].astype(str) + "/" + curve["train"].astype(str))
        values = table.pivot_table(index="chain", columns="amount", values="value").dropna()
        m, K = values.shape
        if m < 2 or K < 3:
            continue
        x = np.log2(values.columns.to_numpy(dtype=np.float64))
        x = x - x.mean()
        deviations = values.to_numpy() - values.to_numpy().mean(axis=0)
        own = deviations @ x / (x @ x)
        means = deviations.mean(axis=1)
        rest = deviations - means[:, None] - own[:, None] * x
        residual = float((rest**2).sum()) / ((m - 1) * (K - 2))
        slopes.append((float((own**2).sum()) / (m - 1), residual / float(x @ x), m - 1))
        levels.append((float((means**2).sum()) / (m - 1) - residual / K, residual, m - 1))
    if not slopes:
        return 0.0, 0.0
    weights = np.array([df for *_, df in slopes], dtype=np.float64)
    slope = np.average([between - expected for between, expected, _ in slopes], weights=weights)
    level = max(0.0, float(np.average([own for own, *_ in levels], weights=weights)))
    residual = float(np.average([rest for _, rest, _ in levels], weights=weights))
    return float(np.sqrt(max(0.0, slope))), level / (level + residual) if level else 0.0


def _correlation(runs: pd.DataFrame) -> float | None:
    """Mean correlation of the deviations of curves that share amounts and seeds; None where none do."""
    centred = runs["value"] - runs.groupby(["curve", "amount"])["value"].transform("mean")
    table = runs.assign(value=centred).pivot_table(
        index=["amount", "subset", "train"], columns="curve", values="value"
    )
    together = table.dropna()
    if together.shape[1] < 2 or len(together) < 3:
        return None
    products = together.to_numpy().T @ together.to_numpy()
    own = np.diag(products)
    if (own == 0).any():
        return None
    upper = np.triu_indices(len(own), 1)
    return float(np.mean((products / np.sqrt(np.outer(own, own)))[upper]))
