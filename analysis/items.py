"""The single items behind records: what their choice adds when the target is problems like these."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.least_squares import Estimate, Level, t_interval
from analysis.metric import POINTS_PER_FRACTION
from analysis.study import Study
from orchestrator.artifacts import Store

THIS_BENCHMARK = "this benchmark"
PROBLEMS_LIKE_THESE = "problems like these"


@dataclass(frozen=True)
class Items:
    """Correctness of each item in each run, in points (0 or 100), and the cluster of each item."""

    correct: Floats  # (runs, items)
    clusters: NDArray[np.intp]  # (items,), numbered from 0


def items_of(study: Study, records: Sequence[str]) -> Items | None:
    """The items of these records in their order; None where one has no items, or others than the first."""
    store = Store(study.folder.outputs)
    tables = [_read(store.folder("record", record) / "items.parquet") for record in records]
    first = tables[0] if tables else None
    if first is None:
        return None
    rows = []
    for table in tables:
        if table is None or not table.index.equals(first.index):
            return None
        rows.append(table["correct"].to_numpy(dtype=np.float64))
    clusters = pd.factorize(first["cluster_id"].fillna(pd.Series(first.index, index=first.index)))[0]
    return Items(np.array(rows) * POINTS_PER_FRACTION, clusters.astype(np.intp))


def for_problems_like_these(
    headline: Estimate, weights: Floats, chains: NDArray[np.intp] | None, items: Items
) -> Estimate:
    """The interval of `weights @ run means` when items are a sample too, clustered by runs and by items.

    V = V_runs + V_items - V_both (Cameron, Gelbach and Miller 2011): that of the headline, that of the items'
    own contributions (clusters of items together, Miller 2024), less the scatter within both, which both
    count. Degrees of freedom by Satterthwaite. Without the headline's error there is none.
    """
    if headline.estimate is None or headline.standard_error is None or headline.degrees_of_freedom is None:
        return Estimate(headline.estimate, None, None, None)
    contributions = weights @ items.correct
    n_items, n_clusters = len(contributions), int(items.clusters.max()) + 1
    if n_clusters < 2:
        return Estimate(headline.estimate, None, None, None)
    sums = np.bincount(items.clusters, contributions - contributions.mean())
    of_items = n_clusters / (n_clusters - 1) * float(sums @ sums) / n_items**2
    of_runs = headline.standard_error**2
    both = _both(weights, chains, items) if headline.level is Level.CHAIN and chains is not None else 0.0
    variance = max(of_runs + of_items - both, of_runs, of_items)
    parts = of_runs**2 / headline.degrees_of_freedom + of_items**2 / (n_clusters - 1)
    freedom = variance**2 / parts if parts > 0 else headline.degrees_of_freedom
    level = headline.level or Level.RUN
    return t_interval(headline.estimate, float(np.sqrt(variance)), float(freedom), level)


def _both(weights: Floats, chains: NDArray[np.intp], items: Items) -> float:
    """The variance of what is neither an item's nor a chain's own: the residual of their two-way table."""
    m = int(chains.max()) + 1
    table = np.zeros((m, items.correct.shape[1]))
    np.add.at(table, chains, weights[:, None] * items.correct)
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    n = table.shape[1]
    return float((rest**2).sum()) * m / ((m - 1) * (n - 1) * n)


@lru_cache(maxsize=4096)
def _read(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    return (
        pd.read_parquet(path, columns=["item_id", "cluster_id", "correct"]).set_index("item_id").sort_index()
    )
