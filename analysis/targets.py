"""The two targets of a study's numbers: this benchmark, and problems like these."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.compare import Comparison
from analysis.curve import estimate_json
from analysis.items import Items, for_problems_like_these, items_of
from analysis.laws import LOGLINEAR
from analysis.least_squares import Estimate
from analysis.study import Study
from analysis.table import seed_text

PER_DOUBLING = "per doubling"
AVERAGE = "average difference"
SLOPE_DIFFERENCE = "difference per doubling"


@dataclass(frozen=True)
class Targets:
    """One number with an interval for each target; of a strategy, or of `strategy` minus `against`."""

    group: dict[str, Any]
    strategy: str
    against: str | None
    what: str
    this_benchmark: Estimate
    problems_like_these: Estimate
    n_items: int
    n_clusters: int


def slope_targets(study: Study, group: dict[str, Any], rows: pd.DataFrame, slope: Estimate) -> Targets | None:
    """The slope of one curve, from the items of its records; None where they have none."""
    items = items_of(study, list(rows["record"]))
    if items is None or slope.low is None:
        return None
    weights = np.linalg.pinv(LOGLINEAR.design(rows["amount"].to_numpy(dtype=np.float64)))[1]
    chains = rows.groupby(["subset_seed", "train_seed"]).ngroup().to_numpy().astype(np.intp)
    like = for_problems_like_these(slope, weights, chains, items)
    return _targets(group, (str(group["strategy"]), None), PER_DOUBLING, slope, like, items)


def comparison_targets(
    study: Study, one: Comparison, first: pd.DataFrame, second: pd.DataFrame
) -> Iterator[Targets]:
    """The differences of a comparison, paired by run and by item; nothing where either is missing."""
    both = _records(first).merge(_records(second), on=["amount", "chain"], suffixes=("_first", "_second"))
    found = [items_of(study, list(both[f"record_{side}"])) for side in ("first", "second")]
    if not len(both) or found[0] is None or found[1] is None:
        return
    if not np.array_equal(found[0].clusters, found[1].clusters):
        return
    items = Items(found[0].correct - found[1].correct, found[0].clusters)
    chains = both.groupby("chain").ngroup().to_numpy().astype(np.intp)
    estimates = {AVERAGE: (one.average, np.full(len(both), 1 / len(both)))}
    if both["amount"].nunique() > 1:
        design = LOGLINEAR.design(both["amount"].to_numpy(dtype=np.float64))
        estimates[SLOPE_DIFFERENCE] = (one.per_doubling, np.linalg.pinv(design)[1])
    for what, (estimate, weights) in estimates.items():
        if estimate.low is not None:
            like = for_problems_like_these(estimate, weights, chains, items)
            yield _targets(one.group, (one.first, one.second), what, estimate, like, items)


def targets_json(found: Iterable[Targets]) -> list[dict[str, Any]]:
    """The targets for machines."""

    return [
        {
            **one.group,
            "strategy": one.strategy,
            "against": one.against,
            "what": one.what,
            "this_benchmark": estimate_json(one.this_benchmark),
            "problems_like_these": estimate_json(one.problems_like_these),
            "n_items": one.n_items,
            "n_clusters": one.n_clusters,
        }
        for one in found
    ]


def _records(rows: pd.DataFrame) -> pd.DataFrame:
    seeds = zip(rows["subset_seed"], rows["train_seed"], strict=True)
    chains = [seed_text(subset, train) for subset, train in seeds]
    return pd.DataFrame(
        {"amount": rows["amount"].to_numpy(), "chain": chains, "record": rows["record"].to_numpy()}
    )


def _targets(
    group: dict[str, Any],
    names: tuple[str, str | None],
    what: str,
    this: Estimate,
    like: Estimate,
    items: Items,
) -> Targets:
    n_clusters = int(items.clusters.max()) + 1
    return Targets(group, *names, what, this, like, items.correct.shape[1], n_clusters)
